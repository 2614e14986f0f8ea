/* A hook: warns when the training loss of an epoch has not improved for a while. */
#include <math.h>
#include <mmengine/mmengine.h>

struct plateau_notice {
    int64_t patience; /* option: epochs */
    int64_t waited;   /* state: epochs since the best */
    double best;      /* state: lowest loss so far */
};

#define MM_OPT_STRUCT struct plateau_notice
static const mm_option options[] = {
    {"patience", "epochs without a better loss", MM_OPT_I64(patience, 3, 1, INT64_MAX)},
    {0},
};

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct plateau_notice *self = data;
    double loss = mm_hub_find_scalar(mm_runner_hub(runner), "train/loss", NAN);

    if (self->best == 0.0 || loss < self->best) {
        self->best = loss;
        self->waited = 0;
    } else if (++self->waited == self->patience) {
        mm_log(MM_LOG_WARN, "no better loss for %lld epochs", (long long)self->waited);
    }
    return mm_pending();
}

static const mm_hook_ops ops = {.priority = MM_PRIORITY_LOW,
                                .after_train_epoch = after_train_epoch};
static const mm_component plateau_notice = {.registry = "hooks",
                                            .name = "PlateauNotice",
                                            .help = "warns when the loss stalls",
                                            .size = sizeof(struct plateau_notice),
                                            .options = options,
                                            MM_HOOK(&ops)};
MM_PLUGIN_OF(&plateau_notice)
