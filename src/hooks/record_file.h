/* records.jsonl: what scalars.json holds, with the place of each record in the run. */
#ifndef MM_HOOKS_RECORD_FILE_H
#define MM_HOOKS_RECORD_FILE_H

#include "base/os.h"
#include "mmengine/value.h"

typedef struct mmi_record_file {
    char *path;
    mmi_file file;
    int64_t begin_ns; /* monotonic: when the run began */
} mmi_record_file;

/* Where a record stands. */
typedef struct mmi_record {
    const char *mode;    /* "train", "val", "test"; "start" where a run goes on */
    int64_t epoch, iter; /* of training: from 1, and finished */
    int64_t samples;     /* of training, seen so far */
    mm_value *scalars;   /* a dict that JSON can hold; NULL: empty */
} mmi_record;

/* Records go to "<folder>/records.jsonl", which is made with the first. */
mm_status mmi_record_file_open(mmi_record_file *records, const char *folder);
/* Adds a line in one write: a killed process leaves at most one that is not whole, the
 * last; a write that fails leaves nothing. */
mm_status mmi_record_file_add(mmi_record_file *records, const mmi_record *record);
/* Syncs and closes. Works while an error is pending. */
void mmi_record_file_close(mmi_record_file *records);

/* A value with nothing but what JSON can hold: tensors become lists, what has no form
 * None. Source: LoggerHook._process_tags. Yours. */
mm_value *mmi_json_ready(mm_value *value);

#endif
