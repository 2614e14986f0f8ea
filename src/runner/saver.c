/* The writer of checkpoints. On the runner's thread the small values become a pickle
 * and the bytes of all tensors are copied to one block, each storage once however many
 * files and tensors share it; the block stays for the next time. A thread then writes
 * the files from it. The thread touches no tensor, value or hook, only bytes, paths and
 * files, so training may change all of them meanwhile.
 */
#include "runner/saver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/thread.h"
#include "kernels/copy.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/parallel.h"
#include "tensor/stored.h"

enum { ALIGNMENT = 64, PIECE = 1 << 20 };

/* A part of the copy, small enough to share the work. */
struct piece {
    char *to;
    const char *from;
    size_t size;
};

/* A storage on a device: its address there, and a tensor that views it. */
struct remote {
    const void *address;
    mm_tensor *tensor; /* borrowed from a content */
};

struct mmi_saver {
    char *block; /* the copies */
    size_t block_size;
    MMI_VEC(mmi_pth_bytes *) storages; /* of all images, to be copied */
    MMI_VEC(struct piece) pieces;
    MMI_VEC(struct remote) remotes;
    mmi_save *saves; /* being written */
    mmi_thread thread;
    atomic_bool is_done;
};

/* Requests. */

static mm_status copy_old(mmi_save *save, const mm_value *paths)
{
    size_t count = paths == NULL ? 0 : mm_value_len(paths);

    save->old = mm_alloc_array(count + 1, sizeof(*save->old));
    for (size_t i = 0; i < count && !mm_has_error(); i++)
        save->old[save->num_old++] = mm_strdup(mm_value_str(mm_list_get(paths, i)));
    return mm_pending();
}

mmi_save *mmi_save_new(const mm_save_args *args, const char *work_dir)
{
    mmi_save *save = mm_alloc(sizeof(*save));

    if (save == NULL)
        return NULL;
    save->args = *args;
    save->args.remove = NULL;
    save->args.path = mm_strdup(args->path);
    if (args->is_last)
        save->pointer = mm_path_join(work_dir, "last_checkpoint");
    if (copy_old(save, args->remove) < 0) {
        mmi_save_free(save);
        return NULL;
    }
    return save;
}

void mmi_save_free(mmi_save *save)
{
    if (save == NULL)
        return;
    for (size_t i = 0; i < save->num_old; i++)
        mm_free(save->old[i]);
    mm_free(save->old);
    mm_free((void *)(uintptr_t)save->args.path);
    mm_free(save->pointer);
    mm_value_unref(save->content);
    mmi_pth_image_deinit(&save->image);
    mm_free(save);
}

void mmi_remove_old_file(const char *path)
{
    if (mm_file_exists(path) && mm_file_remove(path) < 0) {
        mm_error error;

        (void)mm_error_take(&error);
        mm_log(MM_LOG_WARN, "could not remove an old checkpoint: %s", error.message);
    }
}

mm_status mmi_save_conclude(const mmi_save *save)
{
    const char *path = save->args.path;

    if (save->pointer != NULL && mm_file_write(save->pointer, path, strlen(path)) < 0)
        return mm_error_frame("while naming it in '%s'", save->pointer);
    for (size_t i = 0; i < save->num_old; i++) {
        if (strcmp(save->old[i], path) != 0)
            mmi_remove_old_file(save->old[i]);
    }
    return mm_pending();
}

/* The copy. */

/* Where a tensor's bytes are; for one on a device that address is only its identity. */
static bool describe(void *user, const mm_value *object, mm_pth_tensor *out)
{
    mmi_saver *saver = user;
    mm_tensor *tensor = mm_value_find_tensor(object);
    bool is_cpu = true;

    if (tensor == NULL || !mmi_describe_tensor(tensor, out, &is_cpu))
        return false;
    return is_cpu ||
           mmi_vec_push(&saver->remotes, (struct remote){out->memory, tensor});
}

static mm_status make_images(mmi_saver *saver, mmi_save *saves)
{
    saver->storages.count = saver->remotes.count = saver->pieces.count = 0;
    for (mmi_save *save = saves; save != NULL && !mm_has_error(); save = save->next) {
        mmi_pth_image_deinit(&save->image);
        if (mmi_pth_image_init(&save->image, &(mm_pth_write_args){
                                                 .root = save->content,
                                                 .describe = describe,
                                                 .user = saver,
                                             }) < 0)
            break;
        for (size_t i = 0; i < save->image.storages.count; i++) {
            if (save->image.storages.data[i].size > 0 &&
                !mmi_vec_push(&saver->storages, &save->image.storages.data[i]))
                break;
        }
    }
    return mm_pending();
}

static int by_memory(const void *a, const void *b)
{
    const mmi_pth_bytes *x = *(mmi_pth_bytes *const *)a;
    const mmi_pth_bytes *y = *(mmi_pth_bytes *const *)b;
    uintptr_t p = (uintptr_t)x->memory, q = (uintptr_t)y->memory;

    return p != q ? (p > q) - (p < q) : (x->size > y->size) - (x->size < y->size);
}

static bool is_same(const mmi_pth_bytes *a, const mmi_pth_bytes *b)
{
    return a->memory == b->memory && a->size == b->size;
}

/* Bytes of the copy of storages that are sorted, each once. */
static size_t size_of_copy(const mmi_saver *saver)
{
    size_t size = 0;

    for (size_t i = 0; i < saver->storages.count; i++) {
        const mmi_pth_bytes *bytes = saver->storages.data[i];

        if (i == 0 || !is_same(bytes, saver->storages.data[i - 1]))
            size += (bytes->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return size;
}

/* Room for the copy; what is there is used again if it is large enough. */
static mm_status make_room(mmi_saver *saver, size_t size)
{
    if (size <= saver->block_size)
        return mm_pending();
    mm_free_aligned(saver->block);
    saver->block_size = 0;
    saver->block = mm_alloc_aligned(size);
    if (saver->block != NULL)
        saver->block_size = size;
    return mm_pending();
}

static mm_tensor *tensor_at(const mmi_saver *saver, const void *address)
{
    for (size_t i = 0; i < saver->remotes.count; i++) {
        if (saver->remotes.data[i].address == address)
            return saver->remotes.data[i].tensor;
    }
    return NULL;
}

/* From a device: both storages seen as rows of elements. */
static mm_status fetch(mm_tensor *tensor, const mmi_pth_bytes *bytes, char *to)
{
    mm_dtype dtype = mm_tensor_dtype(tensor);
    int64_t count = (int64_t)(bytes->size / mm_dtype_size(dtype)), step = 1;

    (void)mm_copy_(mm_from_memory(to, dtype, 1, &count, &step, NULL, NULL),
                   mm_view_storage(tensor, 1, &count, &step, 0));
    return mm_pending();
}

static mm_status add_pieces(mmi_saver *saver, const mmi_pth_bytes *bytes, char *to)
{
    const char *from = bytes->memory;

    for (size_t at = 0; at < bytes->size && !mm_has_error(); at += PIECE) {
        struct piece piece = {
            .from = from + at,
            .size = bytes->size - at < PIECE ? bytes->size - at : PIECE,
        };

        piece.to = to + at;
        (void)mmi_vec_push(&saver->pieces, piece);
    }
    return mm_pending();
}

static void copy_pieces(void *user, int64_t begin, int64_t end)
{
    const struct piece *pieces = user;

    for (int64_t i = begin; i < end; i++)
        mmi_copy_past_caches(pieces[i].to, pieces[i].from, pieces[i].size);
}

/* Gives every storage its place in the block, which gets the bytes. */
static mm_status copy_storages(mmi_saver *saver)
{
    const mm_parallel *parallel = mm_torch_parallel();
    mmi_pth_bytes before = {0};
    char *to = NULL, *end = saver->block;

    for (size_t i = 0; i < saver->storages.count && !mm_has_error(); i++) {
        mmi_pth_bytes *bytes = saver->storages.data[i];

        if (i == 0 || !is_same(bytes, &before)) {
            mm_tensor *tensor = tensor_at(saver, bytes->memory);

            to = end;
            end += (bytes->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            (void)(tensor != NULL ? fetch(tensor, bytes, to)
                                  : add_pieces(saver, bytes, to));
        }
        before = *bytes;
        bytes->memory = to;
    }
    if (!mm_has_error())
        parallel->run((int64_t)saver->pieces.count, 1, copy_pieces, saver->pieces.data);
    return mm_pending();
}

mm_status mmi_saver_copy(mmi_saver *saver, mmi_save *saves)
{
    mm_scope scope = mm_scope_open();

    if (make_images(saver, saves) == MM_OK) {
        qsort(saver->storages.data, saver->storages.count,
              sizeof(*saver->storages.data), by_memory);
        if (make_room(saver, size_of_copy(saver)) == MM_OK)
            (void)copy_storages(saver);
    }
    mm_scope_close(scope);
    return mm_pending();
}

/* Writing. */

static void write_saves(void *user)
{
    mmi_saver *saver = user;

    for (mmi_save *save = saver->saves; save != NULL; save = save->next) {
        if (mmi_pth_image_write(&save->image, save->args.path) == MM_OK)
            (void)mmi_save_conclude(save);
        (void)mm_error_take(&save->error);
    }
    atomic_store_explicit(&saver->is_done, true, memory_order_release);
}

void mmi_saver_start(mmi_saver *saver, MM_TAKES mmi_save *saves)
{
    mm_error error;

    saver->saves = saves;
    atomic_store_explicit(&saver->is_done, false, memory_order_relaxed);
    if (mmi_thread_start(&saver->thread, "mm-saver", write_saves, saver) == MM_OK)
        return;
    (void)mm_error_take(&error); /* no thread to be had: the file matters more */
    write_saves(saver);
}

bool mmi_saver_is_done(const mmi_saver *saver)
{
    return saver != NULL && atomic_load_explicit(&saver->is_done, memory_order_acquire);
}

mmi_save *mmi_saver_finish(mmi_saver *saver)
{
    mmi_save *saves = NULL;

    if (saver != NULL) {
        mmi_thread_join(&saver->thread);
        saves = saver->saves;
        saver->saves = NULL;
        atomic_store_explicit(&saver->is_done, false, memory_order_relaxed);
    }
    return saves;
}

mmi_saver *mmi_saver_new(void)
{
    return mm_alloc(sizeof(mmi_saver));
}

void mmi_saver_free(mmi_saver *saver)
{
    if (saver == NULL)
        return;
    mm_free_aligned(saver->block);
    mmi_vec_deinit(&saver->storages);
    mmi_vec_deinit(&saver->pieces);
    mmi_vec_deinit(&saver->remotes);
    mm_free(saver);
}
