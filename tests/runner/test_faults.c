/* Memory that runs out, or a system call that fails, at every point of the checkpoint
 * tools: an error, nothing leaks, no file is left half-written. Fault injection is part
 * of debug builds only. */
#include "checkpoint_files.h"

#include "base/memory.h"
#include "base/regex.h"
#include "mmengine/runner.h"

#ifdef MM_FAULTS

#define PYTHON "golden/fileio/checkpoint.pth"
#define OTHER "golden/fileio/everything.pth"

/* A task; true if it came to its end. */
typedef bool (*task)(const char *folder);

static bool diff(const char *folder)
{
    mm_value *result = mm_checkpoint_diff(
        &(mm_checkpoint_diff_args){.first = PYTHON, .second = OTHER});
    (void)folder;

    mm_value_unref(result);
    return result != NULL;
}

static bool describe(const char *folder)
{
    mm_value *described = mm_checkpoint_describe(PYTHON);
    (void)folder;

    mm_value_unref(described);
    return described != NULL;
}

static bool convert(const char *folder, const char *name, bool for_mmengine,
                    mm_dtype dtype)
{
    char *to = mm_path_join(folder, name);
    bool is_done = to != NULL && mm_checkpoint_convert(&(mm_checkpoint_convert_args){
                                     .from = PYTHON,
                                     .to = to,
                                     .for_mmengine = for_mmengine,
                                     .dtype = dtype,
                                 }) == MM_OK;

    mm_free(to);
    return is_done;
}

static bool to_half(const char *folder)
{
    return convert(folder, "new.pth", false, MM_DTYPE_F16);
}

static bool to_mmengine(const char *folder)
{
    return convert(folder, "new.pth", true, MM_DTYPE_NONE);
}

static bool to_safetensors(const char *folder)
{
    return convert(folder, "new.safetensors", false, MM_DTYPE_NONE);
}

static bool average(const char *folder)
{
    static const char *const paths[] = {PYTHON, PYTHON};
    char *to = mm_path_join(folder, "new.pth");
    bool is_done =
        to != NULL && mm_checkpoint_average(&(mm_checkpoint_average_args){
                          .paths = paths, .num_paths = 2, .to = to}) == MM_OK;

    mm_free(to);
    return is_done;
}

static bool replace(const char *folder)
{
    mmi_regex *regex = mmi_regex_new("layer(\\d+)\\.");
    char *text =
        regex == NULL ? NULL : mmi_regex_replace(regex, "a.layer1.layer2.w", "s\\1_");
    (void)folder;

    mm_free(text);
    mmi_regex_free(regex);
    return text != NULL;
}

/* Every file that a task left can be read whole. */
static void check_left(const char *folder)
{
    mm_value *left = mm_list_dir(folder);

    check_ok();
    for (size_t i = 0; i < mm_value_len(left); i++) {
        char *path = mm_path_join(folder, mm_value_str(mm_list_get(left, i)));

        assert_int_equal(mm_pth_verify(path), MM_OK);
        assert_int_equal(mm_file_remove(path), MM_OK);
        mm_free(path);
    }
    mm_value_unref(left);
}

static void sweep(task run)
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
        check_left(folder);
    }
    check_ok();
    remove_scratch(folder);
}

static void test_tools(void **state)
{
    (void)state;
    sweep(diff);
    sweep(describe);
    sweep(to_half);
    sweep(to_mmengine);
    sweep(to_safetensors);
    sweep(average);
    sweep(replace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_tools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
