/* Event files, the form that TensorBoard reads: records of a length, its checksum, the
 * data and its checksum; the data are protocol buffers, written by hand. */
#ifndef MMI_VISUALIZATION_TFEVENTS_H
#define MMI_VISUALIZATION_TFEVENTS_H

#include "base/os.h"
#include "base/str.h"
#include "mmengine/canvas.h"

typedef struct mmi_tfevents {
    mmi_file file;
    char *path;
    mmi_str pending; /* records that are not written yet */
} mmi_tfevents;

/* Makes "<dir>/events.out.tfevents.<seconds>.<host>.<pid>.<n>"; `dir` is there. */
mm_status mmi_tfevents_open(mmi_tfevents *events, const char *dir);
/* Add records; mmi_tfevents_write() puts them into the file. */
void mmi_tfevents_add_scalar(mmi_tfevents *events, const char *tag, double value,
                             int64_t step);
void mmi_tfevents_add_text(mmi_tfevents *events, const char *tag, const char *text,
                           int64_t step);
void mmi_tfevents_add_image(mmi_tfevents *events, const char *tag,
                            const mm_image *image, int64_t step);
/* One write of all that was added, so that a killed process leaves at most one record
 * that is not whole, the last. */
mm_status mmi_tfevents_write(mmi_tfevents *events);
/* Syncs and closes. Returns what is pending. */
mm_status mmi_tfevents_close(mmi_tfevents *events);

#endif
