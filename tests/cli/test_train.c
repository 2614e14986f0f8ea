/* Training as users meet it: runs, resumes, dry runs, signals, locks, and what is said
 * about configs, checkpoints and plugins that are no good. The data are the digits of
 * the repository and a plugin's points. */
#include "cli/program.h"

#include "mmengine/fileio.h"
#include "mmengine/value.h"

/* One thread: the runs are tiny and the machine may be busy. */
#define TRAIN "cd .. && OMP_NUM_THREADS=1 $P train "
#define TEST "cd .. && OMP_NUM_THREADS=1 $P test "
#define EVAL "cd .. && OMP_NUM_THREADS=1 $P eval "
#define MOONS TRAIN "examples/plugins/two_moons.py --work-dir $T/moons "
#define DIGITS "configs/demo/digits.py --work-dir $T/digits "

static void test_plugins_train(void **state)
{
    (void)state;
    check_run(MOONS "train_cfg.max_epochs=2 --seed 7", 0, "Epoch(train) [2][10/16]");
    check_run("ls $T/moons", 0, "epoch_2.pth");
    assert_non_null(strstr(program_text, "last_checkpoint"));
    check_run("cat $T/moons/two_moons.py", 0, "seed=7");
    /* goes on where it was */
    check_run(MOONS "train_cfg.max_epochs=3 --resume", 0, "Epoch(train) [3][10/16]");
    assert_null(strstr(program_text, "Epoch(train) [2]"));
    check_run(MOONS "train_cfg.max_epochs=4 --resume auto", 0,
              "Epoch(train) [4][10/16]");
    assert_null(strstr(program_text, "Epoch(train) [3]"));
    check_run("ls $T/moons", 0, "epoch_3.pth");
    check_run(MOONS "train_cfg.max_epochs=4 --resume $T/moons/epoch_2.pth", 0,
              "Epoch(train) [3][10/16]");
}

static void test_dry(void **state)
{
    (void)state;
    check_run("mkdir $T/tmp; " TRAIN "examples/plugins/two_moons.py --dry "
              "--work-dir $T/dry",
              0, "Dry run passed");
    assert_non_null(strstr(program_text, "162 parameters"));
    assert_non_null(strstr(program_text, "[64, 2] float32 cpu"));
    check_run("mkdir -p $T/tmp; cd .. && TMPDIR=$T/tmp OMP_NUM_THREADS=1 $P train "
              "examples/plugins/two_moons.py --dry",
              0, "Time of a step");
    check_run("ls -A $T/tmp", 0, "");
    assert_string_equal(program_text, "");
    check_run("ls $T/dry", 2, "");
}

/* What a run found out, another process finds out from the file. */
static void test_replay(void **state)
{
    (void)state;
    check_run(TRAIN "tests/nan_guard/trap.py --work-dir $T/trap", 1,
              "the loss in iteration 10 is not finite, first in net.1 (Square)");
    check_run("OMP_NUM_THREADS=1 $P replay $T/trap/nan_guard/iter_10.pth", 1,
              "first module that was not finite: net.1 (Square), in its output");
    assert_non_null(strstr(program_text, "batch 4, samples 12, 13, 14, 15"));
    assert_null(strstr(program_text, "net.2"));
    check_run("OMP_NUM_THREADS=1 $P replay --all $T/trap/nan_guard/iter_10.pth", 1,
              "  net.2 (BatchNorm1d)");
    check_run(TRAIN "tests/nan_guard/trap.py --work-dir $T/trap2 "
                    "custom_hooks.0.action=skip",
              0, "skipped the step of iteration 10: 1 in a row, 1 in all");
    assert_non_null(strstr(program_text, "skipped_steps: 1"));
    check_run("$P replay $T/trap/epoch_1.pth", 3, "is no file to replay");
    check_run("$P replay $T/none.pth", 3, "none.pth");
    check_run("$P replay", 2, "FILE");
}

static void test_whole_run(void **state)
{
    (void)state;
    check_run(TRAIN DIGITS "train_cfg.max_epochs=3", 0, "accuracy/top1: ");
    check_run("ls $T/digits", 0, "best_accuracy_top1_epoch_");
    check_run(TEST DIGITS "$T/digits/epoch_3.pth", 0, "accuracy/top1: ");
    check_run(TEST DIGITS "$T/digits/epoch_3.pth --out $T/new/p.pkl", 0,
              "Results has been saved to ");
    check_run("grep -h -o 'accuracy/top1: [0-9.]*' $T/digits/*/*.log | tail -n 1", 0,
              "");
    check_run(EVAL "configs/demo/digits.py $T/new/p.pkl -o $T/p.json", 0,
              "accuracy/top5: ");
    check_run("cat $T/p.json", 0, "{\"accuracy/top1\": ");
    check_run(EVAL "configs/demo/digits.py $T/none.pkl", 3, "none.pkl");
    check_run(EVAL "configs/demo/digits.py $T/digits/epoch_3.pth", 3, "epoch_3.pth");
    check_run(TEST DIGITS "$T/digits/epoch_3.pth --out $T/p.txt", 2, "p.txt");
    check_run("$P plot $T/digits", 0, "curves.svg");
    check_run("grep -c '<svg' $T/digits/curves.svg && head -c 8 $T/digits/curves.png | "
              "od -An -c",
              0, "P   N   G");
    check_run(
        "$P plot $T/digits $T/moons -k loss -o $T/both.svg && test -s $T/both.svg", 0,
        "wrote ");
    check_run("$P plot $T/none", 3, "none");
    check_run(TRAIN DIGITS "--no-validate train_cfg.max_epochs=1 "
                           "default_hooks.checkpoint.save_best=None",
              0, "Epoch(train) [1]");
    assert_null(strstr(program_text, "accuracy/top1"));
}

static void test_config_verbs(void **state)
{
    (void)state;
    check_run("cd .. && $P config show configs/demo/digits.py data_root=elsewhere", 0,
              "data_root = 'elsewhere'");
    check_run("cd .. && $P config dump configs/demo/digits.py $T/d.py && "
              "$P config dump $T/d.py $T/e.py && cmp $T/d.py $T/e.py && echo equal",
              0, "equal");
    check_run("cd .. && $P config show configs/demo/digits.py > $T/f.py && "
              "$P config configs/demo/digits.py --format json > $T/a.txt && "
              "$P config $T/f.py --format json > $T/b.txt && "
              "cmp $T/a.txt $T/b.txt && echo equal",
              0, "equal");
    check_run("cd .. && $P config dump configs/demo/digits.py $T/d.json && "
              "grep -c LinearClsHead $T/d.json",
              0, "1");
    check_run("cd .. && $P config dump configs/demo/digits.py $T/d.txt", 2, "txt");
}

/* A copy of the two-moons config with one line changed by sed. */
#define CHANGED(edit)                                                                  \
    "sed '" edit "' ../examples/plugins/two_moons.py > $T/bad.py && "                  \
    "export MMENGINE_PLUGIN_PATH=$PWD/../examples/plugins && cd $T && "                \
    "OMP_NUM_THREADS=1 $P train bad.py --work-dir bad"

static void test_bad_configs(void **state)
{
    (void)state;
    check_run(CHANGED("s/hidden=32/hiden=32/"), 2,
              "bad.py:5:32: model.hiden: PluginMLP has no option 'hiden'");
    assert_non_null(strstr(program_text, "did you mean 'hidden'?"));
    check_run(CHANGED("s/hidden=32/hidden=-1/"), 2,
              "model.hidden: PluginMLP expects int 1 to 2147483647, got -1 (int)");
    check_run(CHANGED("s/PluginMLP/PluginMLQ/"), 2, "did you mean 'PluginMLP'?");
    check_run(CHANGED("s/std=0.1/std=\"x\"/"), 2, "expects float 0.0 to 1000000.0");
    check_run(CHANGED("s/lr=0.02/lrr=0.02/"), 2, "has no option 'lrr'");
    check_run(CHANGED("s/train_cfg = /train_cfg = = /"), 2,
              "bad.py:14:13: syntax error");
    check_run("test -e $T/bad/last_checkpoint", 1, "");
    check_run(MOONS "optim_wrapper.optimizer.lrr=1", 2, "did you mean");
    check_run(MOONS "trian_cfg.max_epochs=1", 2, "train_cfg");
    check_run(MOONS "--amp optim_wrapper.type=NoWrapper", 2, "NoWrapper");
    check_run(MOONS "--auto-scale-lr", 2, "auto_scale_lr.base_batch_size");
    check_run(MOONS "--seed x", 2, "--seed takes a whole number");
    check_run(MOONS "--launcher pytorch", 1, "launcher 'pytorch'");
}

static void test_bad_plugins(void **state)
{
    (void)state;
    check_run(CHANGED("s/jitter/jittter/"), 2,
              "bad.py:3:34: could not import 'jittter': no such plugin");
    check_run("cp ../examples/plugins/mlp.c $T/mlp.c; echo 'int x = y;' >> "
              "$T/mlp.c; " CHANGED("s/x/x/"),
              4, "mlp.c:41:9: error:");
    check_run("rm $T/mlp.c", 0, "");
}

static void test_bad_checkpoints(void **state)
{
    (void)state;
    check_run(TEST DIGITS "$T/none.pth", 3, "none.pth");
    check_run("head -c 2000 $T/digits/epoch_3.pth > $T/cut.pth; " TEST DIGITS
              "$T/cut.pth",
              3, "cut.pth");
    check_run("echo no checkpoint > $T/text.pth; " TRAIN DIGITS "--resume $T/text.pth",
              3, "text.pth");
}

/* Runs for ever in the background; its output goes to $T/log, its pid to $T/pid. */
#define ENDLESS                                                                        \
    "cd ..; rm -f $T/log; OMP_NUM_THREADS=1 $P train examples/plugins/two_moons.py "   \
    "--work-dir $T/endless train_cfg.max_epochs=100000 "                               \
    "default_hooks.logger.interval=5 > $T/log 2>&1 & pid=$!; "                         \
    "for i in $(seq 300); do grep -q 'Epoch(train) *\\[2\\]' $T/log && break; "        \
    "sleep 0.1; done; "

static void test_signals(void **state)
{
    (void)state;
    check_run("rm -rf $T/endless; " ENDLESS "kill -INT $pid; wait $pid; echo code $?; "
              "cat $T/log",
              0, "code 130");
    assert_non_null(strstr(program_text, "stopping after this iteration"));
    check_run("cat $T/endless/last_checkpoint", 0, ".pth");
    /* what it saved is a checkpoint to go on from */
    check_run(TRAIN "examples/plugins/two_moons.py --work-dir $T/endless --resume "
                    "train_cfg.max_epochs=3",
              0, "esum");
    check_run("rm -rf $T/endless; " ENDLESS "kill -TERM $pid; wait $pid; echo code $?",
              0, "code 143");
    /* the second signal does not wait for anything */
    check_run("rm -rf $T/endless; " ENDLESS "kill -STOP $pid; kill -INT $pid; "
              "kill -TERM $pid; kill -CONT $pid; wait $pid; echo code $?; cat $T/log",
              0, "code 143");
    assert_non_null(strstr(program_text, "left at once"));
    check_run("rm -rf $T/endless; " ENDLESS
              "kill -USR1 $pid; sleep 1; cat $T/endless/last_checkpoint; "
              "kill -0 $pid && echo alive; kill -KILL $pid; wait $pid; true",
              0, "alive");
    assert_non_null(strstr(program_text, ".pth"));
}

static void test_lock(void **state)
{
    (void)state;
    check_run("rm -rf $T/endless; " ENDLESS
              "OMP_NUM_THREADS=1 $P train examples/plugins/two_moons.py --work-dir "
              "$T/endless train_cfg.max_epochs=1; echo second $?; "
              "OMP_NUM_THREADS=1 $P train examples/plugins/two_moons.py --work-dir "
              "$T/endless train_cfg.max_epochs=1 --force | tail -3; echo forced $?; "
              "kill -KILL $pid; wait $pid; "
              "OMP_NUM_THREADS=1 $P train examples/plugins/two_moons.py --work-dir "
              "$T/endless train_cfg.max_epochs=1; echo third $?",
              0, "second 1");
    assert_non_null(strstr(program_text, "--force"));
    assert_non_null(strstr(program_text, "forced 0"));
    assert_non_null(strstr(program_text, "third 0"));
}

static void test_environment(void **state)
{
    (void)state;
    check_run("$P env", 0, "PyTorch: ");
    check_run("$P env --no-torch", 0, "Built for libtorch: ");
    check_run("cd .. && C=$PWD/examples/plugins/two_moons.py && cd $T && "
              "OMP_NUM_THREADS=1 MMENGINE_WORK_DIR=runs MMENGINE_LOG_LEVEL=WARNING "
              "$P train $C train_cfg.max_epochs=1 && ls runs/two_moons",
              0, "epoch_1.pth");
    assert_null(strstr(program_text, "INFO"));
}

/* The program's output as JSON: one value, or one a line as a list. */
static mm_value *said_json(const char *command, bool is_lines)
{
    check_run(command, 0, "");
    size_t size = strlen(program_text);
    mm_value *value = is_lines ? mm_json_parse_lines(program_text, size, "said")
                               : mm_json_parse(program_text, size, "said");

    check_ok();
    return value;
}

/* The value at a position: that of the last change before it or there. */
static double forecast_at(const mm_value *points, int64_t at)
{
    double value = 0.0;

    for (size_t i = 0; i < mm_value_len(points); i++) {
        const mm_value *point = mm_list_get(points, i);

        if (mm_value_i64(mm_list_get(point, 0)) <= at) {
            value = mm_value_f64(mm_list_get(point, 1));
        }
    }
    return value;
}

/* What a run logged of iteration after iteration is what was forecast. */
static void check_followed(const char *command, const mm_value *groups,
                           size_t num_records)
{
    mm_value *records = said_json(command, true);
    const mm_value *first = mm_dict_get(mm_list_get(groups, 0), "lr");
    const mm_value *base = mm_dict_get(mm_list_get(groups, 2), "lr");
    size_t seen = 0;

    for (size_t i = 0; i < mm_value_len(records); i++) {
        const mm_value *record = mm_list_get(records, i);

        if (mm_dict_has(record, "lr")) {
            int64_t at = mm_value_i64(mm_dict_get(record, "step")) - 1;

            assert_true(mm_value_f64(mm_dict_get(record, "lr")) ==
                        forecast_at(first, at));
            assert_true(mm_value_f64(mm_dict_get(record, "base_lr")) ==
                        forecast_at(base, at));
            seen++;
        }
    }
    assert_int_equal(seen, num_records);
    mm_value_unref(records);
}

/* Steps of the optimizer, iterations and epochs at once, with three groups;
 * undisturbed, and resumed where a window of four iterations is unfinished. */
static void test_schedules_are_as_forecast(void **state)
{
    (void)state;
    mm_value *forecast =
        said_json("cd .. && $P schedule tests/cli/schedules.py --json", false);
    const mm_value *groups = mm_dict_get(forecast, "groups");

    assert_int_equal(mm_value_len(groups), 3);
    assert_int_equal(mm_value_len(mm_dict_get(mm_list_get(groups, 0), "params")), 8);
    assert_true(mm_value_is_true(mm_dict_get(mm_list_get(groups, 2), "is_base")));
    check_run(TRAIN "tests/cli/schedules.py --work-dir $T/s", 0,
              "LR is set based on batch size of 32 and the current batch size is 64. "
              "Scaling the original LR by 2.0.");
    assert_non_null(strstr(program_text,
                           "effective batch size: 256 = 64 per device x 1 "
                           "device x 4 accumulated"));
    check_followed("cat $T/s/*/vis_data/scalars.json", groups, 69);
    check_run(TRAIN "tests/cli/schedules.py --work-dir $T/r --resume $T/s/epoch_1.pth",
              0, "");
    check_followed("cat $T/r/*/vis_data/scalars.json", groups, 46);
    check_run(TRAIN "tests/cli/schedules.py --work-dir $T/c --resume $T/s/epoch_1.pth "
                    "resume_policy=config",
              0, "");
    check_followed("cat $T/c/*/vis_data/scalars.json", groups, 46);
    mm_value_unref(forecast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugins_train),
        cmocka_unit_test(test_dry),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_whole_run),
        cmocka_unit_test(test_config_verbs),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_bad_plugins),
        cmocka_unit_test(test_bad_checkpoints),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_schedules_are_as_forecast),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
