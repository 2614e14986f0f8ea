/* The kernels for AVX-512 (F, BW, DQ, VL) with FMA. Nothing in this file may run before
 * the dispatcher has looked at the CPU. On other architectures it is empty. */
#if defined(__AVX512F__) && defined(__AVX512VL__)
#define MMI_HAS_FMA 1
#define MMI_TABLE mmi_kernels_avx512
#define MMI_NAME "avx512"
#include "kernels/vector.h"
#else
typedef int mmi_kernels_avx512_is_empty;
#endif
