/*
 * Opening the bridge: finding its library, loading it, and handing each side's table to
 * the other. It is never closed, since libtorch's statics and other libraries' pointers
 * into it would dangle. OpenBLAS reads its variable when it is loaded, so that is set
 * before.
 */
#include "tensor/bridge.h"

#include <inttypes.h>
#include <string.h>

#include "base/os.h"
#include "base/thread.h"
#include "mmengine/log.h"
#include "mmi_torch_version.h"

#define BRIDGE_FILE "libmmengine_torch.so"

_Atomic(const mmt_api *) mmi_torch_table;

typedef const mmt_api *(*open_function)(const mmt_host *host);

static mm_status host_raise(mm_status code, const char *c_file, int c_line,
                            const char *message, const char *hint)
{
    mm_raise_at(code, c_file, c_line, "%s", message);
    if (hint != NULL) {
        mm_error_hint("%s", hint);
    }
    return mm_pending();
}

static void host_log(int level, const char *text)
{
    mm_log((mm_log_level)level, "libtorch: %s", text);
}

static const mmt_host host = {
    .abi = MMT_ABI,
    .size = sizeof(mmt_host),
    .raise = host_raise,
    .log = host_log,
    .error_take = mm_error_take,
    .error_restore = mm_error_restore,
    .scope_open = mm_scope_open,
    .scope_close = mm_scope_close,
    .pages_alloc = mmi_os_pages_alloc,
    .pages_free = mmi_os_pages_free,
};

#ifdef MM_TORCH_STATIC
static open_function find_open_function(void)
{
    return mmt_open;
}
#else

/* "<folder of this library>/libmmengine_torch.so"; NULL if that is unknown. Yours. */
static char *beside_this_library(void)
{
    const mmt_api *(*here)(void) = mmi_torch_open_slowly;
    const void *address = NULL;

    memcpy(&address, &here, sizeof address);
    char *path = mmi_library_path_of(address);
    if (path == NULL) {
        mm_error_take(NULL);
        return NULL;
    }
    char *slash = strrchr(path, '/');
    char *beside = mm_strfmt("%.*s%s", slash != NULL ? (int)(slash - path) + 1 : 0,
                             path, BRIDGE_FILE);
    mm_free(path);
    return beside;
}

/* Loads a file that is there. A loader's error means a bridge for another libtorch. */
static void *load(const char *path)
{
    void *library = mmi_library_open(path, false);

    if (library == NULL) {
        mm_error why;
        mm_error_take(&why);
        mm_raise(MM_EABI, "could not use the bridge to libtorch: %s", why.message);
        mm_error_hint(
            "this build's bridge is for libtorch %s; if another one is found, "
            "run make setup",
            MMI_TORCH_BUILT_FOR);
    }
    return library;
}

static bool is_file(const char *path)
{
    mmi_stat stat;

    return path != NULL && mmi_os_find_stat(path, &stat) && stat.is_file;
}

/* Looks beside this library, in the build folder, then where the loader looks. */
static void *load_from_usual_places(void)
{
    const char *build = MMI_TORCH_BUILD_DIR "/" BRIDGE_FILE;
    char *beside = beside_this_library();
    void *library = NULL;

    if (mmi_is_pending()) {
        return NULL;
    }
    if (is_file(beside)) {
        library = load(beside);
    } else if (is_file(build)) {
        library = load(build);
    } else {
        library = mmi_library_open(BRIDGE_FILE, false);
        if (library == NULL) {
            mm_error_take(NULL);
            mm_raise(MM_ENOENT,
                     "could not find the bridge to libtorch; tried '%s', '%s' "
                     "and '%s' where the system looks for libraries",
                     beside != NULL ? beside : "", build, BRIDGE_FILE);
            mm_error_hint("build it with libtorch at hand: run make setup, or name it "
                          "with MMENGINE_TORCH_LIB");
        }
    }
    mm_free(beside);
    return library;
}

static open_function find_open_function(void)
{
    const char *chosen = mmi_os_env("MMENGINE_TORCH_LIB");
    open_function open = NULL;
    void *library = NULL;

    if (chosen == NULL || *chosen == '\0') {
        library = load_from_usual_places();
    } else if (is_file(chosen)) {
        library = load(chosen);
    } else {
        mm_raise(MM_ENOENT,
                 "could not find the bridge to libtorch '%s', which "
                 "MMENGINE_TORCH_LIB names",
                 chosen);
    }
    if (library != NULL) {
        *(void **)&open = mmi_library_symbol(library, "mmt_open");
    }
    return open;
}
#endif

static const mmt_api *open_bridge(void)
{
    if (mmi_os_set_env("OPENBLAS_NUM_THREADS", "1") != MM_OK) {
        return NULL;
    }
    open_function open = find_open_function();
    if (open == NULL) {
        return NULL;
    }
    const mmt_api *torch = open(&host);
    if (torch == NULL) {
        if (!mmi_is_pending()) {
            mm_raise(MM_EABI,
                     "the bridge to libtorch belongs to another version of this "
                     "library");
            mm_error_hint("build both together");
        }
        return NULL;
    }
    if (torch->abi != MMT_ABI || torch->size != sizeof(mmt_api)) {
        mm_raise(MM_EABI,
                 "the bridge to libtorch speaks version %" PRIu32
                 ", this library version %" PRIu32,
                 torch->abi, MMT_ABI);
        mm_error_hint("build both together");
        return NULL;
    }
    return torch;
}

const mmt_api *mmi_torch_open_slowly(void)
{
    static mmi_mutex lock = MMI_MUTEX_INIT;

    mmi_mutex_lock(&lock);
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);
    if (torch == NULL) {
        torch = open_bridge();
        atomic_store_explicit(&mmi_torch_table, torch, memory_order_release);
    }
    mmi_mutex_unlock(&lock);
    return torch;
}

bool mm_torch_is_open(void)
{
    return atomic_load_explicit(&mmi_torch_table, memory_order_acquire) != NULL;
}

const char *mm_torch_version(void)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->version : NULL;
}

/* Another bridge than the build's may have been named; once it is open it is asked. */
const char *mm_torch_built_for(void)
{
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);

    return torch != NULL ? torch->built_for : MMI_TORCH_BUILT_FOR;
}

const char *mm_torch_build_flags(void)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->build_flags : NULL;
}
