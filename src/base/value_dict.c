/*
 * Dicts and sets: CPython's compact form. Entries lie in the order of insertion; from
 * more than MMI_INDEX_LINEAR entries on a hash index leads to them. A removed entry
 * leaves a hole, which is closed before anyone asks for the i-th entry, so removal is
 * cheap and access by position direct. Frozen dicts have no holes: readers on several
 * threads change nothing.
 */
#include <string.h>

#include "base/value_impl.h"

static const mm_source no_source;

static bool is_entry_of(const mmi_entry *entry, const mm_value *key, uint64_t hash)
{
    return entry->hash == hash && entry->key != NULL &&
           mmi_value_same(entry->key, key, 0);
}

static bool is_entry_of_text(const mmi_entry *entry, const char *text, size_t size,
                             uint64_t hash)
{
    if (entry->hash != hash || entry->key == NULL || entry->key->kind != MM_KIND_STR) {
        return false;
    }
    const mmi_value_text *key = MMI_AS_CONST(text, entry->key);
    return key->size == size && memcmp(key->data, text, size) == 0;
}

mmi_entry *mmi_dict_lookup(const mmi_value_dict *dict, const mm_value *key,
                           uint64_t hash)
{
    if (dict->index.slots == NULL) {
        for (uint32_t i = 0; i < dict->used; i++) {
            if (is_entry_of(&dict->entries[i], key, hash)) {
                return &dict->entries[i];
            }
        }
        return NULL;
    }
    uint32_t slot = mmi_index_first(&dict->index, hash);
    int32_t place = 0;
    while ((place = dict->index.slots[slot]) != MMI_INDEX_EMPTY) {
        if (place >= 0 && is_entry_of(&dict->entries[place], key, hash)) {
            return &dict->entries[place];
        }
        slot = mmi_index_next(&dict->index, slot);
    }
    return NULL;
}

static mmi_entry *lookup_text(const mmi_value_dict *dict, const char *text, size_t size,
                              uint64_t hash)
{
    if (dict->index.slots == NULL) {
        for (uint32_t i = 0; i < dict->used; i++) {
            if (is_entry_of_text(&dict->entries[i], text, size, hash)) {
                return &dict->entries[i];
            }
        }
        return NULL;
    }
    uint32_t slot = mmi_index_first(&dict->index, hash);
    int32_t place = 0;
    while ((place = dict->index.slots[slot]) != MMI_INDEX_EMPTY) {
        if (place >= 0 && is_entry_of_text(&dict->entries[place], text, size, hash)) {
            return &dict->entries[place];
        }
        slot = mmi_index_next(&dict->index, slot);
    }
    return NULL;
}

/* Closes the holes. The index keeps its size and is filled anew. */
void mmi_dict_compact(mmi_value_dict *dict)
{
    if (dict->holes == 0) {
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < dict->used; i++) {
        if (dict->entries[i].key != NULL) {
            dict->entries[kept] = dict->entries[i];
            if (dict->sources != NULL) {
                dict->sources[kept] = dict->sources[i];
            }
            kept++;
        }
    }
    dict->used = kept;
    dict->holes = 0;
    if (dict->index.slots != NULL) {
        memset(dict->index.slots, 0xFF,
               ((size_t)dict->index.mask + 1) * sizeof(int32_t));
        for (uint32_t i = 0; i < kept; i++) {
            mmi_index_put(&dict->index, dict->entries[i].hash, i);
        }
    }
}

static bool move_entries(mmi_value_dict *dict, uint32_t capacity)
{
    size_t bytes = (size_t)capacity * sizeof(mmi_entry);
    mmi_entry *entries = NULL;
    if (dict->entries == dict->first) {
        entries = mmi_alloc_raw(bytes);
        if (entries != NULL) {
            memcpy(entries, dict->first, dict->used * sizeof(mmi_entry));
        }
    } else {
        entries = mm_realloc(dict->entries, bytes);
    }
    if (entries == NULL) {
        return false;
    }
    dict->entries = entries;
    return true;
}

bool mmi_dict_reserve(mmi_value_dict *dict, uint32_t wanted)
{
    if (wanted <= dict->capacity) {
        return true;
    }
    uint32_t capacity =
        dict->capacity < MMI_INDEX_LINEAR ? MMI_INDEX_LINEAR : dict->capacity;
    while (capacity < wanted) {
        capacity *= 2;
    }
    if (capacity > INT32_MAX / 2) {
        mm_raise(MM_ENOMEM, "could not grow a dict to %u entries", capacity);
        return false;
    }
    if (dict->sources != NULL) {
        mm_source *sources =
            mm_realloc(dict->sources, (size_t)capacity * sizeof *sources);
        if (sources == NULL) {
            return false;
        }
        dict->sources = sources;
    }
    if (!move_entries(dict, capacity)) {
        return false;
    }
    if (capacity > MMI_INDEX_LINEAR) {
        if (!mmi_index_init(&dict->index, capacity)) {
            return false;
        }
        for (uint32_t i = 0; i < dict->used; i++) {
            if (dict->entries[i].key != NULL) {
                mmi_index_put(&dict->index, dict->entries[i].hash, i);
            }
        }
    }
    dict->capacity = capacity;
    return true;
}

/* Room for one more entry: by closing holes if they are many, else by growing. */
static bool make_room(mmi_value_dict *dict)
{
    if (MMI_LIKELY(dict->used < dict->capacity)) {
        return true;
    }
    if (dict->holes > dict->capacity / 4) {
        mmi_dict_compact(dict);
        return true;
    }
    return mmi_dict_reserve(dict, dict->capacity + 1);
}

/* Appends an entry whose key is not there; owns its arguments. There must be room. */
static void append_entry(mmi_value_dict *dict, mm_value *key, uint64_t hash,
                         mm_value *value)
{
    if (dict->index.slots != NULL) {
        mmi_index_put(&dict->index, hash, dict->used);
    }
    if (dict->sources != NULL) {
        dict->sources[dict->used] = no_source;
    }
    dict->entries[dict->used++] = (mmi_entry){hash, key, value};
}

void mmi_dict_insert(mmi_value_dict *dict, mm_value *key, uint64_t hash,
                     mm_value *value)
{
    mmi_entry *entry = mmi_dict_lookup(dict, key, hash);
    if (entry != NULL) {
        mm_value *former = entry->value;
        entry->value = mm_value_ref(value);
        mm_value_unref(former);
    } else if (!mmi_is_pending() && make_room(dict)) {
        append_entry(dict, mm_value_ref(key), hash, mm_value_ref(value));
    }
}

static bool is_dict(const char *function, const mm_value *dict)
{
    if (MMI_LIKELY(dict->kind == MM_KIND_DICT)) {
        return true;
    }
    mmi_value_wrong(function, "a dict", dict);
    return false;
}

static bool may_put(const char *function, const mm_value *dict, const mm_value *value)
{
    if (!is_dict(function, dict) || !mmi_value_may_change(function, dict)) {
        return false;
    }
    if (value == dict) {
        mm_raise(MM_EINVAL, "%s cannot put a dict into itself", function);
        return false;
    }
    return true;
}

/* Puts under a string key and becomes the owner of `value`. */
static void take_text(mm_value *dict, const char *key, mm_value *value)
{
    mmi_value_dict *target = MMI_AS(dict, dict);
    size_t size = strlen(key);
    uint64_t hash = mmi_hash_bytes(key, size);
    mmi_entry *entry = lookup_text(target, key, size, hash);
    if (entry != NULL) {
        mm_value *former = entry->value;
        entry->value = value;
        mm_value_unref(former);
        return;
    }
    mm_value *name = make_room(target) ? mm_value_new_str_n(key, size) : NULL;
    if (name == NULL) {
        mm_value_unref(value);
        return;
    }
    atomic_store_explicit(&MMI_AS(text, name)->hash, hash, memory_order_relaxed);
    append_entry(target, name, hash, value);
}

void mm_dict_put(mm_value *dict, const char *key, mm_value *value)
{
    if (MMI_NEED(dict) && MMI_NEED(key) && MMI_NEED(value) &&
        may_put(__func__, dict, value)) {
        take_text(dict, key, mm_value_ref(value));
    }
}

void mm_dict_take(mm_value *dict, const char *key, mm_value *value)
{
    if (MMI_NEED(dict) && MMI_NEED(key) && MMI_NEED(value) &&
        may_put(__func__, dict, value)) {
        take_text(dict, key, value);
    } else {
        mm_value_unref(value);
    }
}

void mm_dict_put_bool(mm_value *dict, const char *key, bool value)
{
    mm_dict_take(dict, key, mm_value_new_bool(value));
}

void mm_dict_put_i64(mm_value *dict, const char *key, int64_t value)
{
    mm_dict_take(dict, key, mm_value_new_i64(value));
}

void mm_dict_put_f64(mm_value *dict, const char *key, double value)
{
    mm_dict_take(dict, key, mm_value_new_f64(value));
}

void mm_dict_put_str(mm_value *dict, const char *key, const char *value)
{
    mm_dict_take(dict, key, mm_value_new_str(value));
}

static mmi_entry *find_text(const mm_value *dict, const char *key)
{
    size_t size = strlen(key);
    return lookup_text(MMI_AS_CONST(dict, dict), key, size, mmi_hash_bytes(key, size));
}

mm_value *mm_dict_find(const mm_value *dict, const char *key)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict)) {
        return NULL;
    }
    mmi_entry *entry = find_text(dict, key);
    return entry != NULL ? entry->value : NULL;
}

mm_value *mm_dict_get(const mm_value *dict, const char *key)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict)) {
        return NULL;
    }
    mmi_entry *entry = find_text(dict, key);
    if (entry == NULL) {
        mm_raise(MM_EKEY, "there is no key '%s' in a dict of %zu entries", key,
                 mm_value_len(dict));
        return NULL;
    }
    return entry->value;
}

bool mm_dict_has(const mm_value *dict, const char *key)
{
    return dict != NULL && key != NULL && dict->kind == MM_KIND_DICT &&
           find_text(dict, key) != NULL;
}

/* Removes an entry of the dict; what it held is released last. */
static void remove_entry(mmi_value_dict *dict, mmi_entry *entry)
{
    mmi_entry removed = *entry;
    uint32_t place = (uint32_t)(entry - dict->entries);
    if (dict->index.slots != NULL) {
        mmi_index_remove(&dict->index, removed.hash, place);
    }
    *entry = (mmi_entry){0};
    dict->holes++;
    /* Places are not used again before the index is filled anew: each use costs it an
     * empty slot, and a search ends at an empty slot. */
    while (dict->index.slots == NULL && dict->used > 0 &&
           dict->entries[dict->used - 1].key == NULL) {
        dict->used--;
        dict->holes--;
    }
    mm_value_unref(removed.key);
    mm_value_unref(removed.value);
}

bool mm_dict_remove(mm_value *dict, const char *key)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict)) {
        return false;
    }
    mmi_entry *entry = find_text(dict, key);
    if (entry == NULL || !mmi_value_may_change(__func__, dict)) {
        return false;
    }
    remove_entry(MMI_AS(dict, dict), entry);
    return true;
}

/* The hash of a key, which can change no more from here on. 0: not hashable. */
static uint64_t key_hash(mm_value *key)
{
    uint64_t hash = mm_value_hash(key);
    if (hash != 0 && key->kind == MM_KIND_TUPLE) {
        mm_value_freeze(key);
    }
    return hash;
}

void mm_dict_put_key(mm_value *dict, mm_value *key, mm_value *value)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !MMI_NEED(value) ||
        !may_put(__func__, dict, value)) {
        return;
    }
    uint64_t hash = key_hash(key);
    if (hash != 0) {
        mmi_dict_insert(MMI_AS(dict, dict), key, hash, value);
    }
}

mm_value *mm_dict_find_key(const mm_value *dict, const mm_value *key)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict)) {
        return NULL;
    }
    uint64_t hash = mm_value_hash(key);
    mmi_entry *entry =
        hash != 0 ? mmi_dict_lookup(MMI_AS_CONST(dict, dict), key, hash) : NULL;
    return entry != NULL ? entry->value : NULL;
}

bool mm_dict_remove_key(mm_value *dict, const mm_value *key)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict)) {
        return false;
    }
    uint64_t hash = mm_value_hash(key);
    mmi_entry *entry =
        hash != 0 ? mmi_dict_lookup(MMI_AS_CONST(dict, dict), key, hash) : NULL;
    if (entry == NULL || !mmi_value_may_change(__func__, dict)) {
        return false;
    }
    remove_entry(MMI_AS(dict, dict), entry);
    return true;
}

/* The i-th entry of a dict or set, or NULL with MM_ERANGE or MM_ETYPE. */
static const mmi_entry *entry_at(const char *function, const mm_value *table,
                                 size_t index)
{
    if (!mmi_is_table(table)) {
        mmi_value_wrong(function, "a dict or set", table);
        return NULL;
    }
    /* Not a change that anyone can see; frozen dicts have no holes. */
    mmi_value_dict *dict = MMI_AS(dict, table);
    mmi_dict_compact(dict);
    if (index >= dict->used) {
        mm_raise(MM_ERANGE, "%s: index %zu is outside a %s of %u entries", function,
                 index, mm_value_type_name(table), dict->used);
        return NULL;
    }
    return &dict->entries[index];
}

mm_value *mm_dict_key_at(const mm_value *dict, size_t index)
{
    const mmi_entry *entry = MMI_NEED(dict) ? entry_at(__func__, dict, index) : NULL;
    return entry != NULL ? entry->key : NULL;
}

mm_value *mm_dict_at(const mm_value *dict, size_t index)
{
    const mmi_entry *entry = MMI_NEED(dict) && is_dict(__func__, dict)
                                 ? entry_at(__func__, dict, index)
                                 : NULL;
    return entry != NULL ? entry->value : NULL;
}

const char *mm_dict_name_at(const mm_value *dict, size_t index)
{
    mm_value *key = mm_dict_key_at(dict, index);
    return key != NULL && key->kind == MM_KIND_STR ? MMI_AS_CONST(text, key)->data
                                                   : NULL;
}

const mm_source *mm_dict_source_at(const mm_value *dict, size_t index)
{
    if (dict == NULL || dict->kind != MM_KIND_DICT) {
        return NULL;
    }
    mmi_value_dict *from = MMI_AS(dict, dict);
    mmi_dict_compact(from);
    if (from->sources == NULL || index >= from->used ||
        from->sources[index].file == NULL) {
        return NULL;
    }
    return &from->sources[index];
}

const mm_source *mm_dict_source(const mm_value *dict, const char *key)
{
    if (dict == NULL || key == NULL || dict->kind != MM_KIND_DICT) {
        return NULL;
    }
    const mmi_value_dict *from = MMI_AS_CONST(dict, dict);
    const mmi_entry *entry = find_text(dict, key);
    if (entry == NULL || from->sources == NULL) {
        return NULL;
    }
    const mm_source *source = &from->sources[entry - from->entries];
    return source->file != NULL ? source : NULL;
}

static void set_source(mmi_value_dict *dict, size_t place, mm_source source)
{
    if (dict->sources == NULL) {
        dict->sources = mm_alloc_array(dict->capacity, sizeof(mm_source));
    }
    if (dict->sources != NULL) {
        dict->sources[place] = source;
    }
}

void mm_dict_set_source(mm_value *dict, const char *key, mm_source source)
{
    if (!MMI_NEED(dict) || !MMI_NEED(key) || !is_dict(__func__, dict) ||
        !mmi_value_may_change(__func__, dict)) {
        return;
    }
    mmi_value_dict *target = MMI_AS(dict, dict);
    mmi_entry *entry = find_text(dict, key);
    if (entry == NULL) {
        mm_raise(MM_EKEY, "there is no key '%s' in a dict of %zu entries", key,
                 mm_value_len(dict));
        return;
    }
    set_source(target, (size_t)(entry - target->entries), source);
}

void mm_dict_set_source_at(mm_value *dict, size_t index, mm_source source)
{
    if (!MMI_NEED(dict) || !is_dict(__func__, dict) ||
        !mmi_value_may_change(__func__, dict)) {
        return;
    }
    const mmi_entry *entry = entry_at(__func__, dict, index);
    if (entry != NULL) {
        set_source(MMI_AS(dict, dict), index, source);
    }
}

void mm_set_add(mm_value *set, mm_value *item)
{
    if (!MMI_NEED(set) || !MMI_NEED(item)) {
        return;
    }
    if (set->kind != MM_KIND_SET) {
        mmi_value_wrong(__func__, "a set", set);
        return;
    }
    uint64_t hash = mmi_value_may_change(__func__, set) ? key_hash(item) : 0;
    if (hash != 0 && mmi_dict_lookup(MMI_AS(dict, set), item, hash) == NULL) {
        mmi_dict_insert(MMI_AS(dict, set), item, hash, NULL);
    }
}

bool mm_set_has(const mm_value *set, const mm_value *item)
{
    uint64_t hash = 0;
    return mm_value_kind(set) == MM_KIND_SET && item != NULL &&
           mmi_value_find_hash(item, &hash) &&
           mmi_dict_lookup(MMI_AS_CONST(dict, set), item, hash) != NULL;
}

bool mm_set_remove(mm_value *set, const mm_value *item)
{
    if (!MMI_NEED(set) || !MMI_NEED(item)) {
        return false;
    }
    if (set->kind != MM_KIND_SET) {
        mmi_value_wrong(__func__, "a set", set);
        return false;
    }
    uint64_t hash = mmi_value_may_change(__func__, set) ? mm_value_hash(item) : 0;
    mmi_entry *entry =
        hash != 0 ? mmi_dict_lookup(MMI_AS_CONST(dict, set), item, hash) : NULL;

    if (entry == NULL) {
        return false;
    }
    remove_entry(MMI_AS(dict, set), entry);
    return true;
}
