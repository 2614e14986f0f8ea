/* Memory, scopes, growing texts, vectors and maps. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/vec.h"

static void blocks_are_counted(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 1024, 1025, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *memory = mm_alloc(sizes[i]);
        assert_non_null(memory);
        assert_int_equal(mm_live_blocks(), 1);
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(memory[j], 0);
        }
        memory = mm_realloc(memory, sizes[i] * 2 + 1);
        memory[sizes[i] * 2] = 1;
        assert_int_equal(mm_live_blocks(), 1);
        mm_free(memory);
        assert_int_equal(mm_live_blocks(), 0);
    }
    void *aligned = mm_alloc_aligned(100);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    memset(aligned, 1, 100);
    mm_free_aligned(aligned);
    aligned = mm_alloc_aligned(0);
    assert_non_null(aligned);
    mm_free_aligned(aligned);
    mm_free(NULL);
    mm_free_aligned(NULL);
}

static void too_much_is_an_error(void **state)
{
    (void)state;
    assert_null(mm_alloc_array(SIZE_MAX / 2, 3));
    check_error(MM_ENOMEM);
    assert_null(mm_alloc(SIZE_MAX / 4));
    check_error(MM_ENOMEM);
    assert_null(mm_alloc_aligned(SIZE_MAX - 5));
    check_error(MM_ENOMEM);
    char *memory = mm_alloc(4);
    assert_null(mm_realloc(memory, SIZE_MAX / 4));
    check_error(MM_ENOMEM);
    memory[3] = 1; /* untouched */
    mm_free(memory);
    mm_raise(MM_EIO, "pending");
    assert_null(mm_alloc(1));
    assert_null(mm_strdup("x"));
    void *tried = mmi_try_alloc(1);
    assert_non_null(tried);
    mm_free(tried);
    check_error(MM_EIO);
}

static void texts(void **state)
{
    (void)state;
    assert_null(mm_strdup(NULL));
    check_ok();
    char *text = mm_strfmt("%s-%03d", "a", 7);
    assert_string_equal(text, "a-007");
    mm_free(text);
    text = mmi_strndup("abcdef", 3);
    assert_string_equal(text, "abc");
    mm_free(text);
}

static void *kept_block;

static void make_and_free(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        mm_free(mm_alloc(16));
        mm_value_unref(mm_value_new_f64(i));
    }
}

static void make_one(void *unused)
{
    (void)unused;
    kept_block = mm_alloc(16);
}

/* Blocks may be freed by another thread than the one that made them; more threads than
 * there are counters count too. */
static void counting_across_threads(void **state)
{
    (void)state;
    mmi_thread thread;
    assert_int_equal(mmi_thread_start(&thread, "one", make_one, NULL), MM_OK);
    mmi_thread_join(&thread);
    assert_int_equal(mm_live_blocks(), 1);
    mm_free(kept_block);
    assert_int_equal(mm_live_blocks(), 0);

    enum { THREADS = 300 };
    mmi_thread *threads = mm_alloc_array(THREADS, sizeof *threads);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(mmi_thread_start(&threads[i], "many", make_and_free, NULL),
                         MM_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        mmi_thread_join(&threads[i]);
    }
    mm_free(threads);
}

/* ---- scopes ---- */

static int released;
static int last_released;

static void release(void *thing)
{
    released++;
    last_released = *(int *)thing;
}

static int referred;

static void refer(void *thing)
{
    (void)thing;
    referred++;
}

static void scopes_own(void **state)
{
    (void)state;
    int things[300];
    released = 0;
    mm_scope outer = mm_scope_open();
    for (int i = 0; i < 300; i++) {
        things[i] = i;
        if (i == 100) {
            mm_scope inner = mm_scope_open();
            assert_ptr_equal(mm_scope_own(&things[i], release), &things[i]);
            assert_int_equal(mm_scope_size(), 101);
            mm_scope_close(inner);
            assert_int_equal(released, 1);
            assert_int_equal(last_released, 100);
            continue;
        }
        mm_scope_own(&things[i], release);
    }
    mm_scope_close(outer);
    assert_int_equal(released, 300);
    assert_int_equal(last_released, 0); /* in reverse order */
    assert_false(mm_scope_is_open());
}

static void owning_needs_a_scope(void **state)
{
    (void)state;
    int thing = 5;
    released = 0;
    assert_null(mm_scope_own(&thing, release));
    assert_int_equal(released, 1);
    check_error_text(MM_ESTATE, "no scope is open to own a result");
    mm_scope scope = mm_scope_open();
    mm_raise(MM_EIO, "pending");
    assert_null(mm_scope_own(&thing, release));
    assert_int_equal(released, 2);
    assert_null(mm_scoped(NULL));
    mm_scope_close(scope); /* works under an error */
    check_error(MM_EIO);
}

static void results_move_out(void **state)
{
    (void)state;
    int mine = 1;
    int other = 2;
    int stranger = 3;
    released = referred = 0;
    mm_scope outer = mm_scope_open();
    mm_scope inner = mm_scope_open();
    mm_scope_own(&mine, release);
    mm_scope_own(&other, release);
    assert_ptr_equal(mm_scope_close_with(inner, &mine, release, refer), &mine);
    assert_int_equal(referred, 0);
    assert_int_equal(released, 1);
    assert_int_equal(last_released, 2);
    assert_int_equal(mm_scope_size(), 1);

    inner = mm_scope_open(); /* owned further out: one more reference */
    assert_ptr_equal(mm_scope_close_with(inner, &mine, release, refer), &mine);
    assert_int_equal(referred, 1);
    assert_int_equal(mm_scope_size(), 2);

    inner = mm_scope_open(); /* nobody owns it */
    mm_scope_close_with(inner, &stranger, release, refer);
    assert_int_equal(referred, 2);
    assert_int_equal(mm_scope_size(), 3);

    inner = mm_scope_open();
    mm_scope_own(&other, release);
    mm_raise(MM_EIO, "pending");
    assert_null(mm_scope_close_with(inner, &other, release, refer));
    check_error(MM_EIO);
    assert_int_equal(mm_scope_size(), 3);
    inner = mm_scope_open();
    assert_null(mm_scope_close_with(inner, NULL, release, refer));
    check_ok();
    mm_scope_close(outer);
    assert_int_equal(released, 5);
}

static void a_scoped_value_lives_as_long(void **state)
{
    (void)state;
    mm_scope outer = mm_scope_open();
    mm_scope inner = mm_scope_open();
    mm_value *value = mm_scoped(mm_value_new_f64(0.5));
    assert_true(mm_value_f64(value) == 0.5);
    assert_int_equal(mm_live_values(), 1);
    mm_scope_close(inner);
    assert_int_equal(mm_live_values(), 0);
    mm_scope_close(outer);
}

/* Releasing a thing may own another: it goes with the same close. */
static void release_and_own(void *thing)
{
    int *left = thing;
    released++;
    if ((*left)-- > 0) {
        mm_scope_own(thing, release_and_own);
    }
}

static void releasing_may_own(void **state)
{
    (void)state;
    int left = 3;
    released = 0;
    mm_scope scope = mm_scope_open();
    mm_scope_own(&left, release_and_own);
    mm_scope_close(scope);
    assert_int_equal(released, 4);
}

/* ---- texts, vectors, maps ---- */

static void growing_texts(void **state)
{
    (void)state;
    mmi_str text = {0};
    assert_string_equal(mmi_str_text(&text), "");
    for (int i = 0; i < 100; i++) {
        mmi_str_addf(&text, "%d,", i);
    }
    mmi_str_add_char(&text, ' ');
    mmi_str_add_f64(&text, 0.1);
    mmi_str_add_i64(&text, -5);
    assert_int_equal(text.size, 290 + 1 + 3 + 2);
    assert_string_equal(text.data + 290, " 0.1-5");
    mmi_str_cut(&text, 4);
    assert_string_equal(text.data, "0,1,");
    mmi_str_add_n(&text, "a\0b", 3);
    assert_int_equal(text.size, 7);
    char *taken = mmi_str_take(&text);
    assert_memory_equal(taken, "0,1,a\0b", 8);
    mm_free(taken);
    taken = mmi_str_take(&text);
    assert_string_equal(taken, "");
    mm_free(taken);
    mmi_str_add(&text, "lost");
    mm_raise(MM_EIO, "pending");
    mmi_str_add(&text, "more");
    assert_null(mmi_str_take(&text));
    check_error(MM_EIO);
}

struct pair {
    int64_t a;
    int64_t b;
};

static void vectors(void **state)
{
    (void)state;
    MMI_VEC(struct pair) vec = {0};
    for (int64_t i = 0; i < 1000; i++) {
        assert_true(mmi_vec_reserve(&vec, vec.count + 1));
        vec.data[vec.count].a = i;
        vec.data[vec.count++].b = -i;
    }
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(vec.data[i].b, -i);
    }
    assert_false(mmi_vec_reserve(&vec, SIZE_MAX / 8));
    check_error(MM_ENOMEM);
    mmi_vec_deinit(&vec);
    MMI_VEC(char) bytes = {0};
    assert_true(mmi_vec_push(&bytes, 'x'));
    assert_int_equal(bytes.capacity, 64);
    mmi_vec_deinit(&bytes);
}

static int freed_values;

static void count_free(void *value)
{
    (void)value;
    freed_values++;
}

static void maps(void **state)
{
    (void)state;
    mmi_map map = {0};
    static int values[500];
    char key[16];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_null(mmi_map_put(&map, key, &values[i]));
        check_ok();
    }
    assert_ptr_equal(mmi_map_put(&map, "key7", &values[8]), &values[7]);
    assert_ptr_equal(mmi_map_find(&map, "key7"), &values[8]);
    assert_ptr_equal(mmi_map_find_n(&map, "key71x", 5), &values[71]);
    assert_null(mmi_map_find(&map, "key500"));
    for (int i = 0; i < 500; i += 2) {
        snprintf(key, sizeof key, "key%d", i);
        assert_non_null(mmi_map_remove(&map, key));
        assert_null(mmi_map_remove(&map, key));
    }
    assert_int_equal(map.count, 250);
    for (uint32_t i = 0; i < 250; i++) { /* in the order of insertion */
        snprintf(key, sizeof key, "key%u", 2 * i + 1);
        assert_string_equal(map.entries[i].key, key);
        assert_non_null(mmi_map_find(&map, key));
    }
    freed_values = 0;
    mmi_map_deinit(&map, count_free);
    assert_int_equal(freed_values, 250);
    assert_null(mmi_map_find(&map, "key1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(blocks_are_counted),
        CLEAN_TEST(too_much_is_an_error),
        CLEAN_TEST(texts),
        CLEAN_TEST(counting_across_threads),
        CLEAN_TEST(scopes_own),
        CLEAN_TEST(owning_needs_a_scope),
        CLEAN_TEST(results_move_out),
        CLEAN_TEST(a_scoped_value_lives_as_long),
        CLEAN_TEST(releasing_may_own),
        CLEAN_TEST(growing_texts),
        CLEAN_TEST(vectors),
        CLEAN_TEST(maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
