/** @file
 * Tensors: handles of libtorch tensors. A handle owns one reference. Results of
 * operations belong to the thread's innermost scope (scope.h); mm_keep() takes one out.
 *
 * libtorch is loaded at the first call that needs it (mm_torch_open()); until then
 * nothing here costs anything. No C++ exception leaves the bridge: every failure is
 * MM_ETORCH with libtorch's message, or the more exact code.
 */
#ifndef MMENGINE_TENSOR_H
#define MMENGINE_TENSOR_H

#include "mmengine/dtype.h"
#include "mmengine/scope.h"

MM_BEGIN_DECLS

/** Everything about a tensor but its elements. Sizes in elements, strides in elements.
 */
typedef struct mm_tensor_info {
    int ndim;
    int64_t sizes[MM_MAX_DIM];
    int64_t strides[MM_MAX_DIM];
    int64_t numel;
    int64_t storage_offset; /**< elements */
    mm_dtype dtype;
    char device[16]; /**< "cpu", "cuda:0" */
    bool is_cpu;
    bool is_contiguous;
    bool requires_grad;
    bool is_leaf;
    void *data;    /**< first element; host memory only if is_cpu; may be NULL */
    void *storage; /**< base address: identity of the memory, for aliases */
    size_t storage_bytes;
} mm_tensor_info;

/** @name The library behind @{ */
/**
 * Loads libtorch through the bridge if that has not happened. Thread-safe. `train`
 * calls it on a thread of its own while the config is read. Errors: MM_ENOENT, MM_EABI
 * ("built for 2.13.0, found 1.13.1: run make setup").
 */
MM_API mm_status mm_torch_open(void);
/**
 * Begins to load it on a thread and returns at once; whoever needs it waits. For the
 * start of a program, before it has threads of its own.
 */
MM_API mm_status mm_torch_open_ahead(void);
/** True once it is loaded. */
MM_API bool mm_torch_is_open(void);
/** "2.13.0+cpu"; opens libtorch. NULL on error. Static storage. */
MM_API const char *mm_torch_version(void);
/** The version the bridge was built for, without opening it. Static storage. */
MM_API const char *mm_torch_built_for(void);
/** libtorch's build settings, several lines. Static storage. */
MM_API const char *mm_torch_build_flags(void);
/** Threads of libtorch's pool; 0: all physical cores. */
MM_API mm_status mm_set_num_threads(int num_threads);
MM_API int mm_num_threads(void);
/** Threads that operations and parallel loops started by the calling thread use. A
 * loader worker sets 1: each thread that computes on its own would get a pool of its
 * own. */
MM_API mm_status mm_set_thread_width(int num_threads);
/** libtorch's pool as a parallel-for for our kernels; borrowed, lives for ever. */
MM_API const mm_parallel *mm_torch_parallel(void);
/** Process flags: "deterministic", "flush_denormal", "cudnn_benchmark", "tf32",
 * "mkldnn". */
MM_API mm_status mm_torch_set_flag(const char *flag, bool value);
/** @} */

/** @name Memory of tensors on the host
 * Freed blocks are kept and given out again, which saves clearing fresh pages. Blocks
 * in use and blocks kept are together never more than the most that was in use at once
 * and 64 MiB. MMENGINE_HOST_CACHE=0 in the environment: libtorch's own way, which keeps
 * nothing. A program that set an allocator of its own before keeps that. @{ */
typedef struct mm_host_memory {
    int64_t in_use;      /**< bytes, without blocks of 1 KiB and less */
    int64_t most_in_use; /**< since the start or the last mm_empty_cache() */
    int64_t kept;        /**< bytes that wait for their next use */
} mm_host_memory;
MM_API mm_host_memory mm_host_memory_now(void);
/** Gives all kept blocks of the host and of devices back to the system. Source:
 * torch.cuda.empty_cache(). */
MM_API mm_status mm_empty_cache(void);
/** What a device's allocator counts, in bytes. */
typedef struct mm_device_memory {
    bool is_known;       /**< false: a host, no such device, or libtorch before 2.9 */
    int64_t in_use;      /**< in tensors */
    int64_t most_in_use; /**< since the start */
    int64_t most_lately; /**< since mm_device_memory_take() */
    int64_t reserved;    /**< asked of the driver: in use or kept */
} mm_device_memory;
MM_API mm_device_memory mm_device_memory_now(const char *device);
/** The same; `most_lately` begins anew. Source: mmengine get_max_cuda_memory(). */
MM_API mm_device_memory mm_device_memory_take(const char *device);
/** @} */

/** @name Devices @{ */
/** True if "cuda", "cuda:1", "cpu" can be used; loads libtorch_cuda where it is
 * present. */
MM_API bool mm_device_is_available(const char *device);
MM_API int mm_device_count(const char *type);
/** Waits until the device has done what was asked of it. */
MM_API mm_status mm_device_synchronize(const char *device);
/** The best device: "cuda:0" if there is one, else "cpu". Static storage. */
MM_API const char *mm_device_best(void);
/** @} */

/** @name References @{ */
/** A reference of your own to a tensor that a scope owns. Release: mm_tensor_unref().
 */
MM_API mm_tensor *mm_keep(mm_tensor *tensor);
MM_API mm_tensor *mm_tensor_ref(mm_tensor *tensor);
/** NULL is fine. Works while an error is pending. */
MM_API void mm_tensor_unref(mm_tensor *tensor);
/** Gives your reference to the innermost scope. Returns it, borrowed now. */
MM_API mm_tensor *mm_tensor_scoped(MM_TAKES mm_tensor *tensor);
/** Handles' references not yet released through this API, whole process. For tests. */
MM_API int64_t mm_live_tensors(void);
/** @} */

/** @name Making tensors from memory. Results are scope-owned. @{ */
/** Uninitialised host memory. */
MM_API mm_tensor *mm_empty(mm_dtype dtype, int ndim, const int64_t *sizes);
/** A copy of contiguous host memory. */
MM_API mm_tensor *mm_from_data(const void *data, mm_dtype dtype, int ndim,
                               const int64_t *sizes);
MM_API mm_tensor *mm_from_f32(const float *data, int ndim, const int64_t *sizes);
MM_API mm_tensor *mm_from_i64(const int64_t *data, int ndim, const int64_t *sizes);
/**
 * No copy: the tensor uses `data` and calls release(user) when its storage goes, on any
 * thread, also when this call fails. `strides` NULL: contiguous. `release` NULL: `data`
 * must outlive the tensor.
 */
MM_API mm_tensor *mm_from_memory(void *data, mm_dtype dtype, int ndim,
                                 const int64_t *sizes, const int64_t *strides,
                                 void (*release)(void *user), void *user);
/** A view of `base`'s storage; offset in elements from the storage's begin. */
MM_API mm_tensor *mm_view_storage(mm_tensor *base, int ndim, const int64_t *sizes,
                                  const int64_t *strides, int64_t storage_offset);
/** A zero-dimensional tensor. */
MM_API mm_tensor *mm_scalar(double value, mm_dtype dtype);
/** @} */

/** @name Reading @{ */
MM_API mm_status mm_tensor_info_get(const mm_tensor *tensor, mm_tensor_info *out);
/** True for a sparse tensor (COO), as gradients of sparse embeddings are: it has
 * indices and values but no memory of its own to look at. */
MM_API bool mm_is_sparse(const mm_tensor *tensor);
MM_API int mm_ndim(const mm_tensor *tensor);
/** Size of dimension `dim`; negative counts from the end. */
MM_API int64_t mm_size(const mm_tensor *tensor, int dim);
MM_API int64_t mm_numel(const mm_tensor *tensor);
MM_API mm_dtype mm_tensor_dtype(const mm_tensor *tensor);
/** First element. MM_EDTYPE if `dtype` differs (NONE: any), MM_ESTATE if not on the
 * host. */
MM_API void *mm_data(mm_tensor *tensor, mm_dtype dtype);
/** The only element as a number; waits for the device. */
MM_API double mm_item(const mm_tensor *tensor);
MM_API int64_t mm_item_i64(const mm_tensor *tensor);
/** Same elements, dtype and sizes, bit for bit (NaN equals NaN). */
MM_API bool mm_tensor_equal(const mm_tensor *a, const mm_tensor *b);
/** Bytes of an element. */
MM_API size_t mm_dtype_size(mm_dtype dtype);
/** "float32". Static storage. */
MM_API const char *mm_dtype_name(mm_dtype dtype);
/** Parses "float32", "torch.float32", "fp16", "bfloat16". MM_EINVAL. */
MM_API mm_status mm_dtype_parse(const char *text, mm_dtype *out);
/** Its elements as nested lists, a number if it has no dimension; yours. Source:
 * Tensor.tolist(). */
MM_API MM_OWNED mm_value *mm_tensor_to_list(mm_tensor *tensor);
/** "tensor([0.5000, 1.0000])" as Python prints it, which is what mm_value_repr() gives
 * for a tensor; mm_free(). Waits for the device. */
MM_API MM_OWNED char *mm_tensor_repr(mm_tensor *tensor);
/** "[64, 3, 7, 7] float32 cpu"; mm_free(). */
MM_API MM_OWNED char *mm_tensor_describe(const mm_tensor *tensor);
/** @} */

/** @name Autograd @{ */
/** Marks a leaf as trainable or not. */
MM_API mm_status mm_set_requires_grad(mm_tensor *leaf, bool requires_grad);
/** The gradient, borrowed from the leaf; NULL without an error if there is none. */
MM_API mm_tensor *mm_grad_find(const mm_tensor *leaf);
/** Sets the gradient; NULL drops it, as zero_grad(set_to_none=True) does. */
MM_API mm_status mm_set_grad(mm_tensor *leaf, mm_tensor *grad);
/** Where a leaf and its gradient lie, for kernels that walk over many at once. */
typedef struct mm_leaf_memory {
    float *data; /**< NULL unless `is_plain` */
    float *grad; /**< NULL unless `is_plain`, or if there is none */
    int64_t count;
    bool has_grad;
    /** dense float32 in host memory, without holes, and so is the gradient, if there is
     * one, with the same strides: element i of one belongs to element i of the other */
    bool is_plain;
} mm_leaf_memory;
/** Looks at `count` leaves in one call. `writes`: the plain ones that have a gradient
 * will be changed through `data`; autograd is told, as by an operation in place. */
MM_API mm_status mm_leaves_memory(mm_tensor *const *leaves, size_t count, bool writes,
                                  mm_leaf_memory *out);
/** Drops the gradients of `count` leaves in one call. */
MM_API mm_status mm_leaves_drop_grads(mm_tensor *const *leaves, size_t count);
/** d root / d leaves is added to the leaves' gradients. `root` has one element. */
MM_API mm_status mm_backward(mm_tensor *root);
/** With all options of torch.autograd.backward. `grads` may be NULL. */
MM_API mm_status mm_backward_with(mm_tensor *const *roots, mm_tensor *const *grads,
                                  int count, bool retain_graph, bool create_graph);
/** Switches recording for this thread; returns the former state. Works while an error
 * is pending. */
MM_API bool mm_grad_mode_set(bool enabled);
MM_API bool mm_grad_mode(void);

/** What a custom function's callbacks see. Valid during the callback only. */
typedef struct mm_function_ctx mm_function_ctx;
/** Keeps tensors for backward. Call once, in forward, with inputs or outputs. */
MM_API mm_status mm_function_save(mm_function_ctx *ctx, mm_tensor *const *tensors,
                                  int count);
/** The i-th saved tensor, borrowed. */
MM_API mm_tensor *mm_function_saved(mm_function_ctx *ctx, int index);
/** True if backward must give a gradient for input i. */
MM_API bool mm_function_needs_grad(mm_function_ctx *ctx, int input);

/** A differentiable function in C. Source: torch.autograd.Function. */
typedef struct mm_function {
    const char *name; /**< shown in messages */
    /** required: fills `outputs` (borrowed, scope-owned); runs without recording */
    mm_status (*forward)(mm_function_ctx *ctx, void *user, mm_tensor *const *inputs,
                         int num_inputs, mm_tensor **outputs, int num_outputs);
    /** required: one gradient per input, NULL for none; may run on another thread */
    mm_status (*backward)(mm_function_ctx *ctx, void *user,
                          mm_tensor *const *grad_outputs, int num_outputs,
                          mm_tensor **grad_inputs, int num_inputs);
    void (*release)(
        void *user); /**< optional: called when the graph lets go of `user` */
} mm_function;
/** Applies it. Outputs are scope-owned. `function` must outlive the graph. */
MM_API mm_status mm_function_apply(const mm_function *function, void *user,
                                   mm_tensor *const *inputs, int num_inputs,
                                   mm_tensor **outputs, int num_outputs);

/** What autocast was before; plain data. */
typedef struct mm_autocast {
    char device_type[8];
    bool was_enabled;
    mm_dtype dtype_before;
    bool cache_before;
    bool active;
} mm_autocast;
/** Switches mixed precision on for "cpu" or "cuda". `out` goes to mm_autocast_exit().
 */
MM_API mm_status mm_autocast_enter(const char *device_type, mm_dtype dtype,
                                   bool enabled, mm_autocast *out);
/** Restores; clears the cast cache when the outermost one ends. Works under an error.
 */
MM_API void mm_autocast_exit(const mm_autocast *before);
/** @} */

/** @name Random numbers: libtorch's generators @{ */
/** Seeds the default generators of all devices, as torch.manual_seed. */
MM_API mm_status mm_manual_seed(uint64_t seed);
/** State of a device's default generator: a uint8 tensor, as torch.get_rng_state(). */
MM_API mm_tensor *mm_rng_state(const char *device);
MM_API mm_status mm_rng_set_state(const char *device, mm_tensor *state);
/** A generator of its own on the CPU, seeded; yours: mm_rng_unref(). */
MM_API mm_rng *mm_rng_new(uint64_t seed);
MM_API mm_status mm_rng_seed(mm_rng *rng, uint64_t seed);
MM_API void mm_rng_unref(mm_rng *rng);
/** `to` goes on as `from` would; NULL: the default generator of the CPU. A mark to come
 * back to that is cheaper than mm_rng_state(). Not the same one twice: MM_EINVAL. */
MM_API mm_status mm_rng_copy(mm_rng *to, mm_rng *from);
/** torch.randperm(n, generator=rng): [n] i64, scope-owned. NULL rng: the default one.
 */
MM_API mm_tensor *mm_randperm(int64_t n, mm_rng *rng);
/** One int64 in [low, high) as torch.randint draws it; NULL rng: the default one. */
MM_API int64_t mm_randint(int64_t low, int64_t high, mm_rng *rng);
/** torch's Tensor.random_() of an int64 scalar: what making a DataLoader iterator
 * draws. */
MM_API int64_t mm_random_i64(mm_rng *rng);
/** @} */

/** @name Tensors as values @{ */
MM_API extern const mm_object_ops mm_tensor_object;
/** A value that refers to `tensor`; yours. */
MM_API mm_value *mm_value_new_tensor(mm_tensor *tensor);
/** The tensor of a value, borrowed. MM_ETYPE if it holds none. */
MM_API mm_tensor *mm_value_tensor(const mm_value *value);
/** The same, NULL without an error. */
MM_API mm_tensor *mm_value_find_tensor(const mm_value *value);
MM_API void mm_dict_put_tensor(mm_value *dict, const char *key, mm_tensor *tensor);
MM_API mm_tensor *mm_dict_get_tensor(const mm_value *dict, const char *key);
/** @} */

MM_END_DECLS

#endif
