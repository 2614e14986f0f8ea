/*
 * Random numbers, threads, flags and devices: thin calls of the bridge.
 */
#include <string.h>

#include "tensor/bridge.h"

/* ---- random numbers ---- */

mm_status mm_manual_seed(uint64_t seed)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->manual_seed(seed) : mm_pending();
}

mm_tensor *mm_rng_state(const char *device)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(device) ? mmi_own(torch->rng_state(device)) : NULL;
}

mm_status mm_rng_set_state(const char *device, mm_tensor *state)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(device) && MMI_HAS(state)) {
        return torch->rng_set_state(device, state);
    }
    return mm_pending();
}

mm_rng *mm_rng_new(uint64_t seed)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->rng_new(seed) : NULL;
}

mm_status mm_rng_seed(mm_rng *rng, uint64_t seed)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(rng) ? torch->rng_seed(rng, seed) : mm_pending();
}

void mm_rng_unref(mm_rng *rng)
{
    if (rng != NULL) {
        atomic_load_explicit(&mmi_torch_table, memory_order_acquire)->rng_unref(rng);
    }
}

mm_status mm_rng_copy(mm_rng *to, mm_rng *from)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && to == from)
        return mm_raise(MM_EINVAL, "a generator cannot be copied to itself");
    return torch != NULL ? torch->rng_copy(to, from) : mm_pending();
}

mm_tensor *mm_randperm(int64_t n, mm_rng *rng)
{
    static mmi_op op = {"aten::randperm.generator", NULL};

    return mmi_call(&op, MMI_ARGS(MM_I(n), MM_RNG(rng), MM_DT(MM_DTYPE_I64)));
}

int64_t mm_randint(int64_t low, int64_t high, mm_rng *rng)
{
    const mmt_api *torch = mmi_torch_begin();
    int64_t drawn = 0;

    if (torch != NULL) {
        (void)torch->random_i64(low, high, false, rng, &drawn);
    }
    return drawn;
}

int64_t mm_random_i64(mm_rng *rng)
{
    const mmt_api *torch = mmi_torch_begin();
    int64_t drawn = 0;

    if (torch != NULL) {
        (void)torch->random_i64(0, 0, true, rng, &drawn);
    }
    return drawn;
}

/* ---- threads and flags ---- */

mm_status mm_set_num_threads(int num_threads)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->set_num_threads(num_threads, false) : mm_pending();
}

mm_status mm_set_thread_width(int num_threads)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->set_num_threads(num_threads, true) : mm_pending();
}

int mm_num_threads(void)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->num_threads() : 0;
}

const mm_parallel *mm_torch_parallel(void)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->parallel : NULL;
}

mm_status mm_torch_set_flag(const char *flag, bool value)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(flag) ? torch->set_flag(flag, value) : mm_pending();
}

/* ---- memory on the host ---- */

mm_host_memory mm_host_memory_now(void)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL ? torch->host_memory() : (mm_host_memory){0};
}

mm_status mm_empty_cache(void)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL)
        torch->empty_cache();
    return torch != NULL ? torch->empty_device_cache() : mm_pending();
}

static mm_device_memory device_memory(const char *device, bool begins_anew)
{
    const mmt_api *torch = mmi_torch_begin();
    mm_device_memory memory = {0};

    if (torch != NULL && MMI_HAS(device))
        (void)torch->device_memory(device, begins_anew, &memory);
    return memory;
}

mm_device_memory mm_device_memory_now(const char *device)
{
    return device_memory(device, false);
}

mm_device_memory mm_device_memory_take(const char *device)
{
    return device_memory(device, true);
}

/* ---- devices ---- */

bool mm_device_is_available(const char *device)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(device) && torch->device_is_available(device);
}

int mm_device_count(const char *type)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(type) ? torch->device_count(type) : 0;
}

mm_status mm_device_synchronize(const char *device)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(device)) {
        return torch->device_synchronize(device);
    }
    return mm_pending();
}

const char *mm_device_best(void)
{
    return mm_device_is_available("cuda") ? "cuda:0" : mmi_is_pending() ? NULL : "cpu";
}
