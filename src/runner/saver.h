/* Copies checkpoints in memory and writes them on a thread of its own. */
#ifndef MMI_RUNNER_SAVER_H
#define MMI_RUNNER_SAVER_H

#include "fileio/pth.h"
#include "mmengine/runner.h"

/* Information of the hub: names of files in the work folder that were saved on request
 * and that no newer regular checkpoint has replaced. */
#define MMI_REQUESTED_INFO "requested_ckpts"

/* A checkpoint on its way from a request to a file. */
typedef struct mmi_save {
    struct mmi_save *next;
    mm_save_args args; /* its path belongs to this struct */
    char *pointer;     /* file that will name args.path; NULL: none */
    char **old;        /* files that are removed after that */
    size_t num_old;
    mm_value *content; /* until its tensors are copied */
    mmi_pth_image image;
    mm_error error; /* why there is no good file; code MM_OK: there is */
} mmi_save;

/* A copy of the request; NULL: MM_ENOMEM. */
mmi_save *mmi_save_new(const mm_save_args *args, const char *work_dir);
void mmi_save_free(mmi_save *save);
/* Removes a file if it is there; where that fails is a warning. */
void mmi_remove_old_file(const char *path);
/* What follows once args.path is good: the pointer, then the removal of old files. */
mm_status mmi_save_conclude(const mmi_save *save);

/* At most one list of saves is being written at a time. Belongs to one thread; the
 * writing thread sees plain memory and files alone. */
typedef struct mmi_saver mmi_saver;

mmi_saver *mmi_saver_new(void);
/* Nothing may be under way. */
void mmi_saver_free(mmi_saver *saver);
/* Takes a picture of the contents: pickles, and one copy of all tensors in memory that
 * the next call uses again. Afterwards the contents are not needed. Nothing may be
 * under way. MM_ENOMEM if there is no room for the copy. */
mm_status mmi_saver_copy(mmi_saver *saver, mmi_save *saves);
/* Begins to write what was copied. Takes the list. */
void mmi_saver_start(mmi_saver *saver, MM_TAKES mmi_save *saves);
/* True if a list is written and waits for mmi_saver_finish(). */
bool mmi_saver_is_done(const mmi_saver *saver);
/* Waits for the list and gives it back, each with its error; NULL if nothing was under
 * way. Works while an error is pending. */
mmi_save *mmi_saver_finish(mmi_saver *saver);

#endif
