/*
 * The hash index of a compact ordered table, as in CPython's dicts: entries lie in an
 * array in the order of their insertion; the index maps hashes to places in that array
 * by open addressing. Small tables need no index.
 */
#ifndef MMI_BASE_INDEX_H
#define MMI_BASE_INDEX_H

#include "base/memory.h"

enum {
    MMI_INDEX_EMPTY = -1,
    MMI_INDEX_REMOVED = -2,
    MMI_INDEX_LINEAR = 8 /* tables up to this size are searched from end to end */
};

typedef struct mmi_index {
    int32_t *slots; /* NULL: no index */
    uint32_t mask;  /* slots - 1; a power of two minus 1 */
} mmi_index;

/* Hash of a text; never 0. */
uint64_t mmi_hash_bytes(const void *data, size_t size);

/* An index with room for `capacity` entries at most two thirds full. False: MM_ENOMEM.
 */
bool mmi_index_init(mmi_index *index, uint32_t capacity);

/* The slot where a search for `hash` begins; follow with mmi_index_next(). */
static inline uint32_t mmi_index_first(const mmi_index *index, uint64_t hash)
{
    return (uint32_t)(hash ^ (hash >> 32)) & index->mask;
}

static inline uint32_t mmi_index_next(const mmi_index *index, uint32_t slot)
{
    return (slot + 1) & index->mask;
}

/* Notes that the entry at `place` has `hash`. There must be room. */
static inline void mmi_index_put(mmi_index *index, uint64_t hash, uint32_t place)
{
    uint32_t slot = mmi_index_first(index, hash);
    while (index->slots[slot] >= 0) {
        slot = mmi_index_next(index, slot);
    }
    index->slots[slot] = (int32_t)place;
}

/* Forgets the entry at `place`. */
static inline void mmi_index_remove(mmi_index *index, uint64_t hash, uint32_t place)
{
    uint32_t slot = mmi_index_first(index, hash);
    while (index->slots[slot] != (int32_t)place) {
        slot = mmi_index_next(index, slot);
    }
    index->slots[slot] = MMI_INDEX_REMOVED;
}

#endif
