/* JSON text, byte for byte as Python's json.dumps gives it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/unicode.h"
#include "fileio/pickle.h"
#include "fileio/text.h"
#include "mmengine/fileio.h"
#include "mmengine/number.h"

struct writer {
    mmi_str out;
    const mm_json_args *args;
    int depth;
};

static void put(struct writer *writer, const mm_value *value);

static void put_escape(struct writer *writer, uint32_t code)
{
    static const char names[] = "\"\\bfnrt";
    static const char codes[] = "\"\\\b\f\n\r\t";
    const char *found = code != 0 && code < 0x80 ? strchr(codes, (int)code) : NULL;

    if (found != NULL) {
        mmi_str_add_char(&writer->out, '\\');
        mmi_str_add_char(&writer->out, names[found - codes]);
    } else if (code < 0x10000) {
        mmi_str_addf(&writer->out, "\\u%04x", (unsigned)code);
    } else {
        mmi_str_addf(&writer->out, "\\u%04x\\u%04x",
                     (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                     (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
    }
}

static void put_text(struct writer *writer, const char *text, size_t size)
{
    size_t run = 0;

    if (text == NULL) {
        return;
    }
    if (!mmi_text_is_utf8(text, size)) {
        mm_raise(MM_EDATA, "could not write JSON: a string is not UTF-8");
        return;
    }
    mmi_str_add_char(&writer->out, '"');
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)text[i];
        bool is_plain = c >= 0x20 && c != '"' && c != '\\' &&
                        (c < 0x7f || (writer->args->keep_utf8 &&
                                      !mmi_utf8_is_surrogate(text + i, size - i)));
        if (is_plain) {
            i++;
            continue;
        }
        uint32_t code = 0;
        mmi_str_add_n(&writer->out, text + run, i - run);
        i += mmi_text_decode(text + i, &code);
        put_escape(writer, code);
        run = i;
    }
    mmi_str_add_n(&writer->out, text + run, size - run);
    mmi_str_add_char(&writer->out, '"');
}

static void put_f64(struct writer *writer, double value)
{
    if (isfinite(value)) {
        mmi_str_add_f64(&writer->out, value);
    } else if (writer->args->refuse_nan) {
        mm_raise(MM_ENUMERIC, "could not write JSON: a number is NaN or infinite");
    } else {
        mmi_str_add(&writer->out, isnan(value) ? "NaN"
                                  : value > 0  ? "Infinity"
                                               : "-Infinity");
    }
}

static void put_newline(struct writer *writer)
{
    if (writer->args->indent > 0) {
        mmi_str_add_char(&writer->out, '\n');
        for (int i = 0; i < writer->depth * writer->args->indent; i++) {
            mmi_str_add_char(&writer->out, ' ');
        }
    }
}

/* What stands between items. */
static void put_comma(struct writer *writer)
{
    bool is_tight = writer->args->no_spaces || writer->args->indent > 0;

    mmi_str_add(&writer->out, is_tight ? "," : ", ");
    put_newline(writer);
}

/* Keys that are no strings become the text of their value. */
static void put_key(struct writer *writer, const mm_value *key)
{
    size_t size = 0;

    switch (mm_value_kind(key)) {
    case MM_KIND_STR: {
        const char *text = mm_value_str_n(key, &size);
        put_text(writer, text, size);
        break;
    }
    case MM_KIND_NONE:
    case MM_KIND_BOOL:
    case MM_KIND_I64:
    case MM_KIND_BIGINT:
    case MM_KIND_F64:
        mmi_str_add_char(&writer->out, '"');
        put(writer, key);
        mmi_str_add_char(&writer->out, '"');
        break;
    default:
        mm_raise(MM_ETYPE, "could not write JSON: a key is of type '%s'",
                 mm_value_type_name(key));
        break;
    }
    mmi_str_add(&writer->out, writer->args->no_spaces ? ":" : ": ");
}

static int compare_keys(const void *a, const void *b)
{
    const mm_value *key_a = *(const mm_value *const *)a;
    const mm_value *key_b = *(const mm_value *const *)b;

    if (mm_value_kind(key_a) == MM_KIND_STR) {
        size_t size_a = 0;
        size_t size_b = 0;
        const char *text_a = mm_value_str_n(key_a, &size_a);
        const char *text_b = mm_value_str_n(key_b, &size_b);
        int order = memcmp(text_a, text_b, size_a < size_b ? size_a : size_b);
        return order != 0 ? order : (size_a > size_b) - (size_a < size_b);
    }
    double number_a = mm_value_f64(key_a);
    double number_b = mm_value_f64(key_b);
    return (number_a > number_b) - (number_a < number_b);
}

/* The keys of a dict in order; mm_free(). Mixed types have no order in Python either.
 */
static mm_value **sorted_keys(const mm_value *dict)
{
    size_t count = mm_value_len(dict);
    mm_value **keys = mm_alloc_array(count + 1, sizeof *keys);

    for (size_t i = 0; keys != NULL && i < count; i++) {
        keys[i] = mm_dict_key_at(dict, i);
        mm_kind kind = mm_value_kind(keys[i]);
        bool is_number =
            kind == MM_KIND_I64 || kind == MM_KIND_F64 || kind == MM_KIND_BOOL;
        if ((kind == MM_KIND_STR) != (mm_value_kind(keys[0]) == MM_KIND_STR) ||
            (kind != MM_KIND_STR && !is_number)) {
            mm_raise(MM_ETYPE,
                     "could not write JSON: keys of several types have no order");
            mm_free(keys);
            return NULL;
        }
    }
    if (keys != NULL) {
        qsort(keys, count, sizeof *keys, compare_keys);
    }
    return keys;
}

static void put_dict(struct writer *writer, const mm_value *dict)
{
    size_t count = mm_value_len(dict);
    mm_value **keys = writer->args->sort_keys ? sorted_keys(dict) : NULL;

    mmi_str_add_char(&writer->out, '{');
    writer->depth++;
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        if (i > 0) {
            put_comma(writer);
        } else {
            put_newline(writer);
        }
        put_key(writer, keys != NULL ? keys[i] : mm_dict_key_at(dict, i));
        put(writer,
            keys != NULL ? mm_dict_find_key(dict, keys[i]) : mm_dict_at(dict, i));
    }
    writer->depth--;
    if (count > 0) {
        put_newline(writer);
    }
    mmi_str_add_char(&writer->out, '}');
    mm_free(keys);
}

static void put_list(struct writer *writer, const mm_value *list)
{
    size_t count = mm_value_len(list);

    mmi_str_add_char(&writer->out, '[');
    writer->depth++;
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        if (i > 0) {
            put_comma(writer);
        } else {
            put_newline(writer);
        }
        put(writer, mm_list_get(list, i));
    }
    writer->depth--;
    if (count > 0) {
        put_newline(writer);
    }
    mmi_str_add_char(&writer->out, ']');
}

/* Tensors and NumPy scalars of one element are numbers. */
static void put_object(struct writer *writer, const mm_value *value)
{
    const mm_object_ops *ops = mm_value_object_ops(value);
    double number = 0.0;
    bool is_number = ops != NULL && ops->to_f64 != NULL &&
                     ops->to_f64(mm_value_find_object(value, NULL), &number);

    if (is_number) {
        put_f64(writer, number);
    } else if (!mmi_is_pending()) {
        mm_raise(MM_ETYPE,
                 "could not write JSON: a value of type '%s' has no form in it",
                 mm_value_type_name(value));
    }
}

static void put_container(struct writer *writer, const mm_value *value)
{
    if (writer->depth >= MMI_DOC_DEPTH) {
        mm_raise(MM_EDATA, "could not write JSON: containers are nested deeper than %d",
                 MMI_DOC_DEPTH);
    } else if (mm_value_kind(value) == MM_KIND_DICT) {
        put_dict(writer, value);
    } else {
        put_list(writer, value);
    }
}

static void put(struct writer *writer, const mm_value *value)
{
    if (mmi_is_pending()) {
        return;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_NONE:
        mmi_str_add(&writer->out, "null");
        break;
    case MM_KIND_BOOL:
        mmi_str_add(&writer->out, mm_value_bool(value) ? "true" : "false");
        break;
    case MM_KIND_I64:
        mmi_str_add_i64(&writer->out, mm_value_i64(value));
        break;
    case MM_KIND_BIGINT:
        mmi_str_add(&writer->out, mm_value_digits(value));
        break;
    case MM_KIND_F64:
        put_f64(writer, mm_value_f64(value));
        break;
    case MM_KIND_STR: {
        size_t size = 0;
        const char *text = mm_value_str_n(value, &size);
        put_text(writer, text, size);
        break;
    }
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
    case MM_KIND_DICT:
        put_container(writer, value);
        break;
    default:
        put_object(writer, value);
        break;
    }
}

char *mm_json_format(const mm_value *value, const mm_json_args *args)
{
    static const mm_json_args plain = {0};
    struct writer writer = {.args = args != NULL ? args : &plain};

    put(&writer, value);
    return mmi_str_take(&writer.out);
}
