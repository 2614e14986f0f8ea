/* Memory that runs out, or a system call that fails, at every possible point: an error,
 * nothing leaks, no file is left half-written. Fault injection is part of debug builds
 * only. */
#include "helpers.h"

#include "base/memory.h"
#include "mmengine/pth.h"

#ifdef MM_FAULTS

#include "sweep.h"

static bool read_json(const char *folder)
{
    (void)folder;
    const char *text = "{\"a\\n\": [1, 2.5, \"x\", 123456789012345678901234567890]}";
    mm_value *value = mm_json_parse(text, strlen(text), "x.json");
    char *again = value != NULL
                      ? mm_json_format(value, &(mm_json_args){.sort_keys = true})
                      : NULL;
    bool is_done = again != NULL;

    mm_free(again);
    mm_value_unref(value);
    return is_done;
}

static bool read_yaml(const char *folder)
{
    (void)folder;
    const char *text =
        "%YAML 1.1\n---\na: &x {b: [1, 2.5, 0xffffffffffffffffffff], c: 2020-01-01}\n"
        "d: {<<: [*x, *x], e: \"x\\n\"}\n? !!python/tuple [f, 2]\n"
        ": !!omap [h: !!binary aGk=]\n";
    mm_value *value = mm_yaml_parse(text, strlen(text), "x.yaml");
    mm_value *bad = value == NULL ? mm_yaml_parse("a: [", 4, "x.yaml") : NULL;
    char *again = value != NULL ? mm_yaml_format(value, NULL) : NULL;
    bool is_done = again != NULL;

    mm_free(again);
    mm_value_unref(value);
    mm_value_unref(bad);
    return is_done;
}

static bool read_pickle(const char *folder)
{
    (void)folder;
    mm_value *value = mm_fileio_load(GOLDEN "plain0.pkl", NULL);
    size_t size = 0;
    void *again = value != NULL ? mm_pickle_format(value, &size) : NULL;
    bool is_done = again != NULL;

    mm_free(again);
    mm_value_unref(value);
    return is_done;
}

static bool read_numpy(const char *folder)
{
    (void)folder;
    mm_value *value = mm_fileio_load(GOLDEN "numpy2.pkl", NULL);
    mm_value *lists =
        value != NULL ? mm_pickle_find_numpy(mm_dict_get(value, "f8")) : NULL;
    bool is_done = lists != NULL;

    mm_value_unref(lists);
    mm_value_unref(value);
    return is_done;
}

static bool copy_checkpoint(const char *folder, const char *name)
{
    char *from = mm_strfmt(GOLDEN "%s", name);
    char *to = mm_path_join(folder, "copy.pth");
    mm_value *root = NULL;

    if (from != NULL) {
        root = mm_pth_read(&(mm_pth_read_args){.path = from, .keep_ordered = true});
    }
    bool is_done =
        root != NULL && to != NULL &&
        mm_pth_write(&(mm_pth_write_args){.path = to, .root = root}) == MM_OK;
    mm_value_unref(root);
    mm_free(from);
    mm_free(to);
    return is_done;
}

static bool copy_archive(const char *folder)
{
    return copy_checkpoint(folder, "deflated.pth");
}

static bool copy_legacy(const char *folder)
{
    return copy_checkpoint(folder, "legacy.pth");
}

static bool read_gz(const char *folder)
{
    size_t size = 0;
    void *data = mm_gz_read(GOLDEN "two.gz", 0, &size);
    (void)folder;

    mm_free(data);
    return data != NULL;
}

/* A checkpoint over one that is there: whichever step fails, what is there afterwards
 * is the old file or the new one, whole, and nothing else. */
static void test_replace(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "copy.pth");
    size_t old_size = 0;
    size_t new_size = 0;

    assert_true(copy_checkpoint(folder, "everything.pth"));
    char *new_file = mm_file_read(path, &new_size);
    assert_true(copy_checkpoint(folder, "deflated.pth"));
    char *old_file = mm_file_read(path, &old_size);
    int olds = 0;
    bool is_done = false;

    for (int64_t n = 1; !is_done; n++) {
        size_t size = 0;
        assert_int_equal(mm_file_write(path, old_file, old_size), MM_OK);
        mmi_fail_at(n);
        is_done = copy_checkpoint(folder, "everything.pth");
        mmi_fail_at(0);
        mm_error_take(NULL);
        char *now = mm_file_read(path, &size);
        check_ok();
        bool is_old = size == old_size && memcmp(now, old_file, size) == 0;
        bool is_new = size == new_size && memcmp(now, new_file, size) == 0;
        assert_true(is_old || is_new);
        assert_true(is_new || !is_done);
        olds += is_old ? 1 : 0;
        mm_free(now);
        mm_value *left = mm_list_dir(folder);
        assert_int_equal(mm_value_len(left), 1);
        mm_value_unref(left);
    }
    assert_true(olds > 100);
    mm_free(old_file);
    mm_free(new_file);
    mm_free(path);
    remove_scratch(folder);
}

#define SWEEP(run)                                                                     \
    static void test_##run(void **state)                                               \
    {                                                                                  \
        (void)state;                                                                   \
        sweep(run, "copy.pth");                                                        \
    }
SWEEP(read_json)
SWEEP(read_yaml)
SWEEP(read_pickle)
SWEEP(read_numpy)
SWEEP(copy_archive)
SWEEP(copy_legacy)
SWEEP(read_gz)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_read_json),    CLEAN_TEST(test_read_yaml),
        CLEAN_TEST(test_read_pickle),  CLEAN_TEST(test_read_numpy),
        CLEAN_TEST(test_copy_archive), CLEAN_TEST(test_copy_legacy),
        CLEAN_TEST(test_read_gz),      CLEAN_TEST(test_replace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
