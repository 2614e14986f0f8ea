/* What `ckpt diff` finds between two files, and what it leaves out. */
#include "checkpoint_files.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/fileio.h"

/* Two files that differ in what the arguments say. */
struct pair {
    char *folder, *first, *second;
};

static mm_value *checkpoint(const float *weights, int64_t size, int64_t iter,
                            const char *time)
{
    mm_value *root = mm_value_new_dict();
    mm_value *state = mm_value_new_dict();
    mm_value *meta = mm_value_new_dict();

    mm_dict_put_i64(meta, "iter", iter);
    mm_dict_put_str(meta, "time", time);
    mm_dict_take(state, "fc.weight", floats(weights, size));
    mm_dict_take(root, "meta", meta);
    mm_dict_take(root, "state_dict", state);
    return root;
}

static struct pair make_pair(mm_value *first, mm_value *second)
{
    struct pair pair = {.folder = make_scratch()};

    pair.first = write_file(pair.folder, "a.pth", first);
    pair.second = write_file(pair.folder, "b.pth", second);
    return pair;
}

static void free_pair(struct pair *pair)
{
    mm_free(pair->first);
    mm_free(pair->second);
    remove_scratch(pair->folder);
}

static mm_value *diff(const struct pair *pair, bool exact, const char *ignore,
                      bool with_times)
{
    mm_value *result = mm_checkpoint_diff(&(mm_checkpoint_diff_args){
        .first = pair->first,
        .second = pair->second,
        .exact = exact,
        .ignore = &ignore,
        .num_ignore = ignore != NULL ? 1 : 0,
        .with_times = with_times,
    });

    check_ok();
    return result;
}

/* The rows as "what path" lines. */
static void check_rows(const struct pair *pair, bool exact, const char *ignore,
                       bool with_times, const char *expected)
{
    mm_value *result = diff(pair, exact, ignore, with_times);
    const mm_value *rows = mm_dict_get(result, "rows");
    char text[2000] = "";

    for (size_t i = 0; i < mm_value_len(rows); i++) {
        const mm_value *row = mm_list_get(rows, i);

        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %s\n",
                       mm_value_str(mm_dict_get(row, "what")),
                       mm_value_str(mm_dict_get(row, "path")));
    }
    assert_string_equal(text, expected);
    mm_value_unref(result);
}

static void test_equal(void **state)
{
    static const float weights[] = {1, 2, 3};
    struct pair pair = make_pair(checkpoint(weights, 3, 7, "20200101_000000"),
                                 checkpoint(weights, 3, 7, "20210101_000000"));
    (void)state;

    check_rows(&pair, true, NULL, false, "");
    check_rows(&pair, true, NULL, true, "value meta.time\n");
    free_pair(&pair);
}

static void test_values(void **state)
{
    static const float one[] = {1, 2, 3, 0}, two[] = {1, 2.5F, 2, 0};
    struct pair pair = make_pair(checkpoint(one, 4, 7, ""), checkpoint(two, 4, 8, ""));
    (void)state;

    check_rows(&pair, false, NULL, false,
               "value meta.iter\nvalue state_dict.fc.weight\n");
    check_rows(&pair, false, "meta.iter", false, "value state_dict.fc.weight\n");
    check_rows(&pair, false, "iter", false, "value state_dict.fc.weight\n");
    check_rows(&pair, false, "state_dict", false, "value meta.iter\n");
    mm_value *result = diff(&pair, false, "meta", false);
    const mm_value *row = mm_list_get(mm_dict_get(result, "rows"), 0);
    assert_int_equal(mm_value_i64(mm_dict_get(row, "differing")), 2);
    assert_int_equal(mm_value_i64(mm_dict_get(row, "elements")), 4);
    assert_true(mm_value_f64(mm_dict_get(row, "max_abs")) == 1.0);
    assert_true(mm_value_f64(mm_dict_get(row, "max_rel")) == 1.0 / 3.0);
    assert_string_equal(mm_value_str(mm_dict_get(row, "first")), "float32 [4]");
    mm_value_unref(result);
    free_pair(&pair);
}

/* Bits and types count only when asked for: 0.0 and -0.0, 1 and 1.0. */
static void test_exact(void **state)
{
    static const float one[] = {0.0F}, two[] = {-0.0F};
    mm_value *first = checkpoint(one, 1, 7, ""), *second = checkpoint(two, 1, 7, "");
    (void)state;

    mm_dict_put_i64(first, "x", 1);
    mm_dict_put_f64(second, "x", 1.0);
    struct pair pair = make_pair(first, second);

    check_rows(&pair, false, NULL, false, "");
    check_rows(&pair, true, NULL, false, "value state_dict.fc.weight\ntype x\n");
    free_pair(&pair);
}

static void test_shapes_and_dtypes(void **state)
{
    static const float one[] = {1, 2, 3};
    static const double same[] = {1, 2, 3};
    mm_value *first = checkpoint(one, 2, 7, ""), *second = checkpoint(one, 3, 7, "");
    (void)state;

    mm_dict_take(first, "t", floats(one, 3));
    mm_dict_take(second, "t", stored(MM_DTYPE_F64, sizeof(double), same, 3));
    mm_dict_put_i64(first, "only_here", 1);
    mm_dict_put_i64(second, "only_there", 1);
    struct pair pair = make_pair(first, second);

    check_rows(&pair, false, NULL, false,
               "shape state_dict.fc.weight\ndtype t\nfirst only only_here\n"
               "second only only_there\n");
    free_pair(&pair);
}

static mm_value *history(int64_t size, double last)
{
    mm_value *root = mm_value_new_dict();
    mm_value *list = mm_value_new_list();

    for (int64_t i = 0; i + 1 < size; i++)
        mm_list_push(list, mm_value_new_f64((double)i));
    mm_list_push(list, mm_value_new_f64(last));
    mm_dict_take(root, "log_history", list);
    return root;
}

/* A history is one row however many numbers of it differ. */
static void test_histories(void **state)
{
    struct pair pair = make_pair(history(5000, 1.0), history(5000, 2.0));
    (void)state;

    check_rows(&pair, true, NULL, false, "value log_history\n");
    free_pair(&pair);
    pair = make_pair(history(5000, 1.0), history(4999, 1.0));
    check_rows(&pair, true, NULL, false, "value log_history\n");
    free_pair(&pair);
}

/* Python's own files: a message hub of HistoryBuffers, numpy scalars, older containers.
 */
static void test_python_files(void **state)
{
    struct pair pair = {.first = "golden/fileio/checkpoint.pth",
                        .second = "golden/fileio/checkpoint.pth"};
    (void)state;

    check_rows(&pair, true, NULL, true, "");
    pair = (struct pair){.first = "golden/fileio/everything.pth",
                         .second = "golden/fileio/legacy.pth"};
    check_rows(&pair, true, NULL, true, "");
    pair.second = "golden/fileio/deflated.pth";
    check_rows(&pair, true, NULL, true, "");
}

/* A long line is cut between characters: the report can be written as JSON. */
static void test_long_lines(void **state)
{
    mm_value *texts[] = {mm_value_new_dict(), mm_value_new_dict()};
    mmi_str text = {0};
    (void)state;

    mmi_str_add(&text, "x\na");
    for (int i = 0; i < 100; i++)
        mmi_str_add(&text, "\xc3\xa9");
    mm_dict_put_str(texts[0], "cfg", mmi_str_text(&text));
    mmi_str_add(&text, "!\n");
    mm_dict_put_str(texts[1], "cfg", mmi_str_text(&text));
    mmi_str_deinit(&text);
    struct pair pair = make_pair(texts[0], texts[1]);
    mm_value *result = diff(&pair, false, NULL, false);
    char *json = mm_json_format(result, &(mm_json_args){.keep_utf8 = true});

    check_ok();
    assert_non_null(strstr(json, "line 2: a\xc3\xa9"));
    mm_free(json);
    mm_value_unref(result);
    free_pair(&pair);
}

static void test_errors(void **state)
{
    (void)state;
    assert_null(mm_checkpoint_diff(&(mm_checkpoint_diff_args){
        .first = "golden/fileio/checkpoint.pth", .second = "nowhere.pth"}));
    check_error(MM_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_equal),      CLEAN_TEST(test_values),
        CLEAN_TEST(test_exact),      CLEAN_TEST(test_shapes_and_dtypes),
        CLEAN_TEST(test_histories),  CLEAN_TEST(test_python_files),
        CLEAN_TEST(test_long_lines), CLEAN_TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
