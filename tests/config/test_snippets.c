/* Pieces of configs in both styles, each with what MMEngine makes of it: a value, or an
 * exception, where we must refuse it too. tools/golden/config_snippets.py made them. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"

struct style {
    const char *folder, *head;
};

static const struct style text_style = {"cases/config/snippets/text",
                                        "_base_ = ['./base.py']\n"};
static const struct style lazy_style = {"cases/config/snippets/lazy",
                                        "from mmengine.config import read_base\n\n"
                                        "with read_base():\n"
                                        "    from .base import *\n\n"};

static char *read_in(const char *folder, const char *name)
{
    char *path = mm_path_join(folder, name);
    char *text = mm_file_read(path, NULL);

    check_ok();
    mm_free(path);
    return text;
}

static void write_in(const char *folder, const char *name, const char *text)
{
    char *path = mm_path_join(folder, name);

    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_free(path);
}

/* Ends the piece at `text` with a zero; what follows it, NULL behind the last. */
static char *cut(char *text, const char *separator)
{
    char *end = strstr(text, separator);

    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    return end + strlen(separator);
}

/* `expected`: JSON, or the name of an exception. */
static void check_piece(const char *path, const char *piece, const char *expected)
{
    mm_config *config = mm_config_from_file(path, NULL);
    mm_error error;
    bool refused = mm_error_take(&error) != MM_OK;

    if (refused != (expected[0] != '{')) {
        fail_msg("%s\n  expected %s\n  got      %s", piece, expected,
                 refused ? error.message : "a value");
    }
    if (config != NULL) {
        char *json = mm_config_json(mm_config_root(config));

        check_ok();
        if (strcmp(json, expected) != 0) {
            fail_msg("%s\n  expected %s\n  got      %s", piece, expected, json);
        }
        mm_free(json);
    }
    mm_config_unref(config);
}

static void check_style(const struct style *style, size_t least)
{
    char *place = mmi_os_temp_dir("mm-snippets-");
    char *path = mm_path_join(place, "config.py");
    char *base = read_in(style->folder, "base.py");
    char *pieces = read_in(style->folder, "snippets.txt");
    char *values = read_in(style->folder, "expected.txt");
    char *value = values;
    size_t count = 0;

    write_in(place, "base.py", base);
    for (char *piece = pieces; piece != NULL; count++) {
        char *next = cut(piece, "\n---\n");
        char *next_value = cut(value, "\n");
        char *text = mm_strfmt("%s%s\n", style->head, piece);

        write_in(place, "config.py", text);
        check_piece(path, piece, value);
        mm_free(text);
        piece = next;
        value = next_value;
    }
    assert_true(count >= least);
    assert_int_equal(*value, '\0'); /* one line for each piece */
    assert_int_equal(mmi_os_remove_tree(place), MM_OK);
    mm_free(values);
    mm_free(pieces);
    mm_free(base);
    mm_free(path);
    mm_free(place);
}

static void test_text_style(void **state)
{
    (void)state;
    check_style(&text_style, 130);
}

static void test_lazy_style(void **state)
{
    (void)state;
    check_style(&lazy_style, 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_text_style),
                                       CLEAN_TEST(test_lazy_style)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
