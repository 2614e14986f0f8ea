/* The rules without trigonometry: constant, linear, step, multi-step, exponential and
 * polynomial. Each gives the value of one group after one step from the value before.
 * The order of operations is that of MMEngine's Python. */
#include <math.h>
#include <string.h>

#include "mmengine/fileio.h"
#include "mmengine/memory.h"
#include "optim/schedule_state.h"
#include "optim/scheduler_forms.h"

/* ---- constant ---- */

struct constant {
    mm_schedule schedule;
    double factor;
};

static mm_status constant_value(void *self, const mm_param_groups *groups,
                                const mm_schedule_step *step, double *out_value)
{
    const struct constant *rule = self;
    double last = step->end - step->begin - 1.0;

    (void)groups;
    *out_value = step->value;
    if (step->step == 0) {
        *out_value = step->value * rule->factor;
    } else if ((double)step->step == last) {
        *out_value = step->value * (1.0 / rule->factor);
    }
    return MM_OK;
}

static double range_length(const mm_schedule *schedule)
{
    return schedule->end.value - schedule->begin - 1.0;
}

static mm_status constant_save(const void *self, mm_value *state)
{
    const struct constant *rule = self;

    mm_dict_put_f64(state, "factor", rule->factor);
    mmi_put_number(state, "total_iters", range_length(&rule->schedule));
    return mm_pending();
}

static mm_status constant_load(void *self, const mm_value *state, mm_schedule_load what)
{
    struct constant *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "factor", &rule->factor);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct constant
#define constant_init NULL
#define constant_deinit NULL
static const mm_option constant_rows[] = {
    {"factor", "multiplier until the last step of the range",
     MM_OPT_F64(factor, 1.0 / 3, 0.0, 1.0)},
    {0},
};
MMI_SCHEDULER_FORMS(constant, Constant, "a constant factor until the end",
                    .value = constant_value, .save_state = constant_save,
                    .load_state = constant_load);
#undef MM_OPT_STRUCT

/* ---- linear ---- */

struct linear {
    mm_schedule schedule;
    double start_factor;
    double end_factor;
};

static mm_status linear_value(void *self, const mm_param_groups *groups,
                              const mm_schedule_step *step, double *out_value)
{
    const struct linear *rule = self;
    double start = rule->start_factor;
    double rise = rule->end_factor - start;
    double total = step->end - step->begin - 1.0;

    (void)groups;
    if (step->step == 0) {
        *out_value = step->value * start;
    } else {
        *out_value = step->value *
                     (1.0 + rise / (total * start + ((double)step->step - 1.0) * rise));
    }
    return MM_OK;
}

static mm_status linear_save(const void *self, mm_value *state)
{
    const struct linear *rule = self;

    mm_dict_put_f64(state, "start_factor", rule->start_factor);
    mm_dict_put_f64(state, "end_factor", rule->end_factor);
    mmi_put_number(state, "total_iters", range_length(&rule->schedule));
    return mm_pending();
}

static mm_status linear_load(void *self, const mm_value *state, mm_schedule_load what)
{
    struct linear *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "start_factor", &rule->start_factor);
        mmi_read_f64(state, "end_factor", &rule->end_factor);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct linear
#define linear_init NULL
#define linear_deinit NULL
static const mm_option linear_rows[] = {
    {"start_factor", "multiplier at the first step",
     MM_OPT_F64(start_factor, 1.0 / 3, 0.0, 1.0)},
    {"end_factor", "multiplier at the last step",
     MM_OPT_F64(end_factor, 1.0, 0.0, 1.0)},
    {0},
};
MMI_SCHEDULER_FORMS(linear, Linear, "linear change", .value = linear_value,
                    .save_state = linear_save, .load_state = linear_load);
#undef MM_OPT_STRUCT

/* ---- step ---- */

struct step_rule {
    mm_schedule schedule;
    int64_t step_size; /* option */
    double gamma;
    double period; /* step_size in units of the schedule; a fraction only in steps of
                      the optimizer, where rounding would add up */
};

static mm_status step_init(void *self)
{
    struct step_rule *rule = self;

    rule->period = (double)rule->step_size;
    return MM_OK;
}

static mm_status step_convert(void *self, const mm_schedule_context *context)
{
    struct step_rule *rule = self;
    double window = context->accumulation > 1 ? (double)context->accumulation : 1.0;

    rule->period = (double)rule->step_size * (double)context->epoch_length / window;
    return MM_OK;
}

static mm_status step_value(void *self, const mm_param_groups *groups,
                            const mm_schedule_step *step, double *out_value)
{
    const struct step_rule *rule = self;
    double at = (double)step->step;
    double due = step->step == 0
                     ? 0.0
                     : floor(at / rule->period) - floor((at - 1.0) / rule->period);

    (void)groups;
    *out_value = step->value;
    if (due == 1.0) {
        *out_value = step->value * rule->gamma;
    } else if (due > 1.0) { /* the period is shorter than a step */
        *out_value = step->value * pow(rule->gamma, due);
    }
    return MM_OK;
}

static mm_status step_save(const void *self, mm_value *state)
{
    const struct step_rule *rule = self;

    mmi_put_number(state, "step_size", rule->period);
    mm_dict_put_f64(state, "gamma", rule->gamma);
    return mm_pending();
}

static mm_status step_load(void *self, const mm_value *state, mm_schedule_load what)
{
    struct step_rule *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "step_size", &rule->period);
        mmi_read_f64(state, "gamma", &rule->gamma);
    }
    if (!mm_has_error() && !(rule->period > 0.0)) {
        mm_raise(MM_EDATA, "step_size must be positive, got %g", rule->period);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct step_rule
#define step_deinit NULL
static const mm_option step_rows[] = {
    {"step_size", "steps between two decays",
     MM_OPT_I64_REQUIRED(step_size, 1, INT64_C(1) << 40)},
    {"gamma", "multiplier of a decay", MM_OPT_F64(gamma, 0.1, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(step, Step, "decay every few steps", .convert = step_convert,
                    .value = step_value, .save_state = step_save,
                    .load_state = step_load);
#undef MM_OPT_STRUCT

/* ---- multi-step ---- */

struct multi_step {
    mm_schedule schedule;
    mm_i64s milestones; /* option */
    double gamma;
    int64_t *steps; /* ours: the milestones in units of the schedule */
    size_t num_steps;
};

static mm_status multi_step_init(void *self)
{
    struct multi_step *rule = self;

    rule->steps = mm_alloc_array(rule->milestones.count + 1, sizeof *rule->steps);
    for (size_t i = 0; rule->steps != NULL && i < rule->milestones.count; i++) {
        rule->steps[i] = rule->milestones.data[i];
    }
    rule->num_steps = rule->milestones.count;
    return mm_pending();
}

static void multi_step_deinit(void *self)
{
    struct multi_step *rule = self;

    mm_free(rule->steps);
}

static mm_status multi_step_convert(void *self, const mm_schedule_context *context)
{
    struct multi_step *rule = self;

    for (size_t i = 0; i < rule->num_steps; i++) {
        rule->steps[i] = (int64_t)mm_schedule_steps(context, (double)rule->steps[i]);
    }
    return MM_OK;
}

/* A milestone that is listed twice counts twice. */
static int64_t times_listed(const struct multi_step *rule, int64_t step)
{
    int64_t times = 0;

    for (size_t i = 0; i < rule->num_steps; i++) {
        times += rule->steps[i] == step ? 1 : 0;
    }
    return times;
}

static mm_status multi_step_value(void *self, const mm_param_groups *groups,
                                  const mm_schedule_step *step, double *out_value)
{
    const struct multi_step *rule = self;
    int64_t times = times_listed(rule, step->step);

    (void)groups;
    *out_value =
        times == 0 ? step->value : step->value * pow(rule->gamma, (double)times);
    return MM_OK;
}

/* Python's Counter: milestone -> times, in order of first appearance. */
static mm_status multi_step_save(const void *self, mm_value *state)
{
    const struct multi_step *rule = self;
    mm_value *counter = mm_value_new_dict();

    for (size_t i = 0; i < rule->num_steps; i++) {
        mm_value *key = mm_value_new_i64(rule->steps[i]);
        mm_value *times = mm_value_new_i64(times_listed(rule, rule->steps[i]));

        mm_dict_put_key(counter, key, times);
        mm_value_unref(times);
        mm_value_unref(key);
    }
    mm_dict_take(state, "milestones", counter);
    mm_dict_put_f64(state, "gamma", rule->gamma);
    return mm_pending();
}

/* The dict of a Counter as Python's pickle writes one: a call with that dict. */
static const mm_value *counter_of(const mm_value *value)
{
    const mm_value *args =
        mm_pickle_is_node(value) &&
                strcmp(mm_pickle_class(value), "collections.Counter") == 0
            ? mm_pickle_args(value)
            : NULL;

    return args != NULL && mm_value_len(args) == 1 ? mm_list_get(args, 0) : value;
}

static size_t count_listed(const mm_value *counter)
{
    int64_t total = 0;

    for (size_t i = 0; i < mm_value_len(counter); i++) {
        total += mm_value_i64(mm_dict_at(counter, i));
    }
    return total > 0 && total < 1 << 20 ? (size_t)total : 0;
}

static mm_status multi_step_load(void *self, const mm_value *state,
                                 mm_schedule_load what)
{
    struct multi_step *rule = self;
    const mm_value *counter = counter_of(mm_dict_find(state, "milestones"));
    size_t filled = 0;

    if (what != MM_SCHEDULE_LOAD_ALL || mm_has_error()) {
        return mm_pending();
    }
    mmi_read_f64(state, "gamma", &rule->gamma);
    if (counter == NULL) {
        return mm_pending();
    }
    if (mm_value_kind(counter) != MM_KIND_DICT) {
        return mm_raise(MM_EDATA, "'milestones' is %s, not a dict",
                        mm_value_type_name(counter));
    }
    size_t total = count_listed(counter);
    int64_t *steps = mm_alloc_array(total + 1, sizeof *steps);

    for (size_t i = 0; i < mm_value_len(counter) && !mm_has_error(); i++) {
        int64_t times = mm_value_i64(mm_dict_at(counter, i));
        int64_t step = mm_value_i64(mm_dict_key_at(counter, i));

        for (int64_t k = 0; k < times && filled < total; k++) {
            steps[filled++] = step;
        }
    }
    if (mm_has_error()) {
        mm_free(steps);
        return mm_pending();
    }
    mm_free(rule->steps);
    rule->steps = steps;
    rule->num_steps = filled;
    return MM_OK;
}

#define MM_OPT_STRUCT struct multi_step
static const mm_option multi_step_rows[] = {
    {"milestones", "steps at which it decays, counted from `begin`",
     MM_OPT_I64S_REQUIRED(milestones)},
    {"gamma", "multiplier of a decay", MM_OPT_F64(gamma, 0.1, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(multi_step, MultiStep, "decay at milestones",
                    .convert = multi_step_convert, .value = multi_step_value,
                    .save_state = multi_step_save, .load_state = multi_step_load);
#undef MM_OPT_STRUCT

/* ---- exponential ---- */

struct exponential {
    mm_schedule schedule;
    double gamma;
};

static mm_status exponential_value(void *self, const mm_param_groups *groups,
                                   const mm_schedule_step *step, double *out_value)
{
    const struct exponential *rule = self;

    (void)groups;
    *out_value = step->step == 0 ? step->value : step->value * rule->gamma;
    return MM_OK;
}

static mm_status exponential_save(const void *self, mm_value *state)
{
    const struct exponential *rule = self;

    mm_dict_put_f64(state, "gamma", rule->gamma);
    return mm_pending();
}

static mm_status exponential_load(void *self, const mm_value *state,
                                  mm_schedule_load what)
{
    struct exponential *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "gamma", &rule->gamma);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct exponential
#define exponential_init NULL
#define exponential_deinit NULL
static const mm_option exponential_rows[] = {
    {"gamma", "multiplier of every step", MM_OPT_F64_REQUIRED(gamma, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(exponential, Exponential, "exponential decay",
                    .value = exponential_value, .save_state = exponential_save,
                    .load_state = exponential_load);
#undef MM_OPT_STRUCT

/* ---- polynomial ---- */

struct poly {
    mm_schedule schedule;
    double eta_min;
    double power;
};

static mm_status poly_value(void *self, const mm_param_groups *groups,
                            const mm_schedule_step *step, double *out_value)
{
    const struct poly *rule = self;
    double total = step->end - step->begin - 1.0;

    (void)groups;
    *out_value = step->value;
    if (step->step != 0) {
        double left = 1.0 - 1.0 / (total - (double)step->step + 1.0);

        *out_value =
            (step->value - rule->eta_min) * pow(left, rule->power) + rule->eta_min;
    }
    return MM_OK;
}

static mm_status poly_save(const void *self, mm_value *state)
{
    const struct poly *rule = self;

    mm_dict_put_f64(state, "eta_min", rule->eta_min);
    mm_dict_put_f64(state, "power", rule->power);
    mmi_put_number(state, "total_iters", range_length(&rule->schedule));
    return mm_pending();
}

static mm_status poly_load(void *self, const mm_value *state, mm_schedule_load what)
{
    struct poly *rule = self;

    if (what == MM_SCHEDULE_LOAD_ALL) {
        mmi_read_f64(state, "eta_min", &rule->eta_min);
        mmi_read_f64(state, "power", &rule->power);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct poly
#define poly_init NULL
#define poly_deinit NULL
static const mm_option poly_rows[] = {
    {"eta_min", "value at the last step", MM_OPT_F64(eta_min, 0.0, -1e308, 1e308)},
    {"power", "power of the polynomial", MM_OPT_F64(power, 1.0, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(poly, Poly, "polynomial decay", .value = poly_value,
                    .save_state = poly_save, .load_state = poly_load);
#undef MM_OPT_STRUCT
