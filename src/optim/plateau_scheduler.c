/* Reduces the value when a metric has stopped improving. Counted in validations: a step
 * without metrics only advances the clock. */
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "optim/schedule_state.h"
#include "optim/scheduler_forms.h"

enum { RULE_LESS, RULE_GREATER, THRESHOLD_REL = 0, THRESHOLD_ABS };

struct reduce_on_plateau {
    mm_schedule schedule;
    const char *monitor;
    int rule;
    double factor;
    int64_t patience;
    double threshold;
    int threshold_rule;
    int64_t cooldown;
    mm_value *min_value; /* option: number or one per group; NULL: 0 */
    double eps;
    double *min_values; /* ours: one per scheduled group */
    size_t num_values;
    char *loaded_monitor; /* ours: a state's monitor, when it replaced the option's */
    double best;
    int64_t cooldown_counter;
    int64_t num_bad_epochs;
};

static mm_status reduce_on_plateau_init(void *self)
{
    struct reduce_on_plateau *rule = self;

    if (rule->factor >= 1.0) {
        return mm_raise(MM_ECONFIG, "factor is %g: must be below 1", rule->factor);
    }
    rule->best = rule->rule == RULE_LESS ? MM_SCHEDULE_INF : -MM_SCHEDULE_INF;
    return MM_OK;
}

static void reduce_on_plateau_deinit(void *self)
{
    struct reduce_on_plateau *rule = self;

    mm_free(rule->min_values);
    mm_free(rule->loaded_monitor);
}

/* A list is for the groups that hold parameters; the base group takes the last one. */
static mm_status reduce_on_plateau_start(void *self, mm_param_groups *groups,
                                         const char *param_name)
{
    struct reduce_on_plateau *rule = self;
    mm_kind kind = mm_value_kind(rule->min_value);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
    size_t count = mm_param_groups_count(groups);

    (void)param_name;
    if (is_list && mm_value_len(rule->min_value) != count) {
        return mm_raise(MM_ECONFIG,
                        "min_value has %zu entries, the optimizer has %zu groups",
                        mm_value_len(rule->min_value), count);
    }
    rule->num_values = mm_param_groups_num_scheduled(groups);
    rule->min_values = mm_alloc_array(rule->num_values, sizeof(double));
    for (size_t i = 0; i < rule->num_values && !mm_has_error(); i++) {
        size_t from = i < count ? i : count - 1;

        if (is_list) {
            rule->min_values[i] = mm_value_f64(mm_list_get(rule->min_value, from));
        } else if (rule->min_value != NULL) {
            rule->min_values[i] = mm_value_f64(rule->min_value);
        }
    }
    return mm_pending();
}

static bool is_better(const struct reduce_on_plateau *rule, double metric)
{
    bool is_relative = rule->threshold_rule == THRESHOLD_REL;

    if (rule->rule == RULE_LESS) {
        return metric < (is_relative ? rule->best * (1.0 - rule->threshold)
                                     : rule->best - rule->threshold);
    }
    return metric > (is_relative ? rule->best * (rule->threshold + 1.0)
                                 : rule->best + rule->threshold);
}

static const char *monitor_of(const void *self)
{
    const struct reduce_on_plateau *rule = self;

    return rule->loaded_monitor != NULL ? rule->loaded_monitor : rule->monitor;
}

static mm_status reduce_on_plateau_judge(void *self, const mm_value *metrics,
                                         bool *out_apply)
{
    struct reduce_on_plateau *rule = self;
    const mm_value *value = mm_dict_find(metrics, monitor_of(rule));

    if (value == NULL || mm_value_is_none(value)) {
        char *known = mm_value_repr(metrics);

        mm_raise(MM_EKEY, "no metric '%s' to watch in %s", monitor_of(rule),
                 known != NULL ? known : "the metrics");
        mm_free(known);
        return mm_pending();
    }
    double metric = mm_value_f64(value);

    if (mm_has_error()) {
        return mm_pending();
    }
    if (is_better(rule, metric)) {
        rule->best = metric;
        rule->num_bad_epochs = 0;
    } else {
        rule->num_bad_epochs++;
    }
    if (rule->cooldown_counter > 0) {
        rule->cooldown_counter--;
        rule->num_bad_epochs = 0;
    }
    *out_apply = rule->num_bad_epochs > rule->patience;
    if (*out_apply) {
        rule->cooldown_counter = rule->cooldown;
        rule->num_bad_epochs = 0;
    }
    return MM_OK;
}

static mm_status reduce_on_plateau_value(void *self, const mm_param_groups *groups,
                                         const mm_schedule_step *step,
                                         double *out_value)
{
    const struct reduce_on_plateau *rule = self;
    double reduced = step->value * rule->factor;
    double least = rule->min_values[step->group];

    (void)groups;
    *out_value = least > reduced ? least : reduced;
    return MM_OK;
}

static double reduce_on_plateau_least(const void *self)
{
    const struct reduce_on_plateau *rule = self;

    return rule->eps;
}

static mm_status reduce_on_plateau_save(const void *self, mm_value *state)
{
    const struct reduce_on_plateau *rule = self;
    bool is_less = rule->rule == RULE_LESS;

    mm_dict_put_f64(state, "factor", rule->factor);
    mm_dict_take(state, "min_values", mmi_f64s_new(rule->min_values, rule->num_values));
    mm_dict_put_i64(state, "patience", rule->patience);
    mm_dict_put_i64(state, "cooldown", rule->cooldown);
    mm_dict_put_i64(state, "cooldown_counter", rule->cooldown_counter);
    mmi_put_number(state, "rule_worse", is_less ? MM_SCHEDULE_INF : -MM_SCHEDULE_INF);
    mm_dict_put_f64(state, "best", rule->best);
    mm_dict_put_i64(state, "num_bad_epochs", rule->num_bad_epochs);
    mm_dict_put_f64(state, "eps", rule->eps);
    mm_dict_put_str(state, "monitor", monitor_of(rule));
    mm_dict_put_str(state, "rule", is_less ? "less" : "greater");
    mm_dict_put_f64(state, "threshold", rule->threshold);
    mm_dict_put_str(state, "threshold_rule",
                    rule->threshold_rule == THRESHOLD_REL ? "rel" : "abs");
    return mm_pending();
}

static void load_words(struct reduce_on_plateau *rule, const mm_value *state)
{
    const mm_value *monitor = mm_dict_find(state, "monitor");
    const mm_value *which = mm_dict_find(state, "rule");
    const mm_value *threshold = mm_dict_find(state, "threshold_rule");

    if (monitor != NULL && !mm_has_error()) {
        mm_free(rule->loaded_monitor);
        rule->loaded_monitor = mm_strdup(mm_value_str(monitor));
    }
    if (which != NULL && !mm_has_error()) {
        rule->rule =
            strcmp(mm_value_str(which), "greater") == 0 ? RULE_GREATER : RULE_LESS;
    }
    if (threshold != NULL && !mm_has_error()) {
        rule->threshold_rule =
            strcmp(mm_value_str(threshold), "abs") == 0 ? THRESHOLD_ABS : THRESHOLD_REL;
    }
}

static mm_status reduce_on_plateau_load(void *self, const mm_value *state,
                                        mm_schedule_load what)
{
    struct reduce_on_plateau *rule = self;

    mmi_read_f64(state, "best", &rule->best);
    mmi_read_i64(state, "num_bad_epochs", &rule->num_bad_epochs);
    mmi_read_i64(state, "cooldown_counter", &rule->cooldown_counter);
    if (what == MM_SCHEDULE_LOAD_POSITION || mm_has_error()) {
        return mm_pending();
    }
    mmi_read_f64(state, "factor", &rule->factor);
    mmi_read_f64s(state, "min_values", rule->min_values, rule->num_values);
    mmi_read_i64(state, "patience", &rule->patience);
    mmi_read_i64(state, "cooldown", &rule->cooldown);
    mmi_read_f64(state, "eps", &rule->eps);
    mmi_read_f64(state, "threshold", &rule->threshold);
    load_words(rule, state);
    return mm_pending();
}

static const mm_choice rules[] = {
    {"less", RULE_LESS, "smaller is better"},
    {"greater", RULE_GREATER, "larger is better"},
    {0},
};
static const mm_choice threshold_rules[] = {
    {"rel", THRESHOLD_REL, "better by a share of the best"},
    {"abs", THRESHOLD_ABS, "better by an amount"},
    {0},
};

#define MM_OPT_STRUCT struct reduce_on_plateau
static const mm_option reduce_on_plateau_rows[] = {
    {"monitor", "metric to watch", MM_OPT_STR(monitor, "loss")},
    {"rule", "which way is better", MM_OPT_CHOICE(rule, RULE_LESS, rules)},
    {"factor", "multiplier of a reduction, below 1",
     MM_OPT_F64(factor, 0.1, -1e308, 1.0)},
    {"patience", "validations without improvement that are allowed",
     MM_OPT_I64(patience, 10, INT64_MIN, INT64_MAX)},
    {"threshold", "least improvement that counts",
     MM_OPT_F64(threshold, 1e-4, 0, 1e308)},
    {"threshold_rule", "unit of threshold",
     MM_OPT_CHOICE(threshold_rule, THRESHOLD_REL, threshold_rules)},
    {"cooldown", "validations to wait after a reduction",
     MM_OPT_I64(cooldown, 0, INT64_MIN, INT64_MAX)},
    {"min_value", "lower bound: a number, or one per group", MM_OPT_VALUE(min_value)},
    {"eps", "a smaller reduction is left out", MM_OPT_F64(eps, 1e-8, -1e308, 1e308)},
    {0},
};
MMI_SCHEDULER_FORMS(reduce_on_plateau, ReduceOnPlateau, "reduction on a plateau",
                    .start = reduce_on_plateau_start, .value = reduce_on_plateau_value,
                    .judge = reduce_on_plateau_judge, .monitor = monitor_of,
                    .least_change = reduce_on_plateau_least,
                    .save_state = reduce_on_plateau_save,
                    .load_state = reduce_on_plateau_load);
#undef MM_OPT_STRUCT
