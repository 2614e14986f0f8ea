/* Nested data made anew. */
#include "base/value_convert.h"

bool mmi_value_is_container(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_DICT || kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
}

static mm_value *convert_dict(const mm_value *dict, mmi_convert_fn convert, void *user)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        mm_value *item = convert(mm_dict_at(dict, i), user);

        mm_dict_put_key(out, mm_dict_key_at(dict, i), item);
        mm_value_unref(item);
    }
    return out;
}

mm_value *mmi_value_convert_items(const mm_value *value, mmi_convert_fn convert,
                                  void *user)
{
    if (mm_value_kind(value) == MM_KIND_DICT)
        return convert_dict(value, convert, user);
    mm_value *out = mm_value_kind(value) == MM_KIND_TUPLE ? mm_value_new_tuple()
                                                          : mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++)
        mm_list_push(out, convert(mm_list_get(value, i), user));
    return out;
}

mm_value *mmi_value_keep(const mm_value *value)
{
    return mm_value_ref((mm_value *)(uintptr_t)value);
}
