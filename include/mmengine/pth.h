/** @file
 * The `.pth` container as PyTorch writes and reads it, without libtorch: a value tree
 * in which tensors are plain descriptions of bytes that lie in the file or in memory.
 *
 * Whoever knows tensors gives two callbacks: `describe` says where a tensor's bytes
 * are when a file is written, `make` turns a description into a tensor when one is
 * read. Files written here load with torch.load(weights_only=True); nothing that is
 * read is ever executed. Source: torch/serialization.py.
 */
#ifndef MMENGINE_PTH_H
#define MMENGINE_PTH_H

#include "mmengine/dtype.h"
#include "mmengine/value.h"

MM_BEGIN_DECLS

/** Bytes of a file that one or several tensors view; counted, thread-safe. */
typedef struct mm_pth_storage mm_pth_storage;

/** A tensor as a file knows it. Sizes, strides and offset in elements. */
typedef struct mm_pth_tensor {
    mm_dtype dtype;
    int ndim;
    int64_t sizes[MM_MAX_DIM];
    int64_t strides[MM_MAX_DIM];
    int64_t offset; /**< of the first element in the storage */
    bool requires_grad;
    bool is_parameter; /**< a torch.nn.Parameter, not a plain tensor */
    /** writing: first byte of the whole storage in host memory; tensors with one
     * address and size share it in the file too */
    const void *memory;
    size_t memory_bytes;     /**< bytes of the whole storage, both ways */
    mm_pth_storage *storage; /**< reading: where the bytes are; borrowed */
} mm_pth_tensor;

/** What mm_pth_write() does; zero is the default of each but the first two. */
typedef struct mm_pth_write_args {
    const char *path;     /**< required: the file; folders on the way are made */
    const mm_value *root; /**< required: what is written, mostly a dict */
    /** optional: fills `out` if `object` is a tensor and returns true; false leaves the
     * object to the writer, which knows nodes and the tensors that mm_pth_read() made.
     * Must hold the memory until mm_pth_write() returns. */
    bool (*describe)(void *user, const mm_value *object, mm_pth_tensor *out);
    void *user;
} mm_pth_write_args;

/**
 * Writes a file in one step, as mm_file_write() does, after looking whether the disk
 * has room. Dict order, aliases of tensors and sharing of containers are kept.
 * Errors: MM_EIO (the message gives bytes needed and free), MM_ETYPE for an object that
 * is no tensor, MM_EDATA for a tree that contains itself.
 */
MM_API mm_status mm_pth_write(const mm_pth_write_args *args);

/** What mm_pth_read() does; zero is the default of each but the first. */
typedef struct mm_pth_read_args {
    const char *path; /**< required */
    /** optional: makes the value that stands for a tensor; yours to give away. Default:
     * an object of mm_pth_tensor_object. Keep `tensor->storage` with a reference. */
    mm_value *(*make)(void *user, const mm_pth_tensor *tensor);
    void *user;
    bool keep_ordered; /**< OrderedDict becomes a node with its `_metadata`, not a dict
                        */
} mm_pth_read_args;

/**
 * Reads a file of torch.save, the zip format of PyTorch 1.6 and later and the older
 * one, or a `.safetensors` file, which is a dict of tensors. Storages stay in the file
 * until mm_pth_storage_data(). Classes that are not plain data become nodes
 * (mm_pickle_class()). The value is yours. Errors: MM_ENOENT; MM_EDATA for a file that
 * is cut off, damaged or not a checkpoint; MM_EUNSUPPORTED for TorchScript archives and
 * the tar format of 2016.
 */
MM_API MM_OWNED mm_value *mm_pth_read(const mm_pth_read_args *args);

/**
 * Reads a plain pickle (pickle.dump, mmengine.dump) whose tensors are as pickle leaves
 * them: calls that hold the bytes of torch.save. Arguments, value and errors are those
 * of mm_pth_read(); nothing is executed.
 */
MM_API MM_OWNED mm_value *mm_pth_read_pickle(const mm_pth_read_args *args);
/**
 * Writes such a file, protocol 2: pickle.load() gives tensors where torch is installed.
 * A tensor is written with its own elements only, whatever storage it looks at.
 * Arguments and errors are those of mm_pth_write().
 */
MM_API mm_status mm_pth_write_pickle(const mm_pth_write_args *args);
/**
 * The path on this machine of what `load_from`, `init_cfg` and command lines name: a
 * path, or "file://" and a path. Yours, mm_free(). Nothing is opened. MM_EUNSUPPORTED
 * with a hint for MMEngine's schemes that need a download (http, torchvision,
 * open-mmlab, mmcls, s3, ...); MM_EINVAL for an unknown one.
 */
MM_API MM_OWNED char *mm_pth_locate(const char *name);

/** "zip", "legacy" (before PyTorch 1.6) or "safetensors"; only the first has checksums.
 * Static storage; NULL on error. Looks at the first bytes alone. */
MM_API const char *mm_pth_format(const char *path);

/** Verifies every checksum of a file without making values. MM_EDATA if damaged. */
MM_API mm_status mm_pth_verify(const char *path);

/** The type of a tensor that no `make` has turned into something else. */
MM_API extern const mm_object_ops mm_pth_tensor_object;
/** A value holding a copy of the description and a reference to its storage. */
MM_API mm_value *mm_pth_tensor_new(const mm_pth_tensor *tensor);
/** The description, borrowed; NULL without an error if `value` is something else. */
MM_API const mm_pth_tensor *mm_pth_find_tensor(const mm_value *value);
/** First byte of the tensor's first element, in the file or in memory, as
 * mm_pth_storage_data(); NULL on error. */
MM_API const void *mm_pth_tensor_data(const mm_pth_tensor *tensor);

/** One more reference; any thread. */
MM_API mm_pth_storage *mm_pth_storage_ref(mm_pth_storage *storage);
/** One reference less; the last one of a file unmaps it. NULL is fine. */
MM_API void mm_pth_storage_unref(mm_pth_storage *storage);
/**
 * First byte of the storage, read-only, little-endian; aligned to 64 in files that
 * PyTorch 2 or this library wrote, else to nothing. The first call verifies the
 * checksum: MM_EDATA. NULL on error; a storage of no bytes has an address too.
 */
MM_API const void *mm_pth_storage_data(mm_pth_storage *storage);

/**
 * A dict that is written as OrderedDict with `metadata` (may be NULL) as its
 * `_metadata`, as state dicts of PyTorch are; yours. Both arguments gain a reference.
 */
MM_API mm_value *mm_pth_new_ordered(mm_value *dict, mm_value *metadata);

MM_END_DECLS

#endif
