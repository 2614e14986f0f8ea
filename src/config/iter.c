/* Iteration over every kind of value that Python iterates over, without making an
 * object for it. */
#include "config/chars.h"
#include "config/objects.h"

bool mmi_iter_init(mmi_eval *ev, mmi_iter *iter, mm_value *over)
{
    const mm_object_ops *ops = NULL;

    *iter = (mmi_iter){0};
    switch (mm_value_kind(over)) {
    case MM_KIND_STR:
    case MM_KIND_BYTES:
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
        break;
    case MM_KIND_DICT:
        iter->expected = mm_value_len(over);
        break;
    case MM_KIND_OBJECT:
        ops = mm_value_object_ops(over);
        if (ops == &mmi_view_ops) {
            const mmi_view_object *view = mm_value_find_object(over, ops);

            iter->expected = mm_value_len(view->dict);
            break;
        }
        if (ops == &mmi_range_ops || ops == &mmi_iterator_ops || ops == &mmi_file_ops) {
            break;
        }
        /* fall through */
    default:
        (void)mmi_fail(ev, EXC_TYPE, "cannot iterate over %s",
                       mm_value_type_name(over));
        return false;
    }
    iter->over = mm_value_ref(over);
    return true;
}

static mm_value *next_character(mmi_iter *iter)
{
    size_t size = 0;
    const char *text = mm_value_str_n(iter->over, &size);
    size_t at = iter->index;
    uint32_t code = 0;

    if (at >= size) {
        return NULL;
    }
    iter->index += mmi_utf8_decode(text + at, size - at, &code);
    return mm_value_new_str_n(text + at, iter->index - at);
}

static mm_value *next_byte(mmi_iter *iter)
{
    size_t size = 0;
    const unsigned char *data = mm_value_bytes(iter->over, &size);

    return iter->index < size ? mm_value_new_i64(data[iter->index++]) : NULL;
}

static bool is_unchanged(mmi_eval *ev, const mmi_iter *iter, const mm_value *dict)
{
    if (mm_value_len(dict) != iter->expected) {
        (void)mmi_fail(ev, EXC_RUNTIME,
                       "the dict changes size while it is iterated over");
        return false;
    }
    return true;
}

static mm_value *next_of_object(mmi_eval *ev, mmi_iter *iter)
{
    const mm_object_ops *ops = mm_value_object_ops(iter->over);
    void *object = mm_value_find_object(iter->over, ops);

    if (ops == &mmi_range_ops) {
        const mmi_range_object *range = object;

        return iter->index < (size_t)range->count
                   ? mm_value_new_i64(mmi_range_at(range, (int64_t)iter->index++))
                   : NULL;
    }
    if (ops == &mmi_view_ops) {
        const mmi_view_object *view = object;

        if (!is_unchanged(ev, iter, view->dict) ||
            iter->index >= mm_value_len(view->dict)) {
            return NULL;
        }
        return mmi_view_at(view, iter->index++);
    }
    if (ops == &mmi_file_ops) {
        return mmi_file_next(ev, object);
    }
    return ((mmi_iterator *)object)->next(ev, object);
}

mm_value *mmi_iter_next(mmi_eval *ev, mmi_iter *iter)
{
    if (iter->over == NULL || !mmi_step(ev, 1)) {
        return NULL;
    }
    switch (mm_value_kind(iter->over)) {
    case MM_KIND_STR:
        return next_character(iter);
    case MM_KIND_BYTES:
        return next_byte(iter);
    case MM_KIND_DICT:
        return is_unchanged(ev, iter, iter->over) && iter->index < iter->expected
                   ? mm_value_ref(mm_dict_key_at(iter->over, iter->index++))
                   : NULL;
    case MM_KIND_OBJECT:
        return next_of_object(ev, iter);
    default: /* the length may change while a list is iterated over */
        return iter->index < mm_value_len(iter->over)
                   ? mm_value_ref(mm_list_get(iter->over, iter->index++))
                   : NULL;
    }
}

mm_source mmi_iter_source(const mmi_iter *iter)
{
    mm_kind kind = mm_value_kind(iter->over);

    return iter->index > 0 && (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE)
               ? mmi_list_source_of(iter->over, iter->index - 1)
               : (mm_source){0};
}

void mmi_iter_deinit(mmi_iter *iter)
{
    mm_value_unref(iter->over);
    iter->over = NULL;
}

bool mmi_extend(mmi_eval *ev, mm_value *list, mm_value *over)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;
    bool self = list == over; /* x.extend(x): the length before counts */
    size_t count = self ? mm_value_len(over) : 0;

    if (!mmi_iter_init(ev, &iter, over)) {
        return false;
    }
    while ((!self || iter.index < count) && (item = mmi_iter_next(ev, &iter)) != NULL) {
        if (mmi_reserve_items(ev, 1)) {
            mmi_list_append_at(list, item, mmi_iter_source(&iter));
        }
        mm_value_unref(item);
    }
    mmi_iter_deinit(&iter);
    return !mm_has_error();
}

mm_value *mmi_to_list(mmi_eval *ev, mm_value *over)
{
    mm_value *list = mm_value_new_list();

    if (list != NULL && !mmi_extend(ev, list, over)) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}
