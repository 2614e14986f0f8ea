// Random numbers, threads, flags, devices: what belongs to the process.

#include "torch/internal.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace mmt
{

c10::Device device(const char *text)
{
    try {
        return c10::Device(std::string(text));
    } catch (const c10::Error &) {
        throw refusal(MM_EINVAL, std::string("'") + text + "' names no device");
    }
}

namespace
{

bool file_exists(const std::string &path)
{
    return access(path.c_str(), F_OK) == 0;
}

// The folder of libtorch_cpu.so, ending in '/'.
std::string libtorch_folder()
{
    Dl_info where = {};

    if (!dladdr(reinterpret_cast<void *>(&at::show_config), &where) ||
        !where.dli_fname) {
        return std::string();
    }
    std::string path = where.dli_fname;
    return path.substr(0, path.rfind('/') + 1);
}

bool cuda_is_hidden()
{
    const char *visible = std::getenv("CUDA_VISIBLE_DEVICES");

    return visible && (*visible == '\0' || std::string(visible) == "-1");
}

} // namespace

// libtorch decides for ever whether it has CUDA the first time anything asks, and a
// convolution on the CPU asks. So it is loaded here, before the first operation, or
// never.
void load_cuda() noexcept
{
    try {
        std::string file = libtorch_folder() + "libtorch_cuda.so";
        bool has_driver = file_exists("/dev/nvidiactl") || file_exists("/dev/dxg");

        if (has_driver && !cuda_is_hidden() && file_exists(file) &&
            !dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
            const char *why = dlerror();
            host->log(30, (std::string("could not load ") + file + ": " +
                           (why ? why : "unknown reason") + ", continuing without CUDA")
                              .c_str());
        }
    } catch (...) {
        report("loading CUDA", nullptr, 0);
    }
}

namespace
{

int count_devices(c10::DeviceType type)
{
    if (type == c10::DeviceType::CPU) {
        return 1;
    }
    if (!c10::impl::hasDeviceGuardImpl(type)) {
        return 0;
    }
    return (int)c10::impl::getDeviceGuardImpl(type)->deviceCount();
}

int device_count(const char *type)
{
    return guard("device_count", {}, 0,
                 [&] { return count_devices(device(type).type()); });
}

bool device_is_available(const char *text)
{
    return guard("device", {}, false, [&] {
        c10::Device wanted = device(text);
        int index = wanted.has_index() ? (int)wanted.index() : 0;

        return index < count_devices(wanted.type());
    });
}

mm_status device_synchronize(const char *text)
{
    return guard("device_synchronize", {}, MM_ETORCH, [&] {
        c10::Device wanted = device(text);

        if (wanted.is_cpu()) {
            return MM_OK;
        }
        if (count_devices(wanted.type()) == 0) {
            throw refusal(MM_EUNSUPPORTED,
                          std::string("there is no device '") + text + "'");
        }
        c10::Device at =
            wanted.has_index()
                ? wanted
                : c10::impl::getDeviceGuardImpl(wanted.type())->getDevice();
        if (at.is_cuda()) { // all streams, not the current one alone
            at::detail::getCUDAHooks().deviceSynchronize(at.index());
        } else {
            c10::impl::getDeviceGuardImpl(at.type())->getStream(at).synchronize();
        }
        return MM_OK;
    });
}

mm_status manual_seed(uint64_t seed)
{
    return guard("manual_seed", {}, MM_ETORCH, [&] {
        at::manual_seed(seed);
        return MM_OK;
    });
}

at::Generator default_generator(const char *text)
{
    c10::Device wanted = device(text);

    if (count_devices(wanted.type()) == 0) {
        throw refusal(MM_EUNSUPPORTED,
                      std::string("there is no device '") + text + "'");
    }
    return at::globalContext().defaultGenerator(wanted);
}

mm_tensor *rng_state(const char *text)
{
    return guard_tensor("rng_state", {}, [&] {
        at::Generator from = default_generator(text);
        std::lock_guard<std::mutex> hold(from.mutex());

        return from.get_state();
    });
}

mm_status rng_set_state(const char *text, mm_tensor *state)
{
    return guard("rng_set_state", {state}, MM_ETORCH, [&] {
        at::Generator to = default_generator(text);
        borrowed bytes(state);
        std::lock_guard<std::mutex> hold(to.mutex());

        to.set_state(*bytes);
        return MM_OK;
    });
}

mm_rng *rng_new(uint64_t seed)
{
    return guard("rng_new", {}, static_cast<mm_rng *>(nullptr), [&] {
        auto made =
            std::make_unique<at::Generator>(at::detail::createCPUGenerator(seed));
        return reinterpret_cast<mm_rng *>(made.release());
    });
}

mm_status rng_seed(mm_rng *rng, uint64_t seed)
{
    return guard("rng_seed", {}, MM_ETORCH, [&] {
        std::lock_guard<std::mutex> hold(generator(rng)->mutex());

        generator(rng)->set_current_seed(seed);
        return MM_OK;
    });
}

void rng_unref(mm_rng *rng)
{
    delete generator(rng);
}

// The engine of a generator on the CPU; NULL: the default one.
at::CPUGeneratorImpl *host_engine(mm_rng *rng)
{
    at::Generator chosen = rng ? *generator(rng) : at::detail::getDefaultCPUGenerator();

    return at::check_generator<at::CPUGeneratorImpl>(chosen);
}

// Copies the engine itself; its state as a tensor takes twenty times as long.
mm_status rng_copy(mm_rng *to, mm_rng *from)
{
    return guard("rng_copy", {}, MM_ETORCH, [&] {
        at::CPUGeneratorImpl *source = host_engine(from), *target = host_engine(to);
        std::scoped_lock hold(source->mutex_, target->mutex_);

        target->set_engine(source->engine());
        target->set_next_float_normal_sample(source->next_float_normal_sample());
        target->set_next_double_normal_sample(source->next_double_normal_sample());
        return MM_OK;
    });
}

mm_status random_i64(int64_t low, int64_t high, bool whole_range, mm_rng *rng,
                     int64_t *out)
{
    return guard("random", {}, MM_ETORCH, [&] {
        at::Tensor drawn = at::empty({}, at::kLong);
        opt<at::Generator> from;

        if (rng) {
            from = *generator(rng);
        }
        if (whole_range) {
            drawn.random_(from);
        } else {
            drawn.random_(low, high, from);
        }
        *out = drawn.item<int64_t>();
        return MM_OK;
    });
}

// Cores this process may run on, each counted once however many threads it has.
int physical_cores()
{
    cpu_set_t allowed;
    std::set<std::string> cores;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            std::string siblings;
            if (!CPU_ISSET(cpu, &allowed)) {
                continue;
            }
            std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                               "/topology/thread_siblings_list");
            cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
        }
    }
    unsigned logical = std::thread::hardware_concurrency();
    return !cores.empty() ? (int)cores.size() : logical ? (int)logical : 1;
}

mm_status set_num_threads(int num_threads, bool this_thread_only)
{
    return guard("set_num_threads", {}, MM_ETORCH, [&] {
        int wanted = num_threads ? num_threads : physical_cores();

        if (wanted < 0) {
            throw refusal(MM_EINVAL, "the number of threads " + std::to_string(wanted) +
                                         " is negative");
        }
        if (this_thread_only) {
            narrow_this_thread(wanted);
        } else {
            at::set_num_threads(wanted);
        }
        return MM_OK;
    });
}

int num_threads()
{
    return guard("num_threads", {}, 1, [&] { return at::get_num_threads(); });
}

mm_status set_flag(const char *name, bool value)
{
    return guard("set_flag", {}, MM_ETORCH, [&] {
        at::Context &context = at::globalContext();
        std::string flag = name;

        if (flag == "deterministic") {
            context.setDeterministicAlgorithms(value, false);
            context.setDeterministicCuDNN(value);
        } else if (flag == "flush_denormal") {
            if (!flush_denormal_everywhere(value)) {
                throw refusal(MM_EUNSUPPORTED, "this processor cannot flush denormals");
            }
        } else if (flag == "cudnn_benchmark") {
            context.setBenchmarkCuDNN(value);
        } else if (flag == "tf32") {
            context.setAllowTF32CuDNN(value);
            context.setAllowTF32CuBLAS(value);
        } else if (flag == "mkldnn") {
            context.setUserEnabledMkldnn(value);
        } else {
            throw refusal(
                MM_EKEY, "there is no flag '" + flag + "'",
                "flags: deterministic, flush_denormal, cudnn_benchmark, tf32, "
                "mkldnn");
        }
        return MM_OK;
    });
}

} // namespace

void default_num_threads()
{
    // Setting also starts libtorch's second pool, which only quantised kernels use.
    if (!std::getenv("OMP_NUM_THREADS") && !std::getenv("MKL_NUM_THREADS") &&
        at::get_num_threads() != physical_cores()) {
        at::set_num_threads(physical_cores());
    }
}

void fill_runtime(mmt_api *api)
{
    api->manual_seed = manual_seed;
    api->rng_state = rng_state;
    api->rng_set_state = rng_set_state;
    api->rng_new = rng_new;
    api->rng_seed = rng_seed;
    api->rng_unref = rng_unref;
    api->rng_copy = rng_copy;
    api->random_i64 = random_i64;
    api->set_num_threads = set_num_threads;
    api->num_threads = num_threads;
    api->set_flag = set_flag;
    api->device_is_available = device_is_available;
    api->device_count = device_count;
    api->device_synchronize = device_synchronize;
}

} // namespace mmt
