/* Averaged models: a copy of a model whose weights follow the live ones as a running
 * average. Numbers are those of MMEngine's operations on the same libtorch: dense float
 * weights on the host take one pass of our kernels, which round as ATen does; all
 * others, and all under the reference path, go through the operators themselves.
 *
 * The tensors of both models are paired up by name once per live model: handles of a
 * module's tensors never change. Source: mmengine/model/averaged_model.py. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "model/averaging.h"

#define MM_OPT_STRUCT mm_base_averaged_model
const mm_option mm_base_averaged_model_options[] = {
    {"model", "the model to average", MM_OPT_BUILD_REQUIRED(model, "models")},
    {"interval", "updates between two averages", MM_OPT_I64(interval, 1, 1, INT64_MAX)},
    {"device", "where the average lies; default: where the model lies",
     MM_OPT_STR(device, NULL)},
    {"update_buffers", "average buffers too, as running means; else they are copied",
     MM_OPT_BOOL(update_buffers, false)},
    {0},
};
#undef MM_OPT_STRUCT

/* Life. */

mm_status mm_averaged_model_init(void *data)
{
    mm_base_averaged_model *self = data;
    mm_module *module = mm_module_of(data);
    mm_averaging *state = mm_alloc(sizeof(*state));
    mm_scope scope = mm_scope_open();

    self->state = state;
    if (state != NULL) {
        state->spans.kernels = mmi_kernels_best();
        state->steps =
            mm_module_add_buffer(module, "steps", mm_scalar(0.0, MM_DTYPE_I64), true);
        state->copy = mm_module_add(module, "module",
                                    mm_module_copy(mm_module_of_instance(self->model)));
    }
    if (!mm_has_error() && mm_module_requires_grad(state->copy, false) == MM_OK &&
        self->device != NULL)
        (void)mm_module_to(state->copy, self->device, MM_DTYPE_NONE);
    mm_scope_close(scope);
    return mm_pending();
}

static void forget_pairs(mm_averaging *state)
{
    mmi_averaged_forget_offer(state);
    mm_free(state->params.items);
    mm_free(state->buffers.items);
    mm_free(state->states.items);
    mm_free(state->averaged);
    mm_free(state->originals);
    mm_free(state->averaged_memory);
    mm_free(state->live_memory);
    mm_free(state->places);
    mm_free(state->spans.spans);
    mm_module_unref(state->live);
    state->params = state->buffers = state->states = (mmi_pairs){0};
    state->averaged = state->originals = NULL;
    state->averaged_memory = state->live_memory = NULL;
    state->places = NULL;
    state->spans.spans = NULL;
    state->live = NULL;
}

void mm_averaged_model_deinit(void *data)
{
    mm_base_averaged_model *self = data;

    if (self->state != NULL)
        forget_pairs(self->state);
    mm_free(self->state);
    self->state = NULL;
}

mm_base_averaged_model *mmi_averaged_base_of(mm_module *averaged)
{
    if (averaged == NULL && !mm_has_error())
        (void)mm_raise(MM_EINVAL, "could not use an averaged model: none given");
    if (mm_has_error() || mm_instance_ops(mm_module_instance(averaged),
                                          MM_INTERFACE_AVERAGED_MODEL) == NULL)
        return NULL;
    return mm_module_self(averaged);
}

/* Pairing up. */

static mm_status add_pair(mmi_pairs *pairs, const char *name, mm_tensor *averaged,
                          mm_tensor *live)
{
    mm_tensor_info own, other;

    if (live == NULL)
        return mm_raise(MM_EKEY,
                        "could not average weights: the live model has no '%s'", name);
    if (mm_tensor_info_get(averaged, &own) < 0 || mm_tensor_info_get(live, &other) < 0)
        return mm_pending();
    if (own.ndim != other.ndim ||
        memcmp(own.sizes, other.sizes, sizeof(int64_t) * (size_t)own.ndim) != 0)
        return mm_raise(MM_ESHAPE, "could not average '%s': its sizes differ", name);
    if (pairs->count == pairs->room) {
        size_t room = pairs->room == 0 ? 64 : 2 * pairs->room;
        mmi_pair *items = mm_realloc(pairs->items, room * sizeof(*items));

        if (items == NULL)
            return mm_pending();
        pairs->items = items;
        pairs->room = room;
    }
    mmi_pair *pair = &pairs->items[pairs->count];

    *pair = (mmi_pair){.averaged = averaged, .live = live};
    pair->is_float = mm_dtype_is_floating(own.dtype);
    for (size_t i = 0; i < pairs->count && !pair->is_again; i++)
        pair->is_again = pairs->items[i].averaged == averaged;
    pairs->count++;
    return MM_OK;
}

/* What the walks over the copy carry along. */
struct walk {
    mmi_pairs *pairs;
    mm_module *live;
};

static mm_status pair_up(void *user, const char *name, mm_tensor *tensor,
                         mm_module *owner)
{
    struct walk *walk = user;
    (void)owner;

    return add_pair(walk->pairs, name, tensor, mm_module_find_tensor(walk->live, name));
}

/* The entries of the state dict, where a shared tensor stands under each of its names.
 */
static mm_status pair_states(mm_averaging *state, mm_module *live)
{
    mm_value *dict = mm_module_state_dict(state->copy);

    for (size_t i = 0; dict != NULL && i < mm_value_len(dict) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(dict, i);

        (void)add_pair(&state->states, name, mm_value_tensor(mm_dict_at(dict, i)),
                       mm_module_find_tensor(live, name));
    }
    mm_value_unref(dict);
    return mm_pending();
}

const mmi_pairs *mmi_averaged_pairs(const mm_base_averaged_model *self)
{
    return self->update_buffers ? &self->state->states : &self->state->params;
}

static mm_status make_room(mm_averaging *state, const mmi_pairs *pairs)
{
    size_t count = pairs->count;

    state->averaged = mm_alloc_array(count + 1, sizeof(*state->averaged));
    state->originals = mm_alloc_array(count + 1, sizeof(*state->originals));
    state->averaged_memory = mm_alloc_array(count + 1, sizeof(*state->averaged_memory));
    state->live_memory = mm_alloc_array(count + 1, sizeof(*state->live_memory));
    state->places = mm_alloc_array(count + 1, sizeof(*state->places));
    state->spans.spans = mm_alloc_array(count + 1, sizeof(*state->spans.spans));
    state->spans.count = (int64_t)count;
    state->spans.parallel = mm_torch_parallel();
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        state->averaged[i] = pairs->items[i].averaged;
        state->originals[i] = pairs->items[i].live;
    }
    return mm_pending();
}

/* Pairs the copy's tensors with those of `live`, unless they are. */
mm_status mmi_averaged_know(mm_base_averaged_model *self, mm_module *live)
{
    mm_averaging *state = self->state;

    if (live == NULL && !mm_has_error())
        (void)mm_raise(MM_EINVAL, "could not average weights: no live model given");
    if (mm_has_error() || state->live == live)
        return mm_pending();
    forget_pairs(state);
    if (mm_module_each_param(state->copy, pair_up,
                             &(struct walk){&state->params, live}) < 0 ||
        mm_module_each_buffer(state->copy, false, pair_up,
                              &(struct walk){&state->buffers, live}) < 0 ||
        (self->update_buffers && pair_states(state, live) < 0) ||
        make_room(state, mmi_averaged_pairs(self)) < 0) {
        forget_pairs(state);
        return mm_pending();
    }
    state->live = mm_module_ref(live);
    return MM_OK;
}

/* Copying. */

/* Same device and dtype, and element i of one lies where element i of the other does.
 */
static bool lie_alike(const mm_tensor *a, const mm_tensor *b, bool *out_same_kind)
{
    mm_tensor_info x, y;

    if (mm_tensor_info_get(a, &x) < 0 || mm_tensor_info_get(b, &y) < 0)
        return false;
    *out_same_kind = x.dtype == y.dtype && strcmp(x.device, y.device) == 0;
    for (int i = 0; i < x.ndim; i++) {
        if (x.sizes[i] != 1 && x.strides[i] != y.strides[i])
            return false;
    }
    return *out_same_kind;
}

/* A copy that also takes over the memory format, so that later passes run over both
 * side by side. */
static void copy_pair(const mmi_pair *pair)
{
    bool same_kind = false;

    if (!lie_alike(pair->averaged, pair->live, &same_kind) && same_kind)
        (void)mm_set_data_(pair->averaged, mm_clone(mm_detach(pair->live)));
    else
        (void)mm_copy_(pair->averaged, pair->live);
}

static void copy_pairs(const mmi_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count && !mm_has_error(); i++)
        copy_pair(&pairs->items[i]);
}

mm_status mm_averaged_model_copy(mm_module *averaged, mm_module *live)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);

    if (self == NULL || mmi_averaged_know(self, live) < 0)
        return mm_pending();
    mmi_averaged_end_offer(self);
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    copy_pairs(&self->state->params);
    copy_pairs(&self->state->buffers);
    (void)mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return mm_pending();
}

/* Averaging. */

/* MMEngine's operations, one tensor. */
static void apply_rule(mm_tensor *averaged, mm_tensor *live, mm_average_rule rule)
{
    if (rule.is_lerp)
        (void)mm_lerp_(averaged, live, rule.weight);
    else
        (void)mm_add_scaled_(averaged, mm_sub(live, averaged), rule.weight);
}

static mm_tensor *on_device_of(mm_tensor *tensor, const mm_tensor *other)
{
    mm_tensor_info own, wanted;

    if (mm_tensor_info_get(tensor, &own) < 0 || mm_tensor_info_get(other, &wanted) < 0)
        return NULL;
    return strcmp(own.device, wanted.device) == 0
               ? tensor
               : mm_to(tensor, .device = wanted.device);
}

static void average_pair(mm_base_averaged_model *self, const mm_averaged_model_ops *ops,
                         const mmi_pair *pair, int64_t steps)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *live = on_device_of(mm_detach(pair->live), pair->averaged);

    if (live != NULL && ops->average != NULL)
        (void)ops->average(self, pair->averaged, live, steps);
    else if (live != NULL)
        apply_rule(pair->averaged, live, ops->rule(self, steps));
    mm_scope_close(scope);
}

static bool is_dense(const mm_averaging *state, const mmi_pairs *pairs, size_t i)
{
    const mm_leaf_memory *averaged = &state->averaged_memory[i];
    const mm_leaf_memory *live = &state->live_memory[i];
    mmi_pair_place *place = &state->places[i];
    bool same_kind;

    if (!averaged->is_plain || !live->is_plain || pairs->items[i].is_again ||
        pairs->items[i].has_followed)
        return false;
    if (place->averaged != averaged->data || place->live != live->data)
        *place = (mmi_pair_place){
            .averaged = averaged->data,
            .live = live->data,
            .is_alike = lie_alike(state->averaged[i], state->originals[i], &same_kind),
        };
    return place->is_alike;
}

/* Finds what our kernels can take in one pass: spans with a `grad`. */
mm_status mmi_averaged_fill_spans(mm_averaging *state, const mmi_pairs *pairs)
{
    bool is_resized = false;

    if (mm_leaves_memory(state->averaged, pairs->count, false, state->averaged_memory) <
            0 ||
        mm_leaves_memory(state->originals, pairs->count, false, state->live_memory) < 0)
        return mm_pending();
    for (size_t i = 0; i < pairs->count; i++) {
        mmi_span *span = &state->spans.spans[i];
        bool dense = is_dense(state, pairs, i);

        span->param = dense ? state->averaged_memory[i].data : NULL;
        span->grad = dense ? state->live_memory[i].data : NULL;
        is_resized = is_resized || span->count != state->averaged_memory[i].count;
        span->count = state->averaged_memory[i].count;
    }
    if (is_resized)
        mmi_spans_lay_out(&state->spans);
    return mm_pending();
}

static void average_spans(const mm_averaging *state, mm_average_rule rule)
{
    if (rule.is_lerp)
        mmi_spans_lerp(&state->spans, (float)rule.weight);
    else
        mmi_spans_pull(&state->spans, (float)rule.weight);
}

/* What a step has pulled along already is left out. */
static void average_all(mm_base_averaged_model *self, const mm_averaged_model_ops *ops,
                        int64_t steps)
{
    mm_averaging *state = self->state;
    const mmi_pairs *pairs = mmi_averaged_pairs(self);
    bool in_one = ops->average == NULL && !state->is_reference;

    if (state->num_followed == pairs->count)
        return;
    if (in_one && mmi_averaged_fill_spans(state, pairs) == MM_OK)
        average_spans(state, ops->rule(self, steps));
    for (size_t i = 0; i < pairs->count && !mm_has_error(); i++) {
        if (pairs->items[i].is_float && !pairs->items[i].has_followed &&
            !(in_one && state->spans.spans[i].grad != NULL))
            average_pair(self, ops, &pairs->items[i], steps);
    }
}

static int64_t *steps_on_host(const mm_averaging *state)
{
    mm_tensor_info info;

    return mm_tensor_info_get(state->steps, &info) == MM_OK && info.is_cpu ? info.data
                                                                           : NULL;
}

int64_t mm_averaged_model_steps(mm_module *averaged)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);
    const int64_t *steps = self == NULL ? NULL : steps_on_host(self->state);

    if (self == NULL || mm_has_error())
        return 0;
    return steps != NULL ? *steps : mm_item_i64(self->state->steps);
}

static void count_step(mm_averaging *state)
{
    int64_t *steps = steps_on_host(state);

    if (steps != NULL)
        (*steps)++;
    else
        (void)mm_add_(state->steps, mm_scalar(1.0, MM_DTYPE_I64));
}

mm_status mm_averaged_model_update(mm_module *averaged, mm_module *live)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);
    int64_t steps = mm_averaged_model_steps(averaged);

    if (self == NULL || mmi_averaged_know(self, live) < 0)
        return mm_pending();
    mmi_averaged_end_offer(self);
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    if (steps == 0)
        copy_pairs(mmi_averaged_pairs(self));
    else if (steps % self->interval == 0)
        average_all(
            self,
            mm_instance_ops(mm_module_instance(averaged), MM_INTERFACE_AVERAGED_MODEL),
            steps);
    if (!self->update_buffers)
        copy_pairs(&self->state->buffers);
    if (!mm_has_error())
        count_step(self->state);
    (void)mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mm_averaged_model_set_reference(mm_module *averaged, bool on)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);

    if (self != NULL)
        self->state->is_reference = on;
    return mm_pending();
}

/* Exchanging. */

static void swap_pair(const mmi_pair *pair)
{
    mm_scope scope = mm_scope_open();
    bool same_kind;

    if (lie_alike(pair->averaged, pair->live, &same_kind)) {
        mm_tensor *averaged = mm_detach(pair->averaged);

        (void)mm_set_data_(pair->averaged, mm_detach(pair->live));
        (void)mm_set_data_(pair->live, averaged);
    } else {
        mm_tensor *averaged = mm_clone(pair->averaged);

        (void)mm_copy_(pair->averaged, pair->live);
        (void)mm_copy_(pair->live, averaged);
    }
    mm_scope_close(scope);
}

static void swap_pairs(const mmi_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count && !mm_has_error(); i++) {
        if (!pairs->items[i].is_again)
            swap_pair(&pairs->items[i]);
    }
}

mm_status mm_averaged_model_swap(mm_module *averaged, mm_module *live)
{
    mm_base_averaged_model *self = mmi_averaged_base_of(averaged);

    if (self == NULL || mmi_averaged_know(self, live) < 0)
        return mm_pending();
    mmi_averaged_end_offer(self);
    bool recorded = mm_grad_mode_set(false);

    swap_pairs(&self->state->params);
    if (self->update_buffers)
        swap_pairs(&self->state->buffers);
    (void)mm_grad_mode_set(recorded);
    return mm_pending();
}

/* Building and calling. */

mm_value *mm_averaged_model_call(void *data, mm_value *args)
{
    const mm_base_averaged_model *self = data;

    return mm_module_call(self->state->copy, args);
}

mm_module *mm_averaged_model_build(mm_value *config, mm_module *model,
                                   const char *scope, const char *path)
{
    if (model == NULL && !mm_has_error())
        (void)mm_raise(MM_EINVAL, "could not build an averaged model: no model given");
    if (mm_has_error())
        return NULL;
    mm_value *full = mm_value_copy(config);
    mm_value *live = mm_value_new_instance(mm_module_instance(model));

    mm_dict_take(full, "model", live);
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "models",
        .config = full,
        .scope = scope,
        .path = path,
        .interface = MM_INTERFACE_AVERAGED_MODEL,
    });

    mm_value_unref(full);
    return instance == NULL ? NULL : mm_module_of_instance(instance);
}
