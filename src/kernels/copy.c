/* Copies past the caches by non-temporal stores, which every x86-64 has; elsewhere
 * memcpy(). */
#include "kernels/copy.h"

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { LANE = 16, BLOCK = 4 * LANE };

/* `to` is aligned to a lane, `size` a multiple of a block. */
static void stream(char *to, const char *from, size_t size)
{
    for (size_t at = 0; at < size; at += BLOCK) {
        __m128i lanes[4];

        for (size_t i = 0; i < 4; i++) {
            lanes[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + at) + i);
        }
        for (size_t i = 0; i < 4; i++) {
            _mm_stream_si128((__m128i *)(void *)(to + at) + i, lanes[i]);
        }
    }
    _mm_sfence(); /* seen by whoever is told of the copy */
}

void mmi_copy_past_caches(void *to, const void *from, size_t size)
{
    size_t head = (size_t)(0 - (uintptr_t)to) % LANE;

    if (size < head + BLOCK) {
        memcpy(to, from, size);
        return;
    }
    size_t whole = (size - head) / BLOCK * BLOCK;

    memcpy(to, from, head);
    stream((char *)to + head, (const char *)from + head, whole);
    memcpy((char *)to + head + whole, (const char *)from + head + whole,
           size - head - whole);
}
#else
void mmi_copy_past_caches(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif
