/* Loading libtorch while the host does something else. It takes 0.3 s; a program that
 * will need it begins at its start and reads its config meanwhile. */
#include <stdatomic.h>

#include "base/os.h"
#include "base/thread.h"
#include "tensor/bridge.h"

static mmi_thread thread;
static atomic_bool has_begun;

/* An error is dropped: the first call that needs libtorch tries again and reports it.
 */
static void load(void *user)
{
    (void)user;
    (void)mmi_torch_open_slowly();
    (void)mm_error_take(NULL);
}

mm_status mm_torch_open_ahead(void)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (mm_torch_is_open() || atomic_exchange(&has_begun, true)) {
        return MM_OK;
    }
    /* Here and not on the thread: the environment must not change under readers. */
    if (mmi_os_set_env("OPENBLAS_NUM_THREADS", "1") != MM_OK) {
        return mm_pending();
    }
    return mmi_thread_start(&thread, "mm-torch", load, NULL);
}

mm_status mm_torch_open(void)
{
    static mmi_mutex lock = MMI_MUTEX_INIT;

    if (atomic_load(&has_begun)) {
        mmi_mutex_lock(&lock);
        mmi_thread_join(&thread); /* does nothing the second time */
        mmi_mutex_unlock(&lock);
    }
    (void)mmi_torch_begin();
    return mm_pending();
}
