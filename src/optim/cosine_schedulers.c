/* Cosine annealing and cosine annealing with restarts. Recursive, as MMEngine's: the
 * step from one point of the cosine to the next scales the distance to the minimum. */
#include <math.h>

#include "mmengine/memory.h"
#include "optim/schedule_state.h"
#include "optim/scheduler_forms.h"

static const double pi = 3.14159265358979323846;

/* Where the minimum of a cosine lies: absolute, or a share of the base value. */
struct minimum {
    mm_maybe_f64 eta_min;
    mm_maybe_f64 eta_min_ratio;
};

static double minimum_of(const struct minimum *minimum, double base)
{
    return minimum->eta_min_ratio.has ? base * minimum->eta_min_ratio.value
                                      : minimum->eta_min.value;
}

/* ---- annealing ---- */

struct cosine_annealing {
    mm_schedule schedule;
    mm_maybe_f64 T_max;
    struct minimum minimum;
    double period; /* T_max in units of the schedule */
};

static mm_status cosine_annealing_init(void *self)
{
    struct cosine_annealing *rule = self;
    struct minimum *minimum = &rule->minimum;

    if (minimum->eta_min.has && minimum->eta_min_ratio.has) {
        return mm_raise(MM_ECONFIG,
                        "eta_min=%g and eta_min_ratio=%g exclude each other",
                        minimum->eta_min.value, minimum->eta_min_ratio.value);
    }
    if (!minimum->eta_min_ratio.has) {
        minimum->eta_min.has = true; /* 0 unless it was given */
    }
    return MM_OK;
}

static mm_status cosine_annealing_convert(void *self,
                                          const mm_schedule_context *context)
{
    struct cosine_annealing *rule = self;

    rule->T_max.value = mm_schedule_steps(context, rule->T_max.value);
    return MM_OK;
}

static mm_status cosine_annealing_start(void *self, mm_param_groups *groups,
                                        const char *param_name)
{
    struct cosine_annealing *rule = self;
    const mm_schedule *schedule = &rule->schedule;

    (void)groups;
    (void)param_name;
    rule->period = rule->T_max.has && rule->T_max.value != 0.0
                       ? rule->T_max.value
                       : schedule->end.value - schedule->begin;
    return MM_OK;
}

static mm_status cosine_annealing_value(void *self, const mm_param_groups *groups,
                                        const mm_schedule_step *step, double *out_value)
{
    const struct cosine_annealing *rule = self;
    double t = (double)step->step;
    double period = rule->period;
    double low = minimum_of(&rule->minimum, step->base);

    (void)groups;
    if (step->step == 0) {
        *out_value = step->value;
    } else if (fmod(t - 1.0 - period, 2.0 * period) == 0.0) {
        /* up again from the minimum, where the recursion would divide by zero */
        *out_value = step->value + (step->base - low) * (1.0 - cos(pi / period)) / 2.0;
    } else {
        *out_value = (1.0 + cos(pi * t / period)) /
                         (1.0 + cos(pi * (t - 1.0) / period)) * (step->value - low) +
                     low;
    }
    return MM_OK;
}

static mm_status cosine_annealing_save(const void *self, mm_value *state)
{
    const struct cosine_annealing *rule = self;

    mmi_put_number(state, "T_max", rule->period);
    mmi_put_maybe(state, "eta_min", rule->minimum.eta_min);
    mmi_put_maybe(state, "eta_min_ratio", rule->minimum.eta_min_ratio);
    return mm_pending();
}

static mm_status cosine_annealing_load(void *self, const mm_value *state,
                                       mm_schedule_load what)
{
    struct cosine_annealing *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "T_max", &rule->period);
        mmi_read_maybe(state, "eta_min", &rule->minimum.eta_min);
        mmi_read_maybe(state, "eta_min_ratio", &rule->minimum.eta_min_ratio);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct cosine_annealing
#define cosine_annealing_deinit NULL
static const mm_option cosine_annealing_rows[] = {
    {"T_max",
     "steps of half a cosine; default: the range, so that the minimum lies "
     "one step behind it",
     MM_OPT_F64_OR_NONE(T_max, 0.0, 1e15)},
    {"eta_min", "minimum; default 0",
     MM_OPT_F64_OR_NONE(minimum.eta_min, -1e308, 1e308)},
    {"eta_min_ratio", "minimum as a share of the base value",
     MM_OPT_F64_OR_NONE(minimum.eta_min_ratio, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(cosine_annealing, CosineAnnealing, "cosine annealing",
                    .convert = cosine_annealing_convert,
                    .start = cosine_annealing_start, .value = cosine_annealing_value,
                    .save_state = cosine_annealing_save,
                    .load_state = cosine_annealing_load);
#undef MM_OPT_STRUCT

/* ---- restarts ---- */

struct cosine_restart {
    mm_schedule schedule;
    mm_i64s periods; /* option */
    mm_f64s restart_weights;
    struct minimum minimum;
    int64_t *lengths; /* ours: the periods in units of the schedule */
    double *weights;  /* ours */
    size_t count;     /* of both */
};

static mm_status cosine_restart_init(void *self)
{
    struct cosine_restart *rule = self;
    const struct minimum *minimum = &rule->minimum;
    size_t count = rule->periods.count;

    if (minimum->eta_min.has == minimum->eta_min_ratio.has) {
        return mm_raise(MM_ECONFIG, "one of eta_min and eta_min_ratio is needed");
    }
    if (count != rule->restart_weights.count) {
        return mm_raise(MM_ECONFIG,
                        "periods has %zu entries and restart_weights %zu: they must be "
                        "as many",
                        count, rule->restart_weights.count);
    }
    rule->lengths = mm_alloc_array(count + 1, sizeof *rule->lengths);
    rule->weights = mm_alloc_array(count + 1, sizeof *rule->weights);
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        rule->lengths[i] = rule->periods.data[i];
        rule->weights[i] = rule->restart_weights.data[i];
        if (rule->lengths[i] < 1) {
            mm_raise(MM_ECONFIG, "periods[%zu] is %lld: must be at least 1", i,
                     (long long)rule->lengths[i]);
        }
    }
    rule->count = count;
    return mm_pending();
}

static void cosine_restart_deinit(void *self)
{
    struct cosine_restart *rule = self;

    mm_free(rule->lengths);
    mm_free(rule->weights);
}

/* The periods' ends are converted, so that roundings do not add up. */
static mm_status cosine_restart_convert(void *self, const mm_schedule_context *context)
{
    struct cosine_restart *rule = self;
    int64_t epochs = 0;
    int64_t done = 0;

    for (size_t i = 0; i < rule->count; i++) {
        epochs += rule->lengths[i];
        int64_t end = (int64_t)mm_schedule_steps(context, (double)epochs);

        rule->lengths[i] = end - done;
        done = end;
    }
    return MM_OK;
}

static mm_status cosine_restart_value(void *self, const mm_param_groups *groups,
                                      const mm_schedule_step *step, double *out_value)
{
    const struct cosine_restart *rule = self;
    int64_t at = step->step; /* in its period, once the loop is done */
    size_t index = 0;

    (void)groups;
    while (index < rule->count && at >= rule->lengths[index]) {
        at -= rule->lengths[index++];
    }
    if (index == rule->count) { /* behind the last period */
        *out_value = step->value;
        return MM_OK;
    }
    double low = minimum_of(&rule->minimum, step->base);
    double period = (double)rule->lengths[index];

    if (at == 0) {
        *out_value = step->base * rule->weights[index];
    } else {
        *out_value = (1.0 + cos(pi * (double)at / period)) /
                         (1.0 + cos(pi * (double)(at - 1) / period)) *
                         (step->value - low) +
                     low;
    }
    return MM_OK;
}

static mm_status cosine_restart_save(const void *self, mm_value *state)
{
    const struct cosine_restart *rule = self;
    mm_value *sums = mm_value_new_list();
    int64_t sum = 0;

    for (size_t i = 0; i < rule->count; i++) {
        sum += rule->lengths[i];
        mm_list_push(sums, mm_value_new_i64(sum));
    }
    mm_dict_take(state, "periods", mmi_i64s_new(rule->lengths, rule->count));
    mmi_put_maybe(state, "eta_min", rule->minimum.eta_min);
    mmi_put_maybe(state, "eta_min_ratio", rule->minimum.eta_min_ratio);
    mm_dict_take(state, "restart_weights", mmi_f64s_new(rule->weights, rule->count));
    mm_dict_take(state, "cumulative_periods", sums);
    return mm_pending();
}

static mm_status cosine_restart_load(void *self, const mm_value *state,
                                     mm_schedule_load what)
{
    struct cosine_restart *rule = self;
    const mm_value *periods = mm_dict_find(state, "periods");
    const mm_value *weights = mm_dict_find(state, "restart_weights");

    if (what != MM_SCHEDULE_LOAD_ALL || mm_has_error()) {
        return mm_pending();
    }
    mmi_read_maybe(state, "eta_min", &rule->minimum.eta_min);
    mmi_read_maybe(state, "eta_min_ratio", &rule->minimum.eta_min_ratio);
    if (periods == NULL || weights == NULL) {
        return mm_pending();
    }
    size_t count = mm_value_len(periods);
    int64_t *new_lengths = mm_alloc_array(count + 1, sizeof *new_lengths);
    double *new_weights = mm_alloc_array(count + 1, sizeof *new_weights);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        new_lengths[i] = mm_value_i64(mm_list_get(periods, i));
    }
    mmi_read_f64s(state, "restart_weights", new_weights, count);
    if (mm_has_error()) {
        mm_free(new_lengths);
        mm_free(new_weights);
        return mm_pending();
    }
    cosine_restart_deinit(rule);
    rule->lengths = new_lengths;
    rule->weights = new_weights;
    rule->count = count;
    return MM_OK;
}

#define MM_OPT_STRUCT struct cosine_restart
static const mm_option cosine_restart_rows[] = {
    {"periods", "steps of each half cosine", MM_OPT_I64S_REQUIRED(periods)},
    {"restart_weights", "share of the base value that each period starts from",
     MM_OPT_F64S(restart_weights, "[1]")},
    {"eta_min", "minimum", MM_OPT_F64_OR_NONE(minimum.eta_min, -1e308, 1e308)},
    {"eta_min_ratio", "minimum as a share of the base value",
     MM_OPT_F64_OR_NONE(minimum.eta_min_ratio, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(cosine_restart, CosineRestart, "cosine annealing with restarts",
                    .convert = cosine_restart_convert, .value = cosine_restart_value,
                    .save_state = cosine_restart_save,
                    .load_state = cosine_restart_load);
#undef MM_OPT_STRUCT
