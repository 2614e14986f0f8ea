/* Optimizer wrappers: gradient accumulation with a shorter last window, and the
 * hand-over to what a wrapper's own functions add (mixed precision). */
#include "optim/optim_wrapper.h"

#include <inttypes.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/profile.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"

/* Backward calls that look for gradients of others. */
enum { MAX_LOOKS = 100 };

#define MM_OPT_STRUCT mm_optim_wrapper_settings
const mm_option mm_optim_wrapper_options[] = {
    {"optimizer", "the optimizer to wrap", MM_OPT_BUILD(optimizer, "optimizers")},
    {"accumulative_counts", "iterations whose gradients make one step",
     MM_OPT_I64(accumulative_counts, 1, 1, INT64_C(1) << 40)},
    {"clip_grad", "dict(max_norm=..) or dict(type='value', clip_value=..)",
     MM_OPT_VALUE(clip_grad)},
    {"paramwise_cfg", "options of the constructor: one group per parameter",
     MM_OPT_VALUE(paramwise_cfg)},
    {"constructor", "what divides the parameters into groups",
     MM_OPT_STR(constructor, "DefaultOptimWrapperConstructor")},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_optim_wrapper_ops plain_ops = {0};

#define MM_OPT_STRUCT mm_optim_wrapper_settings
const mm_component mmi_optim_wrapper = {
    .registry = "optim_wrappers",
    .name = "OptimWrapper",
    .help = "gradient accumulation and clipping around an optimizer",
    .source = "mmengine/optim/optimizer/optimizer_wrapper.py",
    .size = sizeof(mm_optim_wrapper_settings),
    .options = mm_optim_wrapper_options,
    MM_OPTIM_WRAPPER(&plain_ops),
};
#undef MM_OPT_STRUCT

mm_optim_wrapper *mmi_optim_wrapper_allocate(void)
{
    mm_optim_wrapper *wrapper = mm_alloc(sizeof *wrapper);

    if (wrapper != NULL) {
        wrapper->refs = 1;
        wrapper->max_counts = -1;
        wrapper->remainder_counts = -1;
    }
    return wrapper;
}

static mm_status start(mm_optim_wrapper *wrapper, mm_optimizer *optimizer)
{
    wrapper->ops = mm_instance_ops(wrapper->instance, MM_INTERFACE_OPTIM_WRAPPER);
    if (wrapper->ops == NULL) {
        return mm_pending();
    }
    wrapper->self = mm_instance_self(wrapper->instance);
    wrapper->settings = wrapper->self;
    wrapper->optimizer = mm_optimizer_ref(optimizer);
    if (mmi_clip_parse(wrapper->settings->clip_grad, &wrapper->clip) < 0) {
        return mm_pending();
    }
    if (mm_param_groups_add_base(optimizer->groups) < 0 ||
        wrapper->ops->start == NULL) {
        return mm_pending();
    }
    return wrapper->ops->start(wrapper->self, wrapper);
}

mm_optim_wrapper *mm_optim_wrapper_new(mm_instance *instance, mm_optimizer *optimizer)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (optimizer == NULL) {
        mm_raise(MM_EINVAL, "cannot wrap an optimizer: it is NULL");
        return NULL;
    }
    mm_optim_wrapper *wrapper = mmi_optim_wrapper_allocate();

    if (wrapper == NULL) {
        return NULL;
    }
    if (instance != NULL) {
        wrapper->instance = mm_instance_ref(instance);
    } else {
        wrapper->instance = mm_instance_new(&mmi_optim_wrapper);
        if (wrapper->instance != NULL) {
            (void)mm_instance_start(wrapper->instance);
        }
    }
    if (mm_has_error() || start(wrapper, optimizer) < 0) {
        mm_optim_wrapper_unref(wrapper);
        return NULL;
    }
    return wrapper;
}

mm_optim_wrapper *mm_optim_wrapper_ref(mm_optim_wrapper *wrapper)
{
    if (wrapper != NULL) {
        wrapper->refs++;
    }
    return wrapper;
}

void mm_optim_wrapper_unref(mm_optim_wrapper *wrapper)
{
    if (wrapper == NULL || --wrapper->refs != 0) {
        return;
    }
    for (size_t i = 0; i < wrapper->num_children; i++) {
        wrapper->children[i].wrapper->name = NULL;
        mm_optim_wrapper_unref(wrapper->children[i].wrapper);
        mm_free(wrapper->children[i].name);
    }
    mm_free(wrapper->children);
    mm_optimizer_unref(wrapper->optimizer);
    mm_instance_unref(wrapper->instance);
    mm_free(wrapper);
}

mm_status mmi_optim_wrapper_check_single(const mm_optim_wrapper *wrapper,
                                         const char *what)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (wrapper == NULL) {
        return mm_raise(MM_EINVAL, "%s: the optim wrapper is NULL", what);
    }
    if (wrapper->is_dict) {
        mm_raise(MM_ESTATE, "%s: a dict of optim wrappers cannot say for which of them",
                 what);
        return mm_error_hint("the model's train_step takes each by its name: "
                             "mm_optim_wrapper_get(optim_wrapper, \"%s\")",
                             wrapper->num_children > 0 ? wrapper->children[0].name
                                                       : "...");
    }
    return MM_OK;
}

/* The divisor of the loss: the length of the window that this iteration is in. */
static int64_t loss_divisor(const mm_optim_wrapper *wrapper)
{
    int64_t counts = wrapper->settings->accumulative_counts;
    int64_t whole = wrapper->max_counts - wrapper->remainder_counts;

    if (counts == 1 || wrapper->max_counts == -1 || wrapper->inner_count < whole) {
        return counts;
    }
    return wrapper->remainder_counts;
}

mm_tensor *mm_optim_wrapper_scale_loss(mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    if (mmi_optim_wrapper_check_single(wrapper, "scaling the loss") < 0) {
        return NULL;
    }
    if (loss == NULL) {
        mm_raise(MM_EINVAL, "scaling the loss: the loss is NULL");
        return NULL;
    }
    int64_t divisor = loss_divisor(wrapper);

    if (divisor < 1) {
        mm_raise(MM_ESTATE,
                 "iteration %" PRId64 " lies behind the last one, %" PRId64
                 ": the loss has no divisor",
                 wrapper->inner_count + 1, wrapper->max_counts);
        return NULL;
    }
    return divisor == 1 ? loss : mm_div_scalar(loss, divisor);
}

static bool has_grads(mm_optim_wrapper *wrapper)
{
    return mmi_clip_begin(wrapper->optimizer) >= 0 &&
           mmi_clip_has_grads(wrapper->optimizer);
}

/* A train_step of one's own easily forgets to drop gradients, and nothing fails: the
 * first steps are looked at, and one warning says so. */
static void look_for_old_grads(mm_optim_wrapper *wrapper)
{
    const char *name = wrapper->name != NULL ? wrapper->name : "optim_wrapper";

    if (wrapper->grads_of == MMI_GRADS_BACKWARD || wrapper->num_looks >= MAX_LOOKS) {
        return;
    }
    wrapper->num_looks++;
    if (!has_grads(wrapper)) {
        return;
    }
    wrapper->num_looks = MAX_LOOKS;
    if (wrapper->grads_of == MMI_GRADS_STEP) {
        mm_log(MM_LOG_WARN,
               "%s: the gradients of its last step are still there, continuing with "
               "the sum of old and new ones; zero_grad drops them, update_params "
               "does so by itself",
               name);
    } else {
        mm_log(MM_LOG_WARN,
               "%s: another loss has left gradients in its parameters, continuing with "
               "the sum of those and its own; zero_grad drops them, "
               "mm_module_requires_grad(part, false) around the other loss avoids them",
               name);
    }
}

/* Where the gradients of a window are complete. */
static mm_status exchange(mm_optim_wrapper *wrapper)
{
    const mm_grad_sync *sync = wrapper->sync;

    if (sync == NULL || sync->exchange == NULL) {
        return MM_OK;
    }
    if (sync->exchange(sync->user, wrapper) < 0) {
        (void)mm_error_frame("while exchanging gradients");
    }
    return mm_pending();
}

mm_status mm_optim_wrapper_backward(mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    if (mmi_optim_wrapper_check_single(wrapper, "backward") < 0) {
        return mm_pending();
    }
    look_for_old_grads(wrapper);
    bool syncs = mm_optim_wrapper_should_sync(wrapper);
    int64_t begin = mm_profile_begin();
    mm_status status = wrapper->ops->backward != NULL
                           ? wrapper->ops->backward(wrapper->self, wrapper, loss)
                           : mm_backward(loss);

    mm_profile_end(begin, "backward");

    if (status < 0) {
        return mm_pending();
    }
    wrapper->inner_count++;
    wrapper->grads_of = MMI_GRADS_BACKWARD;
    return syncs ? exchange(wrapper) : MM_OK;
}

bool mm_optim_wrapper_should_update(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL && !wrapper->is_dict &&
           (wrapper->inner_count % wrapper->settings->accumulative_counts == 0 ||
            wrapper->inner_count == wrapper->max_counts);
}

bool mm_optim_wrapper_should_sync(const mm_optim_wrapper *wrapper)
{
    int64_t next = wrapper != NULL ? wrapper->inner_count + 1 : 0;

    return wrapper == NULL || wrapper->is_dict ||
           next % wrapper->settings->accumulative_counts == 0 ||
           next == wrapper->max_counts;
}

static void send(mm_optim_wrapper *wrapper, const char *name, mm_number value)
{
    if (wrapper->sink != NULL) {
        wrapper->sink(wrapper->sink_user, name, value);
    }
}

void mmi_optim_wrapper_report_norm(mm_optim_wrapper *wrapper, double norm)
{
    send(wrapper, "train/grad_norm", (mm_number){MM_NUMBER_F64, {.f64 = norm}});
}

void mmi_optim_wrapper_report(mm_optim_wrapper *wrapper, const char *name,
                              mm_number value)
{
    const char *owner = wrapper->name != NULL ? wrapper->name : "";
    char *full = mm_strfmt("train/%s%s%s", owner, owner[0] != '\0' ? "." : "", name);

    if (full != NULL) {
        send(wrapper, full, value);
    }
    mm_free(full);
}

mm_status mm_optim_wrapper_step(mm_optim_wrapper *wrapper)
{
    if (mmi_optim_wrapper_check_single(wrapper, "step") < 0) {
        return mm_pending();
    }
    int64_t begin = mm_profile_begin();
    mm_status status = wrapper->ops->step != NULL
                           ? wrapper->ops->step(wrapper->self, wrapper)
                           : mm_optim_wrapper_clip_and_step(wrapper, 1.0F);

    mm_profile_end(begin, "optimizer step");
    wrapper->grads_of = MMI_GRADS_STEP;
    return status;
}

mm_status mm_optim_wrapper_zero_grad(mm_optim_wrapper *wrapper)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (wrapper == NULL) {
        return mm_raise(MM_EINVAL, "dropping gradients: the optim wrapper is NULL");
    }
    if (!wrapper->is_dict) {
        wrapper->grads_of = MMI_GRADS_NONE;
        return mm_optimizer_zero_grad(wrapper->optimizer, true);
    }
    for (size_t i = 0; i < wrapper->num_children; i++) {
        if (mm_optim_wrapper_zero_grad(wrapper->children[i].wrapper) < 0) {
            break;
        }
    }
    return mm_pending();
}

/* Backward of an iteration, unless the guard drops it: then it is only counted. */
static mm_status backward_or_drop(mm_optim_wrapper *wrapper, mm_tensor *loss,
                                  bool *out_dropped)
{
    const mm_step_guard *guard = wrapper->guard;
    mm_tensor *scaled = mm_optim_wrapper_scale_loss(wrapper, loss);

    if (scaled == NULL) {
        return mm_pending();
    }
    *out_dropped = guard != NULL && guard->drops_loss != NULL &&
                   guard->drops_loss(guard->user, loss);
    if (!*out_dropped) {
        return mm_optim_wrapper_backward(wrapper, scaled);
    }
    wrapper->inner_count++;
    return mm_pending();
}

static mm_status update_params(mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    bool dropped = false;

    if (backward_or_drop(wrapper, loss, &dropped) < 0 ||
        !mm_optim_wrapper_should_update(wrapper) ||
        (dropped && !has_grads(wrapper))) { /* nothing is left of a dropped window */
        return mm_pending();
    }
    if (mm_optim_wrapper_step(wrapper) >= 0) {
        mm_optim_wrapper_zero_grad(wrapper);
    }
    return mm_pending();
}

mm_status mm_optim_wrapper_update_params(mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    if (mmi_optim_wrapper_check_single(wrapper, "update_params") < 0) {
        return mm_pending();
    }
    if (update_params(wrapper, loss) < 0 && wrapper->name != NULL) {
        mm_error_frame("in the step of optim wrapper '%s'", wrapper->name);
    }
    return mm_pending();
}

mm_status mm_optim_wrapper_enter(mm_optim_wrapper *wrapper)
{
    if (mm_has_error() || wrapper == NULL) {
        return mm_pending();
    }
    if (mmi_optim_wrapper_check_single(wrapper, "entering the forward") < 0) {
        return mm_pending();
    }
    const mm_grad_sync *sync = wrapper->sync;

    if (sync != NULL && sync->begin != NULL &&
        sync->begin(sync->user, wrapper, mm_optim_wrapper_should_sync(wrapper)) < 0) {
        return mm_pending();
    }
    return wrapper->ops->enter != NULL ? wrapper->ops->enter(wrapper->self, wrapper)
                                       : MM_OK;
}

void mm_optim_wrapper_leave(mm_optim_wrapper *wrapper)
{
    if (wrapper != NULL && !wrapper->is_dict && wrapper->ops->leave != NULL) {
        wrapper->ops->leave(wrapper->self, wrapper);
    }
}

static mm_status look_for_batch_norm(void *user, const char *dotted_name,
                                     mm_module *module)
{
    bool *found = user;

    (void)dotted_name;
    *found = *found || strstr(mm_module_type(module), "BatchNorm") != NULL;
    return MM_OK;
}

mm_status mm_optim_wrapper_initialize_count_status(mm_optim_wrapper *wrapper,
                                                   mm_module *model,
                                                   int64_t init_counts,
                                                   int64_t max_counts)
{
    bool has_batch_norm = false;

    if (mm_has_error()) {
        return mm_pending();
    }
    if (wrapper == NULL || init_counts < 0) {
        return mm_raise(
            MM_EINVAL, "counting iterations from %" PRId64 ": %s", init_counts,
            wrapper == NULL ? "the optim wrapper is NULL" : "it is below 0");
    }
    if (wrapper->is_dict) {
        return MM_OK;
    }
    int64_t counts = wrapper->settings->accumulative_counts;

    if (init_counts % counts != 0) {
        mm_log(MM_LOG_WARN,
               "iteration %" PRId64 " is not a multiple of accumulative_counts=%" PRId64
               ": unless the state of the window is loaded, its gradients are lost",
               init_counts, counts);
    }
    if (counts > 1 && model != NULL &&
        mm_module_each(model, look_for_batch_norm, &has_batch_norm) >= 0 &&
        has_batch_norm) {
        mm_log(MM_LOG_WARN, "accumulated gradients are not those of a larger batch: "
                            "the model has BatchNorm layers");
    }
    wrapper->inner_count = init_counts;
    wrapper->max_counts = max_counts;
    wrapper->remainder_counts = max_counts % counts;
    return mm_pending();
}

int64_t mm_optim_wrapper_inner_count(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL ? wrapper->inner_count : 0;
}

int64_t mm_optim_wrapper_accumulative_counts(const mm_optim_wrapper *wrapper)
{
    return wrapper == NULL || wrapper->is_dict ? 1
                                               : wrapper->settings->accumulative_counts;
}

int64_t mm_optim_wrapper_skipped_steps(const mm_optim_wrapper *wrapper)
{
    int64_t skipped = wrapper != NULL ? wrapper->skipped_steps : 0;

    for (size_t i = 0; i < mm_optim_wrapper_num_children(wrapper); i++) {
        skipped += mm_optim_wrapper_skipped_steps(wrapper->children[i].wrapper);
    }
    return skipped;
}

void mm_optim_wrapper_set_scalar_sink(mm_optim_wrapper *wrapper,
                                      void (*sink)(void *user, const char *name,
                                                   mm_number value),
                                      void *user)
{
    if (wrapper == NULL) {
        return;
    }
    wrapper->sink = sink;
    wrapper->sink_user = user;
    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_optim_wrapper_set_scalar_sink(wrapper->children[i].wrapper, sink, user);
    }
}

void mm_optim_wrapper_set_grad_sync(mm_optim_wrapper *wrapper, const mm_grad_sync *sync)
{
    if (wrapper == NULL) {
        return;
    }
    wrapper->sync = sync;
    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_optim_wrapper_set_grad_sync(wrapper->children[i].wrapper, sync);
    }
}

void mm_optim_wrapper_set_guard(mm_optim_wrapper *wrapper, const mm_step_guard *guard)
{
    if (wrapper == NULL) {
        return;
    }
    wrapper->guard = guard;
    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_optim_wrapper_set_guard(wrapper->children[i].wrapper, guard);
    }
}

const mm_step_guard *mm_optim_wrapper_guard(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL ? wrapper->guard : NULL;
}

void mm_optim_wrapper_set_numerics(mm_optim_wrapper *wrapper, mm_numerics numerics)
{
    if (wrapper != NULL && wrapper->optimizer != NULL) {
        mm_optimizer_set_numerics(wrapper->optimizer, numerics);
    }
    for (size_t i = 0; i < mm_optim_wrapper_num_children(wrapper); i++) {
        mm_optim_wrapper_set_numerics(wrapper->children[i].wrapper, numerics);
    }
}

mm_optimizer *mm_optim_wrapper_optimizer(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL ? wrapper->optimizer : NULL;
}

mm_param_groups *mm_optim_wrapper_groups(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL && wrapper->optimizer != NULL ? wrapper->optimizer->groups
                                                         : NULL;
}
