/* Regular expressions against Python's re.search(). */
#include "check.h"

#include <string.h>

#include "base/case_value.h"
#include "base/regex.h"

/* Rows: pattern, text, "1", "0" or "error". */
static void check_row(char *const *fields)
{
    mmi_regex *regex = mmi_regex_new(fields[0]);

    if (strcmp(fields[2], "error") == 0) {
        if (regex != NULL)
            fail_msg("'%s' is refused by Python", fields[0]);
        mm_error_take(NULL);
        return;
    }
    if (regex == NULL) {
        mm_error error;
        mm_error_take(&error);
        fail_msg("%s", error.message);
    }
    if (mmi_regex_matches(regex, fields[1]) != (fields[2][0] == '1'))
        fail_msg("'%s' in '%s' is %s for Python", fields[0], fields[1], fields[2]);
    mmi_regex_free(regex);
}

static void matches_as_python(void **state)
{
    (void)state;
    assert_true(case_lines("cases/base/regex.txt", 3, check_row) > 2000);
}

static void check_refused(const char *pattern, mm_status code, const char *message)
{
    assert_null(mmi_regex_new(pattern));
    check_error_text(code, message);
}

static void what_is_not_known(void **state)
{
    (void)state;
    check_refused("a(?=b)", MM_EUNSUPPORTED,
                  "could not read the pattern 'a(?=b)': a group of a kind that is not "
                  "known at character 2");
    check_refused("(a)\\1", MM_EUNSUPPORTED,
                  "could not read the pattern '(a)\\1': an escape that is not known at "
                  "character 4");
    check_refused(
        "[\\D]", MM_EUNSUPPORTED,
        "could not read the pattern '[\\D]': an escape that is not known in a "
        "set at character 2");
    check_refused("a\\", MM_EINVAL,
                  "could not read the pattern 'a\\': an escape that is not known at "
                  "character 2");
    check_refused("[a\\", MM_EINVAL,
                  "could not read the pattern '[a\\': an escape that is not known in a "
                  "set at character 3");
    check_refused("a|*", MM_EINVAL,
                  "could not read the pattern 'a|*': nothing to repeat at character 3");
    mmi_regex_free(NULL);
}

static void check_sub(const char *pattern, const char *replacement, const char *text,
                      const char *expected)
{
    mmi_regex *regex = mmi_regex_new(pattern);
    char *got = regex != NULL ? mmi_regex_replace(regex, text, replacement) : NULL;

    check_ok();
    assert_string_equal(got, expected);
    mm_free(got);
    mmi_regex_free(regex);
}

/* Every expected text is what Python 3.11's re.sub() gives. */
static void replaces_as_python(void **state)
{
    (void)state;
    check_sub("^module\\.", "", "module.module.a", "module.a");
    check_sub("^module.", "", "module_a", "a");
    check_sub("^", "backbone.", "a.b", "backbone.a.b");
    check_sub("$", ".x", "a.b", "a.b.x");
    check_sub("a", "bb", "banana", "bbbnbbnbb");
    check_sub("x*", "-", "abxd", "-a-b--d-");
    check_sub("layer(\\d+)\\.(\\w+)", "stage\\1_\\g<2>", "layer12.conv.layer3.bn",
              "stage12_conv.stage3_bn");
    check_sub("(a)|(b)", "[\\1\\2]", "abc", "[a][b]c");
    check_sub("[\\d.]+$", "", "conv1.2", "conv");
    check_sub("[^\\w]", "_", "a.b-c", "a_b_c");
    check_sub("\\Ahead\\.fc\\Z", "x", "head.fc", "x");
    check_sub("\\[(\\d)\\]", ".\\1", "a[1]", "a.1");
    check_sub("a", "\\\\", "a", "\\");
    check_sub("(?:a|b)c", "x", "acbcc", "xxc");
    check_sub("nothing", "x", "text", "text");
    check_sub("[]x]", "_", "a]x", "a__");
}

static void what_is_not_replaced(void **state)
{
    mmi_regex *lazy = mmi_regex_new("a.*?b");
    mmi_regex *shifted = mmi_regex_new("(?:a)(b)");
    (void)state;

    assert_null(mmi_regex_replace(lazy, "aabb", "x"));
    check_error(MM_EUNSUPPORTED);
    assert_null(mmi_regex_replace(shifted, "ab", "\\1"));
    check_error(MM_EUNSUPPORTED);
    mmi_regex_free(shifted);
    mmi_regex_free(lazy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(matches_as_python),
        CLEAN_TEST(what_is_not_known),
        CLEAN_TEST(replaces_as_python),
        CLEAN_TEST(what_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
