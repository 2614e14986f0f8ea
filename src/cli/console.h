/* The console: colours, the sink for log lines, the live progress line. */
#ifndef CLI_CONSOLE_H
#define CLI_CONSOLE_H

#include "mmengine/log.h"
#include "mmengine/runner.h"

/* Decides about colours (`when`: --color or NULL) and installs the log sink. */
void cli_console_open(const char *when);
/* Columns of the terminal; 80 where there is none. */
int cli_width(void);
/* True if stderr may be coloured. */
bool cli_has_color(void);
/* Prints "error: ..." and, below it, a hint, both may have several lines. */
void cli_print_error(const char *message, const char *hint);
/* Writes where a run stands: "train 3/10 [====>   ] 120/469  85.0 it/s  eta 0:01:20".
 */
void cli_format_progress(const mm_progress *progress, char *out, size_t out_size);
/* Shows where a run stands; for mm_runner_set_progress(). */
void cli_show_progress(void *user, const mm_progress *progress);
/* Removes the progress line. */
void cli_clear_progress(void);

#endif
