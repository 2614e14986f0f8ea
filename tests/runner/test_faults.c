/* Memory that runs out, or a system call that fails, at every point of the checkpoint
 * tools: an error, nothing leaks, no file is left half-written. Fault injection is part
 * of debug builds only. */
#include "checkpoint_files.h"

#include "base/memory.h"
#include "base/regex.h"
#include "mmengine/runner.h"

#ifdef MM_FAULTS

#include "sweep.h"

#define PYTHON "golden/fileio/checkpoint.pth"
#define OTHER "golden/fileio/everything.pth"

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

static void test_tools(void **state)
{
    (void)state;
    sweep(diff, "new.pth");
    sweep(describe, "new.pth");
    sweep(to_half, "new.pth");
    sweep(to_mmengine, "new.pth");
    sweep(to_safetensors, "new.safetensors");
    sweep(average, "new.pth");
    sweep(replace, "new.pth");
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
