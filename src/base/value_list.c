/* Lists and tuples, which are lists until they are frozen, and the items of sets. */
#include <string.h>

#include "base/value_impl.h"

static const mm_source no_source;

/* The list to change, or NULL with an error pending. */
static mmi_value_list *to_change(const char *function, mm_value *list, mm_value *item)
{
    if (!mmi_is_sequence(list)) {
        mmi_value_wrong(function, "a list", list);
        return NULL;
    }
    if (item == list) {
        mm_raise(MM_EINVAL, "%s cannot put a list into itself", function);
        return NULL;
    }
    return mmi_value_may_change(function, list) ? MMI_AS(list, list) : NULL;
}

static bool make_room(mmi_value_list *list)
{
    if (MMI_LIKELY(list->count < list->capacity)) {
        return true;
    }
    size_t capacity = list->capacity < 4 ? 4 : list->capacity * 2;
    if (capacity > SIZE_MAX / 4 / sizeof(mm_source)) {
        mm_raise(MM_ENOMEM, "could not grow a list to %zu items", capacity);
        return false;
    }
    if (list->sources != NULL) {
        mm_source *sources =
            mm_realloc(list->sources, capacity * sizeof *list->sources);
        if (sources == NULL) {
            return false;
        }
        list->sources = sources;
    }
    mm_value **items = mm_realloc(list->items, capacity * sizeof *list->items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    list->capacity = capacity;
    return true;
}

static bool insert(mmi_value_list *list, size_t index, mm_value *item)
{
    if (!make_room(list)) {
        return false;
    }
    size_t behind = list->count - index;
    memmove(list->items + index + 1, list->items + index, behind * sizeof(mm_value *));
    list->items[index] = item;
    if (list->sources != NULL) {
        memmove(list->sources + index + 1, list->sources + index,
                behind * sizeof(mm_source));
        list->sources[index] = no_source;
    }
    list->count++;
    return true;
}

void mm_list_append(mm_value *list, mm_value *item)
{
    if (!MMI_NEED(list) || !MMI_NEED(item)) {
        return;
    }
    mmi_value_list *target = to_change(__func__, list, item);
    if (target != NULL && insert(target, target->count, item)) {
        mm_value_ref(item);
    }
}

void mm_list_push(mm_value *list, mm_value *item)
{
    if (MMI_NEED(list) && MMI_NEED(item)) {
        mmi_value_list *target = to_change(__func__, list, item);
        if (target != NULL && insert(target, target->count, item)) {
            return;
        }
    }
    mm_value_unref(item);
}

static bool is_inside(const char *function, const mm_value *list, size_t index,
                      size_t limit)
{
    if (index < limit) {
        return true;
    }
    mm_raise(MM_ERANGE, "%s: index %zu is outside a %s of %zu items", function, index,
             mm_value_type_name(list), mm_value_len(list));
    return false;
}

mm_value *mm_list_get(const mm_value *list, size_t index)
{
    if (!MMI_NEED(list)) {
        return NULL;
    }
    if (list->kind == MM_KIND_SET) {
        return mm_dict_key_at(list, index);
    }
    if (!mmi_is_sequence(list)) {
        mmi_value_wrong(__func__, "a list, tuple or set", list);
        return NULL;
    }
    return is_inside(__func__, list, index, MMI_AS_CONST(list, list)->count)
               ? MMI_AS_CONST(list, list)->items[index]
               : NULL;
}

void mm_list_put(mm_value *list, size_t index, mm_value *item)
{
    if (!MMI_NEED(list) || !MMI_NEED(item)) {
        return;
    }
    mmi_value_list *target = to_change(__func__, list, item);
    if (target != NULL && is_inside(__func__, list, index, target->count)) {
        mm_value *former = target->items[index];
        target->items[index] = mm_value_ref(item);
        mm_value_unref(former);
    }
}

void mm_list_insert(mm_value *list, size_t index, mm_value *item)
{
    if (!MMI_NEED(list) || !MMI_NEED(item)) {
        return;
    }
    mmi_value_list *target = to_change(__func__, list, item);
    if (target != NULL && is_inside(__func__, list, index, target->count + 1) &&
        insert(target, index, item)) {
        mm_value_ref(item);
    }
}

void mm_list_remove(mm_value *list, size_t index)
{
    if (!MMI_NEED(list)) {
        return;
    }
    mmi_value_list *target = to_change(__func__, list, NULL);
    if (target == NULL || !is_inside(__func__, list, index, target->count)) {
        return;
    }
    mm_value *removed = target->items[index];
    size_t behind = --target->count - index;
    memmove(target->items + index, target->items + index + 1,
            behind * sizeof(mm_value *));
    if (target->sources != NULL) {
        memmove(target->sources + index, target->sources + index + 1,
                behind * sizeof(mm_source));
    }
    mm_value_unref(removed);
}

const mm_source *mm_list_source(const mm_value *list, size_t index)
{
    if (list == NULL || !mmi_is_sequence(list)) {
        return NULL;
    }
    const mmi_value_list *from = MMI_AS_CONST(list, list);
    if (from->sources == NULL || index >= from->count ||
        from->sources[index].file == NULL) {
        return NULL;
    }
    return &from->sources[index];
}

void mm_list_set_source(mm_value *list, size_t index, mm_source source)
{
    if (!MMI_NEED(list)) {
        return;
    }
    mmi_value_list *target = to_change(__func__, list, NULL);
    if (target == NULL || !is_inside(__func__, list, index, target->count)) {
        return;
    }
    if (target->sources == NULL) {
        target->sources = mm_alloc_array(target->capacity, sizeof(mm_source));
    }
    if (target->sources != NULL) {
        target->sources[index] = source;
    }
}
