/* What the program's files share beyond parsing. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/args.h"

/* Exit codes; 128+n for a signal. */
enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_DATA = 3,
    CLI_PLUGIN = 4,
    CLI_SIGNAL = 128
};

/* The kinds of `plugin new`. */
#define CLI_PLUGIN_KINDS "model|gan|loss|dataset|transform|metric|hook"

/* A name and what it means; tables end with {0}. */
struct cli_note {
    const char *name;
    const char *text;
};

extern const struct cli_note cli_exit_codes[];
extern const struct cli_note cli_environment[];

/* The verbs; each returns the exit code. */
int cli_train(const struct cli_args *args);
int cli_test(const struct cli_args *args);
int cli_eval(const struct cli_args *args);
int cli_replay(const struct cli_args *args);
int cli_list(const struct cli_args *args);
int cli_help(const struct cli_args *args);
int cli_plot(const struct cli_args *args);
int cli_schedule(const struct cli_args *args);
int cli_env(const struct cli_args *args);
int cli_config_show(const struct cli_args *args);
int cli_config_diff(const struct cli_args *args);
int cli_config_dump(const struct cli_args *args);
int cli_config_lint(const struct cli_args *args);
int cli_ckpt_show(const struct cli_args *args);
int cli_ckpt_verify(const struct cli_args *args);
int cli_ckpt_convert(const struct cli_args *args);
int cli_ckpt_average(const struct cli_args *args);
int cli_ckpt_diff(const struct cli_args *args);
int cli_ckpt_publish(const struct cli_args *args);
int cli_plugin_new(const struct cli_args *args);
int cli_plugin_build(const struct cli_args *args);
int cli_completion(const struct cli_args *args);
int cli_gen(const struct cli_args *args);

/* Registers everything that is built in: the engine's components and the zoo's. */
int cli_register(void);
/* Shows the pending error on stderr, clears it and returns the exit code it means. */
int cli_report(void);
/* The same while a config is read: a wrong key, type or value is the config's. */
int cli_report_config(void);
/* The same for what went wrong with the command line: exit code 2. */
int cli_usage_error(const struct cli_args *args, const char *message, const char *hint);

#endif
