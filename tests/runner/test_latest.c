/* Which checkpoint a run goes on from, when files are damaged in every way: cut off at
 * many places, each of some two hundred bytes spread over the file flipped, empty, of a
 * later version, named by a pointer that lies. Wrong bytes are never taken for good. */
#include "checkpoint_files.h"

#include <stdio.h>

#include "mmengine/log.h"
#include "mmengine/runner.h"

static char logged[8192];

static void note_line(void *user, const mm_log_line *line)
{
    size_t used = strlen(logged);

    (void)user;
    (void)snprintf(logged + used, sizeof(logged) - used, "%s\n", line->text);
}

static int set_up(void **state)
{
    (void)state;
    mm_log_set_sink(note_line, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mm_log_set_sink(NULL, NULL);
    return 0;
}

static mm_value *whole(int64_t iter)
{
    static float weights[300];
    mm_value *root = mm_value_new_dict();
    mm_value *meta = mm_value_new_dict();
    mm_value *state = mm_value_new_dict();
    mm_value *own = mm_value_new_dict();

    for (size_t i = 0; i < 300; i++)
        weights[i] = (float)i;
    mm_dict_put_i64(meta, "iter", iter);
    mm_dict_put_str(meta, "cfg", "model = dict(type='ToyModel')\n");
    mm_dict_take(state, "fc.weight", floats(weights, 256));
    mm_dict_take(state, "fc.bias", floats(weights + 256, 44));
    mm_dict_put_i64(own, "version", 1);
    mm_dict_take(root, "meta", meta);
    mm_dict_take(root, "state_dict", state);
    mm_dict_take(root, "mmengine_c", own);
    return root;
}

static void point_at(const char *folder, const char *text)
{
    char *pointer = mm_path_join(folder, "last_checkpoint");

    assert_int_equal(mm_file_write(pointer, text, strlen(text)), MM_OK);
    mm_free(pointer);
}

/* The name of the file that is found, "" if none; what is logged is in `logged`. */
static const char *found_in(const char *folder)
{
    static char name[256];

    logged[0] = '\0';
    char *path = mm_find_latest_checkpoint(folder);
    check_ok();
    (void)snprintf(name, sizeof(name), "%s",
                   path != NULL ? mm_path_basename(path) : "");
    mm_free(path);
    return name;
}

static void put_file(const char *folder, const char *name, mm_value *root)
{
    mm_free(write_file(folder, name, root));
}

static void test_choice(void **state)
{
    char *folder = make_scratch();
    (void)state;

    assert_string_equal(found_in(folder), "");
    put_file(folder, "epoch_2.pth", whole(2));
    put_file(folder, "epoch_10.pth", whole(10));
    assert_string_equal(found_in(folder), "epoch_10.pth"); /* the newer one */
    point_at(folder, "elsewhere/epoch_2.pth");             /* the folder was moved */
    assert_string_equal(found_in(folder), "epoch_2.pth");
    point_at(folder, "elsewhere/epoch_7.pth\n");
    assert_string_equal(found_in(folder), "epoch_10.pth");
    assert_non_null(
        strstr(logged, "names 'elsewhere/epoch_7.pth', which is not there"));
    point_at(folder, "");
    assert_string_equal(found_in(folder), "epoch_10.pth");
    /* The run died between file and pointer. */
    char *path = mm_path_join(folder, "epoch_2.pth");
    point_at(folder, path);
    put_file(folder, "iter_11.pth", whole(11));
    assert_string_equal(found_in(folder), "iter_11.pth");
    mm_free(path);
    remove_scratch(folder);
}

/* Neither published copies, nor temporary files, nor weights alone. */
static void test_no_candidates(void **state)
{
    char *folder = make_scratch();
    mm_value *weights = whole(3);
    (void)state;

    put_file(folder, "epoch_1-0123abcd.pth", whole(1));
    put_file(folder, "best_accuracy_epoch_1.pth", whole(1));
    put_file(folder, "epoch_2.pth.host-1-1.tmp", whole(1));
    put_file(folder, "epoch_.pth", whole(1));
    assert_string_equal(found_in(folder), "");
    assert_string_equal(logged, "");
    (void)mm_dict_remove(weights, "meta");
    put_file(folder, "epoch_3.pth", weights);
    assert_string_equal(found_in(folder), "");
    assert_non_null(strstr(logged, "epoch_3.pth' does not say at which iteration"));
    remove_scratch(folder);
}

static void write_damaged(const char *folder, const char *data, size_t size)
{
    char *path = mm_path_join(folder, "epoch_2.pth");

    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    mm_free(path);
}

static char *make_pair(char **out_good, size_t *out_size)
{
    char *folder = make_scratch();

    put_file(folder, "epoch_1.pth", whole(1));
    char *path = write_file(folder, "epoch_2.pth", whole(2));
    *out_good = mm_file_read(path, out_size);
    point_at(folder, path);
    mm_free(path);
    return folder;
}

static void test_cut(void **state)
{
    size_t size = 0;
    char *good = NULL;
    char *folder = make_pair(&good, &size);
    (void)state;

    assert_string_equal(found_in(folder), "epoch_2.pth");
    for (size_t cut = 0; cut < size; cut += 1 + size / 100) {
        write_damaged(folder, good, cut);
        assert_string_equal(found_in(folder), "epoch_1.pth");
        assert_non_null(strstr(logged, "epoch_2.pth'"));
        assert_non_null(strstr(logged, "; looking for an earlier checkpoint"));
    }
    mm_free(good);
    remove_scratch(folder);
}

static bool is_same_content(const char *folder, const char *good)
{
    char *path = mm_path_join(folder, "epoch_2.pth");
    mm_value *result = mm_checkpoint_diff(&(mm_checkpoint_diff_args){
        .first = good, .second = path, .exact = true, .with_times = true});
    bool is_same = mm_value_len(mm_dict_get(result, "rows")) == 0;

    check_ok();
    mm_value_unref(result);
    mm_free(path);
    return is_same;
}

/* A flipped byte is found, or it is one that nobody reads (times, padding). */
static void test_flips(void **state)
{
    size_t size = 0, refused = 0, places = 0;
    char *good = NULL;
    char *folder = make_pair(&good, &size);
    char *copy = write_file(folder, "copy.pth", whole(2));
    (void)state;

    for (size_t at = 0; at < size; at += 1 + size / 400, places++) {
        good[at] = (char)(good[at] ^ (1 << at % 8));
        write_damaged(folder, good, size);
        if (strcmp(found_in(folder), "epoch_1.pth") == 0)
            refused++;
        else
            assert_true(is_same_content(folder, copy));
        good[at] = (char)(good[at] ^ (1 << at % 8));
    }
    assert_true(places > 200);
    assert_true(refused > places / 2);
    mm_free(copy);
    mm_free(good);
    remove_scratch(folder);
}

static void test_versions(void **state)
{
    char *folder = make_scratch();
    mm_value *newer = whole(2);
    (void)state;

    put_file(folder, "epoch_1.pth", whole(1));
    mm_dict_put_i64(mm_dict_get(newer, "mmengine_c"), "version", 1000);
    put_file(folder, "epoch_2.pth", newer);
    assert_string_equal(found_in(folder), "epoch_1.pth");
    assert_non_null(strstr(logged, "epoch_2.pth': its state for resuming is of version "
                                   "1000"));
    newer = whole(2);
    mm_dict_put_i64(newer, "mmengine_c", 7);
    put_file(folder, "epoch_2.pth", newer);
    assert_string_equal(found_in(folder), "epoch_1.pth");
    /* Written by Python: there is no state of ours. */
    newer = whole(2);
    (void)mm_dict_remove(newer, "mmengine_c");
    put_file(folder, "epoch_2.pth", newer);
    assert_string_equal(found_in(folder), "epoch_2.pth");
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_choice), CLEAN_TEST(test_no_candidates), CLEAN_TEST(test_cut),
        CLEAN_TEST(test_flips),  CLEAN_TEST(test_versions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
