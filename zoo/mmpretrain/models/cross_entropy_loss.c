/* CrossEntropyLoss: of class indices, of soft labels, or binary. Operations and their
 * order are MMPretrain's. Source: mmpretrain/models/losses/cross_entropy_loss.py. */
#include <math.h>
#include <string.h>

#include "mmpretrain/models/losses.h"

const mm_choice mmz_reductions[] = {
    {"mean", MM_REDUCTION_MEAN, "mean, or sum over avg_factor"},
    {"sum", MM_REDUCTION_SUM, "sum"},
    {"none", MM_REDUCTION_NONE, "one loss per sample"},
    {0},
};

static bool read_options(const mm_value *options, mmz_loss_call *out)
{
    const mm_value *weight = mm_dict_find(options, "weight");
    const mm_value *avg_factor = mm_dict_find(options, "avg_factor");
    const mm_value *override = mm_dict_find(options, "reduction_override");

    if (!mm_value_is_none(weight)) {
        out->weight = mm_value_tensor(weight);
    }
    if (!mm_value_is_none(avg_factor)) {
        out->avg_factor = (mm_maybe_f64){true, mm_value_f64(avg_factor)};
    }
    if (mm_value_is_none(override)) {
        return !mm_has_error();
    }
    const char *word = mm_value_str(override);

    for (const mm_choice *row = mmz_reductions; word != NULL && row->name != NULL;
         row++) {
        if (strcmp(row->name, word) == 0) {
            out->has_override = true;
            out->override = (mm_reduction)row->value;
        }
    }
    if (!out->has_override) {
        mm_raise(MM_EINVAL, "reduction_override '%s' is none of mean, sum, none",
                 word != NULL ? word : "?");
    }
    return !mm_has_error();
}

bool mmz_loss_call_read(mm_value *args, mmz_loss_call *out)
{
    size_t count = mm_value_len(args);

    *out = (mmz_loss_call){0};
    if (count != 2 && count != 3) {
        mm_raise(MM_EINVAL,
                 "a loss takes score, target and maybe options, not %zu "
                 "arguments",
                 count);
        return false;
    }
    out->score = mm_value_tensor(mm_list_get(args, 0));
    out->target = mm_value_tensor(mm_list_get(args, 1));
    return !mm_has_error() && (count == 2 || read_options(mm_list_get(args, 2), out));
}

mm_tensor *mmz_scale(mm_tensor *x, double factor)
{
    return factor == 1.0 ? x : mm_mul_scalar(x, factor);
}

/* weight_reduce_loss */
static mm_tensor *reduce(mm_tensor *loss, mm_tensor *weight, mm_reduction reduction,
                         mm_maybe_f64 avg_factor)
{
    if (weight != NULL) {
        loss = mm_mul(loss, weight);
    }
    if (!avg_factor.has) {
        return reduction == MM_REDUCTION_NONE  ? loss
               : reduction == MM_REDUCTION_SUM ? mm_sum(loss)
                                               : mm_mean(loss);
    }
    if (reduction == MM_REDUCTION_SUM) {
        mm_raise(MM_EINVAL, "avg_factor cannot be used with reduction 'sum'");
        return NULL;
    }
    return reduction == MM_REDUCTION_MEAN
               ? mm_div_scalar(mm_sum(loss), avg_factor.value)
               : loss;
}

static mm_tensor *tensor_of(mm_f64s values, const mm_tensor *like)
{
    enum { MAX_CLASSES = 1 << 24 };
    mm_tensor_info info;

    if (values.data == NULL || mm_tensor_info_get(like, &info) != MM_OK) {
        return NULL;
    }
    int64_t size = (int64_t)values.count;
    mm_tensor *tensor = mm_empty(MM_DTYPE_F32, 1, &size);
    float *data = tensor != NULL ? mm_data(tensor, MM_DTYPE_F32) : NULL;

    for (size_t i = 0; data != NULL && i < values.count; i++) {
        data[i] = (float)values.data[i];
    }
    return mm_to(tensor, .dtype = info.dtype, .device = info.device);
}

static mm_tensor *soft(const mmz_loss_call *call, mm_tensor *class_weight)
{
    mm_tensor *loss = mm_mul(mm_neg(call->target), mm_log_softmax(call->score, -1));

    if (class_weight != NULL) {
        loss = mm_mul(loss, class_weight);
    }
    return mm_sum(loss, MM_DIMS(-1));
}

static mm_tensor *binary(const mmz_cross_entropy *self, const mmz_loss_call *call,
                         mm_tensor *class_weight)
{
    if (mm_ndim(call->score) != mm_ndim(call->target)) {
        mm_raise(MM_ESHAPE,
                 "binary cross entropy needs a target of as many dimensions as "
                 "the score: %d, got %d",
                 mm_ndim(call->score), mm_ndim(call->target));
        return NULL;
    }
    if (class_weight != NULL) {
        class_weight = mm_repeat(class_weight, MM_DIMS(mm_size(call->score, 0), 1));
    }
    return mm_bce_with_logits(call->score, mm_cast(call->target, MM_DTYPE_F32),
                              class_weight, .reduction = MM_REDUCTION_NONE,
                              .pos_weight = tensor_of(self->pos_weight, call->score));
}

mm_tensor *mmz_cross_entropy_forward(const mmz_cross_entropy *self,
                                     const mmz_loss_call *call)
{
    mm_reduction reduction =
        call->has_override ? call->override : (mm_reduction)self->reduction;
    mm_tensor *class_weight = tensor_of(self->class_weight, call->score);
    mm_tensor *weight =
        call->weight != NULL ? mm_cast(call->weight, MM_DTYPE_F32) : NULL;
    mm_tensor *loss = NULL;

    if (self->use_sigmoid) {
        loss = binary(self, call, class_weight);
        if (weight != NULL && mm_ndim(call->score) > 1) {
            weight = mm_reshape(weight, MM_DIMS(-1, 1));
        }
    } else if (self->use_soft) {
        loss = soft(call, class_weight);
    } else {
        loss = mm_cross_entropy(call->score, call->target, class_weight,
                                .reduction = MM_REDUCTION_NONE);
    }
    loss = loss != NULL ? reduce(loss, weight, reduction, call->avg_factor) : NULL;
    return loss != NULL ? mmz_scale(loss, self->loss_weight) : NULL;
}

static mm_status cross_entropy_init(void *data)
{
    const mmz_cross_entropy *self = data;

    if (self->use_sigmoid && self->use_soft) {
        return mm_raise(MM_EINVAL, "use_sigmoid and use_soft cannot both be set");
    }
    (void)mm_module_of(self);
    return mm_pending();
}

static mm_value *cross_entropy_call(void *data, mm_value *args)
{
    mmz_loss_call call;

    if (!mmz_loss_call_read(args, &call)) {
        return NULL;
    }
    mm_tensor *loss = mmz_cross_entropy_forward(data, &call);

    return loss != NULL ? mm_scoped(mm_value_new_tensor(loss)) : NULL;
}

static const mm_module_ops ops = {.call = cross_entropy_call};

#define MM_OPT_STRUCT mmz_cross_entropy
static const mm_option options[] = {
    {"use_sigmoid", "binary cross entropy per class", MM_OPT_BOOL(use_sigmoid, false)},
    {"use_soft", "labels are distributions over classes", MM_OPT_BOOL(use_soft, false)},
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

const mm_component mmz_cross_entropy_loss = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "CrossEntropyLoss",
    .help = "cross entropy of logits with labels",
    .source = "mmpretrain/models/losses/cross_entropy_loss.py",
    .size = sizeof(mmz_cross_entropy),
    .options = options,
    .init = cross_entropy_init,
    MM_MODULE(&ops),
};
