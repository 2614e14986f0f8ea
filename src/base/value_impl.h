/* The insides of mm_value, shared by the value_*.c files alone. */
#ifndef MMI_BASE_VALUE_IMPL_H
#define MMI_BASE_VALUE_IMPL_H

#include <stdatomic.h>

#include "base/index.h"
#include "mmengine/value.h"

enum {
    MMI_VALUE_FROZEN = 1u << 0,   /* containers only: no change any more */
    MMI_VALUE_IMMORTAL = 1u << 1, /* static storage: counts are not kept */
    MMI_MAX_DEPTH = 1000          /* of nesting: a recursion goes no deeper */
};

/* Every value begins with this; its kind says which struct below it is. */
struct mm_value {
    _Atomic uint32_t refs;
    uint8_t kind; /* mm_kind */
    uint8_t flags;
};

typedef struct mmi_value_i64 { /* bool too */
    struct mm_value head;
    int64_t value;
} mmi_value_i64;

typedef struct mmi_value_f64 {
    struct mm_value head;
    double value;
} mmi_value_f64;

typedef struct mmi_value_text { /* str, bytes, bigint */
    struct mm_value head;
    size_t size;
    _Atomic uint64_t hash; /* 0: not computed yet */
    char data[];           /* size bytes and a zero */
} mmi_value_text;

typedef struct mmi_value_list { /* list, tuple */
    struct mm_value head;
    size_t count;
    size_t capacity;
    mm_value **items;
    mm_source *sources; /* NULL, or one for each of `capacity` */
    struct mm_value *next_dead;
} mmi_value_list;

typedef struct mmi_entry {
    uint64_t hash;
    mm_value *key;   /* NULL: a hole */
    mm_value *value; /* NULL in sets */
} mmi_entry;

enum { MMI_INLINE_ENTRIES = 3 };

typedef struct mmi_value_dict { /* dict, set */
    struct mm_value head;
    uint32_t used;  /* entries in use, holes included */
    uint32_t holes; /* removed entries among them */
    uint32_t capacity;
    mmi_index index;
    mmi_entry *entries;
    mm_source *sources; /* NULL, or one for each of `capacity` */
    struct mm_value *next_dead;
    mmi_entry first[MMI_INLINE_ENTRIES]; /* storage of small dicts */
} mmi_value_dict;

typedef struct mmi_value_object {
    struct mm_value head;
    void *object;
    const mm_object_ops *ops;
} mmi_value_object;

#define MMI_AS(type, value) ((mmi_value_##type *)(value))
#define MMI_AS_CONST(type, value) ((const mmi_value_##type *)(value))

/* The value itself where a const one is shared by counting. */
#define MMI_SHARED(value) ((mm_value *)(value))

static inline bool mmi_is_sequence(const mm_value *value)
{
    return value->kind == MM_KIND_LIST || value->kind == MM_KIND_TUPLE;
}

static inline bool mmi_is_table(const mm_value *value)
{
    return value->kind == MM_KIND_DICT || value->kind == MM_KIND_SET;
}

static inline bool mmi_is_container(const mm_value *value)
{
    return mmi_is_sequence(value) || mmi_is_table(value);
}

static inline uint32_t mmi_dict_count(const mmi_value_dict *dict)
{
    return dict->used - dict->holes;
}

/* A new value of `size` bytes with its head set, the rest not. */
void *mmi_value_alloc(size_t size, mm_kind kind);
/* Raises MM_ETYPE: "mm_list_append needs a list, got dict". */
void mmi_value_wrong(const char *function, const char *wanted, const mm_value *got);
/* True if `value` may be changed by `function`; else raises MM_ESTATE. */
bool mmi_value_may_change(const char *function, const mm_value *value);
/* Raises MM_EINVAL if nesting is deeper than MMI_MAX_DEPTH. */
bool mmi_value_depth_ok(int depth);

/* value_dict.c */
void mmi_dict_compact(mmi_value_dict *dict);
/* Puts; owns neither. With `value` NULL: a set. */
void mmi_dict_insert(mmi_value_dict *dict, mm_value *key, uint64_t hash,
                     mm_value *value);
/* The entry of `key`, or NULL. */
mmi_entry *mmi_dict_lookup(const mmi_value_dict *dict, const mm_value *key,
                           uint64_t hash);
bool mmi_dict_reserve(mmi_value_dict *dict, uint32_t wanted);

/* value_compare.c; identical or equal, Python's rule for items of containers */
bool mmi_value_same(const mm_value *a, const mm_value *b, int depth);
/* The hash, never 0. False and nothing raised if `value` is not hashable. Works while
 * an error is pending. */
bool mmi_value_find_hash(const mm_value *value, uint64_t *out);

#endif
