/* Values as YAML that PyYAML reads back as equal values. Blocks as yaml.dump writes
 * them; a scalar is plain where it reads back as itself, else in single quotes, else in
 * double quotes with escapes. Lines are never folded. "{{" is written with an escape,
 * so that the text can be a config without becoming a template. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/unicode.h"
#include "fileio/pickle.h"
#include "fileio/text.h"
#include "fileio/yaml.h"
#include "mmengine/number.h"

enum { STEP = 2, MAX_SIMPLE_KEY = 128, MAX_TEXT = 1 << 30 };

struct writer {
    mmi_str out;
    const mm_yaml_args *args;
    int depth;
};

static void put_block(struct writer *w, const mm_value *value, size_t indent);
static void put_content(struct writer *w, const mm_value *value, size_t indent);

/* ---- text ---- */

/* What a text needs. */
struct look {
    bool needs_escapes;
    bool is_plain;      /* may stand without quotes in a block */
    bool is_plain_flow; /* and between brackets */
};

static bool is_shown(const struct writer *w, uint32_t code)
{
    if (code < 0x80) {
        return code >= 0x20 && code != 0x7f;
    }
    return w->args->keep_utf8 && mmi_unicode_is_printable(code) && code < 0x10000 &&
           code != 0xfeff;
}

/* Where a character has a meaning of its own. */
static void look_at_char(struct look *look, const char *text, size_t size, size_t i)
{
    char c = text[i];
    bool before_blank = i + 1 == size || text[i + 1] == ' ';
    bool is_first = i == 0;

    if (is_first && strchr("#,[]{}&*!|>'\"%@`", c) != NULL) {
        look->is_plain = look->is_plain_flow = false;
    } else if (c == ':' || (is_first && c == '?')) {
        look->is_plain_flow = false;
        look->is_plain = look->is_plain && !before_blank;
    } else if ((is_first && c == '-' && before_blank) ||
               (c == '#' && text[i - 1] == ' ')) {
        look->is_plain = look->is_plain_flow = false;
    } else if (strchr(",?[]{}", c) != NULL) {
        look->is_plain_flow = false;
    }
}

static struct look look_at(const struct writer *w, const char *text, size_t size)
{
    struct look look = {.is_plain = size > 0, .is_plain_flow = size > 0};

    if (size >= 3 && (memcmp(text, "---", 3) == 0 || memcmp(text, "...", 3) == 0)) {
        look.is_plain = look.is_plain_flow = false;
    }
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t width = mmi_text_decode(text + i, &code);

        if (!is_shown(w, code) || (code == '{' && i + 1 < size && text[i + 1] == '{')) {
            look.needs_escapes = true;
            look.is_plain = look.is_plain_flow = false;
            return look;
        }
        if (code < 0x80) {
            look_at_char(&look, text, size, i);
        }
        i += width;
    }
    if (size > 0 && (text[0] == ' ' || text[size - 1] == ' ')) {
        look.is_plain = look.is_plain_flow = false;
    }
    if (look.is_plain && mmi_yaml_resolve(text, size) != MMI_YAML_STR) {
        look.is_plain = look.is_plain_flow = false;
    }
    return look;
}

static void put_single_quoted(mmi_str *out, const char *text, size_t size)
{
    mmi_str_add_char(out, '\'');
    for (size_t i = 0; i < size; i++) {
        mmi_str_add(out, text[i] == '\'' ? "'" : "");
        mmi_str_add_char(out, text[i]);
    }
    mmi_str_add_char(out, '\'');
}

static void put_escape(mmi_str *out, uint32_t code)
{
    static const char codes[] = "\a\b\t\n\v\f\r\x1b\"\\";
    static const char names[] = "abtnvfre\"\\";
    const char *found = code != 0 && code < 0x80 ? strchr(codes, (int)code) : NULL;

    if (found != NULL) {
        mmi_str_add_char(out, '\\');
        mmi_str_add_char(out, names[found - codes]);
    } else {
        mmi_str_addf(out,
                     code < 0x100     ? "\\x%02X"
                     : code < 0x10000 ? "\\u%04X"
                                      : "\\U%08X",
                     (unsigned)code);
    }
}

static void put_double_quoted(const struct writer *w, mmi_str *out, const char *text,
                              size_t size)
{
    bool was_open = false;

    mmi_str_add_char(out, '"');
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t width = mmi_text_decode(text + i, &code);
        bool is_second = code == '{' && was_open;

        if (is_shown(w, code) && code != '"' && code != '\\' && !is_second) {
            mmi_str_add_n(out, text + i, width);
        } else {
            put_escape(out, code);
        }
        was_open = code == '{' && !is_second;
        i += width;
    }
    mmi_str_add_char(out, '"');
}

static bool has_surrogates(const char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if ((unsigned char)text[i] == 0xed && (unsigned char)text[i + 1] >= 0xa0) {
            return true;
        }
    }
    return false;
}

static void put_text(const struct writer *w, mmi_str *out, const mm_value *value,
                     bool is_flow)
{
    size_t size = 0;
    const char *text = mm_value_str_n(value, &size);

    if (text == NULL || !mmi_text_is_utf8(text, size) || has_surrogates(text, size)) {
        if (!mmi_is_pending()) {
            (void)mm_raise(MM_EDATA, "could not write YAML: a string is not UTF-8");
        }
        return;
    }
    struct look look = look_at(w, text, size);

    if (look.needs_escapes) {
        put_double_quoted(w, out, text, size);
    } else if (is_flow ? look.is_plain_flow : look.is_plain) {
        mmi_str_add_n(out, text, size);
    } else {
        put_single_quoted(out, text, size);
    }
}

/* ---- other scalars ---- */

static void put_f64(mmi_str *out, double value)
{
    char text[MM_F64_TEXT_SIZE];

    if (isnan(value)) {
        mmi_str_add(out, ".nan");
        return;
    }
    if (isinf(value)) {
        mmi_str_add(out, value > 0 ? ".inf" : "-.inf");
        return;
    }
    (void)mm_f64_format(value, text);
    const char *exponent = strchr(text, 'e');

    if (exponent != NULL && strchr(text, '.') == NULL) { /* 1e-05 would be text */
        mmi_str_add_n(out, text, (size_t)(exponent - text));
        mmi_str_add(out, ".0");
        mmi_str_add(out, exponent);
    } else {
        mmi_str_add(out, text);
    }
}

static void put_bytes(mmi_str *out, const mm_value *value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/";
    size_t size = 0;
    const unsigned char *data = mm_value_bytes(value, &size);

    mmi_str_add(out, "!!binary \"");
    for (size_t i = 0; i < size; i += 3) {
        size_t count = size - i < 3 ? size - i : 3;
        uint32_t bits = (uint32_t)data[i] << 16;

        bits |= count > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= count > 2 ? (uint32_t)data[i + 2] : 0;
        for (size_t j = 0; j < 4; j++) {
            mmi_str_add_char(out, j <= count ? digits[bits >> (18 - 6 * j) & 63] : '=');
        }
    }
    mmi_str_add_char(out, '"');
}

static void put_object(mmi_str *out, const mm_value *value)
{
    const mm_object_ops *ops = mm_value_object_ops(value);
    const char *date = mm_yaml_find_date(value);
    double number = 0.0;

    if (date != NULL) {
        mmi_str_add(out, date);
    } else if (ops != NULL && ops->to_f64 != NULL &&
               ops->to_f64(mm_value_find_object(value, NULL), &number)) {
        put_f64(out, number);
    } else if (!mmi_is_pending()) {
        (void)mm_raise(MM_ETYPE,
                       "could not write YAML: a value of type '%s' has no form in it",
                       mm_value_type_name(value));
    }
}

static void put_scalar(const struct writer *w, mmi_str *out, const mm_value *value,
                       bool is_flow)
{
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
        put_f64(out, mm_value_f64(value));
        break;
    case MM_KIND_STR:
        put_text(w, out, value, is_flow);
        break;
    case MM_KIND_BYTES:
        put_bytes(out, value);
        break;
    default:
        put_object(out, value);
        break;
    }
}

/* ---- order of keys ---- */

/* Python's < between keys of one type; `comparable` becomes false if there is none. */
static int compare(const mm_value *a, const mm_value *b, bool *comparable)
{
    mm_kind kind = mm_value_kind(a);

    if (kind == MM_KIND_STR && mm_value_kind(b) == MM_KIND_STR) {
        size_t size_a = 0;
        size_t size_b = 0;
        const char *text_a = mm_value_str_n(a, &size_a);
        const char *text_b = mm_value_str_n(b, &size_b);
        int order = memcmp(text_a, text_b, size_a < size_b ? size_a : size_b);

        return order != 0 ? order : (size_a > size_b) - (size_a < size_b);
    }
    if (kind >= MM_KIND_BOOL && kind <= MM_KIND_F64 &&
        mm_value_kind(b) >= MM_KIND_BOOL && mm_value_kind(b) <= MM_KIND_F64) {
        double number_a = mm_value_f64(a);
        double number_b = mm_value_f64(b);

        return (number_a > number_b) - (number_a < number_b);
    }
    if (kind == MM_KIND_TUPLE && mm_value_kind(b) == MM_KIND_TUPLE) {
        size_t count_a = mm_value_len(a);
        size_t count_b = mm_value_len(b);

        for (size_t i = 0; i < count_a && i < count_b; i++) {
            int order = compare(mm_list_get(a, i), mm_list_get(b, i), comparable);

            if (order != 0 || !*comparable) {
                return order;
            }
        }
        return (count_a > count_b) - (count_a < count_b);
    }
    *comparable = false;
    return 0;
}

/* A key and where it stands in its dict. */
struct row {
    const mm_value *key;
    size_t index;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    bool comparable = true;
    int order = compare(x->key, y->key, &comparable);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* The entries in the order of writing; mm_free(). Keys without an order keep theirs. */
static struct row *rows_of(const struct writer *w, const mm_value *value)
{
    bool is_set = mm_value_kind(value) == MM_KIND_SET;
    size_t count = mm_value_len(value);
    struct row *rows = mm_alloc_array(count + 1, sizeof(*rows));
    bool comparable = !w->args->keep_order;

    for (size_t i = 0; rows != NULL && i < count; i++) {
        rows[i].index = i;
        rows[i].key = is_set ? mm_list_get(value, i) : mm_dict_key_at(value, i);
        if (comparable) {
            (void)compare(rows[0].key, rows[i].key, &comparable);
        }
    }
    if (rows != NULL && comparable) {
        qsort(rows, count, sizeof(*rows), compare_rows);
    }
    return rows;
}

/* ---- collections ---- */

static bool is_collection(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_LIST || kind == MM_KIND_TUPLE || kind == MM_KIND_SET ||
           kind == MM_KIND_DICT;
}

static const char *tag_of(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_TUPLE ? "!!python/tuple"
           : kind == MM_KIND_SET ? "!!set"
                                 : "";
}

static bool enter(struct writer *w)
{
    if (mmi_is_pending() || w->depth >= MMI_DOC_DEPTH) {
        (void)mm_raise(MM_EDATA,
                       "could not write YAML: containers are nested deeper than %d",
                       (int)MMI_DOC_DEPTH);
        return false;
    }
    if (w->out.size > MAX_TEXT) { /* aliases of a hostile file can multiply */
        (void)mm_raise(MM_EDATA, "could not write YAML: the text exceeds 1 GB");
        return false;
    }
    w->depth++;
    return true;
}

/* On one line, with brackets: keys that are collections, and empty ones. */
static void put_flow(struct writer *w, mmi_str *out, const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
    struct row *rows = NULL;

    if (!is_collection(value)) {
        put_scalar(w, out, value, true);
        return;
    }
    if (!enter(w)) {
        return;
    }
    rows = is_list ? NULL : rows_of(w, value);
    mmi_str_add(out, tag_of(value));
    mmi_str_add(out, *tag_of(value) == '\0' ? "" : " ");
    mmi_str_add_char(out, is_list ? '[' : '{');
    for (size_t i = 0; i < mm_value_len(value) && !mmi_is_pending(); i++) {
        mmi_str_add(out, i == 0 ? "" : ", ");
        if (is_list) {
            put_flow(w, out, mm_list_get(value, i));
            continue;
        }
        mmi_str_add(out, "? ");
        put_flow(w, out, rows[i].key);
        if (kind == MM_KIND_DICT) {
            mmi_str_add(out, " : ");
            put_flow(w, out, mm_dict_at(value, rows[i].index));
        }
    }
    mmi_str_add_char(out, is_list ? ']' : '}');
    mm_free(rows);
    w->depth--;
}

static void new_line(struct writer *w, size_t indent)
{
    mmi_str_add_char(&w->out, '\n');
    for (size_t i = 0; i < indent; i++) {
        mmi_str_add_char(&w->out, ' ');
    }
}

static void put_items(struct writer *w, const mm_value *list, size_t indent)
{
    for (size_t i = 0; i < mm_value_len(list) && !mmi_is_pending(); i++) {
        if (i > 0) {
            new_line(w, indent);
        }
        mmi_str_add(&w->out, "- ");
        put_block(w, mm_list_get(list, i), indent + STEP);
    }
}

/* What follows a key and its colon. */
static void put_after_key(struct writer *w, const mm_value *value, size_t indent)
{
    bool is_list =
        mm_value_kind(value) == MM_KIND_LIST || mm_value_kind(value) == MM_KIND_TUPLE;

    if (!is_collection(value) || mm_value_len(value) == 0) {
        mmi_str_add_char(&w->out, ' ');
        put_block(w, value, indent);
        return;
    }
    if (*tag_of(value) != '\0') {
        mmi_str_add_char(&w->out, ' ');
        mmi_str_add(&w->out, tag_of(value));
    }
    indent += is_list ? 0 : STEP; /* as yaml.dump: lists begin below their key */
    new_line(w, indent);
    if (enter(w)) {
        put_content(w, value, indent);
        w->depth--;
    }
}

/* True if a key may stand before a colon as it is. */
static bool put_key(struct writer *w, const mm_value *key)
{
    mm_kind kind = mm_value_kind(key);
    mmi_str text = {0};
    bool is_simple = !is_collection(key) && kind != MM_KIND_BYTES;

    if (is_simple) {
        put_scalar(w, &text, key, false);
    } else {
        put_flow(w, &text, key);
    }
    is_simple = is_simple && text.size <= MAX_SIMPLE_KEY;
    mmi_str_add(&w->out, is_simple ? "" : "? ");
    mmi_str_add_n(&w->out, mmi_str_text(&text), text.size);
    mmi_str_deinit(&text);
    return is_simple;
}

static void put_entries(struct writer *w, const mm_value *value, size_t indent)
{
    bool is_set = mm_value_kind(value) == MM_KIND_SET;
    struct row *rows = rows_of(w, value);

    for (size_t i = 0; rows != NULL && i < mm_value_len(value) && !mmi_is_pending();
         i++) {
        if (i > 0) {
            new_line(w, indent);
        }
        bool is_simple = put_key(w, rows[i].key);

        if (!is_simple) {
            new_line(w, indent);
        }
        mmi_str_add(&w->out, is_simple ? ":" : ": ");
        if (is_set) {
            mmi_str_add(&w->out, is_simple ? " null" : "null");
        } else if (is_simple) {
            put_after_key(w, mm_dict_at(value, rows[i].index), indent);
        } else {
            put_block(w, mm_dict_at(value, rows[i].index), indent + STEP);
        }
    }
    mm_free(rows);
}

/* Items or entries, without the tag. */
static void put_content(struct writer *w, const mm_value *value, size_t indent)
{
    mm_kind kind = mm_value_kind(value);

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        put_items(w, value, indent);
    } else {
        put_entries(w, value, indent);
    }
}

/* A value whose first line has begun, at `indent`. */
static void put_block(struct writer *w, const mm_value *value, size_t indent)
{
    if (!is_collection(value)) {
        put_scalar(w, &w->out, value, false);
        return;
    }
    if (mm_value_len(value) == 0) {
        put_flow(w, &w->out, value);
        return;
    }
    if (!enter(w)) {
        return;
    }
    if (*tag_of(value) != '\0') {
        mmi_str_add(&w->out, tag_of(value));
        new_line(w, indent);
    }
    put_content(w, value, indent);
    w->depth--;
}

char *mm_yaml_format(const mm_value *value, const mm_yaml_args *args)
{
    static const mm_yaml_args plain = {0};
    struct writer w = {.args = args != NULL ? args : &plain};

    if (!MMI_NEED(value)) {
        return NULL;
    }
    put_block(&w, value, 0);
    mmi_str_add_char(&w.out, '\n');
    return mmi_str_take(&w.out);
}
