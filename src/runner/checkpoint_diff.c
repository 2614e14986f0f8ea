/* What differs between two checkpoints. Both trees are walked side by side; a path
 * names the place. Tensors, and lists that hold nothing but numbers, are compared as
 * vectors and give one row each, so that a long history is not a row per number.
 * libtorch is not needed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/unicode.h"
#include "base/vec.h"
#include "fileio/pickle.h"
#include "fileio/pth.h"
#include "fileio/pth_elements.h"
#include "mmengine/checkpoint.h"
#include "mmengine/number.h"
#include "mmengine/tensor.h"

enum { CHUNK = 1024, MAX_TEXT = 60 };

struct differ {
    const mm_checkpoint_diff_args *args;
    mm_value *rows;
    mmi_str path;
    int64_t values, tensors;
};

static void compare(struct differ *differ, const mm_value *a, const mm_value *b);

/* --- what is left out --- */

/* Names of what two equal runs do not have in common. */
static bool is_of_time(const char *name)
{
    static const char *const names[] = {"time", "data_time", "eta", "memory",
                                        "experiment_name"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* `name` is the last part of the path: a key, whole, or what stands behind its '/'. */
static bool is_ignored(const struct differ *differ, const char *name,
                       const mm_value *value)
{
    const mm_checkpoint_diff_args *args = differ->args;
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash + 1 : name;

    if (!args->with_times && mm_pth_find_tensor(value) == NULL && is_of_time(last))
        return true;
    for (size_t i = 0; i < args->num_ignore; i++) {
        const char *ignore = args->ignore[i];

        if (strcmp(ignore, name) == 0 || strcmp(ignore, last) == 0 ||
            strcmp(ignore, mmi_str_text(&differ->path)) == 0)
            return true;
    }
    return false;
}

/* --- texts --- */

/* What stands in a row for a value; yours. */
static char *describe(const mm_value *value)
{
    const mm_pth_tensor *tensor = mm_pth_find_tensor(value);
    mmi_str out = {0};

    if (value == NULL)
        return mm_strdup("");
    if (tensor != NULL) {
        mmi_str_addf(&out, "%s [", mm_dtype_name(tensor->dtype));
        for (int i = 0; i < tensor->ndim; i++)
            mmi_str_addf(&out, i > 0 ? ", %lld" : "%lld", (long long)tensor->sizes[i]);
        mmi_str_add(&out, "]");
        return mmi_str_take(&out);
    }
    mm_kind kind = mm_value_kind(value);
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE || kind == MM_KIND_SET ||
        kind == MM_KIND_DICT) {
        mmi_str_addf(&out, "%s of %zu", mm_value_type_name(value), mm_value_len(value));
        return mmi_str_take(&out);
    }
    char *text = mm_value_repr(value);
    if (text != NULL && strlen(text) > MAX_TEXT)
        memcpy(text + mmi_utf8_cut(text, MAX_TEXT - 3), "...", 4);
    return text;
}

static void take_text(mm_value *row, const char *key, char *text)
{
    if (text != NULL)
        mm_dict_put_str(row, key, text);
    mm_free(text);
}

static mm_value *add_row(struct differ *differ, const char *what, char *first,
                         char *second)
{
    mm_value *row = mm_value_new_dict();

    mm_dict_put_str(row, "path", mmi_str_text(&differ->path));
    mm_dict_put_str(row, "what", what);
    take_text(row, "first", first);
    take_text(row, "second", second);
    mm_list_push(differ->rows, row);
    return mmi_is_pending() ? NULL : row;
}

static void add_difference(struct differ *differ, const char *what, const mm_value *a,
                           const mm_value *b)
{
    (void)add_row(differ, what, describe(a), describe(b));
}

/* The first line in which two texts differ; yours. */
static char *differing_line(const char *text, const char *other)
{
    size_t begin = 0;
    long line = 1;

    for (size_t i = 0; text[i] != '\0' && text[i] == other[i]; i++) {
        if (text[i] == '\n') {
            begin = i + 1;
            line++;
        }
    }
    size_t size = strcspn(text + begin, "\n");
    size_t cut = mmi_utf8_cut(text + begin, MAX_TEXT);

    return mm_strfmt("line %ld: %.*s", line, (int)(size < cut ? size : cut),
                     text + begin);
}

/* --- vectors --- */

/* How two vectors differ. */
struct distance {
    int64_t differing;
    double max_abs, max_rel;
};

static void add_distance(struct distance *distance, double a, double b)
{
    double gap = a == b ? 0.0 : fabs(a - b);
    double scale = fmax(fabs(a), fabs(b));

    distance->differing++;
    if (isnan(a) != isnan(b))
        gap = (double)INFINITY;
    else if (isnan(a))
        gap = 0.0; /* NaNs of other bits */
    distance->max_abs = fmax(distance->max_abs, gap);
    if (gap > 0)
        distance->max_rel =
            fmax(distance->max_rel, isfinite(scale) ? gap / scale : (double)INFINITY);
}

static void put_distance(mm_value *row, const struct distance *distance, int64_t count)
{
    mm_dict_put_f64(row, "max_abs", distance->max_abs);
    mm_dict_put_f64(row, "max_rel", distance->max_rel);
    mm_dict_put_i64(row, "differing", distance->differing);
    mm_dict_put_i64(row, "elements", count);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool is_same(double a, double b, bool exact)
{
    return exact ? bits_of(a) == bits_of(b) : a == b || (isnan(a) && isnan(b));
}

/* The elements of one dtype at two places; `count` parts. */
static void measure(const mm_pth_tensor *a, const mm_pth_tensor *b, const char *data_a,
                    const char *data_b, size_t count, bool exact, struct distance *out)
{
    double first[CHUNK], second[CHUNK];
    size_t step_a = mm_dtype_size(a->dtype) / (size_t)mmi_dtype_parts(a->dtype);
    size_t step_b = mm_dtype_size(b->dtype) / (size_t)mmi_dtype_parts(b->dtype);
    bool has_bits = exact && a->dtype == b->dtype;

    for (size_t at = 0; at < count; at += CHUNK) {
        size_t size = count - at < CHUNK ? count - at : CHUNK;
        const char *from_a = data_a + at * step_a, *from_b = data_b + at * step_b;

        if (a->dtype == b->dtype && memcmp(from_a, from_b, size * step_a) == 0)
            continue;
        mmi_dtype_to_f64(a->dtype, from_a, size, first);
        mmi_dtype_to_f64(b->dtype, from_b, size, second);
        for (size_t i = 0; i < size; i++) {
            bool same =
                has_bits ? memcmp(from_a + i * step_a, from_b + i * step_b, step_a) == 0
                         : is_same(first[i], second[i], false);

            if (!same)
                add_distance(out, first[i], second[i]);
        }
    }
}

static bool same_sizes(const mm_pth_tensor *a, const mm_pth_tensor *b)
{
    return a->ndim == b->ndim &&
           memcmp(a->sizes, b->sizes, (size_t)a->ndim * sizeof(a->sizes[0])) == 0;
}

static void compare_tensors(struct differ *differ, const mm_value *value_a,
                            const mm_value *value_b)
{
    const mm_pth_tensor *a = mm_pth_find_tensor(value_a);
    const mm_pth_tensor *b = mm_pth_find_tensor(value_b);
    struct distance distance = {0};
    void *owned_a = NULL, *owned_b = NULL;

    differ->tensors++;
    if (!same_sizes(a, b)) {
        add_difference(differ, "shape", value_a, value_b);
        return;
    }
    const char *data_a = mmi_pth_elements(a, &owned_a);
    const char *data_b = mmi_pth_elements(b, &owned_b);
    int parts = mmi_dtype_parts(a->dtype);

    if (data_a != NULL && data_b != NULL && parts == mmi_dtype_parts(b->dtype))
        measure(a, b, data_a, data_b, (size_t)mmi_pth_numel(a) * (size_t)parts,
                differ->args->exact, &distance);
    mm_free(owned_a);
    mm_free(owned_b);
    if (mmi_is_pending() || (a->dtype == b->dtype && distance.differing == 0))
        return;
    mm_value *row =
        add_row(differ, a->dtype == b->dtype ? "value" : "dtype", describe(value_a),
                a->dtype == b->dtype ? NULL : describe(value_b));
    if (row != NULL)
        put_distance(row, &distance, mmi_pth_numel(a));
}

static bool is_number(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_I64 || kind == MM_KIND_F64;
}

static bool is_numbers(const mm_value *list)
{
    size_t count = mm_value_len(list);

    for (size_t i = 0; i < count; i++) {
        if (!is_number(mm_list_get(list, i)))
            return false;
    }
    return count > 1;
}

/* Bits of floats; the kind counts too. */
static bool is_same_number(const mm_value *a, const mm_value *b, bool exact)
{
    if (exact && mm_value_kind(a) != mm_value_kind(b))
        return false;
    if (mm_value_kind(a) == MM_KIND_I64 && mm_value_kind(b) == MM_KIND_I64)
        return mm_value_i64(a) == mm_value_i64(b);
    return is_same(mm_value_f64(a), mm_value_f64(b), exact);
}

static void compare_numbers(struct differ *differ, const mm_value *a, const mm_value *b)
{
    struct distance distance = {0};
    size_t count = mm_value_len(a);

    differ->values += (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        const mm_value *x = mm_list_get(a, i), *y = mm_list_get(b, i);

        if (!is_same_number(x, y, differ->args->exact))
            add_distance(&distance, mm_value_f64(x), mm_value_f64(y));
    }
    if (distance.differing == 0)
        return;
    mm_value *row = add_row(differ, "value", describe(a), describe(b));
    if (row != NULL)
        put_distance(row, &distance, (int64_t)count);
}

/* --- trees --- */

/* Compares what lies one step deeper, under `name`. */
static void compare_below(struct differ *differ, const char *separator,
                          const char *name, const mm_value *a, const mm_value *b)
{
    size_t size = differ->path.size;

    mmi_str_addf(&differ->path, "%s%s", size > 0 ? separator : "", name);
    if (is_ignored(differ, name, a != NULL ? a : b)) {
        /* left out */
    } else if (a == NULL || b == NULL) {
        add_difference(differ, a == NULL ? "second only" : "first only", a, b);
    } else {
        compare(differ, a, b);
    }
    mmi_str_cut(&differ->path, size);
}

/* The text of any key; yours. */
static char *key_text(const mm_value *dict, size_t index)
{
    const char *name = mm_dict_name_at(dict, index);

    return name != NULL ? mm_strdup(name) : mm_value_repr(mm_dict_key_at(dict, index));
}

static void compare_dicts(struct differ *differ, const mm_value *a, const mm_value *b)
{
    for (size_t i = 0; i < mm_value_len(a) && !mmi_is_pending(); i++) {
        char *name = key_text(a, i);

        if (name != NULL)
            compare_below(differ, ".", name, mm_dict_at(a, i),
                          mm_dict_find_key(b, mm_dict_key_at(a, i)));
        mm_free(name);
    }
    for (size_t i = 0; i < mm_value_len(b) && !mmi_is_pending(); i++) {
        char *name = key_text(b, i);

        if (name != NULL && mm_dict_find_key(a, mm_dict_key_at(b, i)) == NULL)
            compare_below(differ, ".", name, NULL, mm_dict_at(b, i));
        mm_free(name);
    }
}

static void compare_lists(struct differ *differ, const mm_value *a, const mm_value *b)
{
    size_t count = mm_value_len(a);

    if (count != mm_value_len(b)) {
        add_difference(differ, "value", a, b);
        return;
    }
    if (is_numbers(a) && is_numbers(b)) {
        compare_numbers(differ, a, b);
        return;
    }
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "[%zu]", i);
        compare_below(differ, "", name, mm_list_get(a, i), mm_list_get(b, i));
    }
}

static void compare_nodes(struct differ *differ, const mm_value *value_a,
                          const mm_value *value_b)
{
    const mmi_node *a = mmi_node_find(value_a);
    const mmi_node *b = mmi_node_find(value_b);
    const mm_value *parts[][2] = {{a->args, b->args},
                                  {a->kwargs, b->kwargs},
                                  {a->state, b->state},
                                  {a->items, b->items},
                                  {a->entries, b->entries}};
    static const char *const names[] = {"args", "kwargs", "state", "items", "entries"};

    if (a->kind != b->kind || strcmp(a->class_name, b->class_name) != 0) {
        add_difference(differ, "type", value_a, value_b);
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (parts[i][0] != NULL || parts[i][1] != NULL)
            compare_below(differ, ".", names[i], parts[i][0], parts[i][1]);
    }
}

static void compare_texts(struct differ *differ, const mm_value *a, const mm_value *b)
{
    const char *one = mm_value_str(a), *two = mm_value_str(b);

    if (strchr(one, '\n') == NULL || strchr(two, '\n') == NULL)
        add_difference(differ, "value", a, b);
    else
        (void)add_row(differ, "value", differing_line(one, two),
                      differing_line(two, one));
}

/* Bytes without a type, as torch's UntypedStorage. */
static void compare_storages(struct differ *differ, const mm_value *a,
                             const mm_value *b)
{
    const mmi_pth_typed *one = mm_value_find_object(a, &mmi_pth_typed_object);
    const mmi_pth_typed *two = mm_value_find_object(b, &mmi_pth_typed_object);
    uint64_t size = mmi_pth_storage_size(one->storage);
    const void *first = mm_pth_storage_data(one->storage);
    const void *second = mm_pth_storage_data(two->storage);
    bool is_equal = one->dtype == two->dtype && first != NULL && second != NULL &&
                    size == mmi_pth_storage_size(two->storage) &&
                    memcmp(first, second, (size_t)size) == 0;

    differ->values++;
    if (!is_equal)
        add_difference(differ, "value", a, b);
}

static bool is_storage(const mm_value *value)
{
    return mm_value_find_object(value, &mmi_pth_typed_object) != NULL;
}

static void compare_scalars(struct differ *differ, const mm_value *a, const mm_value *b)
{
    bool exact = differ->args->exact;
    bool is_equal =
        is_number(a) && is_number(b)
            ? is_same_number(a, b, exact)
            : mm_value_equal(a, b) && (!exact || mm_value_kind(a) == mm_value_kind(b));

    differ->values++;
    if (is_equal)
        return;
    if (mm_value_kind(a) == MM_KIND_STR && mm_value_kind(b) == MM_KIND_STR)
        compare_texts(differ, a, b);
    else
        add_difference(differ, mm_value_kind(a) == mm_value_kind(b) ? "value" : "type",
                       a, b);
}

static void compare(struct differ *differ, const mm_value *a, const mm_value *b)
{
    mm_kind kind = mm_value_kind(a);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    if (mmi_is_pending())
        return;
    if (mm_pth_find_tensor(a) != NULL && mm_pth_find_tensor(b) != NULL)
        compare_tensors(differ, a, b);
    else if (is_storage(a) && is_storage(b))
        compare_storages(differ, a, b);
    else if (mmi_node_find(a) != NULL && mmi_node_find(b) != NULL)
        compare_nodes(differ, a, b);
    else if (kind == MM_KIND_DICT && mm_value_kind(b) == kind)
        compare_dicts(differ, a, b);
    else if (is_list && mm_value_kind(b) == kind)
        compare_lists(differ, a, b);
    else
        compare_scalars(differ, a, b);
}

mm_value *mm_checkpoint_diff(const mm_checkpoint_diff_args *args)
{
    if (!MMI_NEED(args) || !MMI_NEED(args->first) || !MMI_NEED(args->second))
        return NULL;
    mm_value *a = mm_pth_read(&(mm_pth_read_args){.path = args->first});
    mm_value *b =
        a == NULL ? NULL : mm_pth_read(&(mm_pth_read_args){.path = args->second});
    struct differ differ = {.args = args, .rows = mm_value_new_list()};
    mm_value *result = mm_value_new_dict();

    if (!mmi_is_pending())
        compare(&differ, a, b);
    mm_dict_put(result, "rows", differ.rows);
    mm_dict_put_i64(result, "values", differ.values);
    mm_dict_put_i64(result, "tensors", differ.tensors);
    mmi_str_deinit(&differ.path);
    mm_value_unref(differ.rows);
    mm_value_unref(a);
    mm_value_unref(b);
    if (mmi_is_pending()) {
        mm_value_unref(result);
        return NULL;
    }
    return result;
}
