/* Python source from values. The form is MMEngine's: `dict(k=v)`, a dict with other
 * keys as `dict({'k': v})`, lists and tuples one item a line. A dict is on one line if
 * it fits into 79 columns. What is written reads back as an equal value, so infinities,
 * keywords as keys and texts that look like templates are written in a way that does.
 */
#include "config/dump.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/chars.h"
#include "config/objects.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"

enum { WIDTH = 79, STEP = 4, MAX_NESTING = 500 };

struct writer {
    mmi_str out;
    const mm_value *top; /* the config, whose keys may hide built-in names; or NULL */
    mm_config_order order;
    bool plain; /* `dict` is a key of the config: {'k': v} instead of dict(k=v) */
    int depth;
};

static void write_value(struct writer *w, const mm_value *value, size_t indent,
                        size_t after);

/* ---- scalars ---- */

/* repr() of a text, but "{{" is broken up: it would be read as a template. */
static void write_text(mmi_str *out, const mm_value *value)
{
    char *text = mm_value_repr(value);
    const char *p = text;

    while (p != NULL && mm_value_kind(value) == MM_KIND_STR) {
        const char *open = strstr(p, "{{");

        if (open == NULL) {
            break;
        }
        mmi_str_add_n(out, p, (size_t)(open - p) + 1);
        mmi_str_add(out, "\\x7b");
        p = open + 2;
    }
    if (p != NULL) {
        mmi_str_add(out, p);
    }
    mm_free(text);
}

/* Built-in names that the text of a config may call. */
static const char *const called[] = {"globals", "float", "set", "range"};

/* Writes a built-in name: with underscores before it where a key of the config hides
 * it. No config keeps names that begin so, but options may set such a key. */
static void write_called(const struct writer *w, mmi_str *out, const char *name)
{
    static const char underscores[] = "________________";
    char other[64];
    size_t count = 0;

    (void)snprintf(other, sizeof other, "%s", name);
    while (w->top != NULL && mm_dict_has(w->top, other) && count < sizeof underscores) {
        count += count == 0 ? 2 : 1;
        (void)snprintf(other, sizeof other, "%.*s%s", (int)count, underscores, name);
    }
    mmi_str_add(out, other);
}

/* Other names for those that are hidden. */
static void write_other_names(struct writer *w)
{
    for (size_t i = 0; i < sizeof(called) / sizeof(called[0]); i++) {
        if (mm_dict_has(w->top, called[i])) {
            write_called(w, &w->out, called[i]);
            mmi_str_addf(&w->out, " = %s\n", called[i]);
        }
    }
}

static void write_float(const struct writer *w, mmi_str *out, double value)
{
    if (isnan(value) || isinf(value)) {
        write_called(w, out, "float");
        mmi_str_add(out, isnan(value) ? "('nan')" : value > 0 ? "('inf')" : "('-inf')");
    } else {
        mmi_str_add_f64(out, value);
    }
}

static void write_object(const struct writer *w, mmi_str *out, const mm_value *value)
{
    char *text = mm_value_repr(value);
    mm_value *quoted = NULL;

    if (text == NULL) {
        return;
    }
    if (mm_value_find_object(value, &mmi_range_ops) != NULL) {
        write_called(w, out, "range");
        mmi_str_add(out, text + strlen("range"));
    } else if (mm_value_find_object(value, &mmi_ellipsis_ops) != NULL) {
        mmi_str_add(out, "...");
    } else { /* no text makes it again: its description */
        quoted = mm_value_new_str(text);
        if (quoted != NULL) {
            write_text(out, quoted);
        }
        mm_value_unref(quoted);
    }
    mm_free(text);
}

static void write_scalar(const struct writer *w, mmi_str *out, const mm_value *value)
{
    switch (mm_value_kind(value)) {
    case MM_KIND_F64:
        write_float(w, out, mm_value_f64(value));
        break;
    case MM_KIND_OBJECT:
        write_object(w, out, value);
        break;
    default:
        write_text(out, value);
        break;
    }
}

/* ---- keys ---- */

static bool is_plain_key(const mm_value *key)
{
    size_t size = 0;
    const char *text = NULL;

    if (mm_value_kind(key) != MM_KIND_STR) {
        return false;
    }
    text = mm_value_str_n(key, &size);
    return mmi_is_identifier(text, size) && !mmi_is_keyword(text, size);
}

static bool has_plain_keys(const mm_value *dict)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        if (!is_plain_key(mm_dict_key_at(dict, i))) {
            return false;
        }
    }
    return true;
}

/* An entry on its way to being sorted: by str(key), as MMEngine sorts. */
struct row {
    size_t index;
    char *text; /* str(key) */
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    int order = strcmp(x->text, y->text);

    return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* The entries in the order of writing; mm_free(). */
static size_t *order_of(const mm_value *dict, mm_config_order order)
{
    size_t count = mm_value_len(dict);
    size_t *places = mm_alloc_array(count + 1, sizeof(*places));
    struct row *rows = mm_alloc_array(count + 1, sizeof(*rows));

    for (size_t i = 0; rows != NULL && places != NULL && i < count; i++) {
        const char *name = mm_dict_name_at(dict, i);

        rows[i].index = i;
        places[i] = i;
        if (order == MM_CONFIG_SORTED) {
            rows[i].text =
                name != NULL ? mm_strdup(name) : mm_value_repr(mm_dict_key_at(dict, i));
        }
    }
    if (order == MM_CONFIG_SORTED && !mm_has_error()) {
        qsort(rows, count, sizeof(*rows), compare_rows);
        for (size_t i = 0; i < count; i++) {
            places[i] = rows[i].index;
        }
    }
    for (size_t i = 0; rows != NULL && i < count; i++) {
        mm_free(rows[i].text);
    }
    mm_free(rows);
    return places;
}

/* ---- on one line ---- */

/* True if all of it may stand on one line: no list or tuple with items inside. */
static bool may_inline(const mm_value *value, int depth)
{
    mm_kind kind = mm_value_kind(value);

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        return mm_value_len(value) == 0;
    }
    for (size_t i = 0; kind == MM_KIND_DICT && i < mm_value_len(value); i++) {
        if (depth > 20 || !may_inline(mm_dict_at(value, i), depth + 1)) {
            return false;
        }
    }
    return true;
}

static void write_inline(struct writer *w, mmi_str *out, const mm_value *value);

static void write_inline_dict(struct writer *w, mmi_str *out, const mm_value *dict)
{
    bool plain = !w->plain && has_plain_keys(dict);
    size_t *places = order_of(dict, w->order);

    mmi_str_add(out, plain ? "dict(" : w->plain ? "{" : "dict({");
    for (size_t i = 0; places != NULL && i < mm_value_len(dict); i++) {
        mmi_str_add(out, i == 0 ? "" : ", ");
        if (plain) {
            mmi_str_add(out, mm_dict_name_at(dict, places[i]));
            mmi_str_add_char(out, '=');
        } else {
            write_inline(w, out, mm_dict_key_at(dict, places[i]));
            mmi_str_add(out, ": ");
        }
        write_inline(w, out, mm_dict_at(dict, places[i]));
    }
    mmi_str_add(out, plain ? ")" : w->plain ? "}" : "})");
    mm_free(places);
}

/* Also tuples: they may be keys. */
static void write_inline(struct writer *w, mmi_str *out, const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    size_t count = 0;

    if (kind == MM_KIND_DICT) {
        write_inline_dict(w, out, value);
        return;
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE && kind != MM_KIND_SET) {
        write_scalar(w, out, value);
        return;
    }
    count = mm_value_len(value);
    if (kind == MM_KIND_SET && count == 0) {
        write_called(w, out, "set");
        mmi_str_add(out, "()");
        return;
    }
    mmi_str_add_char(out, kind == MM_KIND_LIST ? '[' : kind == MM_KIND_SET ? '{' : '(');
    for (size_t i = 0; i < count; i++) {
        mmi_str_add(out, i == 0 ? "" : ", ");
        write_inline(w, out, mm_list_get(value, i));
    }
    mmi_str_add(out, kind == MM_KIND_LIST                  ? "]"
                     : kind == MM_KIND_SET                 ? "}"
                     : kind == MM_KIND_TUPLE && count == 1 ? ",)"
                                                           : ")");
}

/* ---- on several lines ---- */

static void new_line(struct writer *w, size_t indent)
{
    mmi_str_add_char(&w->out, '\n');
    mmi_str_fill(&w->out, ' ', indent);
}

static void write_items(struct writer *w, const mm_value *value, size_t indent)
{
    bool list = mm_value_kind(value) == MM_KIND_LIST;

    mmi_str_add_char(&w->out, list ? '[' : '(');
    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        new_line(w, indent + STEP);
        write_value(w, mm_list_get(value, i), indent + STEP, 1);
        mmi_str_add_char(&w->out, ',');
    }
    if (mm_value_len(value) > 0) {
        new_line(w, indent);
    }
    mmi_str_add_char(&w->out, list ? ']' : ')');
}

static void write_dict(struct writer *w, const mm_value *dict, size_t indent,
                       size_t after)
{
    bool plain = !w->plain && has_plain_keys(dict);
    size_t *places = order_of(dict, w->order);
    size_t count = mm_value_len(dict);

    mmi_str_add(&w->out, plain ? "dict(" : w->plain ? "{" : "dict({");
    for (size_t i = 0; places != NULL && i < count && !mm_has_error(); i++) {
        bool last = i + 1 == count;

        new_line(w, indent + STEP);
        if (plain) {
            mmi_str_add(&w->out, mm_dict_name_at(dict, places[i]));
            mmi_str_add_char(&w->out, '=');
        } else {
            write_inline(w, &w->out, mm_dict_key_at(dict, places[i]));
            mmi_str_add(&w->out, ": ");
        }
        write_value(w, mm_dict_at(dict, places[i]), indent + STEP,
                    last && plain ? after + 1 : 1);
        mmi_str_add(&w->out, last ? "" : ",");
    }
    if (!plain) {
        new_line(w, indent);
    }
    mmi_str_add(&w->out, plain ? ")" : w->plain ? "}" : "})");
    mm_free(places);
}

/* Columns used on the last line. */
static size_t column_of(const mmi_str *out)
{
    size_t at = out->size;

    while (at > 0 && out->data[at - 1] != '\n') {
        at--;
    }
    return mmi_utf8_count(mmi_str_text(out) + at, out->size - at);
}

/* `after`: bytes that will follow on the same line. */
static void write_value(struct writer *w, const mm_value *value, size_t indent,
                        size_t after)
{
    mm_kind kind = mm_value_kind(value);
    mmi_str line = {0};

    if (w->depth >= MAX_NESTING) {
        (void)mm_raise(MM_ECONFIG, "a value is nested too deeply to be written");
        return;
    }
    w->depth++;
    if (kind == MM_KIND_DICT && may_inline(value, 0)) {
        write_inline(w, &line, value);
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        write_items(w, value, indent);
    } else if (kind != MM_KIND_DICT) {
        write_inline(w, &w->out, value);
    } else if (line.size > 0 &&
               column_of(&w->out) + mmi_utf8_count(line.data, line.size) + after <=
                   WIDTH) {
        mmi_str_add_n(&w->out, line.data, line.size);
    } else if (mm_value_len(value) == 0) {
        mmi_str_add(&w->out, w->plain ? "{}" : "dict()");
    } else {
        write_dict(w, value, indent, after);
    }
    mmi_str_deinit(&line);
    w->depth--;
}

char *mmi_dump_python(const mm_value *dict, mm_config_order order)
{
    struct writer w = {.order = order};
    size_t *places = NULL;

    if (mm_value_kind(dict) != MM_KIND_DICT) {
        (void)mm_raise(MM_ETYPE, "a config is written from a dict, not from %s",
                       mm_value_type_name(dict));
        return NULL;
    }
    w.plain = mm_dict_has(dict, "dict");
    w.top = dict;
    write_other_names(&w);
    places = order_of(dict, order);
    for (size_t i = 0; places != NULL && i < mm_value_len(dict) && !mm_has_error();
         i++) {
        const mm_value *key = mm_dict_key_at(dict, places[i]);

        if (is_plain_key(key)) {
            mmi_str_add(&w.out, mm_dict_name_at(dict, places[i]));
        } else { /* no name: set where the names are kept */
            write_called(&w, &w.out, "globals");
            mmi_str_add(&w.out, "()[");
            write_inline(&w, &w.out, key);
            mmi_str_add_char(&w.out, ']');
        }
        mmi_str_add(&w.out, " = ");
        write_value(&w, mm_dict_at(dict, places[i]), 0, 0);
        mmi_str_add_char(&w.out, '\n');
    }
    mm_free(places);
    return mmi_str_take(&w.out);
}

char *mmi_dump_inline(const mm_value *value)
{
    struct writer w = {.order = MM_CONFIG_SOURCE};

    write_inline(&w, &w.out, value);
    return mmi_str_take(&w.out);
}

/* ---- JSON ---- */

static void json_value(mmi_str *out, const mm_value *value, int depth);

static void json_text(mmi_str *out, const char *text, size_t size)
{
    static const char special[] = "\"\\\n\r\t\b\f";
    static const char letters[] = "\"\\nrtbf";

    mmi_str_add_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        const char *found = c < 0x80 && c != 0 ? strchr(special, c) : NULL;

        if (found != NULL) {
            mmi_str_add_char(out, '\\');
            mmi_str_add_char(out, letters[found - special]);
        } else if (c < 0x20) {
            mmi_str_addf(out, "\\u%04x", c);
        } else {
            mmi_str_add_char(out, (char)c);
        }
    }
    mmi_str_add_char(out, '"');
}

static void json_items(mmi_str *out, const mm_value *value, int depth)
{
    mmi_str_add_char(out, '[');
    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        mmi_str_add(out, i == 0 ? "" : ", ");
        json_value(out, mm_list_get(value, i), depth + 1);
    }
    mmi_str_add_char(out, ']');
}

/* True if JSON has the form of this dict: text keys, none that looks like a mark. */
static bool is_json_object(const mm_value *dict)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        if (mm_dict_name_at(dict, i) == NULL) {
            return false;
        }
    }
    return mm_value_len(dict) != 1 || strncmp(mm_dict_name_at(dict, 0), "__", 2) != 0;
}

static void json_dict(mmi_str *out, const mm_value *dict, int depth)
{
    bool object = is_json_object(dict);

    mmi_str_add(out, object ? "{" : "{\"__dict__\": [");
    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        mmi_str_add(out, i == 0 ? "" : ", ");
        mmi_str_add(out, object ? "" : "[");
        json_value(out, mm_dict_key_at(dict, i), depth + 1);
        mmi_str_add(out, object ? ": " : ", ");
        json_value(out, mm_dict_at(dict, i), depth + 1);
        mmi_str_add(out, object ? "" : "]");
    }
    mmi_str_add(out, object ? "}" : "]}");
}

static void json_float(mmi_str *out, double value)
{
    if (isnan(value)) {
        mmi_str_add(out, "NaN");
    } else if (isinf(value)) {
        mmi_str_add(out, value > 0 ? "Infinity" : "-Infinity");
    } else {
        mmi_str_add_f64(out, value);
    }
}

static void json_bytes(mmi_str *out, const mm_value *value)
{
    size_t size = 0;
    const unsigned char *data = mm_value_bytes(value, &size);

    mmi_str_add(out, "{\"__bytes__\": \"");
    for (size_t i = 0; i < size; i++) {
        mmi_str_addf(out, "%02x", data[i]);
    }
    mmi_str_add(out, "\"}");
}

static void json_object(mmi_str *out, const mm_value *value)
{
    const mmi_range_object *range = mm_value_find_object(value, &mmi_range_ops);
    char *text = NULL;

    if (range != NULL) {
        mmi_str_addf(out, "{\"__range__\": [%lld, %lld, %lld]}",
                     (long long)range->start, (long long)range->stop,
                     (long long)range->step);
        return;
    }
    text = mm_value_repr(value);
    mmi_str_add(out, "{\"__opaque__\": ");
    json_text(out, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
    mmi_str_add_char(out, '}');
    mm_free(text);
}

static void json_value(mmi_str *out, const mm_value *value, int depth)
{
    size_t size = 0;
    const char *text = NULL;

    if (depth > MAX_NESTING) {
        (void)mm_raise(MM_ECONFIG, "a value is nested too deeply to be written");
        return;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_NONE:
        mmi_str_add(out, "null");
        break;
    case MM_KIND_BOOL:
        mmi_str_add(out, mm_value_bool(value) ? "true" : "false");
        break;
    case MM_KIND_I64:
        mmi_str_add_i64(out, mm_value_i64(value));
        break;
    case MM_KIND_BIGINT:
        mmi_str_add(out, mm_value_digits(value));
        break;
    case MM_KIND_F64:
        json_float(out, mm_value_f64(value));
        break;
    case MM_KIND_STR:
        text = mm_value_str_n(value, &size);
        json_text(out, text, size);
        break;
    case MM_KIND_BYTES:
        json_bytes(out, value);
        break;
    case MM_KIND_LIST:
        json_items(out, value, depth);
        break;
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
        mmi_str_add(out, mm_value_kind(value) == MM_KIND_SET ? "{\"__set__\": "
                                                             : "{\"__tuple__\": ");
        json_items(out, value, depth);
        mmi_str_add_char(out, '}');
        break;
    case MM_KIND_DICT:
        json_dict(out, value, depth);
        break;
    case MM_KIND_OBJECT:
        json_object(out, value);
        break;
    }
}

char *mmi_dump_json(const mm_value *value)
{
    mmi_str out = {0};

    json_value(&out, value, 0);
    return mmi_str_take(&out);
}
