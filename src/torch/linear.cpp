// x W^T + b as one node of the graph.
//
// libtorch records three (a transposition, the product, and in effect a sum for the
// bias) and goes through its dispatcher for each; in a small network that is most of
// the time. The node here calls the same kernels in the same layout, so results and
// gradients have libtorch's bits; a test compares them. Everything but plain float
// matrices on the host, and every mode that wants to see the single operations, is left
// to libtorch.

#include "torch/internal.h"

#include <array>
#include <memory>
#include <type_traits>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <ATen/ops/sum.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

namespace mmt
{
namespace
{

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

// A transposed view that no graph knows of.
at::Tensor transposed(const at::Tensor &x)
{
    std::array<int64_t, 2> sizes{x.size(1), x.size(0)};
    std::array<int64_t, 2> strides{x.stride(1), x.stride(0)};

    return at::native::as_strided_tensorimpl(x, sizes, strides);
}

struct linear_node : Node {
    SavedVariable x, weight; // the one that the other's gradient needs
    bool has_bias = false;

    std::string name() const override
    {
        return "MmLinearBackward";
    }

    void release_variables() override
    {
        x.reset_data();
        weight.reset_data();
    }

    variable_list apply(variable_list &&grads) override
    {
        variable_list result(has_bias ? 3 : 2);
        const at::Tensor &grad = grads[0];

        if (!grad.defined()) {
            return result;
        }
        if (c10::GradMode::is_enabled() || grad.layout() != c10::kStrided) {
            recorded(grad, result);
        } else {
            unrecorded(grad, result);
        }
        if (has_bias && should_compute_output(2)) {
            result[2] = at::sum(grad, 0);
        }
        return result;
    }

    // For second derivatives: operations that graphs know of.
    void recorded(const at::Tensor &grad, variable_list &result)
    {
        if (should_compute_output(0)) {
            result[0] = at::mm(grad, weight.unpack());
        }
        if (should_compute_output(1)) {
            result[1] = at::mm(grad.t(), x.unpack());
        }
    }

    void unrecorded(const at::Tensor &grad, variable_list &result)
    {
        at::AutoDispatchBelowADInplaceOrView below;

        if (should_compute_output(0)) {
            result[0] = at::cpu::mm(grad, weight.unpack());
        }
        if (should_compute_output(1)) {
            result[1] = at::cpu::mm(transposed(grad), x.unpack());
        }
    }
};

bool is_plain(const at::Tensor &x, int64_t dim)
{
    const at::TensorImpl *at = x.unsafeGetTensorImpl();
    c10::DispatchKeySet usual({c10::DispatchKey::CPU, c10::DispatchKey::ADInplaceOrView,
                               c10::DispatchKey::AutogradCPU,
                               c10::DispatchKey::AutocastCPU});

    return at->dtype() == caffe2::TypeMeta::Make<float>() && x.dim() == dim &&
           (at->key_set().raw_repr() & ~usual.raw_repr()) == 0 && x.is_contiguous() &&
           x.numel() > 0 && !x._fw_grad(0).defined();
}

// No autocast, no tracing, no profiler, nothing that libtorch should see.
bool is_plain_thread()
{
    auto local = c10::impl::tls_local_dispatch_key_set();

    return local.included_ == c10::default_included_set &&
           local.excluded_ == c10::default_excluded_set && !at::hasCallbacks();
}

// A column of numbers counts as transposed to libtorch, whose gradient then takes
// another product.
bool is_row_major(const at::Tensor &x)
{
    return x.stride(0) != 1 || x.stride(1) != x.size(0);
}

// Nodes are counted by a shared_ptr in older releases of libtorch, whose own deleter
// keeps long graphs from overflowing the stack; in newer ones they count themselves.
template <class Pointer> auto make_node()
{
    if constexpr (std::is_same_v<Pointer, std::shared_ptr<Node>>) {
        return std::shared_ptr<linear_node>(new linear_node,
                                            [](auto *node) { deleteNode(node); });
    } else {
        return c10::make_intrusive<linear_node>();
    }
}

at::Tensor product(const at::Tensor &x, const at::Tensor &weight,
                   const at::Tensor &bias)
{
    at::AutoDispatchBelowADInplaceOrView below;

    return bias.defined() ? at::cpu::addmm(bias, x, transposed(weight))
                          : at::cpu::mm(x, transposed(weight));
}

bool wants_grad(const at::Tensor &x)
{
    return x.defined() && x.requires_grad();
}

} // namespace

bool linear_here(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                 at::Tensor &result)
{
    if (!is_plain_thread() || !is_plain(x, 2) || !is_plain(weight, 2) ||
        !is_row_major(x) || x.size(1) != weight.size(1) ||
        (bias.defined() && (!is_plain(bias, 1) || bias.size(0) != weight.size(0)))) {
        return false;
    }
    result = product(x, weight, bias);
    if (!c10::GradMode::is_enabled() ||
        !(wants_grad(x) || wants_grad(weight) || wants_grad(bias))) {
        return true;
    }
    auto node = make_node<decltype(torch::autograd::Edge::function)>();

    node->has_bias = bias.defined();
    node->set_next_edges(bias.defined()
                             ? torch::autograd::collect_next_edges(x, weight, bias)
                             : torch::autograd::collect_next_edges(x, weight));
    if (wants_grad(x)) {
        node->weight = SavedVariable(weight, false);
    }
    if (wants_grad(weight)) {
        node->x = SavedVariable(x, false);
    }
    torch::autograd::create_gradient_edge(result, node);
    return true;
}

} // namespace mmt
