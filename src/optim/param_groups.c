/* Parameter groups: parameters in the order of PyTorch's state dicts and, per group, a
 * dict of options. The dict keeps the order in which PyTorch would have written its
 * keys: what the group was given first, then the defaults, then what schedulers add.
 * Every change bumps the version, so that optimizers read the dicts only when they
 * must.
 */
#include <stdatomic.h>
#include <string.h>

#include "mmengine/memory.h"
#include "optim/optimizer.h"

struct group {
    mm_value *options;
    size_t first; /* index of its first parameter */
    size_t count;
};

struct param {
    mm_tensor *tensor; /* a reference of ours */
    char *name;
    size_t group;
};

struct mm_param_groups {
    atomic_size_t refs;
    mm_value *defaults;
    struct group *groups;
    size_t num_groups;
    struct param *params;
    size_t num_params;
    size_t room;    /* of `params` */
    mm_value *base; /* options of the base group, or NULL */
    uint64_t version;
};

mm_param_groups *mm_param_groups_new(mm_value *defaults)
{
    mm_param_groups *groups = mm_alloc(sizeof *groups);

    if (groups == NULL) {
        return NULL;
    }
    atomic_init(&groups->refs, 1);
    groups->defaults = defaults != NULL ? mm_value_copy(defaults) : mm_value_new_dict();
    if (groups->defaults == NULL) {
        mm_param_groups_unref(groups);
        return NULL;
    }
    mm_value_freeze(groups->defaults);
    return groups;
}

mm_param_groups *mm_param_groups_ref(mm_param_groups *groups)
{
    if (groups != NULL) {
        atomic_fetch_add_explicit(&groups->refs, 1, memory_order_relaxed);
    }
    return groups;
}

void mm_param_groups_unref(mm_param_groups *groups)
{
    if (groups == NULL ||
        atomic_fetch_sub_explicit(&groups->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < groups->num_params; i++) {
        mm_tensor_unref(groups->params[i].tensor);
        mm_free(groups->params[i].name);
    }
    for (size_t i = 0; i < groups->num_groups; i++) {
        mm_value_unref(groups->groups[i].options);
    }
    mm_value_unref(groups->base);
    mm_value_unref(groups->defaults);
    mm_free(groups->params);
    mm_free(groups->groups);
    mm_free(groups);
}

/* `given` without "params", then the defaults it does not name. */
static mm_value *merge_options(const mm_value *given, const mm_value *defaults)
{
    mm_value *options = mm_value_new_dict();
    size_t count = given != NULL ? mm_value_len(given) : 0;

    for (size_t i = 0; i < count; i++) {
        const char *key = mm_dict_name_at(given, i);

        if (key == NULL || strcmp(key, "params") != 0) {
            mm_dict_put_key(options, mm_dict_key_at(given, i), mm_dict_at(given, i));
        }
    }
    for (size_t i = 0; i < mm_value_len(defaults); i++) {
        mm_value *key = mm_dict_key_at(defaults, i);

        if (mm_dict_find_key(options, key) == NULL) {
            mm_dict_put_key(options, key, mm_dict_at(defaults, i));
        }
    }
    if (mm_has_error()) {
        mm_value_unref(options);
        return NULL;
    }
    return options;
}

int64_t mm_param_groups_add(mm_param_groups *groups, const mm_value *options)
{
    if (mm_has_error()) {
        return -1;
    }
    if (groups == NULL) {
        mm_raise(MM_EINVAL, "cannot add a parameter group: groups is NULL");
        return -1;
    }
    size_t count = groups->num_groups;
    struct group *grown =
        mm_realloc(groups->groups, (count + 1) * sizeof *groups->groups);

    if (grown == NULL) {
        return -1;
    }
    groups->groups = grown;
    mm_value *merged = merge_options(options, groups->defaults);

    if (merged == NULL) {
        return -1;
    }
    grown[count] = (struct group){merged, groups->num_params, 0};
    groups->num_groups = count + 1;
    groups->version++;
    return (int64_t)count;
}

static mm_status reserve_param(mm_param_groups *groups)
{
    if (groups->num_params < groups->room) {
        return MM_OK;
    }
    size_t room = groups->room == 0 ? 16 : 2 * groups->room;
    struct param *grown = mm_realloc(groups->params, room * sizeof *grown);

    if (grown == NULL) {
        return mm_pending();
    }
    groups->params = grown;
    groups->room = room;
    return MM_OK;
}

mm_status mm_param_groups_add_param(mm_param_groups *groups, const char *name,
                                    mm_tensor *param)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (groups == NULL || param == NULL) {
        return mm_raise(MM_EINVAL, "cannot add parameter '%s': %s is NULL",
                        name != NULL ? name : "",
                        groups == NULL ? "groups" : "the tensor");
    }
    if (groups->num_groups == 0) {
        return mm_raise(MM_ESTATE, "cannot add parameter '%s': there is no group yet",
                        name != NULL ? name : "");
    }
    for (size_t i = 0; i < groups->num_params; i++) {
        if (groups->params[i].tensor == param) {
            return mm_raise(MM_EINVAL,
                            "parameter '%s' is in the groups already, as '%s'",
                            name != NULL ? name : "", groups->params[i].name);
        }
    }
    if (reserve_param(groups) < 0) {
        return mm_pending();
    }
    char *copy = mm_strdup(name != NULL ? name : "");

    if (copy == NULL) {
        return mm_pending();
    }
    groups->params[groups->num_params++] =
        (struct param){mm_tensor_ref(param), copy, groups->num_groups - 1};
    groups->groups[groups->num_groups - 1].count++;
    groups->version++;
    return MM_OK;
}

mm_status mm_param_groups_add_base(mm_param_groups *groups)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (groups->num_groups > 1 && groups->base == NULL) {
        groups->base = merge_options(NULL, groups->defaults);
        groups->version++;
    }
    return mm_pending();
}

size_t mm_param_groups_count(const mm_param_groups *groups)
{
    return groups->num_groups;
}

bool mm_param_groups_has_base(const mm_param_groups *groups)
{
    return groups->base != NULL;
}

size_t mm_param_groups_num_scheduled(const mm_param_groups *groups)
{
    return groups->num_groups + (groups->base != NULL ? 1 : 0);
}

const mm_value *mm_param_groups_defaults(const mm_param_groups *groups)
{
    return groups->defaults;
}

static mm_value *options_of(const mm_param_groups *groups, size_t group)
{
    if (group < groups->num_groups) {
        return groups->groups[group].options;
    }
    if (group == groups->num_groups && groups->base != NULL) {
        return groups->base;
    }
    mm_raise(MM_ERANGE, "no parameter group %zu: there are %zu", group,
             groups->num_groups);
    return NULL;
}

const mm_value *mm_param_groups_options(const mm_param_groups *groups, size_t group)
{
    return options_of(groups, group);
}

double mm_param_groups_f64(const mm_param_groups *groups, size_t group, const char *key)
{
    const mm_value *options = options_of(groups, group);
    const mm_value *value = options != NULL ? mm_dict_find(options, key) : NULL;

    if (value == NULL) {
        mm_raise(MM_EKEY, "parameter group %zu has no option '%s'", group, key);
        return 0.0;
    }
    double number = mm_value_f64(value);

    if (mm_has_error()) {
        mm_error_frame("while reading option '%s' of parameter group %zu", key, group);
    }
    return number;
}

mm_status mm_param_groups_put(mm_param_groups *groups, size_t group, const char *key,
                              mm_value *value)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    mm_value *options = options_of(groups, group);

    if (options != NULL) {
        mm_dict_put(options, key, value);
        groups->version++;
    }
    return mm_pending();
}

mm_status mmi_param_groups_replace(mm_param_groups *groups, size_t group,
                                   const mm_value *options)
{
    if (mm_has_error() || options_of(groups, group) == NULL) {
        return mm_pending();
    }
    mm_value *merged = merge_options(options, groups->defaults);

    if (merged == NULL) {
        return mm_pending();
    }
    mm_value **slot =
        group < groups->num_groups ? &groups->groups[group].options : &groups->base;

    mm_value_unref(*slot);
    *slot = merged;
    groups->version++;
    return MM_OK;
}

mm_status mm_param_groups_put_f64(mm_param_groups *groups, size_t group,
                                  const char *key, double value)
{
    mm_value *number = mm_value_new_f64(value);

    if (number != NULL) {
        mm_param_groups_put(groups, group, key, number);
    }
    mm_value_unref(number);
    return mm_pending();
}

uint64_t mm_param_groups_version(const mm_param_groups *groups)
{
    return groups->version;
}

size_t mm_param_groups_num_params(const mm_param_groups *groups)
{
    return groups->num_params;
}

mm_tensor *mm_param_groups_param(const mm_param_groups *groups, size_t param)
{
    return param < groups->num_params ? groups->params[param].tensor : NULL;
}

const char *mm_param_groups_name(const mm_param_groups *groups, size_t param)
{
    return param < groups->num_params ? groups->params[param].name : "";
}

size_t mm_param_groups_group_of(const mm_param_groups *groups, size_t param)
{
    return param < groups->num_params ? groups->params[param].group : 0;
}
