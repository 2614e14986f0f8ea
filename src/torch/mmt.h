/** @file
 * The border between the C library and the bridge to libtorch: a table of functions
 * each way. This header is C; no type of C++ crosses it.
 *
 * Handles are mm_tensor *, one counted reference each. A function that returns a handle
 * returns a new reference, or NULL with an error raised on this thread; a NULL argument
 * is an undefined tensor. Every function catches everything that C++ throws.
 */
#ifndef MMT_H
#define MMT_H

#include "mmengine/ops.h"
#include "mmengine/parallel.h"
#include "mmengine/profile.h"

MM_BEGIN_DECLS

/** Grows when anything below changes. */
#define MMT_ABI 5u

/** What the bridge may ask of its host. */
typedef struct mmt_host {
    uint32_t abi;
    uint32_t size;
    mm_status (*raise)(mm_status code, const char *c_file, int c_line,
                       const char *message, const char *hint);
    void (*log)(int level, const char *text); /**< levels of mm_log_level */
    mm_status (*error_take)(mm_error *out);
    mm_status (*error_restore)(const mm_error *error);
    mm_scope (*scope_open)(void);
    void (*scope_close)(mm_scope scope);
    void *(*pages_alloc)(size_t size); /**< large pages; NULL without an error */
    void (*pages_free)(void *pages, size_t size);
} mmt_host;

/** A resolved name: one operator, or all overloads of a name. Lives for ever. */
typedef struct mmt_op {
    const char *name; /**< as it was asked for; the bridge keeps more behind it */
} mmt_op;

/** The bridge. */
typedef struct mmt_api {
    uint32_t abi;
    uint32_t size;
    const char *built_for; /**< "2.13.0+cpu" */
    const char *version;   /**< of the libtorch that was loaded */
    const char *build_flags;

    /* references */
    void (*ref)(mm_tensor *x);
    void (*unref)(mm_tensor *x);

    /* memory and inspection */
    mm_tensor *(*empty)(mm_dtype dtype, int ndim, const int64_t *sizes);
    mm_tensor *(*from_memory)(void *data, mm_dtype dtype, int ndim,
                              const int64_t *sizes, const int64_t *strides,
                              void (*release)(void *user), void *user);
    mm_tensor *(*view_storage)(mm_tensor *base, int ndim, const int64_t *sizes,
                               const int64_t *strides, int64_t storage_offset);
    mm_status (*info)(const mm_tensor *x, mm_tensor_info *out);
    int (*ndim)(const mm_tensor *x);
    bool (*is_sparse)(const mm_tensor *x);
    mm_status (*size_of)(const mm_tensor *x, int dim, int64_t *out);
    int64_t (*numel)(const mm_tensor *x);
    mm_dtype (*dtype)(const mm_tensor *x);
    void *(*data)(mm_tensor *x, mm_dtype dtype);
    mm_status (*item)(const mm_tensor *x, mm_number *out);
    mm_status (*equal)(const mm_tensor *a, const mm_tensor *b, bool *out);
    mm_status (*set_data)(mm_tensor *x, mm_tensor *source);

    /* every operator by schema */
    mmt_op *(*op_find)(const char *name);
    const char *(*op_schema)(const mmt_op *op);
    bool (*op_supports)(const char *name, const char *device);
    mm_status (*op_call)(mmt_op *op, const mm_arg *args, int num_args,
                         mm_op_result *result);

    /* frequent operators without boxing */
    mm_tensor *(*linear)(mm_tensor *x, mm_tensor *weight, mm_tensor *bias);
    mm_tensor *(*conv2d)(const mm_conv2d_args *args);
    mm_tensor *(*matmul)(mm_tensor *x, mm_tensor *y);
    mm_tensor *(*relu)(mm_tensor *x);
    mm_tensor *(*relu_in)(mm_tensor *x);
    mm_tensor *(*sigmoid)(mm_tensor *x);
    mm_tensor *(*gelu)(mm_tensor *x, bool tanh_form);
    mm_tensor *(*add)(mm_tensor *x, mm_tensor *y, double alpha);
    mm_tensor *(*sub)(mm_tensor *x, mm_tensor *y);
    mm_tensor *(*mul)(mm_tensor *x, mm_tensor *y);
    mm_tensor *(*div)(mm_tensor *x, mm_tensor *y);
    mm_tensor *(*add_in)(mm_tensor *x, mm_tensor *y, double alpha);
    mm_tensor *(*mul_in)(mm_tensor *x, mm_tensor *y);
    mm_tensor *(*add_number)(mm_tensor *x, mm_number value);
    mm_tensor *(*mul_number)(mm_tensor *x, mm_number value);
    mm_tensor *(*mul_number_in)(mm_tensor *x, mm_number value);
    mm_tensor *(*zero_in)(mm_tensor *x);
    mm_tensor *(*copy_in)(mm_tensor *dst, mm_tensor *src);
    mm_tensor *(*sum)(mm_tensor *x);
    mm_tensor *(*mean)(mm_tensor *x);
    mm_tensor *(*argmax)(mm_tensor *x, int64_t dim, bool keepdim);
    mm_tensor *(*softmax)(mm_tensor *x, int64_t dim);
    mm_tensor *(*log_softmax)(mm_tensor *x, int64_t dim);
    mm_tensor *(*cross_entropy)(const mm_cross_entropy_args *args);
    mm_tensor *(*nll_loss)(const mm_nll_loss_args *args);
    mm_tensor *(*batch_norm)(const mm_batch_norm_args *args);
    mm_tensor *(*layer_norm)(mm_tensor *x, mm_dims sizes, mm_tensor *weight,
                             mm_tensor *bias, double eps);
    mm_tensor *(*max_pool2d)(const mm_pool2d_args *args);
    mm_tensor *(*adaptive_avg_pool2d)(mm_tensor *x, int64_t out_h, int64_t out_w);
    mm_tensor *(*dropout)(mm_tensor *x, double p, bool training);
    mm_tensor *(*flatten)(mm_tensor *x, int64_t start, int64_t end);
    mm_tensor *(*view)(mm_tensor *x, mm_dims sizes);
    mm_tensor *(*reshape)(mm_tensor *x, mm_dims sizes);
    mm_tensor *(*permute)(mm_tensor *x, mm_dims order);
    mm_tensor *(*transpose)(mm_tensor *x, int64_t dim0, int64_t dim1);
    mm_tensor *(*cat)(mm_tensor *const *tensors, int count, int64_t dim);
    mm_tensor *(*stack)(mm_tensor *const *tensors, int count, int64_t dim);
    mm_tensor *(*detach)(mm_tensor *x);
    mm_tensor *(*to)(const mm_to_args *args);

    /* autograd */
    mm_status (*set_requires_grad)(mm_tensor *leaf, bool requires_grad);
    mm_tensor *(*grad_find)(const mm_tensor *leaf); /**< borrowed from the leaf */
    mm_status (*set_grad)(mm_tensor *leaf, mm_tensor *grad);
    mm_status (*leaves_memory)(mm_tensor *const *leaves, size_t count, bool writes,
                               mm_leaf_memory *out);
    mm_status (*leaves_drop_grads)(mm_tensor *const *leaves, size_t count);
    mm_status (*backward)(mm_tensor *const *roots, mm_tensor *const *grads, int count,
                          bool retain_graph, bool create_graph);
    bool (*grad_mode)(void);
    void (*grad_mode_set)(bool enabled);
    mm_status (*function_apply)(const mm_function *function, void *user,
                                mm_tensor *const *inputs, int num_inputs,
                                mm_tensor **outputs, int num_outputs);
    mm_status (*function_save)(mm_function_ctx *ctx, mm_tensor *const *tensors,
                               int count);
    mm_tensor *(*function_saved)(mm_function_ctx *ctx, int index); /**< borrowed */
    bool (*function_needs_grad)(mm_function_ctx *ctx, int input);
    mm_status (*autocast_enter)(const char *device_type, mm_dtype dtype, bool enabled,
                                mm_autocast *out);
    void (*autocast_exit)(const mm_autocast *before);

    /* random numbers */
    mm_status (*manual_seed)(uint64_t seed);
    mm_tensor *(*rng_state)(const char *device);
    mm_status (*rng_set_state)(const char *device, mm_tensor *state);
    mm_rng *(*rng_new)(uint64_t seed);
    mm_status (*rng_seed)(mm_rng *rng, uint64_t seed);
    void (*rng_unref)(mm_rng *rng);
    mm_status (*rng_copy)(mm_rng *to, mm_rng *from);
    mm_status (*random_i64)(int64_t low, int64_t high, bool whole_range, mm_rng *rng,
                            int64_t *out);

    /* process */
    mm_status (*set_num_threads)(int num_threads, bool this_thread_only);
    int (*num_threads)(void);
    const mm_parallel *parallel;
    mm_status (*set_flag)(const char *flag, bool value);
    bool (*device_is_available)(const char *device);
    int (*device_count)(const char *type);
    mm_status (*device_synchronize)(const char *device);
    void (*empty_cache)(void);
    mm_host_memory (*host_memory)(void);

    /* profiling; the caller sees to it that there is one recording at a time */
    mm_status (*profile_start)(unsigned flags);
    /** Ends the recording; `each` gets the events, in no order, borrowed. */
    mm_status (*profile_stop)(void (*each)(void *user, const mm_profile_event *event),
                              void *user);
    uint64_t (*profile_thread)(void); /**< number of the calling thread in events */
    mm_status (*device_memory)(const char *device, bool begins_anew,
                               mm_device_memory *out);
    mm_status (*empty_device_cache)(void);
} mmt_api;

/** The only export of the bridge. NULL with an error raised through `host`. */
MM_EXPORT const mmt_api *mmt_open(const mmt_host *host);

MM_END_DECLS

#endif
