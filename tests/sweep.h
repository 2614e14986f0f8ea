/* A task with memory that runs out, or a system call that fails, at every point of it:
 * an error, nothing leaks, no file is left half-written. In debug builds only. */
#ifndef TESTS_SWEEP_H
#define TESTS_SWEEP_H

#include "scratch.h"

#include "base/memory.h"
#include "mmengine/file.h"
#include "mmengine/pth.h"

/* True if it came to its end. It may leave one file in `folder`. */
typedef bool (*task)(const char *folder);

/* What a task left is complete, though perhaps not yet known to be on the disk. */
static inline void check_left(const char *folder, const char *file)
{
    mm_value *left = mm_list_dir(folder);

    check_ok();
    for (size_t i = 0; i < mm_value_len(left); i++) {
        const char *name = mm_value_str(mm_list_get(left, i));
        char *path = mm_path_join(folder, name);

        assert_string_equal(name, file);
        assert_int_equal(mm_pth_verify(path), MM_OK);
        assert_int_equal(mm_file_remove(path), MM_OK);
        mm_free(path);
    }
    mm_value_unref(left);
}

/* `file`: a checkpoint, the one thing that may be left. */
static inline void sweep(task run, const char *file)
{
    char *folder = make_scratch();
    int64_t blocks = mm_live_blocks();
    bool is_done = false;

    for (int64_t n = 1; !is_done; n++) {
        mmi_fail_at(n);
        is_done = run(folder);
        mmi_fail_at(0);
        if (!is_done) {
            mm_status status = mm_error_take(NULL); /* system calls fail too */
            assert_true(status == MM_ENOMEM || status == MM_EIO);
        }
        assert_int_equal(mm_live_values(), 0);
        assert_int_equal(mm_live_blocks(), blocks);
        check_left(folder, file);
    }
    check_ok();
    remove_scratch(folder);
}

#endif
