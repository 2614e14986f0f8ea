/* `config lint` and the check before a run: every message in full. The cases are
 * configs in cases/lint, what is said of each lies beside it. */
#include "cli/program.h"

#include "mmengine/file.h"
#include "mmengine/memory.h"

/* What the program says of `config` is the text of a file, whole. */
static void check_case(const char *config, const char *expected, int code)
{
    char *command = mm_strfmt("$P config lint %s", config);
    char *path = mm_strfmt("cases/lint/%s.txt", expected);
    char *text = mm_file_read(path, NULL);

    assert_non_null(text);
    assert_int_equal(run(command), code);
    assert_string_equal(program_text, text);
    mm_free(text);
    mm_free(path);
    mm_free(command);
}

static void test_mistakes(void **state)
{
    (void)state;
    check_case("cases/lint/mistakes.py", "mistakes", 2);
    check_case("cases/lint/paths.py", "paths", 2);
    check_case("cases/lint/scope.py", "scope", 2);
    check_case("cases/lint/old.py", "old", 2);
    check_case("cases/lint/keys.py", "keys", 2);
}

/* Schedules are made for trial: what is wrong between options shows, too. */
static void test_schedules(void **state)
{
    (void)state;
    static const struct {
        const char *scheduler, *says;
    } cases[] = {
        {"type='LinearLR', begin=5, end=5", "c.py:2:25: error: LinearLR: end must be"},
        {"type='StepLR', step_size=2, begin=20", "got begin=20, end=20"},
        {"type='CosineRestartLR', periods=[2]", "eta_min"},
        {"type='StepParamScheduler', step_size=2, param_name='wd'", "no option 'wd'"},
        {"type='OneCycleLR', eta_max=[0.1, 0.2]", "eta_max has 2 entries"},
        {"type='StepLR', step_size=2, count='optimizer_steps'", "by_epoch=False"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command =
            mm_strfmt("cat > $T/c.py << E\n_base_ = '$PWD/../configs/demo/digits.py'\n"
                      "param_scheduler = [dict(%s)]\nE\n$P config lint $T/c.py",
                      cases[i].scheduler);

        check_run(command, 2, cases[i].says);
        mm_free(command);
    }
}

static void test_outcomes(void **state)
{
    (void)state;
    check_case("cases/lint/outcomes.py", "outcomes", 1);
    check_case("cases/lint/import.py", "import", 0);
    check_case("cases/lint/fragment.py", "fragment", 2);
    check_case("--format json cases/lint/fragment.py", "fragment_json", 2);
}

static void test_folders(void **state)
{
    (void)state;
    check_case("cases/lint/folder cases/lint/old.py", "folder", 2);
    check_run("$P config lint --all cases/lint/folder", 2, "'FCOS' is known from");
    check_run("$P config lint cases/lint/none.py", 3,
              "could not open config 'cases/lint/none.py': no such file");
    check_run("$P config lint", 2, "FILE is missing");
}

/* What the repository has is without a fault, with its plugins too. */
static void test_own_configs(void **state)
{
    (void)state;
    check_run("$P config lint ../configs", 0, "0 mistakes");
    check_run("$P config lint ../examples/plugins/two_moons.py", 0,
              "'TwoMoons' comes from a plugin or another import, not checked");
    check_run("$P config lint --plugins ../examples/plugins/two_moons.py", 0,
              "0 mistakes (0 unknown, 0 unreadable), 0 places not built here, 0 not "
              "checked");
    check_run("sed s/TwoMoons/TwoMoon/ ../examples/plugins/two_moons.py > $T/m.py && "
              "MMENGINE_PLUGIN_PATH=../examples/plugins $P config lint --plugins "
              "$T/m.py",
              2, "did you mean 'TwoMoons'?");
}

/* Nothing is loaded: neither libtorch nor a compiler is needed. */
static void test_loads_nothing(void **state)
{
    (void)state;
    check_run("MMENGINE_CC=false LD_DEBUG=files $P config lint "
              "../examples/plugins/two_moons.py 2>&1 | grep -c libtorch",
              1, "0\n");
}

#define TRAIN "cd .. && OMP_NUM_THREADS=1 $P train configs/demo/digits.py "

/* All that a run needs and cannot have is said at once; the rest does not count. */
static void test_before_a_run(void **state)
{
    (void)state;
    check_run(TRAIN "--work-dir $T/w model.backbone.type=ConvNeXt "
                    "train_dataloader.dataset.type=CIFAR10 "
                    "test_dataloader.dataset.type=ImageNet",
              2, "");
    assert_string_equal(
        program_text,
        "error: --cfg-options:1:21: model.backbone.type: 'ConvNeXt' is known from "
        "mmpretrain 1.2.0, but "
        "not "
        "built here\n"
        "hint: a C plugin can add it: 'mmengine plugin new model ConvNeXt' begins one\n"
        "error: --cfg-options:1:31: train_dataloader.dataset.type: 'CIFAR10' is known "
        "from mmpretrain "
        "1.2.0, "
        "but not built here\n"
        "hint: a C plugin can add it: 'mmengine plugin new dataset CIFAR10' begins "
        "one\n");
    check_run("ls $T/w", 2, ""); /* nothing was begun */
    check_run("echo \"_base_ = '$PWD/../configs/demo/digits.py'\n"
              "visualizer = dict(type='DetLocalVisualizer', _scope_='mmdet',\n"
              "    vis_backends=[dict(type='LocalVisBackend'),\n"
              "                  dict(type='WandbVisBackend')])\n"
              "tta_model = dict(type='AverageClsScoreTTA')\n"
              "custom_hooks = []\n\" > $T/v.py; cd .. && OMP_NUM_THREADS=1 $P train "
              "$T/v.py --dry",
              0, "Dry run passed");
    assert_non_null(strstr(program_text,
                           "visualizer.type: 'DetLocalVisualizer' is known from "
                           "mmdetection 3.3.0, but not built here; continuing without "
                           "it\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_outcomes),     cmocka_unit_test(test_folders),
        cmocka_unit_test(test_own_configs),  cmocka_unit_test(test_loads_nothing),
        cmocka_unit_test(test_before_a_run),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
