/* A loss: focal loss, -(1 - p)^gamma log p of the true class, mean over samples. */
#include <mmengine/mmengine.h>

struct focal_loss {
    double gamma; /* option */
};

#define MM_OPT_STRUCT struct focal_loss
static const mm_option options[] = {
    {"gamma", "weight of hard samples; 0: cross entropy",
     MM_OPT_F64(gamma, 2., 0., 9.)},
    {0},
};

/* args: logits [N, C] float, labels [N] i64 -> [] float; Lin et al. 2017, equation 4 */
static mm_value *call(void *data, mm_value *args)
{
    const struct focal_loss *self = data;
    mm_tensor *logits = mm_value_tensor(mm_list_get(args, 0));
    mm_tensor *labels = mm_value_tensor(mm_list_get(args, 1));
    mm_tensor *ce = mm_cross_entropy(logits, labels, .reduction = MM_REDUCTION_NONE);
    mm_tensor *missed = mm_rsub_scalar(mm_exp(mm_neg(ce)), 1.0); /* 1 - p */
    mm_tensor *loss = mm_mean(mm_mul(mm_pow_scalar(missed, self->gamma), ce));

    return mm_scoped(mm_value_new_tensor(loss));
}

static const mm_module_ops ops = {.call = call};

static const mm_component focal_loss = {
    .registry = "models",
    .name = "PluginFocalLoss",
    .help = "cross entropy that looks at hard samples",
    .size = sizeof(struct focal_loss),
    .options = options,
    MM_MODULE(&ops),
};
MM_PLUGIN_OF(&focal_loss)
