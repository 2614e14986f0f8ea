// What the files of the bridge share: the host, the guard that keeps exceptions inside,
// and the conversion between handles and tensors.
//
// A handle is the address of a TensorImpl and owns one reference. `borrowed` makes an
// at::Tensor of a handle without touching the count: it takes the reference over and
// gives it back when it ends, also when an exception passes.
#ifndef MMT_INTERNAL_H
#define MMT_INTERNAL_H

#include <initializer_list>
#include <string>
#include <utility>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>
#include <c10/util/Exception.h>

#include "torch/mmt.h"

namespace mmt
{

extern const mmt_host *host;

using impl_ptr = c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>;
// libtorch's optional: its own class in older releases, the standard one in newer ones.
// The name is taken from a function that returns one.
template <class T> struct optional_of;
template <template <class...> class Optional, class T> struct optional_of<Optional<T>> {
    template <class U> using type = Optional<U>;
};
template <class T>
using opt = typename optional_of<
    decltype(std::declval<at::TensorOptions>().dtype_opt())>::template type<T>;

inline at::TensorImpl *impl(const mm_tensor *handle)
{
    return reinterpret_cast<at::TensorImpl *>(const_cast<mm_tensor *>(handle));
}

// A new reference for the caller. Undefined is NULL.
inline mm_tensor *give(at::Tensor &&tensor)
{
    if (!tensor.defined()) {
        return nullptr;
    }
    return reinterpret_cast<mm_tensor *>(tensor.unsafeReleaseTensorImpl());
}

// Without a new reference.
inline mm_tensor *lend(const at::Tensor &tensor)
{
    return tensor.defined()
               ? reinterpret_cast<mm_tensor *>(tensor.unsafeGetTensorImpl())
               : nullptr;
}

class borrowed
{
  public:
    explicit borrowed(const mm_tensor *handle)
        : tensor_(handle ? at::Tensor(impl_ptr::reclaim(impl(handle))) : at::Tensor())
    {
    }
    ~borrowed()
    {
        if (tensor_.defined()) {
            (void)tensor_.unsafeReleaseTensorImpl();
        }
    }
    borrowed(const borrowed &) = delete;
    borrowed &operator=(const borrowed &) = delete;
    at::Tensor &operator*()
    {
        return tensor_;
    }
    at::Tensor *operator->()
    {
        return &tensor_;
    }

  private:
    at::Tensor tensor_;
};

// A reference of one's own.
inline at::Tensor share(const mm_tensor *handle)
{
    return handle ? at::Tensor(impl_ptr::reclaim_copy(impl(handle))) : at::Tensor();
}

inline at::Generator *generator(mm_rng *rng)
{
    return reinterpret_cast<at::Generator *>(rng);
}

// Thrown through libtorch when a C callback failed; carries the callback's error.
class callback_error : public std::exception
{
  public:
    explicit callback_error(const mm_error &taken) : error(taken)
    {
    }
    const char *what() const noexcept override
    {
        return error.message;
    }
    mm_error error;
};

// Thrown by our own checks: a status of ours with a finished message.
class refusal : public std::exception
{
  public:
    refusal(mm_status status, std::string text, std::string advice = {})
        : code(status), message(std::move(text)), hint(std::move(advice))
    {
    }
    const char *what() const noexcept override
    {
        return message.c_str();
    }
    mm_status code;
    std::string message, hint;
};

// Turns the exception in flight into an error of the host: "what([2, 3] float32, ...):
// message".
// Returns the code that is pending then.
mm_status report(const char *what, const mm_tensor *const *args, size_t count) noexcept;
// Sends libtorch's warnings of this thread to the host.
void adopt_thread() noexcept;
// Read by every call: initial-exec spares it a function call.
extern constinit thread_local bool thread_adopted
    __attribute__((tls_model("initial-exec")));

std::string describe(const mm_tensor *x);
c10::Device device(const char *text);
at::ScalarType scalar_type(mm_dtype dtype);
// Loads libtorch_cuda if it lies beside libtorch_cpu and there is a driver.
void load_cuda() noexcept;
bool flush_denormal_everywhere(bool value);
// Ops and loops of the calling thread use this many threads from now on.
void narrow_this_thread(int num_threads);
// libtorch's pool gets one thread for each physical core, unless the environment says
// otherwise.
void default_num_threads();

// Makes libtorch take memory on the host from our pool. Before the first tensor.
void keep_host_memory();

// The gradients of a number on the host. False: the graph is for libtorch's engine, and
// nothing has happened.
bool backward_here(const at::Tensor &root, bool retain_graph);

// x W^T + b in one node. False: not of plain matrices, `result` is as it was.
bool linear_here(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                 at::Tensor &result);

// Runs `body`; when anything is thrown, reports it and returns `failed`, or the error's
// code where `body` gives a status.
template <class R, class F>
R guard(const char *what, std::initializer_list<const mm_tensor *> args, R failed,
        F &&body) noexcept
{
    if (__builtin_expect(!thread_adopted, 0)) {
        adopt_thread();
    }
    try {
        return body();
    } catch (...) {
        mm_status code = report(what, args.begin(), args.size());
        if constexpr (std::is_same_v<R, mm_status>) {
            return code;
        } else {
            return failed;
        }
    }
}

// The same for what returns a tensor.
template <class F>
mm_tensor *guard_tensor(const char *what, std::initializer_list<const mm_tensor *> args,
                        F &&body) noexcept
{
    return guard(what, args, static_cast<mm_tensor *>(nullptr),
                 [&] { return give(body()); });
}

inline at::IntArrayRef ints(mm_dims dims)
{
    return at::IntArrayRef(dims.data, dims.count);
}

inline at::Scalar scalar(mm_number number)
{
    return number.kind == MM_NUMBER_F64 ? at::Scalar(number.u.f64)
                                        : at::Scalar(number.u.i64);
}

// Each file fills its part of the table.
void fill_tensor(mmt_api *api);
void fill_door(mmt_api *api);
void fill_ops(mmt_api *api);
void fill_autograd(mmt_api *api);
void fill_runtime(mmt_api *api);
void fill_parallel(mmt_api *api);
void fill_host_memory(mmt_api *api);
void fill_profiler(mmt_api *api);
void fill_device_memory(mmt_api *api);

} // namespace mmt

#endif
