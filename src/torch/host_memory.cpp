// Memory of tensors on the host: freed blocks are kept and given out again.
//
// libtorch asks the system for every tensor and gives it back right after. Blocks of
// some hundred kilobytes and more then come as fresh pages each time, which the kernel
// has to clear: in a small convolutional network that is half of a training step. Here
// blocks are kept by size class, the smallest ones by thread, all others in one pool.
//
// The pool never makes the process larger than it was: blocks in use and blocks kept
// together stay below the most that was ever in use at once, plus `slack`. Beyond that
// the block that was freed first goes back to the system.
//
// Blocks of two megabytes and more lie in large pages: walking over the weights of a
// model and their moments, an optimizer waits for page tables otherwise.
//
// A block carries its class in a header in front of its data, so that whoever has the
// data can free it. Nothing here is ever destroyed: tensors may outlive everything.

#include "torch/internal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
#endif

namespace mmt
{
namespace
{

constexpr size_t alignment = 64; // that of libtorch
constexpr size_t small_size = 1024;
constexpr size_t num_small = small_size / alignment + 1;
constexpr unsigned steps_log2 = 3; // classes per doubling: 1/8 is wasted at most
constexpr size_t num_classes = 512;
constexpr unsigned small_kept = 64; // blocks of each small class that a thread keeps
constexpr size_t most_size = (size_t)1 << 56;
#ifdef __SANITIZE_ADDRESS__ // which guards what malloc gives
constexpr size_t least_paged = SIZE_MAX;
#else
constexpr size_t least_paged = (size_t)2 << 20;
#endif
constexpr size_t slack = (size_t)64 << 20;

struct alignas(alignment) block {
    size_t index;           // of its class
    block *next = nullptr;  // the one of this class that was freed before
    block *prev = nullptr;  // the one of this class that was freed after
    block *newer = nullptr; // all kept blocks in the order they were freed
    block *older = nullptr;
    bool has_pages = false; // of its own, straight from the system
};

static_assert(sizeof(block) == alignment);

// The class of `size` bytes: multiples of 64 at first, then eight for each doubling.
size_t class_of(size_t size)
{
    if (size <= small_size) {
        return (size + alignment - 1) / alignment;
    }
    unsigned shift = (unsigned)std::bit_width(size - 1) - 1 - steps_log2;
    size_t base = (size_t)std::bit_width(small_size - 1) - steps_log2;

    return num_small + ((shift - base) << steps_log2) + ((size - 1) >> shift) -
           ((size_t)1 << steps_log2);
}

// The bytes that every block of a class has.
size_t size_of_class(size_t index)
{
    if (index < num_small) {
        return index * alignment;
    }
    size_t base = (size_t)std::bit_width(small_size - 1) - steps_log2;
    size_t shift = ((index - num_small) >> steps_log2) + base;
    size_t step = (index - num_small) & (((size_t)1 << steps_log2) - 1);

    return (((size_t)1 << steps_log2) + step + 1) << shift;
}

void *data_of(block *at)
{
    return at + 1;
}

block *block_of(void *data)
{
    return static_cast<block *>(data) - 1;
}

void give_back(block *at)
{
    size_t size = size_of_class(at->index);

    ASAN_UNPOISON_MEMORY_REGION(data_of(at), size);
    if (at->has_pages) {
        host->pages_free(at, sizeof(block) + size);
    } else {
        c10::free_cpu(at);
    }
}

class pool
{
  public:
    // A kept block of a class, or nullptr. Counts the block as used either way.
    block *take(size_t index)
    {
        std::lock_guard<std::mutex> hold(mutex_);
        size_t size = size_of_class(index);
        block *at = kept_[index];

        if (at) {
            remove(at);
        }
        in_use_ += size;
        most_in_use_ = std::max(most_in_use_, in_use_);
        shrink(most_in_use_ + slack - in_use_);
        return at;
    }

    // A block that was counted and could not be had after all.
    void uncount(size_t index)
    {
        std::lock_guard<std::mutex> hold(mutex_);

        in_use_ -= size_of_class(index);
    }

    void put(block *at)
    {
        std::lock_guard<std::mutex> hold(mutex_);

        in_use_ -= size_of_class(at->index);
        add(at);
        shrink(most_in_use_ + slack - in_use_);
    }

    void clear()
    {
        std::lock_guard<std::mutex> hold(mutex_);

        shrink(0);
        most_in_use_ = in_use_;
    }

    mm_host_memory state()
    {
        std::lock_guard<std::mutex> hold(mutex_);

        return {.in_use = (int64_t)in_use_,
                .most_in_use = (int64_t)most_in_use_,
                .kept = (int64_t)size_kept_};
    }

  private:
    void add(block *at)
    {
        at->prev = nullptr;
        at->next = kept_[at->index];
        if (at->next) {
            at->next->prev = at;
        }
        kept_[at->index] = at;
        at->newer = nullptr;
        at->older = newest_;
        (newest_ ? newest_->newer : oldest_) = at;
        newest_ = at;
        size_kept_ += size_of_class(at->index);
    }

    void remove(block *at)
    {
        (at->prev ? at->prev->next : kept_[at->index]) = at->next;
        if (at->next) {
            at->next->prev = at->prev;
        }
        (at->newer ? at->newer->older : newest_) = at->older;
        (at->older ? at->older->newer : oldest_) = at->newer;
        size_kept_ -= size_of_class(at->index);
    }

    // Gives back the oldest blocks until at most `size` bytes are kept.
    void shrink(size_t size)
    {
        while (size_kept_ > size) {
            block *at = oldest_;

            remove(at);
            give_back(at);
        }
    }

    std::mutex mutex_;
    std::array<block *, num_classes> kept_ = {}; // the newest of each class
    block *newest_ = nullptr, *oldest_ = nullptr;
    size_t in_use_ = 0, most_in_use_ = 0, size_kept_ = 0;
};

pool &shared()
{
    static pool *made = new pool; // never destroyed
    return *made;
}

// Small blocks of one thread. The flag outlives the object: memory that is freed while
// a thread ends goes straight to the system.
thread_local bool thread_has_ended = false;

struct small_blocks {
    std::array<block *, num_small> kept = {};
    std::array<unsigned, num_small> count = {};

    void clear()
    {
        for (size_t index = 0; index < num_small; ++index) {
            while (block *at = take(index)) {
                give_back(at);
            }
        }
    }
    block *take(size_t index)
    {
        block *at = kept[index];

        if (at) {
            kept[index] = at->next;
            --count[index];
        }
        return at;
    }
    bool put(block *at)
    {
        if (count[at->index] == small_kept) {
            return false;
        }
        at->next = kept[at->index];
        kept[at->index] = at;
        ++count[at->index];
        return true;
    }
    ~small_blocks()
    {
        clear();
        thread_has_ended = true;
    }
};

small_blocks &of_thread()
{
    thread_local small_blocks blocks;
    return blocks;
}

block *take_kept(size_t index)
{
    if (index >= num_small) {
        return shared().take(index);
    }
    return thread_has_ended ? nullptr : of_thread().take(index);
}

// A new block from the system; when that has none, the pool is emptied first.
block *new_block(size_t index)
{
    size_t size = sizeof(block) + size_of_class(index);
    void *memory = size < least_paged ? nullptr : host->pages_alloc(size);

    if (memory) {
        return new (memory) block{.index = index, .has_pages = true};
    }
    try {
        memory = c10::alloc_cpu(size);
    } catch (const c10::Error &) {
        shared().clear();
        try {
            memory = c10::alloc_cpu(size);
        } catch (...) {
            if (index >= num_small) {
                shared().uncount(index);
            }
            throw;
        }
    }
    return new (memory) block{.index = index};
}

void release(void *data)
{
    if (!data) {
        return;
    }
    block *at = block_of(data);

    c10::profiledCPUMemoryReporter().Delete(data);
    ASAN_POISON_MEMORY_REGION(data, size_of_class(at->index));
    if (at->index >= num_small) {
        shared().put(at);
    } else if (thread_has_ended || !of_thread().put(at)) {
        give_back(at);
    }
}

c10::DataPtr acquire(size_t size)
{
    if (size == 0) {
        return {nullptr, nullptr, &release, c10::DeviceType::CPU};
    }
    size_t index = class_of(std::min(size, most_size)); // no system has that much
    block *at = take_kept(index);

    if (!at) {
        at = new_block(index);
    }
    ASAN_UNPOISON_MEMORY_REGION(data_of(at), size_of_class(index));
    c10::profiledCPUMemoryReporter().New(data_of(at), size);
    return {data_of(at), data_of(at), &release, c10::DeviceType::CPU};
}

// c10::Allocator as it is: allocate() was const in older releases, copy_data() came
// with newer ones.
template <class Method> class cache;
template <class Base> class cache<c10::DataPtr (Base::*)(size_t) const> : public Base
{
  public:
    c10::DataPtr allocate(size_t size) const override
    {
        return acquire(size);
    }
    c10::DeleterFnPtr raw_deleter() const override
    {
        return &release;
    }
};
template <class Base> class cache<c10::DataPtr (Base::*)(size_t)> : public Base
{
  public:
    c10::DataPtr allocate(size_t size) override
    {
        return acquire(size);
    }
    c10::DeleterFnPtr raw_deleter() const override
    {
        return &release;
    }
    void copy_data(void *to, const void *from, std::size_t size) const override
    {
        std::memcpy(to, from, size);
    }
};

void empty_cache()
{
    shared().clear();
    of_thread().clear();
}

mm_host_memory host_memory()
{
    return shared().state();
}

} // namespace

// A program that brought an allocator of its own keeps it.
void keep_host_memory()
{
    const char *wanted = std::getenv("MMENGINE_HOST_CACHE");

    if ((!wanted || std::strcmp(wanted, "0") != 0) &&
        c10::GetCPUAllocator() == c10::GetDefaultCPUAllocator()) {
        c10::SetCPUAllocator(new cache<decltype(&c10::Allocator::allocate)>);
    }
}

void fill_host_memory(mmt_api *api)
{
    api->empty_cache = empty_cache;
    api->host_memory = host_memory;
}

} // namespace mmt
