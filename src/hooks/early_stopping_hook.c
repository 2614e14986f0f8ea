/* Ends training when a metric of the validation no longer improves. Where the wait
 * stands is in checkpoints, which MMEngine's does not keep. Source:
 * mmengine/hooks/early_stopping_hook.py. */
#include <inttypes.h>
#include <math.h>

#include "hooks/best_rule.h"
#include "hooks/hooks.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

struct early_stopping_hook {
    const char *monitor;
    mm_value *rule;
    double min_delta;
    bool strict, check_finite;
    int64_t patience;
    mm_maybe_f64 stopping_threshold;

    mmi_best_rule better; /* state, as the rest */
    int64_t wait_count;
    double best_score;
};

#define MM_OPT_STRUCT struct early_stopping_hook
static const mm_option options[] = {
    {"monitor", "name of the metric, as 'accuracy/top1'", MM_OPT_STR_REQUIRED(monitor)},
    {"rule", "'greater' or 'less'; default: from the name", MM_OPT_VALUE(rule)},
    {"min_delta", "what counts as an improvement",
     MM_OPT_F64(min_delta, 0.1, 0.0, INFINITY)},
    {"strict", "a validation without the metric is an error",
     MM_OPT_BOOL(strict, false)},
    {"check_finite", "NaN or an infinite value ends training",
     MM_OPT_BOOL(check_finite, true)},
    {"patience", "validations without an improvement that end training",
     MM_OPT_I64(patience, 5, 0, INT64_MAX)},
    {"stopping_threshold", "a value beyond which training ends at once",
     MM_OPT_F64_OR_NONE(stopping_threshold, -INFINITY, INFINITY)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    static const mm_strs usual = {0};
    struct early_stopping_hook *self = data;

    self->better = mmi_best_rule_parse(self->rule);
    if (!mm_has_error() && self->better == MMI_RULE_INFER)
        self->better = mmi_best_rule_infer(self->monitor, &usual, &usual);
    self->best_score = mmi_best_rule_worst(self->better);
    return mm_pending();
}

/* MMEngine's test: the best value moved by min_delta is still beyond the new one. */
static bool has_improved(const struct early_stopping_hook *self, double score)
{
    double delta =
        self->better == MMI_RULE_GREATER ? self->min_delta : -self->min_delta;

    return !mmi_best_rule_is_better(self->better, self->best_score + delta, score);
}

/* Takes the score into account; true with the reason logged if training must end. */
static bool must_stop(struct early_stopping_hook *self, double score)
{
    const mm_maybe_f64 *threshold = &self->stopping_threshold;

    if (self->check_finite && !isfinite(score)) {
        mm_log(MM_LOG_INFO, "metric %s is %g, training ends; best value: %.3f",
               self->monitor, score, self->best_score);
        return true;
    }
    if (threshold->has &&
        mmi_best_rule_is_better(self->better, score, threshold->value)) {
        self->best_score = score;
        mm_log(MM_LOG_INFO, "metric %s is %g, beyond the threshold %g, training ends",
               self->monitor, score, threshold->value);
        return true;
    }
    if (has_improved(self, score)) {
        self->best_score = score;
        self->wait_count = 0;
        return false;
    }
    if (++self->wait_count < self->patience)
        return false;
    mm_log(MM_LOG_INFO,
           "metric %s did not improve in %" PRId64
           " validations, training ends; best value: %.3f",
           self->monitor, self->wait_count, self->best_score);
    return true;
}

/* A validation without the metric: an error if the config is strict. */
static mm_status is_missing(const struct early_stopping_hook *self,
                            const mm_value *metrics)
{
    const char *names[16];
    size_t known = 0;

    if (!self->strict) {
        mm_log(MM_LOG_WARN, "early stopping waits: the validation has no metric '%s'",
               self->monitor);
        return MM_OK;
    }
    while (known < sizeof(names) / sizeof(names[0]) && known < mm_value_len(metrics)) {
        names[known] = mm_dict_name_at(metrics, known);
        known++;
    }
    (void)mm_raise(MM_EKEY, "the validation has no metric '%s' to stop by",
                   self->monitor);
    return mm_error_hint_nearest(self->monitor, names, known);
}

/* MMEngine's looks here whether the loop can be stopped, which ours all can; it keeps
 * its place in the table of hooks. */
static mm_status before_run(void *self, mm_runner *runner)
{
    (void)self;
    (void)runner;
    return MM_OK;
}

static mm_status after_val_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    struct early_stopping_hook *self = data;
    mm_value *score = mm_dict_find(metrics, self->monitor);

    if (mm_runner_leaves_out(runner, self->monitor))
        return MM_OK;
    if (score == NULL)
        return is_missing(self, metrics);
    double value = mm_value_f64(score);

    if (!mm_has_error() && must_stop(self, value))
        mm_runner_stop_training(runner);
    return mm_pending();
}

static mm_value *save_state(void *data)
{
    const struct early_stopping_hook *self = data;
    mm_value *state = mm_value_new_dict();

    mm_dict_put_i64(state, "wait_count", self->wait_count);
    mm_dict_put_f64(state, "best_score", self->best_score);
    return state;
}

static mm_status load_state(void *data, const mm_value *state)
{
    struct early_stopping_hook *self = data;

    self->wait_count = mm_value_i64(mm_dict_get(state, "wait_count"));
    self->best_score = mm_value_f64(mm_dict_get(state, "best_score"));
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_LOWEST,
    .before_run = before_run,
    .after_val_epoch = after_val_epoch,
    .save_state = save_state,
    .load_state = load_state,
};

const mm_component mmi_early_stopping_hook = {
    .registry = "hooks",
    .name = "EarlyStoppingHook",
    .help = "ends training when a metric no longer improves",
    .size = sizeof(struct early_stopping_hook),
    .options = options,
    .init = init,
    MM_HOOK(&ops),
};
