/* `mmengine schedule`: text, JSON and pictures of what a training would do, from
 * configs whose data and models are not there. That trainings do the same is in
 * test_train.c. */
#include "cli/program.h"

#include "mmengine/file.h"

/* A config in $T/c.py, and the verb over it. */
#define CONFIG(lines) "printf '%s\n' \"" lines "\" > $T/c.py; "
#define RUN "$P schedule $T/c.py "

#define EPOCHS                                                                         \
    "train_cfg = dict(by_epoch=True, max_epochs=10)\n"                                 \
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))\n"
#define STEPS                                                                          \
    "param_scheduler = dict(type='MultiStepLR', milestones=[3, 6], gamma=0.5)\n"

static void test_epochs_need_no_data(void **state)
{
    (void)state;
    check_run(CONFIG(EPOCHS STEPS) RUN, 0, "");
    assert_string_equal(
        program_text,
        "10 epochs\n"
        "\n"
        "SGD\n"
        "  lr             0.1                         epochs 0 to 3                "
        "MultiStepLR\n"
        "                 0.05                        epochs 3 to 6                "
        "MultiStepLR\n"
        "                 0.025                       epochs 6 to 10               "
        "MultiStepLR\n"
        "  momentum       0.9\n"
        "  weight_decay   0\n");
    check_run(RUN "--json", 0,
              "\"lr\": [[0, 0.1], [3, 0.05], [6, 0.025]], \"momentum\": [[0, 0.9]]");
    assert_non_null(strstr(program_text, "\"unit\": \"epoch\", \"length\": 10"));
    assert_non_null(strstr(program_text, "\"epoch_length\": null"));
    check_run(RUN "--epoch-length 7 --json", 0, "[[0, 0.1], [21, 0.05], [42, 0.025]]");
    check_run(RUN "optim_wrapper.optimizer.lr=0.2", 0, "0.2  ");
}

#define ITERATIONS                                                                     \
    "train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)\n"                     \
    "train_dataloader = dict(batch_size=8)\n"                                          \
    "optim_wrapper = dict(accumulative_counts=4, optimizer=dict(type='Adam', "         \
    "lr=0.01))\n"                                                                      \
    "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, "      \
    "end=20),\n dict(type='PolyLR', by_epoch=False, begin=20),\n"                      \
    " dict(type='ReduceOnPlateauLR', monitor='acc')]\n"

static void test_iterations(void **state)
{
    (void)state;
    check_run(CONFIG(ITERATIONS) RUN, 0,
              "100 iterations\n"
              "effective batch size: 32 = 8 per device x 1 device x 4 accumulated\n");
    assert_non_null(strstr(program_text,
                           "0.001 -> 0.01               iterations 0 to 20"
                           "           LinearLR\n"));
    assert_non_null(strstr(program_text, "0.01 -> 0                   iterations 20 to "
                                         "100         PolyLR\n"));
    assert_non_null(strstr(program_text, "ReduceOnPlateauLR waits for 'acc'"));
    assert_null(strstr(program_text, "skipped"));
    check_run(CONFIG(ITERATIONS "param_scheduler[0].update(count='optimizer_steps')\n"
                                "param_scheduler[1].update(begin=80)\n") RUN,
              0, "0.001 -> 0.01               iterations 0 to 80");
    assert_non_null(strstr(program_text, "as if none were skipped"));
}

static void test_learning_rates_are_scaled(void **state)
{
    (void)state;
    static const char scale[] =
        CONFIG(ITERATIONS "auto_scale_lr = dict(base_batch_size=16)\n");
    char command[2048];

    snprintf(command, sizeof command, "%s%s", scale, RUN);
    check_run(command, 0, "100 iterations\neffective");
    assert_null(strstr(program_text, "auto_scale_lr"));
    check_run(RUN "--auto-scale-lr", 0,
              "auto_scale_lr: learning rates x 0.5 (batch size 8 instead of 16)");
    assert_non_null(strstr(program_text, "0.0005 -> 0.005"));
    check_run(RUN "--auto-scale-lr auto_scale_lr.count_accumulation=True", 0,
              "learning rates x 2 (batch size 32 instead of 16)");
    check_run(RUN "auto_scale_lr.enable=True auto_scale_lr.base_batch_size=0", 2,
              "base_batch_size is 0: it must be positive");
}

#define TWO                                                                            \
    "train_cfg = dict(by_epoch=True, max_epochs=4)\n"                                  \
    "train_dataloader = dict(batch_size=8)\n"                                          \
    "optim_wrapper = dict(gen=dict(optimizer=dict(type='Adam', lr=0.01, betas=(0.5, "  \
    "0.9))),\n dis=dict(accumulative_counts=2, optimizer=dict(type='SGD', lr=0.1)))\n" \
    "param_scheduler = dict(gen=dict(type='LinearMomentum', start_factor=0.5, "        \
    "end=3),\n dis=[dict(type='StepLR', step_size=2)])\n"

static void test_several_optimizers(void **state)
{
    (void)state;
    check_run(CONFIG(TWO) RUN "--json", 0, "\"momentum\": [[0, 0.25], [1, 0.375], ");
    assert_non_null(strstr(program_text, "[[0, 0.1], [2, 0.010000000000000002]]"));
    check_run(RUN, 0, "gen: Adam, effective batch size 8\n  lr             0.01\n");
    assert_non_null(strstr(program_text, "dis: SGD, effective batch size 16\n"));
    check_run(CONFIG(TWO "param_scheduler['disc'] = param_scheduler.pop('dis')\n") RUN,
              2, "param_scheduler: there is no optimizer 'disc'");
    assert_non_null(strstr(program_text, "dis"));
}

static void test_pictures(void **state)
{
    (void)state;
    check_run(CONFIG(TWO) RUN "--plot $T/new/p.svg", 0, "wrote ");
    check_run("grep -c 'gen: Adam' $T/new/p.svg", 0, "");
    check_run("grep -o '>epoch<' $T/new/p.svg | head -n 1", 0, ">epoch<");
    check_run(RUN "--plot $T/p.png && head -c 8 $T/p.png | od -An -c", 0, "P   N   G");
    check_run(RUN "--plot $T/p.txt", 1, "must be .svg or .png");
}

/* Wrong schedules are said with their place, before anything is built. */
static void test_wrong_configs(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *says;
    } cases[] = {
        {"type='LinearLR', begin=5, end=5", "c.py:3:"},
        {"type='LinearLR', begin=5, end=5", "end must be larger than begin"},
        {"type='LinearLR', start_factor=2.0", "start_factor"},
        {"type='MultiStepLR'", "milestones"},
        {"type='MultiStepLR', milestones=[1, 2.5]", "milestones"},
        {"type='OneCycleLR', total_steps=5", "eta_max"},
        {"type='StepLR', step_size=2, count='optimizer_steps'", "by_epoch=False"},
        {"type='CosineAnnealingLR', eta_min=0, eta_min_ratio=0", "exclude each other"},
        {"type='StepParamScheduler', step_size=2, param_name='wd'", "no option 'wd'"},
        {"type='OneCycleLR', eta_max=[0.1, 0.2], total_steps=5", "2 entries"},
        {"type='ReduceOnPlateauLR', min_value=[0.1, 0.2]", "2 entries"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command = mm_strfmt("cat > $T/c.py << E\n" EPOCHS
                                  "param_scheduler = \\\n    dict(%s)\nE\n" RUN,
                                  cases[i].lines);

        check_run(command, 2, cases[i].says);
        mm_free(command);
    }
}

static void test_wrong_calls(void **state)
{
    (void)state;
    check_run("$P schedule", 2, "CONFIG");
    check_run("$P schedule $T/none.py", 2, "no such file");
    check_run(CONFIG("a = 1\n") RUN, 2, "it has no train_cfg");
    check_run(CONFIG("train_cfg = dict(by_epoch=True, max_epochs=3)\n") RUN, 2,
              "it has no optim_wrapper");
    check_run(CONFIG("train_cfg = dict(by_epoch=True)\n") RUN, 2,
              "neither max_epochs nor max_iters");
    check_run(CONFIG(EPOCHS STEPS) RUN "--epoch-length 0x", 2,
              "epoch-length takes a whole number");
    check_run(RUN "--epoch-length -3", 2, "--epoch-length");
    /* the length of an epoch is asked for only if it is needed */
    check_run(RUN "param_scheduler.convert_to_iter_based=True", 2,
              "--epoch-length N says how many");
    check_run(RUN "param_scheduler.convert_to_iter_based=True --epoch-length 5", 0,
              "iterations 15 to 30");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs_need_no_data),
        cmocka_unit_test(test_iterations),
        cmocka_unit_test(test_learning_rates_are_scaled),
        cmocka_unit_test(test_several_optimizers),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_wrong_configs),
        cmocka_unit_test(test_wrong_calls),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
