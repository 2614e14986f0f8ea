/* Insides of the .pth container that its files share. */
#ifndef MMI_FILEIO_PTH_H
#define MMI_FILEIO_PTH_H

#include "base/map.h"
#include "base/os.h"
#include "base/vec.h"
#include "fileio/pickle.h"
#include "fileio/zip.h"
#include "mmengine/pth.h"

/* A mapped file, counted: each storage keeps it. */
typedef struct mmi_pth_file mmi_pth_file;
mmi_pth_file *mmi_pth_file_open(const char *path);
/* The same over memory that outlives it; for tests and for files inside others. */
mmi_pth_file *mmi_pth_file_of_memory(const void *data, size_t size, const char *path);
/* The same over a copy of its own. */
mmi_pth_file *mmi_pth_file_of_copy(const void *data, size_t size, const char *path);
void mmi_pth_file_unref(mmi_pth_file *file);
const unsigned char *mmi_pth_file_data(const mmi_pth_file *file, size_t *out_size);

/* A storage that is an entry of an archive, or plain bytes of the file; yours. */
mm_pth_storage *mmi_pth_storage_of_entry(mmi_pth_file *file, const mmi_zip *zip,
                                         const mmi_zip_entry *entry);
mm_pth_storage *mmi_pth_storage_of_size(mmi_pth_file *file, uint64_t size);
/* Gives the second kind its place; before that it cannot be read. */
void mmi_pth_storage_set_data(mm_pth_storage *storage, const unsigned char *data);
uint64_t mmi_pth_storage_size(const mm_pth_storage *storage);

/* A storage seen as elements of a type: what a persistent id stands for. */
typedef struct mmi_pth_typed {
    mm_pth_storage *storage;
    mm_dtype dtype; /* MM_DTYPE_NONE: bytes without a type */
} mmi_pth_typed;
extern const mm_object_ops mmi_pth_typed_object;
mm_value *mmi_pth_typed_new(mm_pth_storage *storage, mm_dtype dtype);

/* Bytes of an element; 0 for a dtype without a storage class. */
size_t mmi_pth_dtype_size(mm_dtype dtype);
/* "torch.FloatStorage"; NULL if there is none. */
const char *mmi_pth_storage_class(mm_dtype dtype);
/* False for a class that is no storage. */
bool mmi_pth_find_class(const char *class_name, mm_dtype *out);
/* The dtype of "torch.float32"; false if it has none here. */
bool mmi_pth_find_dtype(const char *class_name, mm_dtype *out);
/* True if all elements lie inside `numel` of the storage and no size is negative. */
bool mmi_pth_fits(const mm_pth_tensor *tensor, uint64_t numel);

/* Reading: what the pickle's callbacks know. */
typedef struct mmi_pth_reader {
    mmi_pth_file *file;
    const mm_pth_read_args *args;
    const mmi_zip *zip;                /* NULL: the older format */
    const char *prefix;                /* folder of the members, with its '/' */
    mmi_map storages;                  /* key -> mm_pth_storage */
    MMI_VEC(struct mmi_pth_made) made; /* tensors that args->make made */
} mmi_pth_reader;

/* A description beside the value that stands for it. */
struct mmi_pth_made {
    mm_value *value;
    mm_pth_tensor tensor;
};

/* Callbacks for mmi_pickle_read(); `user` is the reader. */
mm_value *mmi_pth_persistent(void *user, mm_value *id);
mm_value *mmi_pth_call(void *user, const char *class_name, mm_value *args);
/* The older format, from its first byte. */
mm_value *mmi_pth_read_legacy(mmi_pth_reader *reader);
/* MM_EIO, with the numbers, if the disk of a file to be written has less free than it
 * needs. */
void mmi_pth_check_room(const char *path, uint64_t need);
/* Either format. */
mm_value *mmi_pth_read_file(mmi_pth_file *file, const mm_pth_read_args *args);

/* Bytes of one storage of a file to be written. */
typedef struct mmi_pth_bytes {
    const void *memory; /* borrowed */
    size_t size;
} mmi_pth_bytes;

/* A file ready to be written: its pickle, and where the bytes of its storages are. The
 * values it was made of are no longer needed, so another thread may write it; storages
 * may be given another place before. */
typedef struct mmi_pth_image {
    void *pickle; /* owned */
    size_t pickle_size;
    MMI_VEC(mmi_pth_bytes) storages;
} mmi_pth_image;

/* `image` is filled or empty; deinit it in any case. args->path is not used. */
mm_status mmi_pth_image_init(mmi_pth_image *image, const mm_pth_write_args *args);
/* Checks the room on the disk and writes, in one step. */
mm_status mmi_pth_image_write(const mmi_pth_image *image, const char *path);
void mmi_pth_image_deinit(mmi_pth_image *image);

#endif
