/* Thread-local variables that are read on every call. The initial-exec model reads them
 * without a function call; the space for it is small, so only words go there. */
#ifndef MMI_BASE_THREAD_LOCAL_H
#define MMI_BASE_THREAD_LOCAL_H

#include "mmengine/export.h"

#if defined(__GNUC__) || defined(__clang__)
#define MMI_FAST_THREAD_LOCAL MM_THREAD_LOCAL __attribute__((tls_model("initial-exec")))
#define MMI_LIKELY(x) __builtin_expect(!!(x), 1)
#define MMI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define MMI_FAST_THREAD_LOCAL MM_THREAD_LOCAL
#define MMI_LIKELY(x) (x)
#define MMI_UNLIKELY(x) (x)
#endif

#endif
