/* The kernels for every CPU of this architecture. ATen's baseline has no fused
 * multiply-add on x86-64 and has it on aarch64. */
#if defined(__aarch64__) || defined(__FMA__)
#define MMI_HAS_FMA 1
#else
#define MMI_HAS_FMA 0
#endif
#define MMI_TABLE mmi_kernels_baseline
#define MMI_NAME "baseline"
#include "kernels/vector.h"
