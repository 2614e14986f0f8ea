/* The 1cycle policy: up from a small learning rate, then down to a tiny one. A closed
 * form, unlike the other rules, and for the learning rate alone. It keeps its three
 * corner values in the groups: initial_lr, max_lr, min_lr. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "optim/schedule_state.h"
#include "optim/scheduler_forms.h"

static const double pi = 3.14159265358979323846;

enum { ANNEAL_COS, ANNEAL_LINEAR, MAX_PHASES = 3 };

/* From one corner value to another, up to and including `end_step`. */
struct phase {
    double end_step;
    const char *start; /* option of the group */
    const char *end;
};

struct one_cycle {
    mm_schedule schedule;
    mm_value *eta_max; /* number, or one per group */
    mm_maybe_i64 total_steps_option;
    double pct_start;
    int anneal;
    double div_factor;
    double final_div_factor;
    bool three_phase;
    double total_steps;
    struct phase phases[MAX_PHASES];
    int num_phases;
};

static mm_status one_cycle_convert(void *self, const mm_schedule_context *context)
{
    struct one_cycle *rule = self;
    double epochs = (double)rule->total_steps_option.value;

    rule->total_steps_option.value = (int64_t)mm_schedule_steps(context, epochs);
    return MM_OK;
}

static void lay_out_phases(struct one_cycle *rule)
{
    double total = rule->total_steps;
    double pct = rule->pct_start;
    struct phase up = {pct * total - 1.0, "initial_lr", "max_lr"};
    struct phase back = {2.0 * pct * total - 2.0, "max_lr", "initial_lr"};
    struct phase out = {total - 1.0, "initial_lr", "min_lr"};
    struct phase down = {total - 1.0, "max_lr", "min_lr"};

    rule->phases[0] = up;
    rule->phases[1] = rule->three_phase ? back : down;
    rule->phases[2] = out;
    rule->num_phases = rule->three_phase ? 3 : 2;
}

static mm_status put_corners(const struct one_cycle *rule, mm_param_groups *groups)
{
    size_t count = mm_param_groups_num_scheduled(groups);
    mm_kind kind = mm_value_kind(rule->eta_max);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    if (is_list && mm_value_len(rule->eta_max) != count) {
        return mm_raise(MM_ECONFIG,
                        "eta_max has %zu entries, the optimizer has %zu groups",
                        mm_value_len(rule->eta_max), count);
    }
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const mm_value *own = is_list ? mm_list_get(rule->eta_max, i) : rule->eta_max;

        if (mm_value_kind(own) != MM_KIND_F64 && mm_value_kind(own) != MM_KIND_I64) {
            return mm_raise(MM_ECONFIG, "eta_max is %s: a number is needed",
                            mm_value_type_name(own));
        }
        double high = mm_value_f64(own);
        double initial = high / rule->div_factor;

        mm_param_groups_put_f64(groups, i, "initial_lr", initial);
        mm_param_groups_put_f64(groups, i, "max_lr", high);
        mm_param_groups_put_f64(groups, i, "min_lr", initial / rule->final_div_factor);
    }
    return mm_pending();
}

static mm_status one_cycle_start(void *self, mm_param_groups *groups,
                                 const char *param_name)
{
    struct one_cycle *rule = self;
    const mm_schedule *schedule = &rule->schedule;

    if (strcmp(param_name, "lr") != 0) {
        return mm_raise(MM_ECONFIG, "the 1cycle policy drives 'lr' only, got '%s'",
                        param_name);
    }
    rule->total_steps = rule->total_steps_option.has
                            ? (double)rule->total_steps_option.value
                            : schedule->end.value - schedule->begin;
    lay_out_phases(rule);
    return schedule->last_step == -1 ? put_corners(rule, groups) : MM_OK;
}

static double anneal(int kind, double start, double end, double pct)
{
    if (kind == ANNEAL_LINEAR) {
        return (end - start) * pct + start;
    }
    return end + (start - end) / 2.0 * (cos(pi * pct) + 1.0);
}

static mm_status one_cycle_value(void *self, const mm_param_groups *groups,
                                 const mm_schedule_step *step, double *out_value)
{
    const struct one_cycle *rule = self;
    double at = (double)step->step;
    double start_step = 0.0;
    int i = 0;

    if (at > rule->total_steps) {
        mm_raise(MM_ESTATE, "the 1cycle policy has %g steps, but this is step %" PRId64,
                 rule->total_steps, step->step + 1);
        return mm_error_hint("set end or total_steps to the length of training");
    }
    while (i < rule->num_phases - 1 && at > rule->phases[i].end_step) {
        start_step = rule->phases[i++].end_step;
    }
    const struct phase *phase = &rule->phases[i];
    double pct = (at - start_step) / (phase->end_step - start_step);

    *out_value =
        anneal(rule->anneal, mm_param_groups_f64(groups, step->group, phase->start),
               mm_param_groups_f64(groups, step->group, phase->end), pct);
    return mm_pending();
}

static mm_status one_cycle_save(const void *self, mm_value *state)
{
    const struct one_cycle *rule = self;
    mm_value *phases = mm_value_new_list();

    mm_dict_put(state, "eta_max", rule->eta_max);
    mm_dict_put_f64(state, "div_factor", rule->div_factor);
    mm_dict_put_f64(state, "final_div_factor", rule->final_div_factor);
    mmi_put_number(state, "total_steps", rule->total_steps);
    for (int i = 0; i < rule->num_phases; i++) {
        mm_value *phase = mm_value_new_dict();

        mm_dict_put_f64(phase, "end_step", rule->phases[i].end_step);
        mm_dict_put_str(phase, "start_lr", rule->phases[i].start);
        mm_dict_put_str(phase, "end_lr", rule->phases[i].end);
        mm_list_push(phases, phase);
    }
    mm_dict_take(state, "_schedule_phases", phases);
    return mm_pending();
}

/* The phases follow from the options; a saved list with other ends is taken over. */
static mm_status one_cycle_load(void *self, const mm_value *state,
                                mm_schedule_load what)
{
    struct one_cycle *rule = self;
    const mm_value *phases = mm_dict_find(state, "_schedule_phases");

    if (what != MM_SCHEDULE_LOAD_ALL) {
        return mm_pending();
    }
    mmi_read_f64(state, "div_factor", &rule->div_factor);
    mmi_read_f64(state, "final_div_factor", &rule->final_div_factor);
    mmi_read_f64(state, "total_steps", &rule->total_steps);
    if (phases == NULL || mm_has_error()) {
        return mm_pending();
    }
    size_t count = mm_value_len(phases);

    if (count != 2 && count != 3) {
        return mm_raise(MM_EDATA, "'_schedule_phases' has %zu entries, not 2 or 3",
                        count);
    }
    rule->three_phase = count == 3;
    lay_out_phases(rule);
    for (size_t i = 0; i < count; i++) {
        mmi_read_f64(mm_list_get(phases, i), "end_step", &rule->phases[i].end_step);
    }
    return mm_pending();
}

static const mm_choice anneal_kinds[] = {
    {"cos", ANNEAL_COS, "half a cosine per phase"},
    {"linear", ANNEAL_LINEAR, "a straight line per phase"},
    {0},
};

#define MM_OPT_STRUCT struct one_cycle
#define one_cycle_init NULL
#define one_cycle_deinit NULL
static const mm_option one_cycle_rows[] = {
    {"eta_max", "largest learning rate: a number, or one per group",
     MM_OPT_VALUE_REQUIRED(eta_max)},
    {"total_steps", "steps of the cycle; default: the range",
     MM_OPT_I64_OR_NONE(total_steps_option, 1, INT64_C(1) << 40)},
    {"pct_start", "share of the cycle that goes up", MM_OPT_F64(pct_start, 0.3, 0, 1)},
    {"anneal_strategy", "shape of a phase",
     MM_OPT_CHOICE(anneal, ANNEAL_COS, anneal_kinds)},
    {"div_factor", "eta_max / initial learning rate",
     MM_OPT_F64(div_factor, 25.0, -1e308, 1e308)},
    {"final_div_factor", "initial / last learning rate",
     MM_OPT_F64(final_div_factor, 1e4, -1e308, 1e308)},
    {"three_phase", "down to the initial rate first, then to the last",
     MM_OPT_BOOL(three_phase, false)},
    {0},
};
MMI_SCHEDULER_LR(one_cycle, OneCycle, "the 1cycle policy", .convert = one_cycle_convert,
                 .start = one_cycle_start, .value = one_cycle_value,
                 .save_state = one_cycle_save, .load_state = one_cycle_load);
MMI_SCHEDULER_PARAM(one_cycle, OneCycle, "the 1cycle policy",
                    .convert = one_cycle_convert, .start = one_cycle_start,
                    .value = one_cycle_value, .save_state = one_cycle_save,
                    .load_state = one_cycle_load);
#undef MM_OPT_STRUCT
