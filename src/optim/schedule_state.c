/* Small readers and writers for state dicts; see the header. */
#include "optim/schedule_state.h"

#include <math.h>

void mmi_put_number(mm_value *dict, const char *key, double value)
{
    if (value == trunc(value) && fabs(value) < 9e15) {
        mm_dict_put_i64(dict, key, (int64_t)value);
    } else {
        mm_dict_put_f64(dict, key, value);
    }
}

void mmi_put_maybe(mm_value *dict, const char *key, mm_maybe_f64 value)
{
    if (value.has) {
        mmi_put_number(dict, key, value.value);
    } else {
        mm_dict_take(dict, key, mm_value_new_none());
    }
}

mm_value *mmi_f64s_new(const double *values, size_t count)
{
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < count; i++) {
        mm_list_push(list, mm_value_new_f64(values[i]));
    }
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

mm_value *mmi_i64s_new(const int64_t *values, size_t count)
{
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < count; i++) {
        mm_list_push(list, mm_value_new_i64(values[i]));
    }
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

/* The entry, or NULL if it is absent or an error is pending. */
static const mm_value *find(const mm_value *dict, const char *key)
{
    return mm_has_error() ? NULL : mm_dict_find(dict, key);
}

void mmi_read_bool(const mm_value *dict, const char *key, bool *out)
{
    const mm_value *value = find(dict, key);

    if (value != NULL) {
        bool read = mm_value_bool(value);

        *out = mm_has_error() ? *out : read;
    }
}

void mmi_read_i64(const mm_value *dict, const char *key, int64_t *out)
{
    const mm_value *value = find(dict, key);

    if (value != NULL) {
        int64_t read = mm_value_i64(value);

        *out = mm_has_error() ? *out : read;
    }
}

void mmi_read_f64(const mm_value *dict, const char *key, double *out)
{
    const mm_value *value = find(dict, key);

    if (value != NULL) {
        double read = mm_value_f64(value);

        *out = mm_has_error() ? *out : read;
    }
}

void mmi_read_maybe(const mm_value *dict, const char *key, mm_maybe_f64 *out)
{
    const mm_value *value = find(dict, key);

    if (value == NULL) {
        return;
    }
    if (mm_value_is_none(value)) {
        *out = (mm_maybe_f64){0};
        return;
    }
    double read = mm_value_f64(value);

    if (!mm_has_error()) {
        *out = (mm_maybe_f64){true, read};
    }
}

void mmi_read_f64s(const mm_value *dict, const char *key, double *out, size_t count)
{
    const mm_value *list = find(dict, key);

    if (list == NULL) {
        return;
    }
    if (mm_value_len(list) != count && !mm_has_error()) {
        mm_raise(MM_EDATA, "'%s' has %zu entries, expected %zu", key,
                 mm_value_len(list), count);
    }
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        double read = mm_value_f64(mm_list_get(list, i));

        out[i] = mm_has_error() ? out[i] : read;
    }
}
