// libtorch's thread pool as a parallel-for for our kernels. This is the one file that
// is compiled with OpenMP, and it is linked against the very runtime that libtorch_cpu
// uses.
//
// The whole team is always called, and ranges go to as many of its members as the grain
// allows: a smaller team would make the runtime end threads and start them again later.

#include "torch/internal.h"

#include <algorithm>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#ifdef _OPENMP
#include <omp.h>
#endif

// Inside libtorch_cpu where that carries MKL, else absent.
extern "C" int MKL_Set_Num_Threads_Local(int num_threads) __attribute__((weak));

namespace mmt
{
namespace
{

int width()
{
#ifdef _OPENMP
    return omp_in_parallel() ? 1 : at::get_num_threads();
#else
    return 1;
#endif
}

void run(int64_t count, int64_t grain, mm_parallel_body body, void *user)
{
    if (count <= 0) {
        return;
    }
#ifdef _OPENMP
    int64_t least = std::max<int64_t>(grain, 1);

    if (count > least && width() > 1) {
#pragma omp parallel
        {
            int64_t parts =
                std::min<int64_t>(omp_get_num_threads(), (count + least - 1) / least);
            int64_t size = (count + parts - 1) / parts;
            int64_t begin = omp_get_thread_num() * size;

            if (begin < count) {
                body(user, begin, std::min(count, begin + size));
            }
        }
        return;
    }
#endif
    (void)grain;
    body(user, 0, count);
}

const mm_parallel table = {run, width};

} // namespace

// Called by each thread of the pool, which has a control word of its own.
bool flush_denormal_everywhere(bool value)
{
    bool ok = at::globalContext().setFlushDenormal(value);

#ifdef _OPENMP
#pragma omp parallel
    at::globalContext().setFlushDenormal(value);
#endif
    return ok;
}

// libtorch sets a thread's width when it first asks; ours must come after that.
void narrow_this_thread(int num_threads)
{
    at::internal::lazy_init_num_threads();
#ifdef _OPENMP
    omp_set_num_threads(num_threads);
#endif
    if (MKL_Set_Num_Threads_Local) {
        MKL_Set_Num_Threads_Local(num_threads);
    }
}

void fill_parallel(mmt_api *api)
{
    api->parallel = &table;
}

} // namespace mmt
