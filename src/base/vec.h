/*
 * Growing arrays. A vector is any struct with the members data, count and capacity:
 *
 *     MMI_VEC(int64_t) ids = {0};
 *     if (!mmi_vec_push(&ids, 7)) { ... MM_ENOMEM is pending ... }
 *     mm_free(ids.data);
 */
#ifndef MMI_BASE_VEC_H
#define MMI_BASE_VEC_H

#include "base/memory.h"

#define MMI_VEC(type)                                                                  \
    struct {                                                                           \
        type *data;                                                                    \
        size_t count;                                                                  \
        size_t capacity;                                                               \
    }

/* Makes room for `wanted` items in all. False: MM_ENOMEM, or an error was pending. */
#define mmi_vec_reserve(vec, wanted)                                                   \
    ((wanted) <= (vec)->capacity ||                                                    \
     mmi_vec_grow(&(vec)->data, &(vec)->capacity, (wanted), sizeof *(vec)->data))

/* Appends one item. False: MM_ENOMEM, or an error was pending. */
#define mmi_vec_push(vec, ...)                                                         \
    (mmi_vec_reserve((vec), (vec)->count + 1)                                          \
         ? ((vec)->data[(vec)->count++] = (__VA_ARGS__), true)                         \
         : false)

/* Frees the memory; the vector is empty and can be used again. */
#define mmi_vec_deinit(vec)                                                            \
    (mm_free((vec)->data), (vec)->data = NULL, (vec)->count = (vec)->capacity = 0)

/* `data_address` is the address of a pointer to items of `item_size` bytes. */
bool mmi_vec_grow(void *data_address, size_t *capacity, size_t wanted,
                  size_t item_size);

#endif
