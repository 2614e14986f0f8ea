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
    bool is_utc;
    int at_s; /* of N and W: seconds after midnight */
    int keep;
    bool watches; /* that `path` is still this file: */
    uint64_t device, inode;
} mmi_log_file;

/* Opens the file for appending and makes its folder. Close it also if this fails. */
mm_status mmi_log_file_open(mmi_log_file *file, const mm_logger_args *args);
/* When a file that was begun or put aside at `now_s` is to end. */
int64_t mmi_log_file_next(const mmi_log_file *file, int64_t now_s);
/* The end of the name that the file gets when it is put aside at next_s. */
void mmi_log_file_date(const mmi_log_file *file, char *out, size_t out_size);
/* Writes a text, beginning a new file first if that is due. 0 or an errno. Works while
 * an error is pending, raises nothing. */
int mmi_log_file_write(mmi_log_file *file, const char *text, size_t size,
                       int64_t wall_ns);
void mmi_log_file_close(mmi_log_file *file);

#endif
