/* The kernels for AVX2 with FMA; compiled with -mavx2 -mfma. Nothing in this file may
 * run before the dispatcher has looked at the CPU. On other architectures it is empty.
 */
#if defined(__AVX2__) && defined(__FMA__)
#define MMI_HAS_FMA 1
#define MMI_TABLE mmi_kernels_avx2
#define MMI_NAME "avx2"
#include "kernels/vector.h"
#else
typedef int mmi_kernels_avx2_is_empty;
#endif
