/** @file
 * Memory. Everything the library allocates comes through here, so that running out of
 * it is MM_ENOMEM everywhere and tests can count and fail allocations.
 */
#ifndef MMENGINE_MEMORY_H
#define MMENGINE_MEMORY_H

#include "mmengine/types.h"

MM_BEGIN_DECLS

/** `size` bytes set to zero, aligned for any type. NULL: MM_ENOMEM. Free with
 * mm_free(). */
MM_API MM_OWNED void *mm_alloc(size_t size);

/** `count * size` zeroed bytes; the product may not overflow. NULL: MM_ENOMEM. */
MM_API MM_OWNED void *mm_alloc_array(size_t count, size_t size);

/**
 * Grows or shrinks memory of mm_alloc(); new bytes are not set. NULL: MM_ENOMEM, and
 * `memory` is untouched. `memory` may be NULL.
 */
MM_API MM_OWNED void *mm_realloc(void *memory, size_t size);

/** `size` bytes (not zeroed) aligned to 64. Free with mm_free_aligned(). NULL:
 * MM_ENOMEM. */
MM_API MM_OWNED void *mm_alloc_aligned(size_t size);

/** Frees memory of mm_alloc_aligned(). NULL is fine. */
MM_API void mm_free_aligned(void *memory);

/** A copy of a string. NULL: MM_ENOMEM, or `text` was NULL. */
MM_API MM_OWNED char *mm_strdup(const char *text);

/** The formatted text. NULL: MM_ENOMEM. */
MM_API MM_OWNED char *mm_strfmt(const char *format, ...) MM_PRINTF(1, 2);

/** Frees memory of the calls above. NULL is fine. Works while an error is pending. */
MM_API void mm_free(void *memory);

/** Blocks that are allocated and not yet freed, whole process. For tests. */
MM_API int64_t mm_live_blocks(void);

MM_END_DECLS

#endif
