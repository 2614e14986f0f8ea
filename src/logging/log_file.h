/* A log file that may begin anew by size or by time, as Python's logging.handlers. */
#ifndef MMI_LOGGING_LOG_FILE_H
#define MMI_LOGGING_LOG_FILE_H

#include "base/os.h"
#include "mmengine/log.h"

typedef struct mmi_log_file {
    char *path;
    mmi_file file;
    int64_t size;
    int64_t rotate_bytes; /* 0: not by size */
    char when;            /* of a time rotation: S M H D, N for midnight, W; 0: none */
    int weekday;          /* of W: 0 is Monday */
    int64_t interval_s;
    int64_t next_s; /* when the next time rotation is due, since 1970 */
    int keep;
} mmi_log_file;

/* Opens the file for appending and makes its folder. Close it also if this fails. */
mm_status mmi_log_file_open(mmi_log_file *file, const mm_logger_args *args);
/* Writes a text, beginning a new file first if that is due. 0 or an errno. Works while
 * an error is pending, raises nothing. */
int mmi_log_file_write(mmi_log_file *file, const char *text, size_t size,
                       int64_t wall_ns);
void mmi_log_file_close(mmi_log_file *file);

#endif
