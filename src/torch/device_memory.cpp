// Memory of tensors on devices, as their caching allocators count it. libtorch 2.9 and
// later has one interface for the allocators of all devices; where it is absent nothing
// is known, and nothing is given back.

#include "torch/internal.h"

#include <algorithm>
#include <atomic>

#include <ATen/Context.h>
#if __has_include(<c10/core/CachingDeviceAllocator.h>)
#include <c10/core/CachingDeviceAllocator.h>
#endif
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace mmt
{

namespace
{

// Found by the type of the argument alone, so that an older libtorch compiles.
template <typename T>
concept has_counters = requires(T type)
{
    getDeviceAllocator(type)->emptyCache();
    getDeviceAllocator(type)->getDeviceStats(0);
};

// The most that was in use on each device before its count was begun anew.
constexpr int most_devices = 64;
std::atomic<int64_t> most_before[most_devices];

template <typename T> bool is_in_use(T type)
{
    if constexpr (has_counters<T>) {
        return type != c10::DeviceType::CPU && c10::impl::hasDeviceGuardImpl(type) &&
               getDeviceAllocator(type)->initialized();
    }
    return false;
}

template <typename T> void read_counters(T type, int index, mm_device_memory *out)
{
    if constexpr (has_counters<T>) {
        auto stats = getDeviceAllocator(type)->getDeviceStats((c10::DeviceIndex)index);

        out->is_known = true;
        out->in_use = stats.allocated_bytes[0].current;
        out->most_lately = stats.allocated_bytes[0].peak;
        out->most_in_use = std::max<int64_t>(
            out->most_lately, index < most_devices ? most_before[index].load() : 0);
        out->reserved = stats.reserved_bytes[0].current;
    }
}

template <typename T> void begin_count(T type, int index, int64_t most)
{
    if constexpr (has_counters<T>) {
        if (index < most_devices) {
            most_before[index].store(most);
            getDeviceAllocator(type)->resetPeakStats((c10::DeviceIndex)index);
        }
    }
}

template <typename T> void give_back(T type)
{
    if constexpr (has_counters<T>) {
        getDeviceAllocator(type)->emptyCache();
    }
}

mm_status device_memory(const char *text, bool begins_anew, mm_device_memory *out)
{
    return guard("device_memory", {}, MM_ETORCH, [&] {
        c10::Device wanted = device(text);

        *out = mm_device_memory();
        if (is_in_use(wanted.type())) {
            int index = wanted.has_index() ? wanted.index() : 0;

            read_counters(wanted.type(), index, out);
            if (begins_anew) {
                begin_count(wanted.type(), index, out->most_in_use);
            }
        }
        return MM_OK;
    });
}

mm_status empty_device_cache()
{
    return guard("empty_device_cache", {}, MM_ETORCH, [&] {
        if (is_in_use(c10::DeviceType::CUDA)) {
            give_back(c10::DeviceType::CUDA);
        }
        return MM_OK;
    });
}

} // namespace

void fill_device_memory(mmt_api *api)
{
    api->device_memory = device_memory;
    api->empty_device_cache = empty_device_cache;
}

} // namespace mmt
