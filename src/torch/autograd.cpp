// Backward, grad modes, autocast, and differentiable functions written in C.
//
// A C callback may run on a thread of the engine, whose error, scope and grad mode are
// not the caller's. The trampoline opens a scope for it; an error it leaves pending is
// taken there, thrown through libtorch as a callback_error and restored where backward
// was called.

#include "torch/internal.h"

#include <cstring>
#include <memory>
#include <vector>

#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

// Seen only where libtorch lacks these names, which newer releases have in
// at::autocast: overload resolution takes an ellipsis last.
struct mmt_absent {
};
mmt_absent is_autocast_enabled(...);
mmt_absent set_autocast_enabled(...);
mmt_absent get_autocast_dtype(...);
mmt_absent set_autocast_dtype(...);

namespace mmt
{
namespace
{

using torch::autograd::variable_list;

mm_status set_requires_grad(mm_tensor *leaf, bool requires_grad)
{
    return guard("requires_grad", {leaf}, MM_ETORCH, [&] {
        borrowed x(leaf);

        if (!x->is_leaf() && !requires_grad) {
            throw refusal(MM_ESTATE,
                          "could not stop tracking " + describe(leaf) +
                              ": it is a result, not a leaf; use mm_detach()");
        }
        x->requires_grad_(requires_grad);
        return MM_OK;
    });
}

mm_tensor *grad_find(const mm_tensor *leaf)
{
    return guard("grad", {leaf}, static_cast<mm_tensor *>(nullptr), [&] {
        borrowed x(leaf);
        return lend(x->grad());
    });
}

mm_status set_grad(mm_tensor *leaf, mm_tensor *grad)
{
    return guard("set_grad", {leaf, grad}, MM_ETORCH, [&] {
        borrowed x(leaf);

        if (grad) {
            borrowed g(grad);
            if (x->sizes() != g->sizes() || x->device() != g->device()) {
                throw refusal(MM_ESHAPE, "a gradient " + describe(grad) +
                                             " does not belong to " + describe(leaf));
            }
            if (x->scalar_type() != g->scalar_type()) {
                throw refusal(MM_EDTYPE, "a gradient " + describe(grad) +
                                             " does not belong to " + describe(leaf));
            }
        }
        x->mutable_grad() = share(grad);
        return MM_OK;
    });
}

bool is_dense_f32(const at::TensorImpl *at)
{
    return at->is_cpu() && at->layout() == c10::kStrided && at->has_storage() &&
           at->dtype() == caffe2::TypeMeta::Make<float>() &&
           at->is_non_overlapping_and_dense();
}

// True if equal positions in memory are equal elements.
bool lies_alike(const at::TensorImpl *a, const at::TensorImpl *b)
{
    at::IntArrayRef sizes = a->sizes();

    if (sizes != b->sizes()) {
        return false;
    }
    for (size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] != 1 && a->strides()[i] != b->strides()[i]) {
            return false;
        }
    }
    return true;
}

float *memory_of(mm_tensor *handle)
{
    borrowed x(handle);
    return static_cast<float *>(x->data_ptr());
}

// Kernels of ours write through these addresses, so the version counters that autograd
// compares are moved on here, as every operation in place does.
mm_status leaves_memory(mm_tensor *const *leaves, size_t count, bool writes,
                        mm_leaf_memory *out)
{
    return guard("leaves", {}, MM_ETORCH, [&] {
        for (size_t i = 0; i < count; ++i) {
            at::TensorImpl *leaf = impl(leaves[i]);
            const at::Tensor &grad = std::as_const(*leaf).grad();

            out[i] = mm_leaf_memory();
            out[i].count = leaf->numel();
            out[i].has_grad = grad.defined();
            out[i].is_plain = is_dense_f32(leaf);
            if (out[i].is_plain && grad.defined()) {
                at::TensorImpl *other = grad.unsafeGetTensorImpl();

                out[i].is_plain = is_dense_f32(other) && lies_alike(leaf, other);
            }
            if (!out[i].is_plain) {
                continue;
            }
            out[i].data = memory_of(leaves[i]);
            if (grad.defined()) {
                out[i].grad = static_cast<float *>(grad.data_ptr());
                if (writes) {
                    leaf->bump_version();
                }
            }
        }
        return MM_OK;
    });
}

mm_status leaves_drop_grads(mm_tensor *const *leaves, size_t count)
{
    return guard("leaves", {}, MM_ETORCH, [&] {
        for (size_t i = 0; i < count; ++i) {
            if (std::as_const(*impl(leaves[i])).grad().defined()) {
                impl(leaves[i])->mutable_grad().reset();
            }
        }
        return MM_OK;
    });
}

mm_status backward(mm_tensor *const *roots, mm_tensor *const *grads, int count,
                   bool retain_graph, bool create_graph)
{
    return guard("backward", {count > 0 ? roots[0] : nullptr}, MM_ETORCH, [&] {
        variable_list tensors, weights;

        if (count == 1 && roots[0] && !grads && !create_graph) {
            borrowed root(roots[0]);
            if (backward_here(*root, retain_graph)) {
                return MM_OK;
            }
        }
        for (int i = 0; i < count; ++i) {
            tensors.push_back(share(roots[i]));
            weights.push_back(share(grads ? grads[i] : nullptr));
        }
        torch::autograd::backward(tensors, weights, retain_graph, create_graph);
        return MM_OK;
    });
}

bool grad_mode()
{
    return c10::GradMode::is_enabled();
}

void grad_mode_set(bool enabled)
{
    c10::GradMode::set_enabled(enabled);
}

// What a graph node keeps of a C function. The node owns it, so `user` is released when
// the graph goes, or at once if nothing is recorded.
struct c_function : torch::CustomClassHolder {
    const mm_function *ops = nullptr;
    void *user = nullptr;
    int num_outputs = 0;
    std::vector<bool> needs_grad; // of each input
    std::vector<int> packed; // of each input: its place among the defined ones, or -1

    ~c_function() override
    {
        if (ops->release) {
            ops->release(user);
        }
    }
};

} // namespace
} // namespace mmt

// What callbacks see. Lives on the trampoline's stack.
struct mm_function_ctx {
    torch::autograd::AutogradContext *at;
    mmt::c_function *function;
    std::vector<at::Tensor> saved;
};

namespace mmt
{
namespace
{

// Runs a callback in a scope of its own. `collect` picks up the results, which the
// scope owns, before it closes.
template <class Call, class Collect>
void call_back(const char *name, Call &&call, Collect &&collect)
{
    mm_scope scope = host->scope_open();
    mm_status status = call();
    mm_error error;

    if (status < 0) {
        host->error_take(&error);
        host->scope_close(scope);
        if (error.code ==
            MM_OK) { // a negative status without an error is a bug of the callee
            throw refusal(MM_EINTERNAL, std::string(name) + " failed without an error");
        }
        throw callback_error(error);
    }
    try {
        collect();
    } catch (...) {
        host->scope_close(scope);
        throw;
    }
    host->scope_close(scope);
}

std::vector<mm_tensor *> lend_all(const variable_list &tensors)
{
    std::vector<mm_tensor *> handles;

    for (const at::Tensor &tensor : tensors) {
        handles.push_back(lend(tensor));
    }
    return handles;
}

c_function *function_of(torch::autograd::AutogradContext *at)
{
    return static_cast<c_function *>(at->saved_data["c"].toCapsule().get());
}

class c_node : public torch::autograd::Function<c_node>
{
  public:
    static variable_list forward(torch::autograd::AutogradContext *at,
                                 at::TensorList inputs,
                                 const c10::intrusive_ptr<c_function> &function)
    {
        mm_function_ctx ctx{at, function.get(), {}};
        std::vector<mm_tensor *> in, out((size_t)function->num_outputs);
        variable_list outputs;

        at->saved_data["c"] = c10::IValue::make_capsule(function);
        for (int place : function->packed) {
            in.push_back(place < 0 ? nullptr : lend(inputs[(size_t)place]));
        }
        call_back(
            function->ops->name,
            [&] {
                return function->ops->forward(&ctx, function->user, in.data(),
                                              (int)in.size(), out.data(),
                                              (int)out.size());
            },
            [&] {
                for (mm_tensor *handle : out) {
                    if (!handle) {
                        throw refusal(MM_EINVAL, std::string(function->ops->name) +
                                                     ": forward left an output NULL");
                    }
                    outputs.push_back(share(handle));
                }
            });
        return outputs;
    }

    static variable_list backward(torch::autograd::AutogradContext *at,
                                  variable_list grad_outputs)
    {
        // The node may let go of its data while the callback runs.
        c10::IValue keep = at->saved_data["c"];
        c_function *function = function_of(at);
        mm_function_ctx ctx{at, function, at->get_saved_variables()};
        std::vector<mm_tensor *> in = lend_all(grad_outputs);
        std::vector<mm_tensor *> out(function->packed.size());
        variable_list grads;

        call_back(
            function->ops->name,
            [&] {
                return function->ops->backward(&ctx, function->user, in.data(),
                                               (int)in.size(), out.data(),
                                               (int)out.size());
            },
            [&] {
                for (size_t i = 0; i < out.size(); ++i) {
                    if (function->packed[i] >= 0) {
                        grads.push_back(share(out[i]));
                    }
                }
            });
        grads.emplace_back(); // for the function argument
        return grads;
    }
};

mm_status function_apply(const mm_function *ops, void *user, mm_tensor *const *inputs,
                         int num_inputs, mm_tensor **outputs, int num_outputs)
{
    // From here on `user` is released exactly once, also on failure.
    c_function *made = new (std::nothrow) c_function();
    if (!made) {
        if (ops->release) {
            ops->release(user);
        }
        host->raise(MM_ENOMEM, __FILE__, __LINE__, "out of memory", nullptr);
        return MM_ENOMEM;
    }
    made->ops = ops;
    made->user = user;
    auto function = c10::intrusive_ptr<c_function>::unsafe_steal_from_new(made);

    return guard(ops->name, {num_inputs > 0 ? inputs[0] : nullptr}, MM_ETORCH, [&] {
        variable_list defined;

        function->num_outputs = num_outputs;
        for (int i = 0; i < num_inputs; ++i) {
            at::Tensor x = share(inputs[i]);
            bool needs =
                x.defined() && x.requires_grad() && c10::GradMode::is_enabled();
            function->needs_grad.push_back(needs);
            function->packed.push_back(x.defined() ? (int)defined.size() : -1);
            if (x.defined()) {
                defined.push_back(std::move(x));
            }
        }
        variable_list results = c_node::apply(at::TensorList(defined), function);
        for (int i = 0; i < num_outputs; ++i) {
            outputs[i] = give(std::move(results[(size_t)i]));
        }
        return MM_OK;
    });
}

mm_status function_save(mm_function_ctx *ctx, mm_tensor *const *tensors, int count)
{
    return guard("save", {}, MM_ETORCH, [&] {
        variable_list list;

        for (int i = 0; i < count; ++i) {
            list.push_back(share(tensors[i]));
        }
        ctx->at->save_for_backward(std::move(list));
        return MM_OK;
    });
}

mm_tensor *function_saved(mm_function_ctx *ctx, int index)
{
    if (index < 0 || (size_t)index >= ctx->saved.size()) {
        host->raise(MM_ERANGE, __FILE__, __LINE__,
                    (std::string(ctx->function->ops->name) + " saved " +
                     std::to_string(ctx->saved.size()) +
                     " tensors, not one with index " + std::to_string(index))
                        .c_str(),
                    nullptr);
        return nullptr;
    }
    return lend(ctx->saved[(size_t)index]);
}

bool function_needs_grad(mm_function_ctx *ctx, int input)
{
    const std::vector<bool> &needs = ctx->function->needs_grad;

    return input >= 0 && (size_t)input < needs.size() && needs[(size_t)input];
}

// One interface over both of libtorch's for autocast. Templates, so that the branch
// that does not compile here is never looked at.
struct autocast_state {
    bool enabled;
    at::ScalarType dtype;
};

using namespace at::autocast;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
template <class Device> autocast_state autocast_get(Device type)
{
    if constexpr (!std::is_same_v<decltype(is_autocast_enabled(type)), mmt_absent>) {
        return {is_autocast_enabled(type), get_autocast_dtype(type)};
    } else if (type == c10::DeviceType::CPU) {
        return {is_cpu_enabled(), get_autocast_cpu_dtype()};
    } else {
        return {is_enabled(), get_autocast_gpu_dtype()};
    }
}

template <class Device> void autocast_set(Device type, autocast_state state)
{
    if constexpr (!std::is_same_v<decltype(is_autocast_enabled(type)), mmt_absent>) {
        set_autocast_enabled(type, state.enabled);
        set_autocast_dtype(type, state.dtype);
    } else if (type == c10::DeviceType::CPU) {
        set_cpu_enabled(state.enabled);
        set_autocast_cpu_dtype(state.dtype);
    } else {
        set_enabled(state.enabled);
        set_autocast_gpu_dtype(state.dtype);
    }
}

#pragma GCC diagnostic pop

c10::DeviceType autocast_device(const char *name)
{
    c10::DeviceType type = device(name).type();

    if (type != c10::DeviceType::CPU && type != c10::DeviceType::CUDA) {
        throw refusal(MM_EUNSUPPORTED,
                      std::string("autocast on '") + name + "' is not supported");
    }
    return type;
}

mm_status autocast_enter(const char *device_type, mm_dtype dtype, bool enabled,
                         mm_autocast *out)
{
    return guard("autocast", {}, MM_ETORCH, [&] {
        c10::DeviceType type = autocast_device(device_type);
        autocast_state before = autocast_get(type);
        autocast_state now = {enabled, dtype == MM_DTYPE_NONE ? before.dtype
                                                              : scalar_type(dtype)};

        if (enabled && now.dtype != at::kHalf && now.dtype != at::kBFloat16) {
            throw refusal(MM_EDTYPE, std::string("autocast computes in float16 or "
                                                 "bfloat16, not in ") +
                                         c10::toString(now.dtype));
        }
        *out = mm_autocast();
        std::strncpy(out->device_type, device_type, sizeof(out->device_type) - 1);
        out->was_enabled = before.enabled;
        out->dtype_before = (mm_dtype)((int)before.dtype + 1);
        out->cache_before = is_autocast_cache_enabled();
        out->active = true;
        increment_nesting();
        autocast_set(type, now);
        return MM_OK;
    });
}

void autocast_exit(const mm_autocast *before)
{
    try {
        autocast_set(autocast_device(before->device_type),
                     {before->was_enabled, scalar_type(before->dtype_before)});
        set_autocast_cache_enabled(before->cache_before);
        if (decrement_nesting() == 0) {
            clear_cache();
        }
    } catch (...) {
        report("autocast", nullptr, 0);
    }
}

} // namespace

void fill_autograd(mmt_api *api)
{
    api->set_requires_grad = set_requires_grad;
    api->grad_find = grad_find;
    api->set_grad = set_grad;
    api->leaves_memory = leaves_memory;
    api->leaves_drop_grads = leaves_drop_grads;
    api->backward = backward;
    api->grad_mode = grad_mode;
    api->grad_mode_set = grad_mode_set;
    api->function_apply = function_apply;
    api->function_save = function_save;
    api->function_saved = function_saved;
    api->function_needs_grad = function_needs_grad;
    api->autocast_enter = autocast_enter;
    api->autocast_exit = autocast_exit;
}

} // namespace mmt
