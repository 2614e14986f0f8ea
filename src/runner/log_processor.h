/* The log processor without a runner around it, and the rows of its custom_cfg. */
#ifndef MM_RUNNER_LOG_PROCESSOR_H
#define MM_RUNNER_LOG_PROCESSOR_H

#include "mmengine/hub.h"
#include "mmengine/runner.h"

/* How many numbers a row looks at. */
typedef enum mmi_window_kind {
    MMI_WINDOW_ALL,   /* all that are kept */
    MMI_WINDOW_COUNT, /* the last `size` */
    MMI_WINDOW_EPOCH, /* the batches of this loop so far */
    MMI_WINDOW_GLOBAL /* the iterations of the run so far */
} mmi_window_kind;

/* A row of custom_cfg: a statistic that replaces or joins the default entries. */
typedef struct mmi_log_row {
    const char *data_src, *log_name, *method; /* texts of the config */
    mmi_window_kind window;
    int64_t size;
    mm_value *options; /* its other keys, for the statistic; NULL: none */
} mmi_log_row;

typedef struct mmi_log_rows {
    mmi_log_row *data;
    size_t count;
} mmi_log_rows;

/* Reads and checks custom_cfg, which may be None and has to outlive the rows. Errors:
 * MM_ECONFIG with the place, MM_EKEY for a statistic that is not known. */
mm_status mmi_log_rows_read(mmi_log_rows *rows, const mm_value *custom_cfg,
                            bool by_epoch);
void mmi_log_rows_free(mmi_log_rows *rows);

/* What a line says of the run besides the numbers of the hub. */
typedef struct mmi_log_place {
    mm_hub *hub;
    int64_t epoch, iter; /* finished units */
    int64_t max_epochs, max_iters;
    int64_t num_batches; /* of the loop that is logged */
    bool has_train_loop; /* false: no epochs and iterations to speak of */
    int64_t memory_mb;   /* most that was held on the device; negative: no device */
} mmi_log_place;

/* `processor` is a LogProcessor's struct. */
mm_status mmi_log_after_iter(const void *processor, const mmi_log_place *place,
                             int64_t batch_idx, mm_mode mode, mm_log_text *out);
/* `num_done` is what MMEngine calls batch_idx there: the number of batches. */
mm_status mmi_log_after_epoch(const void *processor, const mmi_log_place *place,
                              int64_t num_done, mm_mode mode, mm_log_text *out);
/* How many numbers of each history the next lines may look at, where an epoch has
 * `epoch_batches`: what a checkpoint has to keep. SIZE_MAX: all. */
size_t mmi_log_reach(const void *processor, int64_t epoch_batches);

#endif
