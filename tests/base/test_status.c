/* The pending error: first wins, frames and hints, places, carrying between threads. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/thread.h"

static void the_first_error_stays(void **state)
{
    (void)state;
    mm_error error;
    assert_int_equal(mm_pending(), MM_OK);
    assert_null(mm_error_peek());
    assert_int_equal(mm_raise(MM_EKEY, "no %s %d", "key", 3), MM_EKEY);
    int line = __LINE__ - 1;
    assert_int_equal(mm_raise(MM_EIO, "second"), MM_EKEY);
    assert_true(mm_has_error());
    assert_string_equal(mm_error_peek()->message, "no key 3");
    assert_int_equal(mm_error_take(&error), MM_EKEY);
    assert_int_equal(error.c_line, line);
    assert_non_null(strstr(error.c_file, "test_status.c"));
    assert_int_equal(mm_pending(), MM_OK);
    assert_int_equal(mm_error_take(&error), MM_OK);
    assert_int_equal(error.code, MM_OK);
    assert_int_equal(mm_error_restore(&error), MM_OK);
}

static void an_error_is_negative(void **state)
{
    (void)state;
    assert_int_equal(mm_raise(MM_STOP, "a flow result is no error"), MM_EINTERNAL);
    check_error(MM_EINTERNAL);
}

static void frames_and_hint(void **state)
{
    (void)state;
    char text[4096];
    mm_error_frame("nothing is pending");
    mm_error_hint("nothing is pending");
    mm_raise(MM_EKEY, "no component 'ResNett'");
    mm_error_hint("did you mean 'ResNet'?");
    mm_error_hint("the first hint stays");
    for (int i = 0; i < MM_ERROR_FRAMES + 3; i++) {
        mm_error_frame("while %d", i);
    }
    mm_error error;
    mm_error_take(&error);
    assert_int_equal(error.num_frames, MM_ERROR_FRAMES);
    size_t size = mm_error_format(&error, text, sizeof text);
    assert_int_equal(size, strlen(text));
    assert_string_equal(text, "no component 'ResNett'\n"
                              "  while 0\n  while 1\n  while 2\n  while 3\n"
                              "  while 4\n  while 5\n  while 6\n  while 7\n"
                              "hint: did you mean 'ResNet'?");
    char small[10];
    assert_int_equal(mm_error_format(&error, small, sizeof small), size);
    assert_string_equal(small, "no compon");
    assert_int_equal(mm_error_format(&error, NULL, 0), size);
}

static void places(void **state)
{
    (void)state;
    mm_source source = {"configs/x.py", 14, 5};
    mm_source other = {"base.py", 1, 1};
    mm_error error;
    mm_raise(MM_ECONFIG, "unknown option 'lr': see the list");
    mm_error_locate(NULL);
    mm_error_locate(&(mm_source){0});
    mm_error_locate(&source);
    mm_error_locate(&other); /* the innermost place stays */
    mm_error_take(&error);
    assert_string_equal(error.message,
                        "configs/x.py:14:5: unknown option 'lr': see the list");

    mm_error_restore(&error); /* also after it was carried */
    mm_error_locate(&other);
    mm_error_take(&error);
    assert_string_equal(error.message,
                        "configs/x.py:14:5: unknown option 'lr': see the list");

    mm_raise(MM_EIO, "could not open 'http://x:80:1/y': no");
    mm_error_locate(&other);
    mm_error_take(&error);
    assert_string_equal(error.message,
                        "base.py:1:1: could not open 'http://x:80:1/y': no");
}

/* Texts are cut between characters, never inside one. */
static void long_texts(void **state)
{
    (void)state;
    char text[MM_ERROR_MESSAGE_SIZE * 2];
    mm_error error;
    for (int shift = 0; shift < 4; shift++) {
        size_t at = (size_t)shift;
        memset(text, 'a', at);
        while (at + 3 < sizeof text) {
            memcpy(text + at, "\xE4\xB8\xAD", 3);
            at += 3;
        }
        text[at] = '\0';
        mm_raise(MM_EINVAL, "%s", text);
        mm_error_hint("%s", text);
        mm_error_frame("%s", text);
        mm_error_take(&error);
        assert_true(strlen(error.message) >= sizeof error.message - 3);
        assert_int_equal((strlen(error.message) - (size_t)shift) % 3, 0);
        assert_int_equal((strlen(error.hint) - (size_t)shift) % 3, 0);
        assert_int_equal((strlen(error.frames[0]) - (size_t)shift) % 3, 0);
        mm_error_restore(&error);
        mm_error_locate(&(mm_source){"f", 1, 1});
        mm_error_take(&error);
        assert_memory_equal(error.message, "f:1:1: ", 7);
        assert_int_equal((strlen(error.message) - 7 - (size_t)shift) % 3, 0);
    }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(mm_status_name(MM_OK), "MM_OK");
    for (int code = MM_STOP; code >= MM_EINTERNAL; code--) {
        assert_memory_equal(mm_status_name((mm_status)code), "MM_", 3);
    }
    assert_string_equal(mm_status_name((mm_status)-1000), "unknown status");
}

static void fail_on_thread(void *out)
{
    mm_raise(MM_EDATA, "damaged");
    mm_error_frame("while reading sample 7");
    mm_error_take(out);
}

static void errors_cross_threads(void **state)
{
    (void)state;
    mmi_thread thread;
    mm_error error = {0};
    assert_int_equal(mmi_thread_start(&thread, "fails", fail_on_thread, &error), MM_OK);
    mmi_thread_join(&thread);
    assert_int_equal(mm_pending(), MM_OK);
    assert_int_equal(mm_error_restore(&error), MM_EDATA);
    assert_string_equal(mm_error_peek()->frames[0], "while reading sample 7");
    mm_error second = {.code = MM_EIO};
    assert_int_equal(mm_error_restore(&second), MM_EDATA);
    check_error_text(MM_EDATA, "damaged");
}

static jmp_buf panic_exit;
static char panic_text[64];

static void on_panic(const char *c_file, int c_line, const char *text)
{
    assert_non_null(c_file);
    assert_true(c_line > 0);
    snprintf(panic_text, sizeof panic_text, "%s", text);
    longjmp(panic_exit, 1);
}

static void broken_invariants_reach_the_host(void **state)
{
    (void)state;
    mm_set_panic_handler(on_panic);
    if (setjmp(panic_exit) == 0) {
        MM_ASSERT(1 + 1 == 2);
        MM_ASSERT(1 + 1 == 3);
        fail_msg("the assertion held");
    }
    assert_string_equal(panic_text, "1 + 1 == 3");
    mm_set_panic_handler(NULL);
}

static int nearest(const char *word, const char *const *names_, char *out)
{
    mmi_suggest suggest = {.word = word};
    for (; *names_ != NULL; names_++) {
        mmi_suggest_add(&suggest, *names_);
    }
    return mmi_suggest_text(&suggest, out, 128);
}

static void suggestions(void **state)
{
    (void)state;
    char text[128];
    static const char *const models[] = {"ResNet", "ResNeXt",         "ResNest", "VGG",
                                         "ResNet", "SwinTransformer", "Res2Net", NULL};
    assert_int_equal(nearest("ResNeet", models, text), 3);
    assert_string_equal(text, "'ResNet', 'ResNeXt' or 'ResNest'");
    assert_int_equal(nearest("resnet", models, text), 1); /* the others are far off */
    assert_string_equal(text, "'ResNet'");
    assert_int_equal(nearest("VGGG", models, text), 1);
    assert_string_equal(text, "'VGG'");
    assert_int_equal(nearest("Swin", models, text), 1);
    assert_string_equal(text, "'SwinTransformer'");
    assert_int_equal(nearest("Conv", models, text), 0);
    assert_string_equal(text, "");

    mmi_suggest suggest = {.word = "ResNte"};
    mmi_suggest_add(&suggest, "ResNet");
    mmi_suggest_hint(&suggest);
    check_ok();
    mm_raise(MM_EKEY, "no 'ResNte'");
    mmi_suggest_hint(&suggest);
    mm_error error;
    mm_error_take(&error);
    assert_string_equal(error.hint, "did you mean 'ResNet'?");
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(mmi_edit_distance("", "", 9), 0);
    assert_int_equal(mmi_edit_distance("", "abc", 9), 6);
    assert_int_equal(mmi_edit_distance("abc", "abc", 9), 0);
    assert_int_equal(mmi_edit_distance("abc", "ABC", 9), 3);
    assert_int_equal(mmi_edit_distance("abcd", "abdc", 9), 2);
    assert_int_equal(mmi_edit_distance("kitten", "sitting", 9), 6);
    assert_int_equal(mmi_edit_distance("lr", "learning_rate", 30), 22);
    assert_true(mmi_edit_distance("aaaaaaaaaa", "bbbbbbbbbb", 4) > 4);
    /* symmetric, and never more than rewriting the longer word */
    static const char *const words[] = {"momentum",     "monentum", "moemntum", "mom",
                                        "weight_decay", "decay",    "x"};
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 7; j++) {
            int there = mmi_edit_distance(words[i], words[j], 100);
            assert_int_equal(there, mmi_edit_distance(words[j], words[i], 100));
            size_t longer = strlen(words[i]) > strlen(words[j]) ? strlen(words[i])
                                                                : strlen(words[j]);
            assert_true(there <= 2 * (int)longer && (there == 0) == (i == j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(the_first_error_stays),
        CLEAN_TEST(an_error_is_negative),
        CLEAN_TEST(frames_and_hint),
        CLEAN_TEST(places),
        CLEAN_TEST(long_texts),
        CLEAN_TEST(names),
        CLEAN_TEST(errors_cross_threads),
        CLEAN_TEST(broken_invariants_reach_the_host),
        CLEAN_TEST(suggestions),
        CLEAN_TEST(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
