/* Growing texts and growing arrays: capacity doubles, so that adding is cheap on the
 * whole. */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "mmengine/number.h"

bool mmi_vec_grow(void *data_address, size_t *capacity, size_t wanted, size_t item_size)
{
    enum { FIRST_BYTES = 64 };
    if (mmi_is_pending()) {
        return false;
    }
    size_t grown =
        *capacity < FIRST_BYTES / item_size ? FIRST_BYTES / item_size : *capacity * 2;
    if (grown < wanted) {
        grown = wanted;
    }
    if (grown > SIZE_MAX / 2 / item_size) {
        mm_raise(MM_ENOMEM, "could not allocate %zu items of %zu bytes", wanted,
                 item_size);
        return false;
    }
    void *data = NULL;
    memcpy(&data, data_address, sizeof data); /* a T * read as void * */
    data = mm_realloc(data, grown * item_size);
    if (data == NULL) {
        return false;
    }
    memcpy(data_address, &data, sizeof data);
    *capacity = grown;
    return true;
}

void mmi_str_deinit(mmi_str *str)
{
    mm_free(str->data);
    *str = (mmi_str){0};
}

void mmi_str_clear(mmi_str *str)
{
    mmi_str_cut(str, 0);
}

void mmi_str_cut(mmi_str *str, size_t size)
{
    if (size < str->size) {
        str->size = size;
        str->data[size] = '\0';
    }
}

char *mmi_str_extend(mmi_str *str, size_t count)
{
    if (mmi_is_pending()) {
        return NULL;
    }
    if (count >= SIZE_MAX / 2 - str->size) {
        mm_raise(MM_ENOMEM, "could not grow a text by %zu bytes", count);
        return NULL;
    }
    size_t wanted = str->size + count + 1;
    if (wanted > str->capacity &&
        !mmi_vec_grow(&str->data, &str->capacity, wanted, sizeof(char))) {
        return NULL;
    }
    char *added = str->data + str->size;
    str->size += count;
    str->data[str->size] = '\0';
    return added;
}

void mmi_str_add_n(mmi_str *str, const char *text, size_t size)
{
    char *added = mmi_str_extend(str, size);
    if (added != NULL && size > 0) {
        memcpy(added, text, size);
    }
}

void mmi_str_add(mmi_str *str, const char *text)
{
    if (text != NULL || !mmi_is_pending()) { /* NULL: the call that gave it failed */
        mmi_str_add_n(str, text, strlen(text));
    }
}

void mmi_str_add_char(mmi_str *str, char c)
{
    char *added = mmi_str_extend(str, 1);
    if (added != NULL) {
        *added = c;
    }
}

void mmi_str_add_i64(mmi_str *str, int64_t value)
{
    char text[MM_I64_TEXT_SIZE];
    mmi_str_add_n(str, text, mm_i64_format(value, text));
}

void mmi_str_add_little(mmi_str *str, uint64_t number, int size)
{
    char bytes[8];

    for (int i = 0; i < size; i++) {
        bytes[i] = (char)(unsigned char)(number >> (8 * i));
    }
    mmi_str_add_n(str, bytes, (size_t)size);
}

void mmi_str_add_f64(mmi_str *str, double value)
{
    char text[MM_F64_TEXT_SIZE];
    mmi_str_add_n(str, text, mm_f64_format(value, text));
}

void mmi_str_addf(mmi_str *str, const char *format, ...)
{
    if (mmi_is_pending()) {
        return;
    }
    size_t room = str->capacity - str->size; /* most texts fit at once */
    va_list values;
    va_start(values, format);
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(room > 0 ? str->data + str->size : NULL, room, format, values);
    va_end(values);
    if (size < 0) {
        mm_raise(MM_EINVAL, "could not format a text with '%s'", format);
    } else if ((size_t)size < room) {
        str->size += (size_t)size;
    } else {
        char *added = mmi_str_extend(str, (size_t)size);
        if (added != NULL) {
            vsnprintf(added, (size_t)size + 1, format, again);
        }
    }
    va_end(again);
}

const char *mmi_str_text(const mmi_str *str)
{
    return str->data != NULL ? str->data : "";
}

char *mmi_str_take(mmi_str *str)
{
    if (!mmi_is_pending() && str->data == NULL) {
        mmi_str_extend(str, 0);
    }
    if (mmi_is_pending()) {
        mmi_str_deinit(str);
        return NULL;
    }
    char *text = str->data;
    *str = (mmi_str){0};
    return text;
}
