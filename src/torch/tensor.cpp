// Handles, memory and inspection. What datasets call for every sample is made without
// the dispatcher: a storage and a TensorImpl are constructed directly.

#include "torch/internal.h"

#include <cstring>
#include <limits>

#include <ATen/TensorUtils.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/Storage.h>
#include <c10/core/TensorImpl.h>

namespace mmt
{

at::ScalarType scalar_type(mm_dtype dtype)
{
    return static_cast<at::ScalarType>(static_cast<int>(dtype) - 1);
}

namespace
{

mm_dtype dtype_of(const at::TensorImpl *x)
{
    return static_cast<mm_dtype>(
        static_cast<int>(c10::typeMetaToScalarType(x->dtype())) + 1);
}

const char *short_name(at::ScalarType type)
{
    switch (type) {
    case at::kByte:
        return "uint8";
    case at::kChar:
        return "int8";
    case at::kShort:
        return "int16";
    case at::kInt:
        return "int32";
    case at::kLong:
        return "int64";
    case at::kHalf:
        return "float16";
    case at::kFloat:
        return "float32";
    case at::kDouble:
        return "float64";
    case at::kBool:
        return "bool";
    case at::kBFloat16:
        return "bfloat16";
    default:
        return c10::toString(type);
    }
}

} // namespace

// "[2, 3] float32", with the device if it is not the CPU. Must not throw for any
// handle.
std::string describe(const mm_tensor *handle)
{
    const at::TensorImpl *x = impl(handle);
    std::string text = "[";

    if (!x) {
        return "none";
    }
    try {
        for (size_t i = 0; i < x->sizes().size(); ++i) {
            text += (i ? ", " : "") + std::to_string(x->sizes()[i]);
        }
        text += std::string("] ") + short_name(c10::typeMetaToScalarType(x->dtype()));
        if (!x->is_cpu()) {
            text += " " + x->device().str();
        }
    } catch (...) {
        text = "a tensor without sizes";
    }
    return text;
}

namespace
{

void ref(mm_tensor *x)
{
    c10::raw::intrusive_ptr::incref(impl(x));
}

void unref(mm_tensor *x)
{
    c10::raw::intrusive_ptr::decref(impl(x));
}

// Elements of a tensor of these sizes; checks that they and their bytes fit an int64.
int64_t count_elements(int ndim, const int64_t *sizes, size_t item)
{
    int64_t count = 1;

    for (int i = 0; i < ndim; ++i) {
        if (sizes[i] < 0) {
            throw refusal(MM_EINVAL, "size " + std::to_string(sizes[i]) +
                                         " of dimension " + std::to_string(i) +
                                         " is negative");
        }
        if (__builtin_mul_overflow(count, sizes[i], &count)) {
            throw refusal(MM_ESHAPE,
                          "the sizes have more elements than an int64 counts");
        }
    }
    int64_t bytes = 0;
    if (__builtin_mul_overflow(count, (int64_t)item, &bytes)) {
        throw refusal(MM_ESHAPE, "the sizes have more bytes than an int64 counts");
    }
    return count;
}

// One past the last element that sizes and strides reach, from offset 0.
int64_t reach(int ndim, const int64_t *sizes, const int64_t *strides)
{
    int64_t last = 0;

    for (int i = 0; i < ndim; ++i) {
        int64_t step = 0;

        if (sizes[i] == 0) {
            return 0;
        }
        if (strides[i] < 0) {
            throw refusal(MM_EINVAL, "stride " + std::to_string(strides[i]) +
                                         " of dimension " + std::to_string(i) +
                                         " is negative");
        }
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) ||
            __builtin_add_overflow(last, step, &last)) {
            throw refusal(MM_ESHAPE, "the strides reach further than an int64 counts");
        }
    }
    return last + 1;
}

at::Tensor make(c10::Storage &&storage, c10::DispatchKeySet keys, caffe2::TypeMeta meta,
                int ndim, const int64_t *sizes, const int64_t *strides, int64_t offset)
{
    at::Tensor x =
        at::detail::make_tensor<at::TensorImpl>(std::move(storage), keys, meta);
    at::TensorImpl *made = x.unsafeGetTensorImpl();
    at::IntArrayRef size_list(sizes, (size_t)ndim);

    if (strides) {
        made->set_sizes_and_strides(size_list, at::IntArrayRef(strides, (size_t)ndim));
    } else {
        made->set_sizes_contiguous(size_list);
    }
    if (offset) {
        made->set_storage_offset(offset);
    }
    return x;
}

c10::DispatchKeySet cpu_keys()
{
    return c10::DispatchKeySet(c10::DispatchKey::CPU);
}

caffe2::TypeMeta type_meta(mm_dtype dtype)
{
    switch (dtype) {
    case MM_DTYPE_U8:
    case MM_DTYPE_I8:
    case MM_DTYPE_I16:
    case MM_DTYPE_I32:
    case MM_DTYPE_I64:
    case MM_DTYPE_F16:
    case MM_DTYPE_F32:
    case MM_DTYPE_F64:
    case MM_DTYPE_C32:
    case MM_DTYPE_C64:
    case MM_DTYPE_C128:
    case MM_DTYPE_BOOL:
    case MM_DTYPE_BF16:
        return c10::scalarTypeToTypeMeta(scalar_type(dtype));
    default:
        throw refusal(MM_EDTYPE, "dtype " + std::to_string((int)dtype) + " is unknown");
    }
}

mm_tensor *empty(mm_dtype dtype, int ndim, const int64_t *sizes)
{
    return guard_tensor("empty", {}, [&] {
        caffe2::TypeMeta meta = type_meta(dtype);
        size_t bytes =
            (size_t)count_elements(ndim, sizes, meta.itemsize()) * meta.itemsize();
        c10::Allocator *allocator = c10::GetCPUAllocator();
        c10::Storage storage(c10::Storage::use_byte_size_t(), bytes,
                             allocator->allocate(bytes), allocator, true);

        return make(std::move(storage), cpu_keys(), meta, ndim, sizes, nullptr, 0);
    });
}

// The caller's memory, to be given back exactly once, whatever happens.
struct lease {
    void (*release)(void *user);
    void *user;
};

void end_lease(void *context)
{
    lease *held = static_cast<lease *>(context);

    held->release(held->user);
    delete held;
}

void no_release(void *)
{
}

c10::DataPtr lease_memory(void *data, void (*release)(void *), void *user)
{
    c10::Device cpu(c10::DeviceType::CPU);

    if (!release) {
        return c10::DataPtr(data, data, no_release, cpu);
    }
    lease *held = new (std::nothrow) lease{release, user};
    if (!held) {
        release(user);
        throw std::bad_alloc();
    }
    return c10::DataPtr(data, held, end_lease, cpu);
}

mm_tensor *from_memory(void *data, mm_dtype dtype, int ndim, const int64_t *sizes,
                       const int64_t *strides, void (*release)(void *), void *user)
{
    return guard_tensor("from_memory", {}, [&] {
        c10::DataPtr memory = lease_memory(data, release, user);
        caffe2::TypeMeta meta = type_meta(dtype);
        int64_t count = count_elements(ndim, sizes, meta.itemsize());

        if (strides) {
            count = reach(ndim, sizes, strides);
        }
        c10::Storage storage(c10::Storage::use_byte_size_t(),
                             (size_t)count * meta.itemsize(), std::move(memory),
                             nullptr, false);
        return make(std::move(storage), cpu_keys(), meta, ndim, sizes, strides, 0);
    });
}

mm_tensor *view_storage(mm_tensor *base, int ndim, const int64_t *sizes,
                        const int64_t *strides, int64_t offset)
{
    return guard_tensor("view_storage", {base}, [&] {
        at::TensorImpl *from = impl(base);
        size_t item = from->dtype().itemsize();
        int64_t count = count_elements(ndim, sizes, item);
        int64_t past = strides ? reach(ndim, sizes, strides) : count;

        if (offset < 0 || __builtin_add_overflow(past, offset, &past) ||
            (count > 0 && (size_t)past > from->storage().nbytes() / item)) {
            throw refusal(MM_ERANGE,
                          "a view of " + std::to_string(count) +
                              " elements at offset " + std::to_string(offset) +
                              " does not fit a storage of " +
                              std::to_string(from->storage().nbytes() / item));
        }
        at::Tensor x = make(c10::Storage(from->storage()), from->key_set(),
                            from->dtype(), ndim, sizes, strides, offset);
        if (!from->is_inference()) {
            x.unsafeGetTensorImpl()->set_version_counter(from->version_counter());
        }
        return x;
    });
}

void put_device(c10::Device device, char out[16])
{
    if (device.is_cpu()) {
        std::memcpy(out, "cpu", 4);
        return;
    }
    std::string text = device.str();
    std::strncpy(out, text.c_str(), 15);
    out[15] = '\0';
}

mm_status info(const mm_tensor *handle, mm_tensor_info *out)
{
    return guard("info", {handle}, MM_ETORCH, [&] {
        borrowed x(handle);
        at::TensorImpl *at = impl(handle);
        size_t ndim = at->sizes().size();

        if (ndim > MM_MAX_DIM) {
            throw refusal(MM_EUNSUPPORTED, "a tensor of " + std::to_string(ndim) +
                                               " dimensions; at most " +
                                               std::to_string(MM_MAX_DIM));
        }
        *out = mm_tensor_info();
        out->ndim = (int)ndim;
        for (size_t i = 0; i < ndim; ++i) {
            out->sizes[i] = at->sizes()[i];
            out->strides[i] = at->strides()[i];
        }
        out->numel = at->numel();
        out->dtype = dtype_of(at);
        out->is_cpu = at->is_cpu();
        put_device(at->device(), out->device);
        out->is_contiguous = at->is_contiguous();
        out->requires_grad = x->requires_grad();
        out->is_leaf = x->is_leaf();
        if (at->has_storage()) {
            out->storage_offset = at->storage_offset();
            out->storage_bytes = at->storage().nbytes();
            out->storage = const_cast<void *>(at->storage().data_ptr().get());
            out->data = out->storage ? x->data_ptr() : nullptr;
        }
        return MM_OK;
    });
}

int ndim(const mm_tensor *x)
{
    return guard("ndim", {x}, 0, [&] { return (int)impl(x)->dim(); });
}

bool is_sparse(const mm_tensor *x)
{
    return guard("is_sparse", {x}, false,
                 [&] { return impl(x)->layout() == c10::kSparse; });
}

mm_status size_of(const mm_tensor *handle, int dim, int64_t *out)
{
    return guard("size", {handle}, MM_ETORCH, [&] {
        at::IntArrayRef sizes = impl(handle)->sizes();
        int count = (int)sizes.size();

        if (dim < -count || dim >= count) {
            throw refusal(MM_ERANGE, "dimension " + std::to_string(dim) + " of " +
                                         describe(handle) + " does not exist");
        }
        *out = sizes[(size_t)(dim < 0 ? dim + count : dim)];
        return MM_OK;
    });
}

int64_t numel(const mm_tensor *x)
{
    return guard("numel", {x}, (int64_t)0, [&] { return impl(x)->numel(); });
}

mm_dtype dtype(const mm_tensor *x)
{
    return dtype_of(impl(x));
}

void *data(mm_tensor *handle, mm_dtype wanted)
{
    return guard("data", {handle}, static_cast<void *>(nullptr), [&] {
        at::TensorImpl *at = impl(handle);
        borrowed x(handle);

        if (wanted != MM_DTYPE_NONE && dtype_of(at) != wanted) {
            throw refusal(MM_EDTYPE, std::string("the elements of ") +
                                         describe(handle) + " are not " +
                                         short_name(scalar_type(wanted)));
        }
        if (!at->is_cpu()) {
            throw refusal(MM_ESTATE, "the elements of " + describe(handle) +
                                         " are not in host memory");
        }
        return x->data_ptr();
    });
}

// The number of a plain tensor in host memory, without the dispatcher: losses are read
// in every iteration. False: it is none.
bool read_plainly(const at::Tensor &x, mm_number *out)
{
    if (!x.is_cpu() || x.layout() != at::kStrided || x.numel() != 1 || x.is_neg() ||
        x._is_zerotensor()) {
        return false;
    }
    switch (x.scalar_type()) {
    case at::kFloat:
        *out = mm_number_f64(*static_cast<const float *>(x.data_ptr()));
        return true;
    case at::kDouble:
        *out = mm_number_f64(*static_cast<const double *>(x.data_ptr()));
        return true;
    case at::kLong:
        *out = mm_number_i64(*static_cast<const int64_t *>(x.data_ptr()));
        return true;
    default:
        return false;
    }
}

mm_status item(const mm_tensor *handle, mm_number *out)
{
    return guard("item", {handle}, MM_ETORCH, [&] {
        borrowed x(handle);

        if (read_plainly(*x, out)) {
            return MM_OK;
        }
        at::Scalar value = x->item();

        *out = mm_number();
        if (value.isFloatingPoint()) {
            *out = mm_number_f64(value.toDouble());
        } else if (value.isIntegral(true)) {
            *out = mm_number_i64(value.isBoolean() ? value.toBool() : value.toLong());
        } else {
            throw refusal(MM_EDTYPE, "a complex number is not a number here");
        }
        return MM_OK;
    });
}

// Bit for bit, so that NaN equals itself and 0 differs from -0.
bool same_bits(const at::Tensor &left, const at::Tensor &right)
{
    at::Tensor a = left.detach().to(at::kCPU).contiguous();
    at::Tensor b = right.detach().to(at::kCPU).contiguous();

    return a.nbytes() == 0 || std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

mm_status equal(const mm_tensor *left, const mm_tensor *right, bool *out)
{
    return guard("equal", {left, right}, MM_ETORCH, [&] {
        borrowed a(left), b(right);

        *out = left == right || (a->scalar_type() == b->scalar_type() &&
                                 a->sizes() == b->sizes() && same_bits(*a, *b));
        return MM_OK;
    });
}

mm_status set_data(mm_tensor *handle, mm_tensor *source)
{
    return guard("set_data", {handle, source}, MM_ETORCH, [&] {
        borrowed x(handle), from(source);

        x->set_data(*from);
        return MM_OK;
    });
}

} // namespace

void fill_tensor(mmt_api *api)
{
    api->ref = ref;
    api->unref = unref;
    api->empty = empty;
    api->from_memory = from_memory;
    api->view_storage = view_storage;
    api->info = info;
    api->ndim = ndim;
    api->is_sparse = is_sparse;
    api->size_of = size_of;
    api->numel = numel;
    api->dtype = dtype;
    api->data = data;
    api->item = item;
    api->equal = equal;
    api->set_data = set_data;
}

} // namespace mmt
