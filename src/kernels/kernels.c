/* Chooses the variant of the kernels. The choice is that of ATen: AVX-512 if F, BW, DQ,
 * VL and FMA are there, else AVX2 if AVX2 and FMA are, else baseline. It holds no
 * state: the compiler's run-time has read CPUID at start. */
#include "kernels/kernels.h"

#if (defined(__x86_64__) || defined(__i386__)) && defined(MMI_KERNELS_X86)
#define HAS(feature) __builtin_cpu_supports(feature)

const mmi_kernels *mmi_kernels_for(mmi_isa isa)
{
    switch (isa) {
    case MMI_ISA_BASELINE:
        return &mmi_kernels_baseline;
    case MMI_ISA_AVX2:
        return HAS("avx2") && HAS("fma") ? &mmi_kernels_avx2 : NULL;
    case MMI_ISA_AVX512:
        return HAS("avx512f") && HAS("avx512bw") && HAS("avx512dq") &&
                       HAS("avx512vl") && HAS("fma")
                   ? &mmi_kernels_avx512
                   : NULL;
    default:
        return NULL;
    }
}
#else
const mmi_kernels *mmi_kernels_for(mmi_isa isa)
{
    return isa == MMI_ISA_BASELINE ? &mmi_kernels_baseline : NULL;
}
#endif

const mmi_kernels *mmi_kernels_best(void)
{
    for (int isa = MMI_ISA_COUNT - 1; isa > MMI_ISA_BASELINE; isa--) {
        const mmi_kernels *kernels = mmi_kernels_for((mmi_isa)isa);

        if (kernels != NULL) {
            return kernels;
        }
    }
    return &mmi_kernels_baseline;
}
