/* The driver of elementwise update rules. What a step needs is derived from dicts only
 * when something changed: settings when the groups' version did, pointers to states
 * when memory moved or a state was loaded. A step then reads each parameter's single
 * numbers, finds or makes the coefficients for its (setting, numbers), and runs one
 * pass over all memory. Groups of equal options are one setting, so a group per
 * parameter costs nothing.
 *
 * Parameters that the kernels cannot reach are updated by the rule's operators: see
 * elementwise_slow.c. */
#include "optim/elementwise.h"

#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/follow.h"

static size_t setting_size(const mmi_elementwise *driver)
{
    return driver->rule->setting_size;
}

static const void *setting_of(const mmi_elementwise *driver, size_t group)
{
    return driver->settings + group * setting_size(driver);
}

static void count_states(mmi_elementwise *driver)
{
    const mm_update_state *state = driver->rule->states;

    for (; state != NULL && state->name != NULL; state++) {
        driver->num_states++;
        driver->num_scalars += state->is_scalar ? 1 : 0;
    }
}

static mm_status check_rule(const mmi_elementwise *driver)
{
    const mm_update_rule *rule = driver->rule;
    size_t num_tensors = driver->num_states - driver->num_scalars;

    if (rule->setting_size == 0 || rule->read == NULL ||
        (rule->update == NULL && rule->select == NULL) ||
        (rule->prepare == NULL && driver->size != rule->setting_size))
        return mm_raise(MM_EINVAL, "the update rule lacks what it must have: read, "
                                   "setting_size, update or select");
    if (num_tensors > MM_UPDATE_MAX_STATES ||
        driver->num_scalars > MM_UPDATE_MAX_SCALARS)
        return mm_raise(MM_EINVAL,
                        "the update rule has %zu states and %zu single numbers: more "
                        "than %d and %d",
                        num_tensors, driver->num_scalars, (int)MM_UPDATE_MAX_STATES,
                        (int)MM_UPDATE_MAX_SCALARS);
    return MM_OK;
}

static void free_groups(mmi_elementwise *driver)
{
    mm_free(driver->settings);
    mm_free(driver->maximize);
    mm_free(driver->uses);
    mm_free(driver->same_as);
    mm_free(driver->last_made);
    driver->settings = NULL;
    driver->maximize = NULL;
    driver->uses = NULL;
    driver->same_as = NULL;
    driver->last_made = NULL;
    driver->num_groups = 0;
}

void mmi_elementwise_free(mmi_elementwise *driver)
{
    if (driver == NULL)
        return;
    free_groups(driver);
    mm_free(driver->made);
    mm_free(driver->coefficients);
    mm_free(driver->known);
    mm_free(driver);
}

/* --- settings --- */

static mm_status reserve_groups(mmi_elementwise *driver, size_t count)
{
    if (driver->settings != NULL && driver->num_groups == count)
        return MM_OK;
    free_groups(driver);
    driver->settings = mm_alloc_array(count, setting_size(driver));
    driver->maximize = mm_alloc_array(count, sizeof *driver->maximize);
    driver->uses = mm_alloc_array(count, sizeof *driver->uses);
    driver->same_as = mm_alloc_array(count, sizeof *driver->same_as);
    driver->last_made = mm_alloc_array(count, sizeof *driver->last_made);
    if (mm_has_error()) {
        free_groups(driver);
        return mm_pending();
    }
    driver->num_groups = count;
    return MM_OK;
}

static bool has_state(const mm_update_state *state, const void *setting)
{
    return state->has == NULL || state->has(setting);
}

static double initial_of(const mm_update_state *state, const void *setting)
{
    return state->initial == NULL ? 0.0 : state->initial(setting);
}

/* The tensors of a setting, a bit each. */
static unsigned used_tensors(const mmi_elementwise *driver, const void *setting)
{
    const mm_update_state *states = driver->rule->states;
    unsigned uses = 0;
    unsigned bit = 1;

    for (size_t i = 0; i < driver->num_states; i++) {
        if (states[i].is_scalar)
            continue;
        uses |= has_state(&states[i], setting) ? bit : 0u;
        bit <<= 1;
    }
    return uses;
}

static void read_group(mmi_elementwise *driver, const mm_optimizer *optimizer,
                       size_t group)
{
    const mm_value *options = mm_param_groups_options(optimizer->groups, group);
    size_t size = setting_size(driver);
    unsigned char *setting = driver->settings + group * size;

    memset(setting, 0, size);
    driver->rule->read(optimizer->self, options, setting);
    driver->maximize[group] = mmi_option_bool(options, "maximize", false);
    driver->uses[group] = used_tensors(driver, setting);
    driver->same_as[group] = group;
    for (size_t k = 0; k < group; k++) {
        if (driver->same_as[k] == k &&
            memcmp(driver->settings + k * size, setting, size) == 0) {
            driver->same_as[group] = k;
            break;
        }
    }
}

/* Reads the groups' options only if they changed since the last step. */
static mm_status update_settings(mmi_elementwise *driver, const mm_optimizer *optimizer)
{
    const mm_param_groups *groups = optimizer->groups;
    uint64_t version = mm_param_groups_version(groups);

    if (driver->settings != NULL && driver->version == version)
        return MM_OK;
    if (reserve_groups(driver, mm_param_groups_count(groups)) < 0)
        return mm_pending();
    for (size_t i = 0; i < driver->num_groups && !mm_has_error(); i++)
        read_group(driver, optimizer, i);
    driver->version = mm_has_error() ? 0 : version;
    return mm_pending();
}

/* --- states --- */

/* Where a single number lies: in a float of no dimensions on the host. What was loaded
 * as a plain number, or as a tensor of another kind, becomes one. */
static float *find_scalar(mm_optimizer *optimizer, size_t index, const char *name,
                          double initial)
{
    const mm_value *state = mm_optimizer_state(optimizer, index);
    const mm_value *value = state != NULL ? mm_dict_find(state, name) : NULL;
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;
    mm_tensor_info info = {0};

    if (tensor != NULL)
        mm_tensor_info_get(tensor, &info);
    if (!mm_has_error() && !(info.is_cpu && info.dtype == MM_DTYPE_F32)) {
        mm_scope scope = mm_scope_open();
        double number = initial;

        if (value != NULL)
            number = tensor != NULL ? mm_item(tensor) : mm_value_f64(value);
        tensor = mmi_optimizer_put_state(optimizer, index, name,
                                         mm_scalar(number, MM_DTYPE_F32));
        mm_scope_close(scope);
    }
    return mm_data(tensor, MM_DTYPE_F32);
}

/* A state of a parameter that the kernels do not reach; NULL if it is lazy and new. */
static mm_tensor *find_tensor(mm_optimizer *optimizer, size_t index,
                              const mm_update_state *state, double initial)
{
    mm_tensor *tensor = mmi_optimizer_find_state(optimizer, index, state->name);

    if (tensor != NULL || state->is_lazy)
        return tensor;
    mm_scope scope = mm_scope_open();
    mm_tensor *param = optimizer->params[index];

    tensor = mmi_optimizer_put_state(optimizer, index, state->name,
                                     initial == 0.0 ? mm_zeros_like(param)
                                                    : mm_full_like(param, initial));
    mm_scope_close(scope);
    return tensor;
}

/* The same of a parameter that they do reach. */
static float *find_memory(mm_optimizer *optimizer, size_t index,
                          const mm_update_state *state, double initial)
{
    if (initial != 0.0)
        find_tensor(optimizer, index, state, initial);
    return mm_has_error() ? NULL
                          : mmi_optimizer_state_memory(optimizer, index, state->name,
                                                       !state->is_lazy);
}

/* Looks up or makes one tensor of a parameter. `memory`: where to note where it lies;
 * NULL if the kernels do not reach it. True if it is lazy and was not there. */
static bool prepare_tensor(mm_optimizer *optimizer, size_t index,
                           const mm_update_state *state, double initial, float **memory)
{
    bool is_new = state->is_lazy &&
                  mmi_optimizer_find_state(optimizer, index, state->name) == NULL;

    if (memory != NULL)
        *memory = find_memory(optimizer, index, state, initial);
    else
        find_tensor(optimizer, index, state, initial);
    return is_new;
}

/* Looks up or makes all states of a parameter, in the rule's order. */
static mm_status prepare_states(mmi_elementwise *driver, mm_optimizer *optimizer,
                                size_t index, size_t group)
{
    const mm_update_state *states = driver->rule->states;
    mmi_span *span = &optimizer->spans.spans[index];
    struct mmi_known *known = &driver->known[index];
    size_t scalar = 0;
    size_t tensor = 0;

    memset(span->states, 0, sizeof span->states);
    span->is_new = false;
    for (size_t i = 0; i < driver->num_states && !mm_has_error(); i++) {
        const void *setting = setting_of(driver, group);
        double initial = initial_of(&states[i], setting);
        bool is_there = has_state(&states[i], setting);

        if (states[i].is_scalar) {
            known->scalars[scalar++] =
                is_there ? find_scalar(optimizer, index, states[i].name, initial)
                         : NULL;
        } else {
            float **memory = span->grad != NULL ? &span->states[tensor] : NULL;

            tensor++;
            if (is_there &&
                prepare_tensor(optimizer, index, &states[i], initial, memory))
                span->is_new = true;
        }
    }
    known->is_known = !mm_has_error();
    known->uses = driver->uses[group];
    known->group = group;
    return mm_pending();
}

/* For rules that have their states from the start. */
static mm_status make_states(mmi_elementwise *driver, mm_optimizer *optimizer)
{
    bool recorded = mm_grad_mode_set(false);

    if (update_settings(driver, optimizer) >= 0) {
        for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++)
            prepare_states(driver, optimizer, i,
                           mm_param_groups_group_of(optimizer->groups, i));
    }
    mm_grad_mode_set(recorded);
    return mm_pending();
}

mmi_elementwise *mmi_elementwise_new(mm_optimizer *optimizer)
{
    mmi_elementwise *driver = mm_alloc(sizeof *driver);

    if (driver == NULL)
        return NULL;
    const mm_update_rule *rule = optimizer->ops->rule;

    driver->rule = rule;
    driver->function = rule->select != NULL ? rule->select() : rule->update;
    driver->size =
        rule->coefficients_size != 0 ? rule->coefficients_size : rule->setting_size;
    count_states(driver);
    driver->made = mm_alloc_array(optimizer->num_params, sizeof *driver->made);
    driver->coefficients = mm_alloc_array(optimizer->num_params, driver->size);
    driver->known = mm_alloc_array(optimizer->num_params, sizeof *driver->known);
    if (mm_has_error() || check_rule(driver) < 0 ||
        (rule->makes_states_at_once && make_states(driver, optimizer) < 0)) {
        mmi_elementwise_free(driver);
        return NULL;
    }
    return driver;
}

bool mmi_elementwise_is_scalar(const mm_update_rule *rule, const char *name)
{
    const mm_update_state *state = rule->states;

    for (; state != NULL && state->name != NULL; state++) {
        if (state->is_scalar && strcmp(state->name, name) == 0)
            return true;
    }
    return false;
}

void mmi_elementwise_forget(mmi_elementwise *driver, mm_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->num_params; i++) {
        memset(optimizer->spans.spans[i].states, 0,
               sizeof optimizer->spans.spans[i].states);
        driver->known[i].is_known = false;
    }
}

/* --- coefficients --- */

static void make(mmi_elementwise *driver, struct mmi_made *made, void *coefficients)
{
    const void *setting = setting_of(driver, made->setting);

    if (driver->rule->prepare != NULL)
        driver->rule->prepare(setting, made->after, coefficients);
    else
        memcpy(coefficients, setting, driver->size);
}

static bool has_numbers(const mmi_elementwise *driver, const struct mmi_made *made,
                        const float *numbers)
{
    return driver->num_scalars == 0 ||
           memcmp(made->before, numbers, driver->num_scalars * sizeof *numbers) == 0;
}

/* The index of the coefficients for a setting and a parameter's single numbers, made if
 * need be. Parameters of one setting nearly always have one age, so the search is
 * short. */
static size_t find_made(mmi_elementwise *driver, size_t setting, const float *numbers)
{
    for (size_t i = driver->last_made[setting]; i > 0; i = driver->made[i - 1].next) {
        if (has_numbers(driver, &driver->made[i - 1], numbers))
            return i - 1;
    }
    size_t index = driver->num_made++;
    struct mmi_made *made = &driver->made[index];

    *made = (struct mmi_made){.setting = setting, .next = driver->last_made[setting]};
    memcpy(made->before, numbers, driver->num_scalars * sizeof *numbers);
    memcpy(made->after, made->before, sizeof made->after);
    make(driver, made, driver->coefficients + index * driver->size);
    driver->last_made[setting] = index + 1;
    return index;
}

/* The same, with the parameter's numbers advanced. A number that a setting does without
 * is 0. */
static size_t advance(mmi_elementwise *driver, size_t setting,
                      const struct mmi_known *known)
{
    float numbers[MM_UPDATE_MAX_SCALARS];

    for (size_t i = 0; i < driver->num_scalars; i++)
        numbers[i] = known->scalars[i] != NULL ? *known->scalars[i] : 0.0F;
    size_t made = find_made(driver, setting, numbers);

    for (size_t i = 0; i < driver->num_scalars; i++) {
        if (known->scalars[i] != NULL)
            *known->scalars[i] = driver->made[made].after[i];
    }
    return made;
}

/* Prepares one parameter for its update: states, coefficients, single numbers. */
static mm_status begin_update(mmi_elementwise *driver, mm_optimizer *optimizer,
                              size_t index)
{
    const struct mmi_known *known = &driver->known[index];
    mmi_span *span = &optimizer->spans.spans[index];
    bool is_ready = known->is_known && !span->has_moved && span->grad != NULL &&
                    known->uses == driver->uses[known->group];

    span->is_new = false;
    if (!is_ready &&
        prepare_states(driver, optimizer, index,
                       mm_param_groups_group_of(optimizer->groups, index)) < 0)
        return mm_pending();
    span->has_moved = false;
    span->rule = (int32_t)advance(driver, driver->same_as[known->group], known);
    span->grad_factor = driver->maximize[known->group] ? -optimizer->grad_factor
                                                       : optimizer->grad_factor;
    return MM_OK;
}

/* --- the step --- */

mm_status mmi_elementwise_step(mmi_elementwise *driver, mm_optimizer *optimizer)
{
    if (mmi_optimizer_gather(optimizer, true) < 0 ||
        update_settings(driver, optimizer) < 0)
        return mm_pending();
    driver->num_made = 0;
    memset(driver->last_made, 0, driver->num_groups * sizeof *driver->last_made);
    for (size_t i = 0; i < optimizer->num_params; i++) {
        if (optimizer->memory[i].has_grad && begin_update(driver, optimizer, i) < 0)
            return mm_pending();
    }
    mmi_follow_begin(optimizer);
    mmi_spans_update(
        &optimizer->spans,
        &(mmi_update){driver->function, driver->coefficients, driver->size});
    mmi_follow_end(optimizer);
    return optimizer->num_slow > 0 ? mmi_elementwise_step_slow(driver, optimizer)
                                   : mm_pending();
}
