// Frequent operators called directly, without boxing their arguments: about 100 ns less
// a call. Everything else goes through the door.

#include "torch/internal.h"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include <ATen/EmptyTensor.h>
#include <ATen/ScalarOps.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/add.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/div.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/nll_loss_nd.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/reshape.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <c10/core/GradMode.h>

namespace mmt
{
namespace
{

opt<at::Tensor> maybe(const mm_tensor *handle)
{
    return handle ? opt<at::Tensor>(share(handle)) : opt<at::Tensor>();
}

// Zero stands for `otherwise` in the pairs of options.
std::array<int64_t, 2> pair(const int64_t from[2], int64_t otherwise)
{
    return {from[0] ? from[0] : otherwise, from[1] ? from[1] : otherwise};
}

int64_t reduction_code(mm_reduction reduction)
{
    return reduction == MM_REDUCTION_MEAN ? 1 : reduction == MM_REDUCTION_SUM ? 2 : 0;
}

int64_t ignore_or_default(mm_number ignore_index)
{
    return ignore_index.kind == MM_NUMBER_NONE
               ? -100
               : (int64_t)mm_number_as_f64(ignore_index);
}

// A whole number travels as an int, which tensors of ints accept too.
at::Scalar factor(double alpha)
{
    bool whole = alpha == std::floor(alpha) && std::fabs(alpha) < 1e15;
    return whole ? at::Scalar((int64_t)alpha) : at::Scalar(alpha);
}

// In-place calls return their first argument without a new reference.
template <class F>
mm_tensor *guard_in_place(const char *what,
                          std::initializer_list<const mm_tensor *> args, mm_tensor *x,
                          F &&body) noexcept
{
    return guard(what, args, static_cast<mm_tensor *>(nullptr), [&] {
        body();
        return x;
    });
}

mm_tensor *linear(mm_tensor *x, mm_tensor *weight, mm_tensor *bias)
{
    return guard_tensor("linear", {x, weight, bias}, [&] {
        borrowed a(x), w(weight), b(bias);
        at::Tensor result;

        return linear_here(*a, *w, *b, result) ? result
                                               : at::linear(*a, *w, maybe(bias));
    });
}

mm_tensor *conv2d(const mm_conv2d_args *args)
{
    return guard_tensor("conv2d", {args->x, args->weight, args->bias}, [&] {
        borrowed x(args->x), w(args->weight);
        auto stride = pair(args->stride, 1), dilation = pair(args->dilation, 1);
        int64_t groups = args->groups ? args->groups : 1;

        if (args->same) {
            return at::conv2d(*x, *w, maybe(args->bias), stride, "same", dilation,
                              groups);
        }
        return at::conv2d(*x, *w, maybe(args->bias), stride,
                          at::IntArrayRef(args->padding, 2), dilation, groups);
    });
}

mm_tensor *matmul(mm_tensor *x, mm_tensor *y)
{
    return guard_tensor("matmul", {x, y}, [&] {
        borrowed a(x), b(y);
        return at::matmul(*a, *b);
    });
}

mm_tensor *relu(mm_tensor *x)
{
    return guard_tensor("relu", {x}, [&] {
        borrowed a(x);
        return at::relu(*a);
    });
}

mm_tensor *relu_in(mm_tensor *x)
{
    return guard_in_place("relu_", {x}, x, [&] {
        borrowed a(x);
        at::relu_(*a);
    });
}

mm_tensor *sigmoid(mm_tensor *x)
{
    return guard_tensor("sigmoid", {x}, [&] {
        borrowed a(x);
        return at::sigmoid(*a);
    });
}

mm_tensor *gelu(mm_tensor *x, bool tanh_form)
{
    return guard_tensor("gelu", {x}, [&] {
        borrowed a(x);
        return at::gelu(*a, tanh_form ? "tanh" : "none");
    });
}

mm_tensor *add(mm_tensor *x, mm_tensor *y, double alpha)
{
    return guard_tensor("add", {x, y}, [&] {
        borrowed a(x), b(y);
        return at::add(*a, *b, factor(alpha));
    });
}

mm_tensor *sub(mm_tensor *x, mm_tensor *y)
{
    return guard_tensor("sub", {x, y}, [&] {
        borrowed a(x), b(y);
        return at::sub(*a, *b);
    });
}

mm_tensor *mul(mm_tensor *x, mm_tensor *y)
{
    return guard_tensor("mul", {x, y}, [&] {
        borrowed a(x), b(y);
        return at::mul(*a, *b);
    });
}

mm_tensor *div(mm_tensor *x, mm_tensor *y)
{
    return guard_tensor("div", {x, y}, [&] {
        borrowed a(x), b(y);
        return at::div(*a, *b);
    });
}

mm_tensor *add_in(mm_tensor *x, mm_tensor *y, double alpha)
{
    return guard_in_place("add_", {x, y}, x, [&] {
        borrowed a(x), b(y);
        a->add_(*b, factor(alpha));
    });
}

mm_tensor *mul_in(mm_tensor *x, mm_tensor *y)
{
    return guard_in_place("mul_", {x, y}, x, [&] {
        borrowed a(x), b(y);
        a->mul_(*b);
    });
}

mm_tensor *add_number(mm_tensor *x, mm_number value)
{
    return guard_tensor("add", {x}, [&] {
        borrowed a(x);
        return at::add(*a, scalar(value));
    });
}

mm_tensor *mul_number(mm_tensor *x, mm_number value)
{
    return guard_tensor("mul", {x}, [&] {
        borrowed a(x);
        return at::mul(*a, scalar(value));
    });
}

// As Python's: the number is the second operand. mul_ with a Scalar makes it the first,
// which half precision rounds otherwise.
mm_tensor *mul_number_in(mm_tensor *x, mm_number value)
{
    return guard_in_place("mul_", {x}, x, [&] {
        borrowed a(x);
        a->mul_(at::native::wrapped_scalar_tensor(scalar(value)));
    });
}

mm_tensor *zero_in(mm_tensor *x)
{
    return guard_in_place("zero_", {x}, x, [&] {
        borrowed a(x);
        a->zero_();
    });
}

mm_tensor *copy_in(mm_tensor *dst, mm_tensor *src)
{
    return guard_in_place("copy_", {dst, src}, dst, [&] {
        borrowed to(dst), from(src);
        to->copy_(*from);
    });
}

mm_tensor *sum(mm_tensor *x)
{
    return guard_tensor("sum", {x}, [&] {
        borrowed a(x);
        return at::sum(*a);
    });
}

mm_tensor *mean(mm_tensor *x)
{
    return guard_tensor("mean", {x}, [&] {
        borrowed a(x);
        return at::mean(*a);
    });
}

mm_tensor *argmax(mm_tensor *x, int64_t dim, bool keepdim)
{
    return guard_tensor("argmax", {x}, [&] {
        borrowed a(x);
        return at::argmax(*a, dim, keepdim);
    });
}

mm_tensor *softmax(mm_tensor *x, int64_t dim)
{
    return guard_tensor("softmax", {x}, [&] {
        borrowed a(x);
        return at::softmax(*a, dim);
    });
}

mm_tensor *log_softmax(mm_tensor *x, int64_t dim)
{
    return guard_tensor("log_softmax", {x}, [&] {
        borrowed a(x);
        return at::log_softmax(*a, dim);
    });
}

mm_tensor *cross_entropy(const mm_cross_entropy_args *args)
{
    return guard_tensor("cross_entropy", {args->logits, args->target}, [&] {
        borrowed x(args->logits), y(args->target);
        return at::cross_entropy_loss(
            *x, *y, maybe(args->weight), reduction_code(args->reduction),
            ignore_or_default(args->ignore_index), args->label_smoothing);
    });
}

mm_tensor *nll_loss(const mm_nll_loss_args *args)
{
    return guard_tensor("nll_loss", {args->log_probs, args->target}, [&] {
        borrowed x(args->log_probs), y(args->target);
        return at::nll_loss_nd(*x, *y, maybe(args->weight),
                               reduction_code(args->reduction),
                               ignore_or_default(args->ignore_index));
    });
}

mm_tensor *batch_norm(const mm_batch_norm_args *args)
{
    return guard_tensor("batch_norm", {args->x, args->weight, args->running_mean}, [&] {
        borrowed x(args->x);
        return at::batch_norm(*x, maybe(args->weight), maybe(args->bias),
                              maybe(args->running_mean), maybe(args->running_var),
                              args->training, args->momentum, args->eps, true);
    });
}

mm_tensor *layer_norm(mm_tensor *x, mm_dims sizes, mm_tensor *weight, mm_tensor *bias,
                      double eps)
{
    return guard_tensor("layer_norm", {x, weight, bias}, [&] {
        borrowed a(x);
        return at::layer_norm(*a, ints(sizes), maybe(weight), maybe(bias), eps);
    });
}

mm_tensor *max_pool2d(const mm_pool2d_args *args)
{
    return guard_tensor("max_pool2d", {args->x}, [&] {
        borrowed x(args->x);
        auto stride = args->stride[0] ? pair(args->stride, args->stride[0])
                                      : pair(args->kernel, args->kernel[0]);
        return at::max_pool2d(*x, at::IntArrayRef(args->kernel, 2), stride,
                              at::IntArrayRef(args->padding, 2),
                              pair(args->dilation, 1), args->ceil_mode);
    });
}

mm_tensor *adaptive_avg_pool2d(mm_tensor *x, int64_t out_h, int64_t out_w)
{
    return guard_tensor("adaptive_avg_pool2d", {x}, [&] {
        borrowed a(x);
        return at::adaptive_avg_pool2d(*a, std::array<int64_t, 2>{out_h, out_w});
    });
}

mm_tensor *dropout(mm_tensor *x, double p, bool training)
{
    return guard_tensor("dropout", {x}, [&] {
        borrowed a(x);
        return at::dropout(*a, p, training);
    });
}

mm_tensor *flatten(mm_tensor *x, int64_t start, int64_t end)
{
    return guard_tensor("flatten", {x}, [&] {
        borrowed a(x);
        return a->flatten(start, end);
    });
}

mm_tensor *view(mm_tensor *x, mm_dims sizes)
{
    return guard_tensor("view", {x}, [&] {
        borrowed a(x);
        return a->view(ints(sizes));
    });
}

mm_tensor *reshape(mm_tensor *x, mm_dims sizes)
{
    return guard_tensor("reshape", {x}, [&] {
        borrowed a(x);
        return at::reshape(*a, ints(sizes));
    });
}

mm_tensor *permute(mm_tensor *x, mm_dims order)
{
    return guard_tensor("permute", {x}, [&] {
        borrowed a(x);
        return a->permute(ints(order));
    });
}

mm_tensor *transpose(mm_tensor *x, int64_t dim0, int64_t dim1)
{
    return guard_tensor("transpose", {x}, [&] {
        borrowed a(x);
        return a->transpose(dim0, dim1);
    });
}

std::vector<at::Tensor> share_all(mm_tensor *const *tensors, int count)
{
    std::vector<at::Tensor> list;

    list.reserve((size_t)count);
    for (int i = 0; i < count; ++i) {
        if (!tensors[i]) {
            throw refusal(MM_EINVAL, "tensor " + std::to_string(i) + " is NULL");
        }
        list.push_back(share(tensors[i]));
    }
    return list;
}

mm_tensor *cat(mm_tensor *const *tensors, int count, int64_t dim)
{
    const mm_tensor *first = count > 0 ? tensors[0] : nullptr;
    const mm_tensor *last = count > 0 ? tensors[count - 1] : nullptr;

    return guard_tensor("cat", {first, last},
                        [&] { return at::cat(share_all(tensors, count), dim); });
}

// Plain memory on the host that lies in one piece and belongs to no graph.
bool is_plain(const at::TensorImpl *x)
{
    return x->is_cpu() && x->layout() == c10::kStrided && x->is_contiguous() &&
           !x->requires_grad() && !x->is_conj() && !x->is_neg() && x->numel() > 0;
}

// Samples of a batch in one row: copied, without the dispatcher and its iterator, which
// cost more than small samples do. Undefined: not for such tensors.
at::Tensor stack_plain(mm_tensor *const *tensors, int count)
{
    const at::TensorImpl *first = impl(tensors[0]);
    c10::DimVector sizes{count};

    for (int i = 0; i < count; ++i) {
        const at::TensorImpl *x = impl(tensors[i]);
        if (!x || !is_plain(x) || x->dtype() != first->dtype() ||
            x->sizes() != first->sizes()) {
            return at::Tensor();
        }
    }
    sizes.append(first->sizes().begin(), first->sizes().end());
    at::Tensor result =
        at::detail::empty_cpu(sizes, c10::typeMetaToScalarType(first->dtype()));
    size_t bytes = (size_t)first->numel() * first->itemsize();
    char *to = static_cast<char *>(result.data_ptr());

    for (int i = 0; i < count; ++i) {
        std::memcpy(to + (size_t)i * bytes, impl(tensors[i])->data(), bytes);
    }
    return result;
}

mm_tensor *stack(mm_tensor *const *tensors, int count, int64_t dim)
{
    const mm_tensor *first = count > 0 ? tensors[0] : nullptr;
    const mm_tensor *last = count > 0 ? tensors[count - 1] : nullptr;

    return guard_tensor("stack", {first, last}, [&] {
        at::Tensor plain;

        if (count > 0 && dim == 0) {
            plain = stack_plain(tensors, count);
        }
        return plain.defined() ? plain : at::stack(share_all(tensors, count), dim);
    });
}

mm_tensor *detach(mm_tensor *x)
{
    return guard_tensor("detach", {x}, [&] {
        borrowed a(x);
        return a->detach();
    });
}

opt<at::MemoryFormat> format_of(mm_memory_format format)
{
    switch (format) {
    case MM_FORMAT_CONTIGUOUS:
        return at::MemoryFormat::Contiguous;
    case MM_FORMAT_CHANNELS_LAST:
        return at::MemoryFormat::ChannelsLast;
    case MM_FORMAT_CHANNELS_LAST_3D:
        return at::MemoryFormat::ChannelsLast3d;
    default:
        return opt<at::MemoryFormat>();
    }
}

mm_tensor *to(const mm_to_args *args)
{
    return guard_tensor("to", {args->x}, [&] {
        borrowed x(args->x);
        at::TensorOptions options;

        if (args->dtype != MM_DTYPE_NONE) {
            options = options.dtype(scalar_type(args->dtype));
        }
        if (args->device) {
            options = options.device(device(args->device));
        }
        return x->to(options, args->non_blocking, args->copy, format_of(args->format));
    });
}

} // namespace

void fill_ops(mmt_api *api)
{
    api->linear = linear;
    api->conv2d = conv2d;
    api->matmul = matmul;
    api->relu = relu;
    api->relu_in = relu_in;
    api->sigmoid = sigmoid;
    api->gelu = gelu;
    api->add = add;
    api->sub = sub;
    api->mul = mul;
    api->div = div;
    api->add_in = add_in;
    api->mul_in = mul_in;
    api->add_number = add_number;
    api->mul_number = mul_number;
    api->mul_number_in = mul_number_in;
    api->zero_in = zero_in;
    api->copy_in = copy_in;
    api->sum = sum;
    api->mean = mean;
    api->argmax = argmax;
    api->softmax = softmax;
    api->log_softmax = log_softmax;
    api->cross_entropy = cross_entropy;
    api->nll_loss = nll_loss;
    api->batch_norm = batch_norm;
    api->layer_norm = layer_norm;
    api->max_pool2d = max_pool2d;
    api->adaptive_avg_pool2d = adaptive_avg_pool2d;
    api->dropout = dropout;
    api->flatten = flatten;
    api->view = view;
    api->reshape = reshape;
    api->permute = permute;
    api->transpose = transpose;
    api->cat = cat;
    api->stack = stack;
    api->detach = detach;
    api->to = to;
}

} // namespace mmt
