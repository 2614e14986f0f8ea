/* Averages that follow within a step. The spans of the optimizer carry them only while
 * its kernels run. */
#include "optim/follow.h"

#include "optim/builtin.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

bool mmi_optim_wrapper_steps_plainly(const mm_optim_wrapper *wrapper)
{
    const mm_component *component = wrapper == NULL || wrapper->is_dict
                                        ? NULL
                                        : mm_instance_component(wrapper->instance);

    return component == &mmi_optim_wrapper || component == &mmi_amp_optim_wrapper;
}

void mmi_optim_wrapper_before_step(mm_optim_wrapper *wrapper,
                                   void (*call)(void *user, mm_optim_wrapper *wrapper),
                                   void *user)
{
    wrapper->before_step = call;
    wrapper->before_step_user = user;
}

void mmi_optimizer_follow(mm_optimizer *optimizer, mmi_follow *follow)
{
    optimizer->follow = follow;
}

void mmi_follow_begin(mm_optimizer *optimizer)
{
    const mmi_follow *follow = optimizer->follow;
    mmi_spans *spans = &optimizer->spans;

    if (follow == NULL)
        return;
    spans->pull = (mmi_pull){follow->is_lerp, follow->weight};
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mmi_span *span = &spans->spans[i];

        if (span->grad != NULL && span->param == follow->params[i])
            span->average = follow->averages[i];
    }
}

void mmi_follow_end(mm_optimizer *optimizer)
{
    mmi_follow *follow = optimizer->follow;

    if (follow == NULL)
        return;
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mmi_span *span = &optimizer->spans.spans[i];

        follow->has_followed[i] = span->average != NULL;
        span->average = NULL;
    }
    optimizer->follow = NULL;
}
