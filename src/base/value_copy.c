/*
 * Deep copies and freezing. Like Python's deepcopy, a container that is reached twice
 * is copied once, so what was shared is shared in the copy; only containers with more
 * than one reference need to be remembered for that.
 */
#include <string.h>

#include "base/value_impl.h"
#include "base/vec.h"

struct pair {
    const mm_value *from;
    mm_value *to; /* borrowed: the copy keeps it alive */
};

/* Open addressing by address; `count` of `capacity` slots are in use. */
struct memo {
    struct pair *slots;
    size_t count;
    size_t capacity;
};

static size_t slot_of(const struct memo *memo, const mm_value *from)
{
    uint64_t hash = (uint64_t)(uintptr_t)from * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(hash >> 20) & (memo->capacity - 1);
    while (memo->slots[slot].from != NULL && memo->slots[slot].from != from) {
        slot = (slot + 1) & (memo->capacity - 1);
    }
    return slot;
}

static bool memo_grow(struct memo *memo)
{
    struct memo grown = {0};
    grown.capacity = memo->capacity == 0 ? 32 : memo->capacity * 2;
    grown.slots = mm_alloc_array(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < memo->capacity; i++) {
        if (memo->slots[i].from != NULL) {
            grown.slots[slot_of(&grown, memo->slots[i].from)] = memo->slots[i];
        }
    }
    grown.count = memo->count;
    mm_free(memo->slots);
    *memo = grown;
    return true;
}

static mm_value *memo_find(const struct memo *memo, const mm_value *from)
{
    return memo->capacity == 0 ? NULL : memo->slots[slot_of(memo, from)].to;
}

static void memo_put(struct memo *memo, const mm_value *from, mm_value *to)
{
    if ((memo->count + 1) * 2 > memo->capacity && !memo_grow(memo)) {
        return;
    }
    memo->slots[slot_of(memo, from)] = (struct pair){from, to};
    memo->count++;
}

static mm_value *copy(const mm_value *value, struct memo *memo, int depth);

static mm_source *copy_sources(const mm_source *sources, size_t count, size_t capacity)
{
    mm_source *copied = mm_alloc_array(capacity, sizeof *copied);
    if (copied != NULL) {
        memcpy(copied, sources, count * sizeof *copied);
    }
    return copied;
}

static void copy_list(const mmi_value_list *from, mmi_value_list *to, struct memo *memo,
                      int depth)
{
    if (from->count == 0) {
        return;
    }
    to->items = mm_alloc_array(from->count, sizeof *to->items);
    if (to->items == NULL) {
        return;
    }
    to->capacity = from->count;
    for (size_t i = 0; i < from->count; i++) {
        mm_value *item = copy(from->items[i], memo, depth + 1);
        if (item == NULL) {
            return;
        }
        to->items[to->count++] = item;
    }
    if (from->sources != NULL) {
        to->sources = copy_sources(from->sources, from->count, to->capacity);
    }
}

static void copy_table(mmi_value_dict *from, mmi_value_dict *to, struct memo *memo,
                       int depth)
{
    mmi_dict_compact(from);
    if (!mmi_dict_reserve(to, from->used)) {
        return;
    }
    for (uint32_t i = 0; i < from->used; i++) {
        const mmi_entry *entry = &from->entries[i];
        mm_value *value =
            entry->value != NULL ? copy(entry->value, memo, depth + 1) : NULL;
        if (mmi_is_pending()) {
            return;
        }
        /* Keys are immutable: scalars and frozen tuples. */
        to->entries[to->used] =
            (mmi_entry){entry->hash, mm_value_ref(entry->key), value};
        if (to->index.slots != NULL) {
            mmi_index_put(&to->index, entry->hash, to->used);
        }
        to->used++;
    }
    if (from->sources != NULL) {
        to->sources = copy_sources(from->sources, from->used, to->capacity);
    }
}

static mm_value *copy_object(const mmi_value_object *from)
{
    if (from->ops->copy == NULL) {
        return mm_value_new_object(from->object, from->ops);
    }
    void *object = from->ops->copy(from->object);
    if (object == NULL) {
        mm_raise(MM_EINTERNAL, "could not copy an object of type '%s'",
                 from->ops->name);
        return NULL;
    }
    mm_value *made = mm_value_new_object(object, from->ops);
    from->ops->unref(object); /* the value has its own reference */
    return made;
}

static mm_value *new_like(const mm_value *value)
{
    switch ((mm_kind)value->kind) {
    case MM_KIND_LIST:
        return mm_value_new_list();
    case MM_KIND_TUPLE:
        return mm_value_new_tuple();
    case MM_KIND_SET:
        return mm_value_new_set();
    default:
        return mm_value_new_dict();
    }
}

static mm_value *copy_container(const mm_value *value, struct memo *memo, int depth)
{
    mm_value *made = mmi_value_depth_ok(depth) ? new_like(value) : NULL;
    if (made == NULL) {
        return NULL;
    }
    if (mmi_is_sequence(value)) {
        copy_list(MMI_AS_CONST(list, value), MMI_AS(list, made), memo, depth);
    } else {
        copy_table(MMI_AS(dict, value), MMI_AS(dict, made), memo, depth);
    }
    if (mmi_is_pending()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *copy(const mm_value *value, struct memo *memo, int depth)
{
    if (!mmi_is_container(value) && value->kind != MM_KIND_OBJECT) {
        return mm_value_ref(MMI_SHARED(value));
    }
    bool is_shared = atomic_load_explicit(&value->refs, memory_order_relaxed) > 1;
    mm_value *made = is_shared ? mm_value_ref(memo_find(memo, value)) : NULL;
    if (made != NULL) {
        return made;
    }
    made = value->kind == MM_KIND_OBJECT ? copy_object(MMI_AS_CONST(object, value))
                                         : copy_container(value, memo, depth);
    if (is_shared && made != NULL) {
        memo_put(memo, value, made);
        if (mmi_is_pending()) {
            mm_value_unref(made);
            return NULL;
        }
    }
    return made;
}

mm_value *mm_value_copy(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    struct memo memo = {0};
    mm_value *made = copy(value, &memo, 0);
    mm_free(memo.slots);
    return made;
}

static void freeze(mm_value *value, int depth)
{
    if (!mmi_is_container(value) || (value->flags & MMI_VALUE_FROZEN) != 0 ||
        !mmi_value_depth_ok(depth)) {
        return;
    }
    value->flags = (uint8_t)(value->flags | MMI_VALUE_FROZEN);
    if (mmi_is_sequence(value)) {
        mmi_value_list *list = MMI_AS(list, value);
        for (size_t i = 0; i < list->count; i++) {
            freeze(list->items[i], depth + 1);
        }
        return;
    }
    mmi_value_dict *dict = MMI_AS(dict, value);
    mmi_dict_compact(dict);
    for (uint32_t i = 0; i < dict->used && value->kind == MM_KIND_DICT; i++) {
        freeze(dict->entries[i].value, depth + 1);
    }
}

void mm_value_freeze(mm_value *value)
{
    if (MMI_NEED(value)) {
        freeze(value, 0);
    }
}

bool mm_value_is_frozen(const mm_value *value)
{
    return value == NULL || !mmi_is_container(value) ||
           (value->flags & MMI_VALUE_FROZEN) != 0;
}
