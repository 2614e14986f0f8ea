/* Helpers that add a place to the base library's containers. */
#include "config/util.h"

#include <string.h>

#include "base/unicode.h"

void mmi_str_add_utf8(mmi_str *str, uint32_t code)
{
    char bytes[4];

    mmi_str_add_n(str, bytes, mmi_utf8_encode(code, bytes));
}

void mmi_str_fill(mmi_str *str, char c, size_t count)
{
    char *bytes = count == 0 ? NULL : mmi_str_extend(str, count);

    if (bytes != NULL) {
        memset(bytes, c, count);
    }
}

mm_value *mmi_str_value(mmi_str *str)
{
    mm_value *value = mm_value_new_str_n(mmi_str_text(str), str->size);

    mmi_str_deinit(str);
    return value;
}

void mmi_dict_put_at(mm_value *dict, mm_value *key, mm_value *value, mm_source source)
{
    size_t count = mm_has_error() ? 0 : mm_value_len(dict);

    if (dict == value) {
        (void)mm_raise(MM_EINVAL, "a dict cannot contain itself");
        return;
    }
    mm_dict_put_key(dict, key, value);
    if (source.file == NULL || mm_has_error()) {
        return;
    }
    if (mm_value_len(dict) > count) {
        mm_dict_set_source_at(dict, count, source);
    } else if (mm_value_kind(key) == MM_KIND_STR) {
        mm_dict_set_source(dict, mm_value_str(key), source);
    }
}

void mmi_list_append_at(mm_value *list, mm_value *item, mm_source source)
{
    if (list == item) {
        (void)mm_raise(MM_EINVAL, "a list cannot contain itself");
        return;
    }
    mm_list_append(list, item);
    if (source.file != NULL && !mm_has_error()) {
        mm_list_set_source(list, mm_value_len(list) - 1, source);
    }
}

mm_source mmi_dict_source_of(const mm_value *dict, size_t index)
{
    const mm_source *source = mm_dict_source_at(dict, index);

    return source == NULL ? (mm_source){0} : *source;
}

mm_source mmi_list_source_of(const mm_value *list, size_t index)
{
    const mm_source *source = mm_list_source(list, index);

    return source == NULL ? (mm_source){0} : *source;
}
