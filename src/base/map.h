/* A map from text to pointer that keeps the order of insertion. */
#ifndef MMI_BASE_MAP_H
#define MMI_BASE_MAP_H

#include "base/index.h"

typedef struct mmi_map_entry {
    uint64_t hash;
    char *key;
    size_t key_size;
    void *value;
} mmi_map_entry;

typedef struct mmi_map {
    mmi_map_entry *entries; /* in order; all in use */
    uint32_t count;
    uint32_t capacity;
    mmi_index index;
} mmi_map;

/* Frees the map; each value goes to `free_value`, if that is not NULL. */
void mmi_map_deinit(mmi_map *map, void (*free_value)(void *));
/* The value, or NULL. Works while an error is pending. */
void *mmi_map_find(const mmi_map *map, const char *key);
void *mmi_map_find_n(const mmi_map *map, const char *key, size_t key_size);
/* Puts a value, which must not be NULL, and returns the former one or NULL. On failure
 * an error is pending and the map is as before. */
void *mmi_map_put(mmi_map *map, const char *key, void *value);
/* Removes an entry and returns its value, or NULL. Later entries move up. */
void *mmi_map_remove(mmi_map *map, const char *key);

#endif
