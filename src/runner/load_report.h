/* What loading weights came to, for people. */
#ifndef MM_RUNNER_LOAD_REPORT_H
#define MM_RUNNER_LOAD_REPORT_H

#include "mmengine/module.h"

/* One log message: a line if all is well, else a table of what did not fit. */
void mmi_load_report_log(const mm_load_report *report, const char *path);
/* Adds to the pending error what might help: names that would match with another
 * prefix, and how to load a part on purpose. */
void mmi_load_report_hint(mm_module *model, const mm_value *weights);

#endif
