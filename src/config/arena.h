/* Memory that is freed as a whole: the nodes of a syntax tree. */
#ifndef MM_CONFIG_ARENA_H
#define MM_CONFIG_ARENA_H

#include <stddef.h>

typedef struct mmi_arena_block mmi_arena_block;

/* Zero is an empty arena. */
typedef struct mmi_arena {
    mmi_arena_block *head; /* the block in use; older ones behind it */
} mmi_arena;

/* `size` zeroed bytes, aligned for any type, that live as long as the arena. NULL:
 * MM_ENOMEM. */
void *mmi_arena_alloc(mmi_arena *arena, size_t size);

/* A zero-terminated copy of `size` bytes. NULL: MM_ENOMEM. */
char *mmi_arena_text(mmi_arena *arena, const char *text, size_t size);

/* Frees everything; the arena is empty afterwards. */
void mmi_arena_deinit(mmi_arena *arena);

#endif
