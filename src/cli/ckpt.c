/* `ckpt`: looking into checkpoint files and making new ones of them. Printing only; the
 * work is behind mmengine/checkpoint.h. None of the verbs loads libtorch. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/os_terminal.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* Checkpoint verbs name files on the command line: one that is not there is data that
 * is missing, not a bad option. */
static bool is_file(const char *path)
{
    if (mm_file_is_dir(path)) {
        (void)mm_raise(MM_EDATA, "'%s' is a folder, not a checkpoint", path);
        (void)mm_error_hint("name a file in it; last_checkpoint says which is the "
                            "newest");
        return false;
    }
    if (!mm_file_exists(path)) {
        (void)mm_raise(MM_ENOENT, "could not open checkpoint '%s': no such file", path);
        return false;
    }
    return true;
}

static const char *text_of(const mm_value *row, const char *key)
{
    const mm_value *value = mm_dict_find(row, key);

    return value != NULL ? mm_value_str(value) : "";
}

/* ---- diff ---- */

static void print_distance(const mm_value *row)
{
    char max_abs[40], max_rel[40];

    (void)mm_f64_format_general(mm_value_f64(mm_dict_get(row, "max_abs")), 6, max_abs,
                                sizeof(max_abs));
    (void)mm_f64_format_general(mm_value_f64(mm_dict_get(row, "max_rel")), 6, max_rel,
                                sizeof(max_rel));
    (void)printf(": %" PRId64 " of %" PRId64
                 " elements differ, by at most %s (relative %s)",
                 mm_value_i64(mm_dict_get(row, "differing")),
                 mm_value_i64(mm_dict_get(row, "elements")), max_abs, max_rel);
}

static void print_diff_row(const mm_value *row)
{
    const char *what = text_of(row, "what");
    const char *first = text_of(row, "first");
    const char *second = text_of(row, "second");

    if (strcmp(what, "first only") == 0) {
        (void)printf("- %s = %s\n", text_of(row, "path"), first);
    } else if (strcmp(what, "second only") == 0) {
        (void)printf("+ %s = %s\n", text_of(row, "path"), second);
    } else {
        bool is_one = second[0] == '\0' || strcmp(first, second) == 0;

        (void)printf("~ %s: %s%s%s", text_of(row, "path"), first, is_one ? "" : " | ",
                     is_one ? "" : second);
        if (mm_dict_has(row, "differing"))
            print_distance(row);
        (void)putchar('\n');
    }
}

static void print_json(const mm_value *value)
{
    char *text = mm_json_format(value, &(mm_json_args){.indent = 2, .keep_utf8 = true});

    if (text != NULL)
        (void)puts(text);
    mm_free(text);
}

static void print_diff(const struct cli_args *args, const mm_value *result)
{
    const mm_value *rows = mm_dict_get(result, "rows");
    size_t count = mm_value_len(rows);

    if (cli_is_given(args, "json")) {
        print_json(result);
        return;
    }
    if (count > 0)
        (void)printf("--- %s\n+++ %s\n", cli_text(args, "A"), cli_text(args, "B"));
    for (size_t i = 0; i < count; i++)
        print_diff_row(mm_list_get(rows, i));
    if (count == 0)
        (void)fputs("no difference", stdout);
    else
        (void)printf("%zu difference%s", count, count > 1 ? "s" : "");
    (void)printf(" in %" PRId64 " tensors and %" PRId64 " other values\n",
                 mm_value_i64(mm_dict_get(result, "tensors")),
                 mm_value_i64(mm_dict_get(result, "values")));
}

int cli_ckpt_diff(const struct cli_args *args)
{
    const struct cli_given *ignore = cli_get(args, "ignore");
    const mm_checkpoint_diff_args what = {
        .first = cli_text(args, "A"),
        .second = cli_text(args, "B"),
        .exact = cli_is_given(args, "exact"),
        .ignore = (const char *const *)ignore->words,
        .num_ignore = ignore->count,
        .with_times = cli_is_given(args, "times"),
    };
    mm_value *result =
        is_file(what.first) && is_file(what.second) ? mm_checkpoint_diff(&what) : NULL;
    bool is_equal = result == NULL || mm_value_len(mm_dict_get(result, "rows")) == 0;

    if (result != NULL)
        print_diff(args, result);
    mm_value_unref(result);
    int code = cli_report();

    return code != CLI_DONE || is_equal ? code : CLI_FAILED;
}
