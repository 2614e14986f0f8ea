/* Sorting: a stable merge sort over references, by keys that are computed first. */
#include <string.h>

#include "config/eval.h"
#include "mmengine/memory.h"

/* What is sorted: items with their keys and places. */
struct item {
    mm_value *value;
    mm_value *key; /* owned; the value itself without a key function */
    mm_source source;
};

struct sorting {
    mmi_eval *ev;
    bool reverse;
};

/* True if `b` must come before `a`. */
static bool comes_before(struct sorting *sorting, const struct item *b,
                         const struct item *a)
{
    int result = sorting->reverse ? mmi_compare(sorting->ev, OP_LT, a->key, b->key)
                                  : mmi_compare(sorting->ev, OP_LT, b->key, a->key);

    return result == 1 && mmi_step(sorting->ev, 1);
}

static void merge_sort(struct sorting *sorting, struct item *items, struct item *spare,
                       size_t count)
{
    size_t half = count / 2;
    size_t a = 0;
    size_t b = half;

    if (count < 2 || mm_has_error()) {
        return;
    }
    merge_sort(sorting, items, spare, half);
    merge_sort(sorting, items + half, spare, count - half);
    for (size_t i = 0; i < count; i++) {
        bool second = a == half || (b < count && !mm_has_error() &&
                                    comes_before(sorting, &items[b], &items[a]));

        spare[i] = second ? items[b++] : items[a++];
    }
    memcpy(items, spare, count * sizeof(*items));
}

static bool read_options(mmi_eval *ev, mm_value *named, mm_value **key, bool *reverse)
{
    for (size_t i = 0; named != NULL && i < mm_value_len(named); i++) {
        const char *name = mm_dict_name_at(named, i);
        mm_value *value = mm_dict_at(named, i);

        if (strcmp(name, "key") == 0) {
            *key = mm_value_is_none(value) ? NULL : value;
        } else if (strcmp(name, "reverse") == 0) {
            *reverse = mmi_is_true(value);
        } else {
            (void)mmi_fail(ev, EXC_TYPE, "sorting has no argument '%s'", name);
            (void)mm_error_hint("it has 'key' and 'reverse'");
            return false;
        }
    }
    return true;
}

bool mmi_sort(mmi_eval *ev, mm_value *list, mm_value *named)
{
    struct sorting sorting = {.ev = ev};
    size_t count = mm_value_len(list);
    mm_value *key = NULL;
    struct item *items = NULL;

    if (!read_options(ev, named, &key, &sorting.reverse)) {
        return false;
    }
    items = mm_alloc_array(count * 2 + 1, sizeof(*items));
    for (size_t i = 0; items != NULL && i < count; i++) {
        mm_value *value = mm_list_get(list, i);

        items[i].value = mm_value_ref(value);
        items[i].source = mmi_list_source_of(list, i);
        items[i].key = key == NULL ? mm_value_ref(value) : mmi_call_one(ev, key, value);
    }
    if (!mm_has_error() && mm_value_len(list) == count) {
        merge_sort(&sorting, items, items + count, count);
    }
    for (size_t i = 0; items != NULL && i < count; i++) {
        if (!mm_has_error()) {
            mm_list_put(list, i, items[i].value);
            mm_list_set_source(list, i, items[i].source);
        }
        mm_value_unref(items[i].value);
        mm_value_unref(items[i].key);
    }
    mm_free(items);
    return !mm_has_error();
}
