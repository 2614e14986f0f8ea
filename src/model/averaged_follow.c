/* Offers of an average to the steps of an optimizer: what follows within a step costs
 * one read and one write of the average and nothing for the weights, which are in the
 * cache. The update that comes after a step does what is left: parameters that were not
 * stepped, buffers, what the kernels cannot reach. So the numbers are those of an
 * update without any offer, whatever the step did or did not do.
 */
#include <stdint.h>
#include <string.h>

#include "mmengine/memory.h"
#include "model/averaging.h"

void mmi_averaged_forget_offer(mm_averaging *state)
{
    if (state->optimizer != NULL)
        mmi_optimizer_follow(state->optimizer, NULL);
    mm_optimizer_unref(state->optimizer);
    mm_free(state->follow.averages);
    mm_free(state->follow.params);
    mm_free(state->follow.has_followed);
    mm_free(state->pair_of);
    state->optimizer = NULL;
    state->follow = (mmi_follow){0};
    state->pair_of = NULL;
    state->num_params = 0;
    state->num_followed = 0;
    state->has_offered = false;
}

/* The pair of a parameter, looked for from `from` on: both lists mostly have the same
 * order. */
static size_t find_pair(const mmi_pairs *pairs, const mm_tensor *param, size_t from)
{
    for (size_t i = 0; i < pairs->count; i++) {
        size_t at = (from + i) % pairs->count;

        if (pairs->items[at].live == param && !pairs->items[at].is_again)
            return at;
    }
    return SIZE_MAX;
}

/* Learns which pair belongs to which parameter, once per optimizer. */
static mm_status meet(mm_base_averaged_model *self, mm_optimizer *optimizer)
{
    mm_averaging *state = self->state;
    const mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t count = mm_param_groups_num_params(groups), next = 0;

    if (state->optimizer == optimizer && state->num_params == count)
        return MM_OK;
    mmi_averaged_forget_offer(state);
    state->follow.averages = mm_alloc_array(count, sizeof(*state->follow.averages));
    state->follow.params = mm_alloc_array(count, sizeof(*state->follow.params));
    state->follow.has_followed =
        mm_alloc_array(count, sizeof(*state->follow.has_followed));
    state->pair_of = mm_alloc_array(count, sizeof(*state->pair_of));
    if (mm_has_error()) {
        mmi_averaged_forget_offer(state);
        return mm_pending();
    }
    for (size_t i = 0; i < count; i++) {
        size_t pair =
            find_pair(mmi_averaged_pairs(self), mm_param_groups_param(groups, i), next);

        state->pair_of[i] = pair;
        next = pair == SIZE_MAX ? next : pair + 1;
    }
    state->num_params = count;
    state->optimizer = mm_optimizer_ref(optimizer);
    return MM_OK;
}

/* Only weights of which a kernel could make the next average. */
static void offer(mm_averaging *state)
{
    mmi_follow *follow = &state->follow;

    for (size_t i = 0; i < state->num_params; i++) {
        size_t pair = state->pair_of[i];
        const mmi_span *span = pair == SIZE_MAX ? NULL : &state->spans.spans[pair];
        bool is_offered = span != NULL && span->grad != NULL;

        follow->averages[i] = is_offered ? span->param : NULL;
        follow->params[i] = is_offered ? span->grad : NULL;
        follow->has_followed[i] = false;
    }
    follow->is_lerp = state->rule.is_lerp;
    follow->weight = (float)state->rule.weight;
    state->has_offered = true;
    mmi_optimizer_follow(state->optimizer, follow);
}

mm_status mm_averaged_model_follow(mm_module *averaged, mm_module *live,
                                   mm_optim_wrapper *wrapper)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);
    int64_t steps = mm_averaged_model_steps(averaged);

    if (self == NULL || mmi_averaged_know(self, live) < 0)
        return mm_pending();
    const mm_averaged_model_ops *ops =
        mm_instance_ops(mm_module_instance(averaged), MM_INTERFACE_AVERAGED_MODEL);

    mmi_averaged_end_offer(self);
    if (steps == 0 || steps % self->interval != 0 || ops->average != NULL ||
        self->state->is_reference || !mmi_optim_wrapper_steps_plainly(wrapper) ||
        mm_optimizer_numerics(mm_optim_wrapper_optimizer(wrapper)) != MM_NUMERICS_FAST)
        return mm_pending();
    if (meet(self, mm_optim_wrapper_optimizer(wrapper)) < 0 ||
        mmi_averaged_fill_spans(self->state, mmi_averaged_pairs(self)) < 0)
        return mm_pending();
    self->state->rule = ops->rule(self, steps);
    offer(self->state);
    return mm_pending();
}

static void forget_marks(mm_averaging *state, const mmi_pairs *pairs)
{
    for (size_t i = 0; state->num_followed > 0 && i < pairs->count; i++)
        pairs->items[i].has_followed = false;
    state->num_followed = 0;
}

void mmi_averaged_end_offer(mm_base_averaged_model *self)
{
    mm_averaging *state = self->state;
    const mmi_pairs *pairs = mmi_averaged_pairs(self);

    forget_marks(state, pairs);
    if (!state->has_offered)
        return;
    mmi_optimizer_follow(state->optimizer, NULL);
    state->has_offered = false;
    for (size_t i = 0; i < state->num_params; i++) {
        if (state->follow.has_followed[i]) {
            pairs->items[state->pair_of[i]].has_followed = true;
            state->num_followed++;
        }
    }
}
