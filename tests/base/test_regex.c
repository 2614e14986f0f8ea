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
    check_refused("a|*", MM_EINVAL,
                  "could not read the pattern 'a|*': nothing to repeat at character 3");
    mmi_regex_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(matches_as_python),
        CLEAN_TEST(what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
