/* One batch through the model with a look at every module: which was the first whose
 * numbers were not finite. */
#ifndef MM_RUNNER_BATCH_CHECK_H
#define MM_RUNNER_BATCH_CHECK_H

#include "base/vec.h"
#include "mmengine/model.h"
#include "mmengine/optim.h"

/* What is in a tensor. */
typedef struct mmi_look {
    char *where;   /* "input 0", "weight"; owned */
    char *what;    /* "[4, 8] float32 cpu"; owned */
    bool is_float; /* others have no numbers that are not finite */
    int64_t num_all, num_nan, num_inf;
    double min, max; /* of the finite ones; min > max: there are none */
} mmi_look;

typedef MMI_VEC(mmi_look) mmi_looks;

/* A module below the model. */
typedef struct mmi_module_row {
    struct mmi_batch_check *check;
    mm_module *module;
    char *name;
    const char *type;
    int64_t num_calls;
    mmi_looks looks; /* of its last call, or of the first that was not finite */
} mmi_module_row;

typedef struct mmi_loss_entry {
    char *name;
    double value;
} mmi_loss_entry;

/* What came of it. */
typedef struct mmi_batch_check {
    MMI_VEC(mmi_module_row) rows;   /* in the order of the tree */
    MMI_VEC(size_t) order;          /* rows in the order in which they returned */
    mmi_looks batch;                /* tensors of the batch that are not finite */
    mmi_looks weights;              /* parameters that are not finite */
    mmi_looks grads;                /* gradients that are not finite */
    MMI_VEC(mmi_loss_entry) losses; /* as the model returned them, averaged */
    double total;                   /* what is minimised */
    int64_t culprit;                /* a row; -1: none */
    bool is_culprit_input;          /* it came in from outside of all modules */
    bool is_finite;                 /* losses and gradients are */
    char *failure; /* why there are no losses or no gradients; else NULL */
    size_t num_weights;
    bool has_run;
} mmi_batch_check;

/* True if every element is finite; tensors without floats are. Reads the device. */
bool mmi_is_finite(mm_tensor *tensor);

/*
 * Preprocesses `batch`, computes losses and gradients. Gradients are left as they were;
 * random state and buffers move on as in any step. What the model itself refuses ends
 * up in `failure`. `optim_wrapper` (may be NULL) brings the precision.
 */
mm_status mmi_batch_check_run(mmi_batch_check *check, mm_module *model, mm_value *batch,
                              mm_optim_wrapper *optim_wrapper);
void mmi_batch_check_deinit(mmi_batch_check *check);
/* What was found, several lines; with a row for each module if `all`. mm_free(). */
MM_OWNED char *mmi_batch_check_text(const mmi_batch_check *check, bool all);

#endif
