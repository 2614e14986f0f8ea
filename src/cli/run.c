/* `train` and `test`: a runner under the console's progress line and signal handlers.
 * The first signal asks the runner to stop, which it honours after an iteration; the
 * second ends the process at once. */
#include <stdio.h>

#include "cli/console.h"
#include "cli/dry.h"
#include "cli/lint.h"
#include "cli/os_terminal.h"
#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

static const char greeting[] =
    "\nstopping after this iteration; the checkpoint follows. Again: leave at once\n";
static const char farewell[] = "\nleft at once\n";

/* Both run in a signal handler: a lock-free store and nothing else. */
static void ask_to_stop(void *runner)
{
    mm_runner_request(runner, MM_REQUEST_STOP);
}

static void ask_to_save(void *runner)
{
    mm_runner_request(runner, MM_REQUEST_SAVE);
}

static mm_status train(mm_runner *runner)
{
    return mm_runner_train(runner);
}

static mm_status test(mm_runner *runner)
{
    mm_value *metrics = mm_runner_test(runner);

    mm_value_unref(metrics);
    return mm_pending();
}

/* Runs under handlers and progress line. */
static int run(mm_runner *runner, mm_status (*what)(mm_runner *runner))
{
    mm_runner_set_progress(runner, cli_show_progress, NULL);
    cli_signals_open(&(struct cli_signals){.stop = ask_to_stop,
                                           .save = ask_to_save,
                                           .user = runner,
                                           .greeting = greeting,
                                           .farewell = farewell});
    mm_status status = what(runner);
    bool was_stopped = mm_runner_was_stopped(runner);

    cli_signals_close();
    cli_clear_progress();
    mm_runner_set_progress(runner, NULL, NULL);
    if (status < 0) {
        int code = cli_report();

        return cli_signal() != 0 ? CLI_SIGNAL + cli_signal() : code;
    }
    return was_stopped && cli_signal() != 0 ? CLI_SIGNAL + cli_signal() : CLI_DONE;
}

int cli_finish(int code)
{
    if (!mm_torch_is_open()) {
        (void)fflush(stdout);
        (void)fflush(stderr);
        cli_exit_now(code);
    }
    (void)mm_torch_open(); /* the thread that loaded it is gone after this */
    return code;
}

static int run_config(const struct cli_args *args, mm_config *config,
                      mm_status (*what)(mm_runner *runner))
{
    mm_runner *runner = mm_runner_new(config);

    if (runner == NULL) {
        return cli_report();
    }
    if (what == train && cli_is_given(args, "force")) {
        mm_runner_set_force(runner, true);
    }
    int code = run(runner, what);

    mm_runner_free(runner);
    return code;
}

int cli_train(const struct cli_args *args)
{
    int code = cli_register();

    if (code != CLI_DONE || mm_torch_open_ahead() != MM_OK) {
        return code != CLI_DONE ? code : cli_report();
    }
    mm_config *config = cli_load_config(args);

    if (config == NULL || cli_apply_train(config, args) != MM_OK) {
        code = cli_report_config();
    } else if ((code = cli_lint_run(config, MM_LINT_TRAIN)) != CLI_DONE) {
        /* said already */
    } else if (cli_is_given(args, "dry")) {
        code = cli_dry_run(config);
    } else {
        code = run_config(args, config, train);
    }
    mm_config_unref(config);
    return cli_finish(code);
}

int cli_test(const struct cli_args *args)
{
    int code = cli_register();

    if (code != CLI_DONE || mm_torch_open_ahead() != MM_OK) {
        return code != CLI_DONE ? code : cli_report();
    }
    mm_config *config = cli_load_config(args);

    code = config == NULL || cli_apply_test(config, args) != MM_OK
               ? cli_report_config()
               : cli_lint_run(config, MM_LINT_TEST);
    code = code == CLI_DONE ? run_config(args, config, test) : code;
    mm_config_unref(config);
    return cli_finish(code);
}
