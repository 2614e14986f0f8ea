/* LabelSmoothLoss: cross entropy with labels that leave a little to every class. Takes
 * class indices or soft labels. Source: mmpretrain/models/losses/label_smooth_loss.py.
 */
#include <inttypes.h>
#include <math.h>

#include "mmengine/log.h"
#include "mmpretrain/models/losses.h"

enum mode { ORIGINAL, CLASSY_VISION, MULTI_LABEL };

struct label_smooth {
    double label_smooth_val;
    mm_maybe_i64 num_classes;
    int use_sigmoid; /* of SIGMOID_ */
    int mode;
    int reduction;
    double loss_weight;
    mm_f64s class_weight;
    mm_f64s pos_weight;
    double eps;                  /* smoothing that is applied */
    const mmz_cross_entropy *ce; /* of the child "ce" */
};

enum { SIGMOID_AUTO, SIGMOID_FALSE, SIGMOID_TRUE };

static const mm_choice sigmoid_choices[] = {
    {"None", SIGMOID_AUTO, "with several labels only"},
    {"False", SIGMOID_FALSE, "softmax"},
    {"True", SIGMOID_TRUE, "sigmoid"},
    {0},
};

static const mm_choice modes[] = {
    {"original", ORIGINAL, "(1 - e) * label + e / classes"},
    {"classy_vision", CLASSY_VISION, "(label + e / classes) / (1 + e)"},
    {"multi_label", MULTI_LABEL, "(1 - 2e) * label + e"},
    {0},
};

static bool decide_sigmoid(const struct label_smooth *self)
{
    if (self->mode != MULTI_LABEL) {
        return self->use_sigmoid == SIGMOID_TRUE;
    }
    if (self->use_sigmoid != SIGMOID_TRUE) {
        mm_log(MM_LOG_WARN,
               "For multi-label tasks, please set `use_sigmoid=True` to use "
               "binary cross entropy.");
    }
    return self->use_sigmoid != SIGMOID_FALSE;
}

static mm_status label_smooth_init(void *data)
{
    struct label_smooth *self = data;
    mm_instance *instance = mm_instance_new(&mmz_cross_entropy_loss);
    mmz_cross_entropy *ce = mm_instance_self(instance);

    if (ce == NULL) {
        return mm_pending();
    }
    self->eps = self->mode == CLASSY_VISION
                    ? self->label_smooth_val / (1 + self->label_smooth_val)
                    : self->label_smooth_val;
    ce->use_sigmoid = decide_sigmoid(self);
    ce->use_soft = !ce->use_sigmoid;
    ce->reduction = self->reduction;
    ce->class_weight = self->class_weight;
    ce->pos_weight = self->pos_weight;
    self->ce = ce;
    mm_module_add(mm_module_of(self), "ce", mm_module_start(instance));
    return mm_pending();
}

/* One-hot like labels as floats, from class indices [N] or [N, 1] or as they are. */
static mm_tensor *one_hot_like(mm_tensor *label, int64_t num_classes)
{
    bool is_index =
        mm_ndim(label) == 1 || (mm_ndim(label) == 2 && mm_size(label, 1) == 1);

    if (is_index) {
        mm_tensor *index = mm_cast(mm_reshape(label, MM_DIMS(-1)), MM_DTYPE_I64);

        label = mm_one_hot(index, num_classes);
    }
    return mm_cast(label, MM_DTYPE_F32);
}

static mm_tensor *smooth(const struct label_smooth *self, mm_tensor *label,
                         int64_t num_classes)
{
    if (self->mode == MULTI_LABEL) {
        return mm_masked_fill_(mm_full_like(label, self->eps), mm_gt_scalar(label, 0),
                               1 - self->eps);
    }
    return mm_add_scalar_(mm_mul_scalar(label, 1 - self->eps),
                          self->eps / (double)num_classes);
}

static mm_value *label_smooth_call(void *data, mm_value *args)
{
    const struct label_smooth *self = data;
    mmz_loss_call call;

    if (!mmz_loss_call_read(args, &call)) {
        return NULL;
    }
    int64_t num_classes = mm_size(call.score, 1);

    if (self->num_classes.has && self->num_classes.value != num_classes) {
        mm_raise(MM_ESHAPE,
                 "label smoothing over %" PRId64 " classes was given scores of "
                 "%" PRId64,
                 self->num_classes.value, num_classes);
        return NULL;
    }
    mm_tensor *label = one_hot_like(call.target, num_classes);

    call.target = label != NULL ? smooth(self, label, num_classes) : NULL;
    mm_tensor *loss =
        call.target != NULL ? mmz_cross_entropy_forward(self->ce, &call) : NULL;

    loss = loss != NULL ? mmz_scale(loss, self->loss_weight) : NULL;
    return loss != NULL ? mm_scoped(mm_value_new_tensor(loss)) : NULL;
}

static const mm_module_ops ops = {.call = label_smooth_call};

#define MM_OPT_STRUCT struct label_smooth
static const mm_option options[] = {
    {"label_smooth_val", "degree of smoothing",
     MM_OPT_F64_REQUIRED(label_smooth_val, 0.0, 0.9999999999999999)},
    {"num_classes", "number of classes; None: as the scores have",
     MM_OPT_I64_OR_NONE(num_classes, 1, INT64_MAX)},
    {"use_sigmoid", "sigmoid instead of softmax",
     MM_OPT_CHOICE(use_sigmoid, SIGMOID_AUTO, sigmoid_choices)},
    {"mode", "how labels are smoothed", MM_OPT_CHOICE(mode, ORIGINAL, modes)},
    {"reduction", "what happens to the losses of the samples",
     MM_OPT_CHOICE(reduction, MM_REDUCTION_MEAN, mmz_reductions)},
    {"loss_weight", "factor of the loss",
     MM_OPT_F64(loss_weight, 1.0, -INFINITY, INFINITY)},
    {"class_weight", "factor per class; None: all 1", MM_OPT_F64S(class_weight, NULL)},
    {"pos_weight", "factor of positive answers per class, with use_sigmoid",
     MM_OPT_F64S(pos_weight, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_label_smooth_loss = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "LabelSmoothLoss",
    .help = "cross entropy with smoothed labels",
    .source = "mmpretrain/models/losses/label_smooth_loss.py",
    .size = sizeof(struct label_smooth),
    .options = options,
    .init = label_smooth_init,
    MM_MODULE(&ops),
};
