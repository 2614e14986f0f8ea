/* The curves of a forecast: groups with equal options are simulated once, every change
 * of a value is a point, and groups whose curves turn out equal are shown as one. */
#include <math.h>
#include <string.h>

#include "runner/forecast.h"

/* ---- groups ---- */

static mmi_forecast_group *find_equal(const mmi_forecast *self,
                                      const mm_param_groups *groups,
                                      const mm_value *options)
{
    for (size_t i = 0; i < self->items.count; i++) {
        mmi_forecast_group *item = &self->items.data[i];

        if (item->groups == groups && !item->is_base &&
            mm_value_equal(mm_param_groups_options(groups, item->group), options))
            return item;
    }
    return NULL;
}

static mmi_forecast_group *add_item(mmi_forecast *self, const mm_optim_plan *plan,
                                    mm_param_groups *groups, size_t group)
{
    mmi_forecast_group item = {
        .optimizer = plan->name,
        .type = plan->type,
        .accumulation = plan->accumulative_counts,
        .groups = mm_param_groups_ref(groups),
        .group = group,
    };

    if (!mmi_vec_push(&self->items, item)) {
        mm_param_groups_unref(groups);
        return NULL;
    }
    return &self->items.data[self->items.count - 1];
}

static void add_names(mmi_forecast_group *item, const mm_param_groups *from,
                      size_t group)
{
    for (size_t i = 0; i < mm_param_groups_num_params(from) && !mm_has_error(); i++) {
        if (mm_param_groups_group_of(from, i) != group)
            continue;
        char *name = mm_strdup(mm_param_groups_name(from, i));

        if (name != NULL && !mmi_vec_push(&item->params, name))
            mm_free(name);
    }
}

/* The group's index in `folded` is that of its item, so a new one is added behind. */
static void add_group(mmi_forecast *self, const mm_optim_plan *plan,
                      mm_param_groups *folded, size_t group, bool is_apart)
{
    bool is_base = group == mm_param_groups_count(plan->groups);
    const mm_value *options = mm_param_groups_options(plan->groups, group);
    mmi_forecast_group *item = NULL;

    if (is_apart)
        item = add_item(self, plan, folded, group);
    else if (is_base || (item = find_equal(self, folded, options)) == NULL) {
        int64_t index = mm_param_groups_add(folded, options);

        item = index < 0 ? NULL : add_item(self, plan, folded, (size_t)index);
    }
    if (item == NULL)
        return;
    item->is_base = is_base;
    if (!is_base)
        add_names(item, plan->groups, group);
}

mm_param_groups *mmi_forecast_add(mmi_forecast *self, const mm_optim_plan *plan,
                                  bool is_apart)
{
    mm_param_groups *groups = plan->groups;
    mm_value *defaults = mm_value_copy(mm_param_groups_defaults(groups));
    mm_param_groups *folded = is_apart           ? mm_param_groups_ref(groups)
                              : defaults != NULL ? mm_param_groups_new(defaults)
                                                 : NULL;

    mm_value_unref(defaults);
    for (size_t i = 0;
         folded != NULL && i < mm_param_groups_num_scheduled(groups) && !mm_has_error();
         i++)
        add_group(self, plan, folded, i, is_apart);
    return folded;
}

/* ---- values ---- */

static mm_status read_option(const mmi_forecast_group *item, const char *option,
                             double *out)
{
    const mm_value *options = mm_param_groups_options(item->groups, item->group);
    const mm_value *betas = mm_dict_find(options, "betas");
    const mm_value *value = strcmp(option, "momentum") == 0 && betas != NULL
                                ? mm_list_get(betas, 0)
                                : mm_dict_find(options, option);

    *out = NAN;
    if (value != NULL &&
        (mm_value_kind(value) == MM_KIND_F64 || mm_value_kind(value) == MM_KIND_I64))
        *out = mm_value_f64(value);
    return mm_pending();
}

static void add_curve(mmi_forecast_group *item, const char *option)
{
    double value = NAN;

    for (size_t i = 0; i < item->curves.count; i++) {
        if (strcmp(item->curves.data[i].option, option) == 0)
            return;
    }
    if (item->curves.count < MMI_MAX_CURVES && read_option(item, option, &value) >= 0 &&
        !isnan(value))
        (void)mmi_vec_push(&item->curves, (mm_forecast_curve){.option = option});
}

static void choose_curves(mmi_forecast *self)
{
    for (size_t i = 0; i < self->items.count; i++) {
        mmi_forecast_group *item = &self->items.data[i];

        add_curve(item, "lr");
        if (item->is_base)
            continue;
        add_curve(item, "momentum");
        add_curve(item, "weight_decay");
        for (size_t k = 0; k < self->out.num_rules; k++) {
            if (self->out.rules[k].optimizer == item->optimizer)
                add_curve(item, self->out.rules[k].option);
        }
    }
}

static mm_status note(mmi_forecast_group *item, int64_t at)
{
    uint64_t version = mm_param_groups_version(item->groups);

    if (at > 0 && version == item->seen_version)
        return MM_OK;
    item->seen_version = version;
    for (size_t i = 0; i < item->curves.count; i++) {
        double value = 0.0;
        size_t count = item->points[i].count;

        if (read_option(item, item->curves.data[i].option, &value) < 0)
            return mm_pending();
        if (count > 0 && item->points[i].data[count - 1].value == value)
            continue;
        if (!mmi_vec_push(&item->points[i], (mm_forecast_point){at, value}))
            return mm_pending();
    }
    return MM_OK;
}

/* One position of the run is trained. */
static mm_status pass(const mmi_forecast *self, mm_runner *runner, int64_t at)
{
    const mm_forecast *out = &self->out;

    if (out->is_by_epoch)
        return mmi_schedulers_pass_epoch(runner);
    if (mmi_schedulers_pass_iter(runner, at + 1) < 0)
        return mm_pending();
    return runner->at.by_epoch && (at + 1) % out->epoch_length == 0
               ? mmi_schedulers_pass_epoch(runner)
               : MM_OK;
}

mm_status mmi_forecast_run(mmi_forecast *self, mm_runner *runner)
{
    choose_curves(self);
    for (int64_t at = 0; at < self->out.length && !mm_has_error(); at++) {
        for (size_t i = 0; i < self->items.count; i++) {
            if (note(&self->items.data[i], at) < 0)
                return mm_pending();
        }
        if (at + 1 < self->out.length)
            (void)pass(self, runner, at);
    }
    for (size_t i = 0; i < self->items.count; i++) {
        mmi_forecast_group *item = &self->items.data[i];

        for (size_t k = 0; k < item->curves.count; k++) {
            item->curves.data[k].points = item->points[k].data;
            item->curves.data[k].count = item->points[k].count;
        }
    }
    return mm_pending();
}

double mm_forecast_value(const mm_forecast_curve *curve, int64_t at)
{
    size_t low = 0;
    size_t high = curve->count;

    while (high - low > 1) { /* points[low].at <= at < points[high].at */
        size_t middle = low + (high - low) / 2;

        if (curve->points[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return curve->count > 0 ? curve->points[low].value : NAN;
}

/* ---- equal groups ---- */

static bool are_equal(const mm_forecast_curve *a, const mm_forecast_curve *b)
{
    if (strcmp(a->option, b->option) != 0 || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->points[i].at != b->points[i].at ||
            a->points[i].value != b->points[i].value)
            return false;
    }
    return true;
}

/* A base group is nothing new where its learning rate is some group's. */
static bool says_the_same(const mmi_forecast_group *shown,
                          const mmi_forecast_group *item)
{
    if (shown->optimizer != item->optimizer || shown->is_base ||
        (!item->is_base && shown->curves.count != item->curves.count))
        return false;
    for (size_t i = 0; i < item->curves.count; i++) {
        if (!are_equal(&shown->curves.data[i], &item->curves.data[i]))
            return false;
    }
    return true;
}

static bool join_equal(mmi_forecast *self, size_t index)
{
    mmi_forecast_group *item = &self->items.data[index];

    for (size_t i = 0; i < index; i++) {
        mmi_forecast_group *shown = &self->items.data[i];

        if (shown->curves.count == 0 || !says_the_same(shown, item))
            continue;
        for (size_t k = 0; k < item->params.count && !mm_has_error(); k++) {
            if (mmi_vec_push(&shown->params, item->params.data[k]))
                item->params.data[k] = NULL;
        }
        item->curves.count = 0; /* no longer shown */
        return true;
    }
    return false;
}

mm_status mmi_forecast_fold(mmi_forecast *self)
{
    size_t shown = 0;

    self->groups = mm_alloc_array(self->items.count + 1, sizeof(*self->groups));
    for (size_t i = 0; i < self->items.count && !mm_has_error(); i++)
        (void)join_equal(self, i);
    for (size_t i = 0; i < self->items.count && !mm_has_error(); i++) {
        const mmi_forecast_group *item = &self->items.data[i];

        if (item->curves.count > 0)
            self->groups[shown++] = (mm_forecast_group){
                .optimizer = item->optimizer,
                .type = item->type,
                .accumulation = item->accumulation,
                .params = (const char *const *)item->params.data,
                .num_params = item->params.count,
                .is_base = item->is_base,
                .curves = item->curves.data,
                .num_curves = item->curves.count,
            };
    }
    self->out.groups = self->groups;
    self->out.num_groups = shown;
    return mm_pending();
}
