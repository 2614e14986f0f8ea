/* Resuming through the program: after signals at every stage, in another folder, with
 * another number of workers, in the middle of an accumulation, and for longer than was
 * planned. Each ends as the undisturbed run does, bit for bit. */
#include "scenario.h"

/* Files that a signal made stay beside the regular ones; the others must be equal. */
static void assert_equal_runs(const char *expected)
{
    tt_extra_files = "iter_";
    int faults = tt_compare_runs("train", expected);

    tt_extra_files = NULL;
    assert_int_equal(faults, 0);
}

/* A run that began in the middle: its last weights and what it logged. */
static void assert_equal_ends(const char *file, const char *expected)
{
    char a[1024], b[1024];

    assert_int_equal(tt_compare_states(tt_path("train", file, a, sizeof(a)),
                                       tt_path(expected, file, b, sizeof(b))),
                     0);
    assert_int_equal(tt_compare_later_logs("train", expected), 0);
}

/* ---- signals ---- */

/* Ends runs by a signal at a stage, goes on, compares. */
static void assert_signals_are_exact(const char *config, const char *const *signals)
{
    struct tt_run run = {.name = "train", .config = config, .resume = ""};

    make_expected(run, "expected");
    for (; *signals != NULL; signals++) {
        bool term = strstr(*signals, "TERM") != NULL;

        train(&run, *signals, term ? 143 : 130);
        assert_false(tt_said("train", "Epoch(train) [9]"));
        train(&run, NULL, 0);
        assert_equal_runs("expected");
        clear("train");
    }
    clear("expected");
}

static void a_signal_saves_and_the_run_goes_on_later(void **state)
{
    static const char *const in_epochs[] = {"after_train_iter 1 INT",
                                            "after_train_iter 23 TERM",
                                            "after_train_iter 80 TERM",
                                            "after_train_epoch 2 INT",
                                            "after_val_iter 5 TERM",
                                            "after_val_epoch 2 TERM",
                                            NULL};
    static const char *const in_iters[] = {"after_train_iter 14 INT",
                                           "after_train_iter 20 TERM",
                                           "after_val_iter 6 TERM", NULL};
    (void)state;

    assert_signals_are_exact("signal_epoch.py", in_epochs);
    assert_signals_are_exact("signal_iter.py", in_iters);
}

static void a_second_signal_leaves_at_once(void **state)
{
    struct tt_run run = {.name = "train", .config = "signal_epoch.py", .resume = ""};
    (void)state;

    make_expected(run, "expected");
    train(&run, "after_train_iter 35 INT TERM", 143);
    assert_true(tt_said("train", "left at once"));
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
    clear("train");
    train(&run, "after_val_iter 6 TERM INT", 130);
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
}

static void usr1_saves_and_goes_on(void **state)
{
    struct tt_run run = {.name = "train", .config = "signal_epoch.py", .resume = ""};
    char path[1024];
    (void)state;

    make_expected(run, "expected");
    train(&run, "after_train_iter 26 USR1", 0);
    assert_true(tt_said("train", "on request"));
    /* a later regular file has made it needless */
    assert_false(mm_file_exists(tt_path("train", "iter_26.pth", path, sizeof(path))));
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
    clear("train");
    run.name = "donor";
    run.fault = "rename iter_26.pth 1 after";
    train(&run, "after_train_iter 26 USR1", 137);
    run.name = "train";
    run.fault = NULL;
    run.resume = "../donor/run/iter_26.pth";
    train(&run, NULL, 0);
    assert_equal_ends("epoch_8.pth", "expected");
}

/* ---- other moments and places ---- */

static void any_iteration_of_an_accumulation_is_exact(void **state)
{
    struct tt_run run = {.name = "train", .resume = ""};
    static const char *const configs[] = {"signal_epoch.py", "signal_iter.py"};
    (void)state;

    run.options[0] = "optim_wrapper.accumulative_counts=4";
    for (int i = 0; i < 2; i++) {
        run.config = configs[i];
        make_expected(run, "expected");
        for (int at = 42; at <= 43; at++) {
            char signal[64];

            (void)snprintf(signal, sizeof(signal), "after_train_iter %d INT", at);
            train(&run, signal, 130);
            train(&run, NULL, 0);
            assert_equal_runs("expected");
            clear("train");
        }
        clear("expected");
    }
}

/* A run's folder is moved, with an absolute path in last_checkpoint, and goes on. */
static void a_moved_folder_goes_on(void **state)
{
    struct tt_run run = {.name = "train", .config = "signal_epoch.py", .resume = ""};
    (void)state;

    make_expected(run, "expected");
    run.name = "before";
    train(&run, "after_train_iter 45 TERM", 143);
    run.name = "train";
    move("before", "train");
    train(&run, NULL, 0);
    assert_true(tt_said("train", "resumed epoch: 4, iter: 45"));
    assert_equal_ends("epoch_8.pth", "expected");
    assert_int_equal(tt_check_folder("train", 2), 0);
}

/* A copy of a folder goes on from its own files, not from those it was copied from. */
static void a_copied_folder_uses_its_own_files(void **state)
{
    struct tt_run run = {.name = "before", .config = "signal_epoch.py", .resume = ""};
    char command[2048];
    (void)state;

    train(&run, "after_train_iter 45 TERM", 143);
    (void)snprintf(command, sizeof(command), "cp -a '%s/before' '%s/train'",
                   tt_places.folder, tt_places.folder);
    assert_int_equal(system(command), 0);
    train(&run, NULL, 0); /* the original goes on, too */
    run.name = "train";
    train(&run, NULL, 0);
    assert_true(tt_said("train", "resumed epoch: 4, iter: 45"));
    assert_false(tt_said("train", "/before/"));
    assert_equal_ends("epoch_8.pth", "before");
}

/* Going on from another run's checkpoint leaves that run's files alone. */
static void the_donor_of_a_checkpoint_keeps_its_files(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};
    (void)state;

    make_expected(run, "expected");
    run.name = "donor";
    run.options[0] = "train_cfg.max_epochs=4";
    train(&run, NULL, 0);
    run.options[0] = NULL;
    mm_value *before = tt_files("donor", "", "");

    run.name = "train";
    run.resume = "../donor/run/epoch_4.pth";
    train(&run, NULL, 0);
    mm_value *after = tt_files("donor", "", "");

    assert_true(mm_value_equal(before, after));
    mm_value_unref(before);
    mm_value_unref(after);
    assert_equal_ends("epoch_8.pth", "expected");
}

static void a_longer_training_is_the_long_training(void **state)
{
    static const char *const configs[] = {"epoch.py", "iter.py"};
    static const char *const shorter[] = {"train_cfg.max_epochs=4",
                                          "train_cfg.max_iters=42"};
    static const char *const ends[] = {"epoch_8.pth", "iter_77.pth"};
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct tt_run run = {.name = "train", .config = configs[i], .resume = ""};

        make_expected(run, "expected");
        run.options[0] = shorter[i];
        train(&run, NULL, 0);
        run.options[0] = NULL;
        train(&run, NULL, 0);
        assert_equal_ends(ends[i], "expected");
        clear("train");
        clear("expected");
    }
}

/* Once a run is done, going on changes nothing. */
static void a_finished_training_stays_as_it_is(void **state)
{
    static const char *const configs[] = {"epoch.py", "iter.py"};
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct tt_run run = {.name = "train", .config = configs[i], .resume = ""};

        make_expected(run, "expected");
        train(&run, NULL, 0);
        for (int again = 0; again < 2; again++)
            train(&run, NULL, 0);
        assert_int_equal(tt_compare_runs("train", "expected"), 0);
        clear("train");
        clear("expected");
    }
}

static void the_number_of_workers_may_change(void **state)
{
    struct tt_run run = {.name = "train", .config = "signal_epoch.py", .resume = ""};
    (void)state;

    make_expected(run, "expected");
    train(&run, "after_train_iter 33 INT", 130);
    run.options[0] = "train_dataloader.num_workers=3";
    run.options[1] = "val_dataloader.num_workers=2";
    train(&run, NULL, 0);
    assert_equal_ends("epoch_8.pth", "expected");
}

/* Several optimizers with a schedule each. */
static void several_optimizers_are_exact(void **state)
{
    struct tt_run run = {.name = "train", .config = "gan.py", .resume = ""};
    static const char *const signals[] = {"after_train_iter 7 INT",
                                          "after_train_iter 50 TERM",
                                          "after_train_epoch 3 INT"};
    (void)state;

    make_expected(run, "expected");
    for (int i = 0; i < 3; i++) {
        train(&run, signals[i], i == 1 ? 143 : 130);
        train(&run, NULL, 0);
        assert_equal_runs("expected");
        clear("train");
    }
    run.fault = "rename last_checkpoint 4 before";
    train(&run, NULL, 137);
    run.fault = NULL;
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
}

/* A DCGAN: noise of its own, running means, pictures. Killed in the middle of an epoch,
 * at its end and while the file of one is written, stopped by signals. */
static void a_gan_and_its_pictures_are_exact(void **state)
{
    struct tt_run run = {.name = "train", .config = "dcgan.py", .resume = ""};
    static const struct {
        const char *signal;
        int code;
    } ends[] = {{"after_train_iter 17 TERM", 143},
                {"after_train_iter 24 KILL", 137},
                {"after_train_epoch 2 KILL", 137},
                {"after_train_epoch 3 INT", 130}};
    (void)state;

    make_expected(run, "expected");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        train(&run, ends[i].signal, ends[i].code);
        train(&run, NULL, 0);
        assert_equal_runs("expected");
        clear("train");
    }
    run.fault = "rename epoch_3.pth 1 before";
    train(&run, NULL, 137);
    run.fault = NULL;
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
}

/* The job script of docs/resume.md, warned of its time limit and queued again. */
static void the_cluster_script_goes_on(void **state)
{
    struct tt_run run = {.name = "train", .config = "signal_epoch.py"};
    char command[4096];
    (void)state;

    make_expected(run, "expected");
    (void)snprintf(command, sizeof(command),
                   "sh '%s/tests/torture/cluster.sh' '%s' '%s' '%s/train' "
                   "'%s/tests/torture/configs/signal_epoch.py'",
                   tt_places.source, tt_places.program, tt_places.source,
                   tt_places.folder, tt_places.source);
    if (system(command) != 0) {
        tt_print_end_of_output("train");
        fail_msg("%s failed", command);
    }
    assert_equal_runs("expected");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_saves_and_the_run_goes_on_later),
        TEST(a_second_signal_leaves_at_once),
        TEST(usr1_saves_and_goes_on),
        TEST(any_iteration_of_an_accumulation_is_exact),
        TEST(a_moved_folder_goes_on),
        TEST(a_copied_folder_uses_its_own_files),
        TEST(the_donor_of_a_checkpoint_keeps_its_files),
        TEST(a_longer_training_is_the_long_training),
        TEST(a_finished_training_stays_as_it_is),
        TEST(several_optimizers_are_exact),
        TEST(a_gan_and_its_pictures_are_exact),
        TEST(the_cluster_script_goes_on),
        TEST(the_number_of_workers_may_change),
    };

    return run_scenarios(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
