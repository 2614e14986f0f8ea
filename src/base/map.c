/* The hash index shared by maps and dicts, and the ordered map. */
#include "base/map.h"

#include <string.h>

#include "base/vec.h"

/* Mixes eight bytes at a time; for speed on short keys, not against an adversary. */
uint64_t mmi_hash_bytes(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0x9E3779B97F4A7C15u ^ (size * 0xC2B2AE3D27D4EB4Fu);

    while (size >= 8) {
        uint64_t word = 0;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
        bytes += 8;
        size -= 8;
    }
    if (size > 0) {
        uint64_t word = 0;
        memcpy(&word, bytes, size);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
    }
    hash *= 0xC4CEB9FE1A85EC53u;
    hash ^= hash >> 29;
    return hash != 0 ? hash : 1;
}

bool mmi_index_init(mmi_index *index, uint32_t capacity)
{
    uint64_t slots = 16;
    while (slots * 2 < (uint64_t)capacity * 3) {
        slots *= 2;
    }
    int32_t *memory = mmi_alloc_raw((size_t)slots * sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    memset(memory, 0xFF, (size_t)slots * sizeof *memory); /* all MMI_INDEX_EMPTY */
    mm_free(index->slots);
    index->slots = memory;
    index->mask = (uint32_t)(slots - 1);
    return true;
}

void mmi_map_deinit(mmi_map *map, void (*free_value)(void *))
{
    for (uint32_t i = 0; i < map->count; i++) {
        mm_free(map->entries[i].key);
        if (free_value != NULL) {
            free_value(map->entries[i].value);
        }
    }
    mm_free(map->entries);
    mm_free(map->index.slots);
    *map = (mmi_map){0};
}

static bool is_key(const mmi_map_entry *entry, uint64_t hash, const char *key,
                   size_t size)
{
    return entry->hash == hash && entry->key_size == size &&
           memcmp(entry->key, key, size) == 0;
}

static mmi_map_entry *find_entry(const mmi_map *map, uint64_t hash, const char *key,
                                 size_t size)
{
    if (map->index.slots == NULL) {
        for (uint32_t i = 0; i < map->count; i++) {
            if (is_key(&map->entries[i], hash, key, size)) {
                return &map->entries[i];
            }
        }
        return NULL;
    }
    uint32_t slot = mmi_index_first(&map->index, hash);
    int32_t place = 0;
    while ((place = map->index.slots[slot]) != MMI_INDEX_EMPTY) {
        if (place >= 0 && is_key(&map->entries[place], hash, key, size)) {
            return &map->entries[place];
        }
        slot = mmi_index_next(&map->index, slot);
    }
    return NULL;
}

void *mmi_map_find_n(const mmi_map *map, const char *key, size_t key_size)
{
    mmi_map_entry *entry =
        find_entry(map, mmi_hash_bytes(key, key_size), key, key_size);
    return entry != NULL ? entry->value : NULL;
}

void *mmi_map_find(const mmi_map *map, const char *key)
{
    return mmi_map_find_n(map, key, strlen(key));
}

/* Room for one more entry, in the array and in the index. */
static bool make_room(mmi_map *map)
{
    if (map->count < map->capacity) {
        return true;
    }
    uint32_t capacity = map->capacity == 0 ? MMI_INDEX_LINEAR : map->capacity * 2;
    if (capacity > INT32_MAX) {
        mm_raise(MM_ENOMEM, "could not hold more than %u entries", map->capacity);
        return false;
    }
    mmi_map_entry *entries =
        mm_realloc(map->entries, (size_t)capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    map->entries = entries;
    if (capacity > MMI_INDEX_LINEAR) {
        if (!mmi_index_init(&map->index, capacity)) {
            return false;
        }
        for (uint32_t i = 0; i < map->count; i++) {
            mmi_index_put(&map->index, entries[i].hash, i);
        }
    }
    map->capacity = capacity;
    return true;
}

void *mmi_map_put(mmi_map *map, const char *key, void *value)
{
    if (!MMI_NEED(key) || !MMI_NEED(value)) {
        return NULL;
    }
    size_t size = strlen(key);
    uint64_t hash = mmi_hash_bytes(key, size);
    mmi_map_entry *entry = find_entry(map, hash, key, size);
    if (entry != NULL) {
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    char *copy = mmi_strndup(key, size);
    if (copy == NULL || !make_room(map)) {
        mm_free(copy);
        return NULL;
    }
    if (map->index.slots != NULL) {
        mmi_index_put(&map->index, hash, map->count);
    }
    map->entries[map->count++] = (mmi_map_entry){hash, copy, size, value};
    return NULL;
}

void *mmi_map_remove(mmi_map *map, const char *key)
{
    size_t size = strlen(key);
    mmi_map_entry *entry = find_entry(map, mmi_hash_bytes(key, size), key, size);
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    mm_free(entry->key);
    size_t place = (size_t)(entry - map->entries);
    map->count--;
    memmove(entry, entry + 1, (map->count - place) * sizeof *entry);
    if (map->index.slots != NULL) {
        memset(map->index.slots, 0xFF, ((size_t)map->index.mask + 1) * sizeof(int32_t));
        for (uint32_t i = 0; i < map->count; i++) {
            mmi_index_put(&map->index, map->entries[i].hash, i);
        }
    }
    return value;
}
