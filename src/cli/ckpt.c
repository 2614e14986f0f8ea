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

/* ---- show ---- */

/* "97.8 MB" */
static const char *size_text(int64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    int unit = 0;

    while (size >= 1000.0 && unit < 4) {
        size /= 1000.0;
        unit++;
    }
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
    return out;
}

static void print_entry(const char *name, const mm_value *value)
{
    char *text = mm_value_kind(value) == MM_KIND_STR ? mm_strdup(mm_value_str(value))
                                                     : mm_value_repr(value);

    if (text == NULL)
        return;
    size_t line = strcspn(text, "\n");
    int shown = line > 100 ? 97 : (int)line;

    while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown--; /* between characters */
    (void)printf("  %-18s %.*s%s\n", name, shown, text,
                 (size_t)shown < strlen(text) ? " ..." : "");
    mm_free(text);
}

static void print_entries(const char *title, const mm_value *dict)
{
    if (dict == NULL || mm_value_len(dict) == 0)
        return;
    (void)printf("%s\n", title);
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (name != NULL)
            print_entry(name, mm_dict_at(dict, i));
    }
}

static void format_shape(const mm_value *shape, char *out, size_t out_size)
{
    size_t used = (size_t)snprintf(out, out_size, "[");

    for (size_t i = 0; i < mm_value_len(shape) && used < out_size; i++)
        used += (size_t)snprintf(out + used, out_size - used,
                                 i > 0 ? ", %" PRId64 : "%" PRId64,
                                 mm_value_i64(mm_list_get(shape, i)));
    if (used < out_size)
        (void)snprintf(out + used, out_size - used, "]");
}

static void print_tensors(const mm_value *tensors)
{
    size_t width = 4;
    char shape[200], size[32];

    for (size_t i = 0; i < mm_value_len(tensors); i++) {
        size_t length = strlen(text_of(mm_list_get(tensors, i), "name"));

        width = length > width ? length : width;
    }
    if (mm_value_len(tensors) > 0)
        (void)printf("tensors\n  %-*s  %-10s %-22s %10s\n", (int)width, "name", "dtype",
                     "shape", "size");
    for (size_t i = 0; i < mm_value_len(tensors); i++) {
        const mm_value *row = mm_list_get(tensors, i);

        format_shape(mm_dict_get(row, "shape"), shape, sizeof(shape));
        (void)printf("  %-*s  %-10s %-22s %10s\n", (int)width, text_of(row, "name"),
                     text_of(row, "dtype"), shape,
                     size_text(mm_value_i64(mm_dict_get(row, "bytes")), size));
    }
}

static void print_keys(const mm_value *keys)
{
    if (keys != NULL && mm_value_len(keys) > 0)
        (void)puts("keys");
    for (size_t i = 0; keys != NULL && i < mm_value_len(keys) && i < 40; i++) {
        const mm_value *row = mm_list_get(keys, i);

        (void)printf("  %-18s %.100s\n", text_of(row, "key"), text_of(row, "holds"));
    }
    if (keys != NULL && mm_value_len(keys) > 40)
        (void)printf("  and %zu more\n", mm_value_len(keys) - 40);
}

static void print_summary(const mm_value *described)
{
    char file_size[32], weight_size[32], all_size[32];
    const mm_value *count = mm_dict_find(described, "num_tensors");

    (void)printf("%s: %s, %s\n", text_of(described, "file"),
                 text_of(described, "format"),
                 size_text(mm_value_i64(mm_dict_get(described, "bytes")), file_size));
    print_entries("meta", mm_dict_find(described, "meta"));
    print_keys(mm_dict_find(described, "keys"));
    print_tensors(mm_dict_get(described, "tensors"));
    (void)printf(
        "in all %zu tensors, %s", mm_value_len(mm_dict_get(described, "tensors")),
        size_text(mm_value_i64(mm_dict_get(described, "tensor_bytes")), all_size));
    if (count != NULL)
        (void)printf("; weights: %" PRId64 " tensors, %" PRId64 " numbers, %s",
                     mm_value_i64(count),
                     mm_value_i64(mm_dict_get(described, "num_parameters")),
                     size_text(mm_value_i64(mm_dict_get(described, "parameter_bytes")),
                               weight_size));
    (void)putchar('\n');
}

/* The config as it was written, for `> config.py`. */
static void print_saved_config(const mm_value *described)
{
    const mm_value *text = mm_dict_find(mm_dict_get(described, "meta"), "cfg");

    if (mm_value_kind(text) != MM_KIND_STR)
        (void)mm_raise(MM_EDATA, "checkpoint '%s' holds no config",
                       text_of(described, "file"));
    else
        (void)fputs(mm_value_str(text), stdout);
}

int cli_ckpt_show(const struct cli_args *args)
{
    const struct cli_given *files = cli_get(args, "FILE");

    for (size_t i = 0; i < files->count && !mm_has_error(); i++) {
        mm_value *described =
            is_file(files->words[i]) ? mm_checkpoint_describe(files->words[i]) : NULL;

        if (described != NULL && cli_is_given(args, "config"))
            print_saved_config(described);
        else if (described != NULL && cli_is_given(args, "json"))
            print_json(described);
        else if (described != NULL)
            print_summary(described);
        mm_value_unref(described);
    }
    return cli_report();
}

/* ---- verify ---- */

int cli_ckpt_verify(const struct cli_args *args)
{
    const struct cli_given *files = cli_get(args, "FILE");
    int code = CLI_DONE;

    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->words[i];
        const char *format = is_file(path) ? mm_pth_format(path) : NULL;

        if (format == NULL || mm_pth_verify(path) != MM_OK)
            code = cli_report();
        else
            (void)printf(
                "%s: good%s\n", path,
                strcmp(format, "zip") == 0 ? "" : ", but its format has no checksums");
    }
    return code;
}

/* ---- convert, average, publish ---- */

int cli_ckpt_convert(const struct cli_args *args)
{
    const char *dtype = cli_text(args, "to-dtype");
    mm_checkpoint_convert_args what = {
        .from = cli_text(args, "FROM"),
        .to = cli_text(args, "TO"),
        .for_mmengine = cli_is_given(args, "mmengine"),
        .scalars = cli_text(args, "scalars"),
        .weights_only = cli_is_given(args, "weights-only"),
    };

    if (is_file(what.from) &&
        (dtype == NULL || mm_dtype_parse(dtype, &what.dtype) == MM_OK) &&
        mm_checkpoint_convert(&what) == MM_OK)
        (void)printf("wrote %s\n", what.to);
    return cli_report_config();
}

/* Numbers between commas, as many as there are files; mm_free(). */
static double *parse_weights(const char *text, size_t count)
{
    double *weights = mm_alloc_array(count, sizeof(*weights));
    size_t found = 0;

    while (weights != NULL && *text != '\0' && !mm_has_error()) {
        size_t size = strcspn(text, ",");
        double weight = 0;

        if (size == 0 || mm_f64_scan(text, size, &weight) != size)
            (void)mm_raise(MM_EINVAL, "--weights takes numbers and commas, got '%s'",
                           text);
        else if (found < count)
            weights[found] = weight;
        found++;
        text += size + (text[size] == ',' ? 1 : 0);
    }
    if (!mm_has_error() && found != count)
        (void)mm_raise(MM_EINVAL,
                       "--weights needs one number for each file: %zu, not "
                       "%zu",
                       count, found);
    return weights;
}

int cli_ckpt_average(const struct cli_args *args)
{
    const struct cli_given *files = cli_get(args, "FILE");
    const char *text = cli_text(args, "weights");
    mm_checkpoint_average_args what = {
        .paths = (const char *const *)files->words,
        .num_paths = files->count,
        .to = cli_text(args, "out"),
    };

    if (what.to == NULL)
        return cli_usage_error(args, "--out FILE says which file to write", NULL);
    double *weights = text != NULL ? parse_weights(text, files->count) : NULL;

    what.weights = weights;
    for (size_t i = 0; i < files->count && !mm_has_error(); i++)
        (void)is_file(files->words[i]);
    if (!mm_has_error() && mm_checkpoint_average(&what) == MM_OK)
        (void)printf("wrote %s, the mean of %zu files\n", what.to, what.num_paths);
    mm_free(weights);
    return cli_report_config();
}

enum { MAX_KEYS = 64 };

/* Cuts a copy of "a,b" into `out`; returns how many, at most MAX_KEYS. */
static size_t split_keys(char *text, const char *out[MAX_KEYS])
{
    size_t count = 0;

    while (*text != '\0' && count < MAX_KEYS) {
        size_t size = strcspn(text, ",");
        bool has_more = text[size] == ',';

        text[size] = '\0';
        if (size > 0)
            out[count++] = text;
        text += size + (has_more ? 1 : 0);
    }
    return count;
}

int cli_ckpt_publish(const struct cli_args *args)
{
    const struct cli_given *files = cli_get(args, "FILE");
    const char *given = cli_text(args, "keys");
    char *text = mm_strdup(given != NULL ? given : "meta,state_dict");
    const char *words[MAX_KEYS];
    const mm_strs keys = {words, text != NULL ? split_keys(text, words) : 0};

    for (size_t i = 0; i < files->count && !mm_has_error(); i++) {
        char *path = NULL;

        if (is_file(files->words[i]) &&
            mm_checkpoint_publish(files->words[i], &keys, &path) == MM_OK)
            (void)printf("wrote %s\n", path);
        mm_free(path);
    }
    mm_free(text);
    return cli_report_config();
}
