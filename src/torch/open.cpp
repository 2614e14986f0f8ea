// Opening the bridge: the table, the version check, errors and warnings.
//
// Everything that libtorch throws ends in report(), which gives it a status: running
// out of memory MM_ENOMEM, a wrong index MM_ERANGE, a missing kernel MM_EUNSUPPORTED,
// anything else MM_ETORCH. The message is libtorch's first line behind the operation
// and its tensors; further lines become the hint.

#include "torch/internal.h"

#include <cctype>
#include <cstring>
#include <new>

#include <ATen/Version.h>
#include <torch/version.h>

namespace mmt
{

const mmt_host *host = nullptr;
constinit thread_local bool thread_adopted = false;

namespace
{

// Finds the text of a warning among the arguments of WarningHandler::process, which are
// one object in newer libtorch and (place, text, verbatim) in older ones.
template <class T> const std::string *text_of(const T &warning)
{
    if constexpr (requires { warning.msg(); }) {
        return &warning.msg();
    } else {
        return nullptr;
    }
}
inline const std::string *text_of(const std::string &text)
{
    return &text;
}

template <class Method> class handler;
template <class... Args>
class handler<void (c10::WarningHandler::*)(Args...)> : public c10::WarningHandler
{
  public:
    void process(Args... args) override
    {
        for (const std::string *text : {text_of(args)...}) {
            if (text) {
                host->log(30, text->c_str());
            }
        }
    }
};

handler<decltype(&c10::WarningHandler::process)> *warnings = nullptr;

// "The size" -> "the size", but "CUDA" and "BLAS" stay.
void soften(std::string &line)
{
    while (!line.empty() &&
           (std::isspace((unsigned char)line.back()) || line.back() == '.')) {
        line.pop_back();
    }
    if (line.size() > 1 && std::islower((unsigned char)line[1])) {
        line[0] = (char)std::tolower((unsigned char)line[0]);
    }
}

mm_status raise(mm_status code, const char *what, const mm_tensor *const *args,
                size_t count, const char *text)
{
    std::string rest = text;
    std::string line = rest.substr(0, rest.find('\n'));
    std::string message = what;

    rest = line.size() < rest.size() ? rest.substr(line.size() + 1) : std::string();
    if (rest.rfind("Exception raised from", 0) == 0) {
        rest.clear();
    }
    soften(line);
    if (count > 0) {
        message += "(";
        for (size_t i = 0; i < count; ++i) {
            message += (i ? ", " : "") + describe(args[i]);
        }
        message += ")";
    }
    message += ": " + line;
    return host->raise(code, __FILE__, __LINE__, message.c_str(),
                       rest.empty() ? nullptr : rest.c_str());
}

bool says_no_memory(const char *text)
{
    return std::strstr(text, "DefaultCPUAllocator: ") ||
           std::strstr(text, "not enough memory") || std::strstr(text, "out of memory");
}

mm_status code_of(const c10::Error &error)
{
    if (dynamic_cast<const c10::OutOfMemoryError *>(&error) ||
        says_no_memory(error.what_without_backtrace())) {
        return MM_ENOMEM;
    }
    if (dynamic_cast<const c10::NotImplementedError *>(&error)) {
        return MM_EUNSUPPORTED;
    }
    if (dynamic_cast<const c10::IndexError *>(&error)) {
        return MM_ERANGE;
    }
    return MM_ETORCH;
}

} // namespace

mm_status report(const char *what, const mm_tensor *const *args, size_t count) noexcept
{
    try {
        try {
            throw;
        } catch (const callback_error &error) {
            return host->error_restore(&error.error);
        } catch (const refusal &error) {
            return host->raise(error.code, __FILE__, __LINE__, error.message.c_str(),
                               error.hint.empty() ? nullptr : error.hint.c_str());
        } catch (const c10::Error &error) {
            return raise(code_of(error), what, args, count,
                         error.what_without_backtrace());
        } catch (const std::bad_alloc &) {
            return raise(MM_ENOMEM, what, args, count, "out of memory");
        } catch (const std::exception &error) {
            return raise(says_no_memory(error.what()) ? MM_ENOMEM : MM_ETORCH, what,
                         args, count, error.what());
        } catch (...) {
            return raise(MM_ETORCH, what, args, count, "unknown exception");
        }
    } catch (...) { // no memory to write the message
        return host->raise(MM_ENOMEM, __FILE__, __LINE__, "out of memory in libtorch",
                           nullptr);
    }
}

// libtorch keeps the warning handler per thread. The namespace of the function changed
// its name, and the old name became a class, so this is one of the few places that ask
// for the version.
void adopt_thread() noexcept
{
#if TORCH_VERSION_MAJOR < 2
    c10::Warning::set_warning_handler(warnings);
#else
    c10::WarningUtils::set_warning_handler(warnings);
#endif
    thread_adopted = true;
}

namespace
{

// The version of the libtorch in the process, from its build settings. If it is the one
// that was built for, the local part ("+cpu") is known too.
std::string loaded_version(const std::string &settings)
{
    const std::string key = "TORCH_VERSION=";
    size_t begin = settings.find(key);
    std::string built_for = MMT_TORCH_VERSION;

    if (begin == std::string::npos) {
        return built_for;
    }
    begin += key.size();
    std::string found =
        settings.substr(begin, settings.find_first_of(", \n", begin) - begin);
    return built_for.compare(0, built_for.find('+'), found) == 0 ? built_for : found;
}

// Debian's 1.13.1 reports 1.13.0: the last number is not compared.
bool same_release(const std::string &a, const std::string &b)
{
    return a.compare(0, a.rfind('.', a.find('+')), b, 0, b.rfind('.', b.find('+'))) ==
           0;
}

const mmt_api *open_table()
{
    static mmt_api api = {};
    static const std::string settings = at::show_config();
    static const std::string version = loaded_version(settings);

    if (!same_release(version, MMT_TORCH_VERSION)) {
        throw refusal(MM_EABI,
                      std::string("could not use libtorch: the bridge was built for ") +
                          MMT_TORCH_VERSION + ", found " + version,
                      "run make setup");
    }
    warnings = new handler<decltype(&c10::WarningHandler::process)>();
    adopt_thread();
    keep_host_memory();
    load_cuda();
    default_num_threads();
    api.abi = MMT_ABI;
    api.size = sizeof(api);
    api.built_for = MMT_TORCH_VERSION;
    api.version = version.c_str();
    api.build_flags = settings.c_str();
    fill_tensor(&api);
    fill_door(&api);
    fill_ops(&api);
    fill_autograd(&api);
    fill_runtime(&api);
    fill_parallel(&api);
    fill_host_memory(&api);
    fill_profiler(&api);
    fill_device_memory(&api);
    return &api;
}

} // namespace
} // namespace mmt

const mmt_api *mmt_open(const mmt_host *host)
{
    if (host->abi != MMT_ABI || host->size != sizeof(mmt_host)) {
        return nullptr; // its raise() may lie elsewhere: the host reports this
    }
    mmt::host = host;
    try {
        return mmt::open_table();
    } catch (...) {
        mmt::report("opening libtorch", nullptr, 0);
        return nullptr;
    }
}
