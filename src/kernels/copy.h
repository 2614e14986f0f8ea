/** @file
 * Copies of memory that nobody reads soon.
 */
#ifndef MMI_KERNELS_COPY_H
#define MMI_KERNELS_COPY_H

#include <stddef.h>

/** Copies `size` bytes that do not overlap. What was copied is not put into the caches,
 * and its former content is not read: for large pieces a third less traffic than
 * memcpy(). */
void mmi_copy_past_caches(void *to, const void *from, size_t size);

#endif
