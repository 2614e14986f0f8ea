// Recording of operators through libtorch's own callbacks, which cost nothing while
// none is registered. The begin of a call is kept on the callback's context; its end
// makes the event. Names come and go with their operators, so each is kept once here.
// A call on another thread may end after the recording: it finds another generation and
// is forgotten.
// Sizes and estimates of operations are made by libtorch's own profiler's functions,
// and so are its numbers.

#include "torch/internal.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/record_function.h>
#include <torch/csrc/profiler/util.h>

namespace mmt
{
namespace
{

struct recorded {
    const char *name;
    int64_t begin_ns, end_ns;
    uint64_t thread, flops;
    int64_t bytes;
    std::string shapes;
};

struct recording {
    std::atomic<unsigned> flags = 0;
    at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;
    std::mutex lock;         // guards the rest
    uint64_t generation = 0; // grows with every begin and end
    std::deque<std::string> names;
    std::unordered_map<std::string_view, const char *> known;
    std::vector<recorded> events;
};

recording *now = nullptr; // made by the first start, never freed

// Where a call began.
struct call : at::ObserverContext {
    int64_t begin_ns = 0, bytes = 0;
    uint64_t flops = 0, generation = 0;
    std::string shapes;
};

int64_t clock_ns()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

const mmt_api *own_table = nullptr;

std::unique_ptr<at::ObserverContext> begin_call(const at::RecordFunction &function)
{
    auto at = std::make_unique<call>();

    {
        std::lock_guard<std::mutex> guard(now->lock);
        at->generation = now->generation;
    }
    if (now->flags & MM_PROFILE_SHAPES) {
        at->shapes = torch::profiler::impl::shapesToStr(
            torch::profiler::impl::inputSizes(function));
    }
    if (now->flags & MM_PROFILE_FLOPS) {
        at->flops = torch::profiler::impl::computeFlops(
            std::string(function.name()),
            torch::profiler::impl::saveExtraArgs(function));
    }
    if (now->flags & MM_PROFILE_MEMORY) {
        at->bytes = own_table->host_memory().in_use;
    }
    at->begin_ns = clock_ns(); // last: what was done here is not the call's
    return at;
}

void end_call(const at::RecordFunction &function, at::ObserverContext *context)
{
    int64_t end_ns = clock_ns();
    auto *at = static_cast<call *>(context);
    int64_t bytes = now->flags & MM_PROFILE_MEMORY
                        ? own_table->host_memory().in_use - at->bytes
                        : 0;
    std::string_view name = function.name();
    std::lock_guard<std::mutex> guard(now->lock);

    if (at->generation != now->generation) {
        return;
    }
    auto found = now->known.find(name);

    if (found == now->known.end()) {
        now->names.emplace_back(name);
        found = now->known.emplace(now->names.back(), now->names.back().c_str()).first;
    }
    now->events.push_back({found->second, at->begin_ns, end_ns, function.threadId(),
                           at->flops, bytes, std::move(at->shapes)});
}

mm_status profile_start(unsigned flags)
{
    return guard("profile", {}, MM_ETORCH, [&] {
        bool needs_inputs = (flags & (MM_PROFILE_SHAPES | MM_PROFILE_FLOPS)) != 0;

        if (!now) {
            now = new recording();
        }
        now->flags = flags;
        {
            std::lock_guard<std::mutex> hold(now->lock);
            now->generation++;
        }
        now->handle = at::addGlobalCallback(
            at::RecordFunctionCallback(begin_call, end_call)
                .needsInputs(needs_inputs)
                .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION,
                         at::RecordScope::USER_SCOPE}));
        return MM_OK;
    });
}

void hand_out(const recorded &at, bool has_shapes,
              void (*each)(void *user, const mm_profile_event *event), void *user)
{
    mm_profile_event event = {};

    event.name = at.name;
    event.shapes = has_shapes ? at.shapes.c_str() : nullptr;
    event.begin_ns = at.begin_ns;
    event.end_ns = at.end_ns;
    event.thread = at.thread;
    event.bytes = at.bytes;
    event.flops = at.flops;
    each(user, &event);
}

mm_status profile_stop(void (*each)(void *user, const mm_profile_event *event),
                       void *user)
{
    return guard("profile", {}, MM_ETORCH, [&] {
        at::removeCallback(now->handle);
        std::lock_guard<std::mutex> hold(now->lock);

        now->generation++;
        for (const recorded &at : now->events) {
            hand_out(at, now->flags & MM_PROFILE_SHAPES, each, user);
        }
        now->events = {};
        now->known.clear();
        now->names.clear();
        return MM_OK;
    });
}

uint64_t profile_thread()
{
    return at::RecordFunction::currentThreadId();
}

} // namespace

void fill_profiler(mmt_api *api)
{
    own_table = api;
    api->profile_start = profile_start;
    api->profile_stop = profile_stop;
    api->profile_thread = profile_thread;
}

} // namespace mmt
