/* A bump allocator. Blocks are chained and freed together; a request larger than a
 * block gets a block of its own. mm_alloc() zeroes, so a node starts with all fields
 * zero. */
#include "config/arena.h"

#include <stdint.h>
#include <string.h>

#include "mmengine/memory.h"

enum { BLOCK_SIZE = 16 * 1024, ALIGN = 16 };

struct mmi_arena_block {
    mmi_arena_block *next;
    size_t used;
    size_t size;
};

/* Where a block's bytes begin. */
static const size_t HEADER = (sizeof(mmi_arena_block) + ALIGN - 1) / ALIGN * ALIGN;

static mmi_arena_block *add_block(mmi_arena *arena, size_t size)
{
    size_t bytes = size > BLOCK_SIZE - HEADER ? size : BLOCK_SIZE - HEADER;
    mmi_arena_block *block = mm_alloc(HEADER + bytes);

    if (block == NULL) {
        return NULL;
    }
    block->size = bytes;
    block->next = arena->head;
    arena->head = block;
    return block;
}

void *mmi_arena_alloc(mmi_arena *arena, size_t size)
{
    mmi_arena_block *block = arena->head;
    char *bytes = NULL;

    if (size > SIZE_MAX / 2) {
        return mm_alloc(size); /* fails as out of memory */
    }
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (block == NULL || block->size - block->used < size) {
        block = add_block(arena, size);
        if (block == NULL) {
            return NULL;
        }
    }
    bytes = (char *)block + HEADER + block->used;
    block->used += size;
    return bytes;
}

char *mmi_arena_text(mmi_arena *arena, const char *text, size_t size)
{
    char *copy = mmi_arena_alloc(arena, size + 1);

    if (copy != NULL && size > 0) {
        memcpy(copy, text, size);
    }
    return copy;
}

void mmi_arena_deinit(mmi_arena *arena)
{
    mmi_arena_block *block = arena->head;

    while (block != NULL) {
        mmi_arena_block *next = block->next;

        mm_free(block);
        block = next;
    }
    arena->head = NULL;
}
