/* Small checkpoint files made of plain memory, for tests without libtorch. */
#ifndef TESTS_RUNNER_CHECKPOINT_FILES_H
#define TESTS_RUNNER_CHECKPOINT_FILES_H

#include "scratch.h"

#include <string.h>

#include "mmengine/checkpoint.h"
#include "mmengine/file.h"
#include "mmengine/pth.h"

/* A tensor of one dimension over memory that outlives it. */
static inline mm_value *stored(mm_dtype dtype, size_t item_size, const void *memory,
                               int64_t size)
{
    return mm_pth_tensor_new(
        &(mm_pth_tensor){.dtype = dtype,
                         .ndim = 1,
                         .sizes = {size},
                         .strides = {1},
                         .memory = memory,
                         .memory_bytes = item_size * (size_t)size});
}

static inline mm_value *floats(const float *memory, int64_t size)
{
    return stored(MM_DTYPE_F32, sizeof(float), memory, size);
}

/* Writes FOLDER/NAME and returns its path, yours; the root goes. */
static inline char *write_file(const char *folder, const char *name, mm_value *root)
{
    char *path = mm_path_join(folder, name);

    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_OK);
    mm_value_unref(root);
    return path;
}

#endif
