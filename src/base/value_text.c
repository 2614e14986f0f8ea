/* Python's repr() of values. */
#include <string.h>

#include "base/str.h"
#include "base/unicode.h"
#include "base/value_impl.h"

static void add_value(mmi_str *out, const mm_value *value, int depth);

/* Python prefers single quotes, unless only those occur inside. */
static char quote_for(const char *text, size_t size)
{
    return memchr(text, '\'', size) != NULL && memchr(text, '"', size) == NULL ? '"'
                                                                               : '\'';
}

/* True if the byte, an ASCII character, was written. */
static bool add_ascii(mmi_str *out, unsigned char c, char quote)
{
    switch (c) {
    case '\n':
        mmi_str_add(out, "\\n");
        return true;
    case '\r':
        mmi_str_add(out, "\\r");
        return true;
    case '\t':
        mmi_str_add(out, "\\t");
        return true;
    default:
        break;
    }
    if (c == '\\' || c == (unsigned char)quote) {
        mmi_str_add_char(out, '\\');
    }
    if (c >= 0x20 && c < 0x7F) {
        mmi_str_add_char(out, (char)c);
        return true;
    }
    return false;
}

static void add_str(mmi_str *out, const mmi_value_text *text)
{
    char quote = quote_for(text->data, text->size);
    const char *data = text->data;
    mmi_str_add_char(out, quote);
    for (size_t i = 0; i < text->size;) {
        uint32_t code = 0;
        size_t length = mmi_utf8_decode(data + i, text->size - i, &code);
        if (length == 0 && mmi_utf8_is_surrogate(data + i, text->size - i)) {
            mmi_str_addf(out, "\\ud%x%02x", (unsigned)data[i + 1] >> 2 & 0xf,
                         ((unsigned)data[i + 1] << 6 | ((unsigned)data[i + 2] & 0x3f)) &
                             0xff);
            length = 3;
        } else if (length == 0) { /* no UTF-8: as Python's surrogateescape reads it */
            mmi_str_addf(out, "\\udc%02x", (unsigned)(unsigned char)data[i]);
            length = 1;
        } else if (code < 0x80 && add_ascii(out, (unsigned char)code, quote)) {
            /* written */
        } else if (mmi_unicode_is_printable(code)) {
            mmi_str_add_n(out, data + i, length);
        } else if (code < 0x100) {
            mmi_str_addf(out, "\\x%02x", (unsigned)code);
        } else if (code < 0x10000) {
            mmi_str_addf(out, "\\u%04x", (unsigned)code);
        } else {
            mmi_str_addf(out, "\\U%08x", (unsigned)code);
        }
        i += length;
    }
    mmi_str_add_char(out, quote);
}

static void add_bytes(mmi_str *out, const mmi_value_text *bytes)
{
    char quote = quote_for(bytes->data, bytes->size);
    mmi_str_add_char(out, 'b');
    mmi_str_add_char(out, quote);
    for (size_t i = 0; i < bytes->size; i++) {
        unsigned char c = (unsigned char)bytes->data[i];
        if (!add_ascii(out, c, quote)) {
            mmi_str_addf(out, "\\x%02x", (unsigned)c);
        }
    }
    mmi_str_add_char(out, quote);
}

static void add_list(mmi_str *out, const mmi_value_list *list, int depth)
{
    bool is_tuple = list->head.kind == MM_KIND_TUPLE;
    mmi_str_add_char(out, is_tuple ? '(' : '[');
    for (size_t i = 0; i < list->count; i++) {
        mmi_str_add(out, i > 0 ? ", " : "");
        add_value(out, list->items[i], depth + 1);
    }
    mmi_str_add(out, is_tuple && list->count == 1 ? "," : "");
    mmi_str_add_char(out, is_tuple ? ')' : ']');
}

static void add_table(mmi_str *out, const mmi_value_dict *dict, int depth)
{
    bool is_first = true;
    if (dict->head.kind == MM_KIND_SET && mmi_dict_count(dict) == 0) {
        mmi_str_add(out, "set()");
        return;
    }
    mmi_str_add_char(out, '{');
    for (uint32_t i = 0; i < dict->used; i++) {
        const mmi_entry *entry = &dict->entries[i];
        if (entry->key == NULL) {
            continue;
        }
        mmi_str_add(out, is_first ? "" : ", ");
        is_first = false;
        add_value(out, entry->key, depth + 1);
        if (entry->value != NULL) {
            mmi_str_add(out, ": ");
            add_value(out, entry->value, depth + 1);
        }
    }
    mmi_str_add_char(out, '}');
}

static void add_object(mmi_str *out, const mmi_value_object *object)
{
    if (object->ops->print == NULL) {
        mmi_str_addf(out, "<%s>", object->ops->name);
        return;
    }
    char *text = object->ops->print(object->object);
    if (text != NULL) {
        mmi_str_add(out, text);
        mm_free(text);
    }
}

static void add_value(mmi_str *out, const mm_value *value, int depth)
{
    if (!mmi_value_depth_ok(depth) || mmi_is_pending()) {
        return;
    }
    switch ((mm_kind)value->kind) {
    case MM_KIND_NONE:
        mmi_str_add(out, "None");
        break;
    case MM_KIND_BOOL:
        mmi_str_add(out, MMI_AS_CONST(i64, value)->value != 0 ? "True" : "False");
        break;
    case MM_KIND_I64:
        mmi_str_add_i64(out, MMI_AS_CONST(i64, value)->value);
        break;
    case MM_KIND_BIGINT:
        mmi_str_add_n(out, MMI_AS_CONST(text, value)->data,
                      MMI_AS_CONST(text, value)->size);
        break;
    case MM_KIND_F64:
        mmi_str_add_f64(out, MMI_AS_CONST(f64, value)->value);
        break;
    case MM_KIND_STR:
        add_str(out, MMI_AS_CONST(text, value));
        break;
    case MM_KIND_BYTES:
        add_bytes(out, MMI_AS_CONST(text, value));
        break;
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        add_list(out, MMI_AS_CONST(list, value), depth);
        break;
    case MM_KIND_SET:
    case MM_KIND_DICT:
        add_table(out, MMI_AS_CONST(dict, value), depth);
        break;
    case MM_KIND_OBJECT:
        add_object(out, MMI_AS_CONST(object, value));
        break;
    }
}

char *mm_value_repr(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    mmi_str out = {0};
    add_value(&out, value, 0);
    return mmi_str_take(&out);
}
