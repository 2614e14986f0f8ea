/* CRC-32 by carry-less multiplication: 64 bytes at a time are folded onto the next 64,
 * the last 16 are reduced by Barrett's method. After "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ" (Gopal and others, Intel, 2009), for the reflected
 * polynomial. Compiled for PCLMUL and SSE4.1; the caller asks the processor first. */
#include "base/crc32_x86.h"

#ifdef MMI_CRC32_X86
#include <immintrin.h>

/* x^n modulo the polynomial, reflected; the low half is for the low half of a lane. */
#define FOLD_64 _mm_set_epi64x(0x1c6e41596, 0x154442bd4) /* n = 480, 544 */
#define FOLD_16 _mm_set_epi64x(0x0ccaa009e, 0x1751997d0) /* n = 96, 160 */
#define FOLD_4 _mm_set_epi64x(0, 0x163cd6124)            /* n = 64 */
/* The polynomial, and the quotient of x^64 by it. */
#define BARRETT _mm_set_epi64x(0x1f7011641, 0x1db710641)

static __m128i load(const unsigned char *data)
{
    return _mm_loadu_si128((const __m128i *)(const void *)data);
}

static __m128i fold(__m128i lane, __m128i by, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(lane, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, by, 0x11);

    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128 bits to 32. */
static uint32_t reduce(__m128i lane)
{
    const __m128i low_words = _mm_set_epi32(0, -1, 0, -1);

    lane = _mm_xor_si128(_mm_srli_si128(lane, 8),
                         _mm_clmulepi64_si128(lane, FOLD_16, 0x10));
    lane = _mm_xor_si128(
        _mm_srli_si128(lane, 4),
        _mm_clmulepi64_si128(_mm_and_si128(lane, low_words), FOLD_4, 0x00));
    __m128i part = _mm_clmulepi64_si128(_mm_and_si128(lane, low_words), BARRETT, 0x10);
    part = _mm_clmulepi64_si128(_mm_and_si128(part, low_words), BARRETT, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(lane, part), 1);
}

uint32_t mmi_crc32_x86(uint32_t crc, const unsigned char *data, size_t size)
{
    const unsigned char *end = data + size;
    __m128i lanes[4] = {load(data), load(data + 16), load(data + 32), load(data + 48)};

    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)~crc));
    for (data += 64; end - data >= 64; data += 64) {
        for (int i = 0; i < 4; i++) {
            lanes[i] = fold(lanes[i], FOLD_64, load(data + 16 * i));
        }
    }
    __m128i lane = lanes[0];
    for (int i = 1; i < 4; i++) {
        lane = fold(lane, FOLD_16, lanes[i]);
    }
    for (; end - data >= 16; data += 16) {
        lane = fold(lane, FOLD_16, load(data));
    }
    return ~reduce(lane);
}
#else
typedef int mmi_crc32_x86_is_not_here; /* a file must declare something */
#endif
