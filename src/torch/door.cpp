// The generic door: every operator of libtorch by its schema. Names are resolved once
// to handles with their parameters; a call spreads its arguments over them, runs the
// operator boxed and lays its results out.

#include "torch/door.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <c10/core/TensorOptions.h>

namespace mmt
{
namespace
{

// Every operator's overloads, in a fixed order: the unnamed first.
const std::map<std::string, std::vector<std::string>> &all_operators()
{
    static const std::map<std::string, std::vector<std::string>> index = [] {
        std::map<std::string, std::vector<std::string>> made;
        for (const c10::OperatorName &op :
             c10::Dispatcher::singleton().getAllOpNames()) {
            made[op.name].push_back(op.overload_name);
        }
        for (auto &entry : made) {
            std::sort(entry.second.begin(), entry.second.end());
        }
        return made;
    }();

    return index;
}

size_t distance(const std::string &a, const std::string &b)
{
    std::vector<size_t> row(b.size() + 1);

    for (size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1,
                               diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

[[noreturn]] void unknown_operator(const std::string &name)
{
    std::vector<std::pair<size_t, std::string>> near;

    for (const auto &entry : all_operators()) {
        size_t d = distance(name, entry.first);
        if (d <= 3) {
            near.emplace_back(d, entry.first);
        }
    }
    std::sort(near.begin(), near.end());
    std::string hint;
    for (size_t i = 0; i < near.size() && i < 3; ++i) {
        hint += (i ? ", " : "did you mean ") + near[i].second;
    }
    throw refusal(MM_EKEY, "libtorch has no operator '" + name + "'", hint);
}

[[noreturn]] void unknown_overload(const std::string &name, const std::string &overload)
{
    std::string hint = "overloads:";

    for (const std::string &other : all_operators().at(name)) {
        hint += " '" + other + "'";
    }
    throw refusal(MM_EKEY, "operator '" + name + "' has no overload '" + overload + "'",
                  hint);
}

// Splits "aten::max.dim"; `any` is true for "aten::max", false for "aten::max.".
void split_name(const std::string &text, std::string *name, std::string *overload,
                bool *any)
{
    size_t begin = text.find("::");
    size_t dot = text.find('.', begin == std::string::npos ? 0 : begin);

    *any = dot == std::string::npos;
    *name = text.substr(0, dot);
    *overload = *any ? std::string() : text.substr(dot + 1);
}

struct resolved : mmt_op {
    std::string text;
    std::vector<overload> overloads;
    // The last choice among several: signature() of the arguments and the index, so
    // that a loop chooses once.
    std::atomic<uint64_t> choice{0};
};

const resolved *behind(const mmt_op *op)
{
    return static_cast<const resolved *>(op);
}
resolved *behind(mmt_op *op)
{
    return static_cast<resolved *>(op);
}

std::unique_ptr<resolved> resolve(const std::string &text)
{
    std::string name, overload_name;
    bool any = false;
    auto made = std::make_unique<resolved>();

    split_name(text, &name, &overload_name, &any);
    made->text = text;
    made->name = made->text.c_str();
    std::vector<std::string> wanted{overload_name};
    if (any) {
        auto found = all_operators().find(name);
        if (found == all_operators().end()) {
            unknown_operator(name);
        }
        wanted = found->second;
    }
    for (const std::string &which : wanted) {
        auto handle = c10::Dispatcher::singleton().findSchema({name, which});
        if (!handle && !any) {
            if (all_operators().count(name) == 0) {
                unknown_operator(name);
            }
            unknown_overload(name, which);
        }
        if (handle && handle->schema().arguments().size() <= MAX_PARAMETERS) {
            made->overloads.push_back(describe_overload(*handle));
        }
    }
    if (made->overloads.empty()) {
        unknown_operator(name);
    }
    return made;
}

mmt_op *op_find(const char *name)
{
    static std::mutex lock;
    static auto *known =
        new std::unordered_map<std::string, std::unique_ptr<resolved>>();

    return guard(name, {}, static_cast<mmt_op *>(nullptr), [&] {
        std::lock_guard<std::mutex> hold(lock);
        auto found = known->find(name);

        if (found == known->end()) {
            found = known->emplace(name, resolve(name)).first;
        }
        return static_cast<mmt_op *>(found->second.get());
    });
}

const char *op_schema(const mmt_op *op)
{
    return behind(op)->overloads.front().schema.c_str();
}

bool op_supports(const char *text, const char *device_name)
{
    return guard(text, {}, false, [&] {
        std::string name, which;
        bool any = false;
        c10::DispatchKey key = c10::computeDispatchKey(
            opt<at::ScalarType>(), opt<at::Layout>(), device(device_name));

        split_name(text, &name, &which, &any);
        auto found = all_operators().find(name);
        if (found == all_operators().end()) {
            return false;
        }
        for (const std::string &other : found->second) {
            auto handle = c10::Dispatcher::singleton().findSchema({name, other});
            // `out` forms are often made of the plain ones and say nothing about them.
            bool is_out = other.size() >= 3 && other.rfind("out") == other.size() - 3;
            if ((any ? !is_out : other == which) && handle &&
                handle->hasComputedKernelForDispatchKey(key)) {
                return true;
            }
        }
        return false;
    });
}

// What choosing an overload depends on, in the upper 48 bits: the number and kinds of
// the arguments. 0: do not remember.
uint64_t signature(const mm_arg *args, int count)
{
    uint64_t made = (uint64_t)count;

    if (count == 0 || count > 8) {
        return 0;
    }
    for (int i = 0; i < count; ++i) {
        if (args[i].name) {
            return 0;
        }
        made =
            made << 5 | (uint64_t)plain_kind(args[i]) << 1 | (is_none(args[i]) ? 1 : 0);
    }
    return made << 16;
}

// The overload that the arguments fit best; the first of equals.
const overload &search(const resolved *op, const mm_arg *args, int count, binding *out)
{
    const overload *best = nullptr;
    misfit first;

    for (const overload &candidate : op->overloads) {
        binding trial;
        misfit why;
        if (!bind(candidate, args, count, true, &trial, first.code ? nullptr : &why)) {
            first = first.code ? first : why;
        } else if (!best || trial.cost < out->cost) {
            best = &candidate;
            *out = trial;
        }
    }
    if (!best) {
        throw refusal(MM_EINVAL, op->text + ": no overload fits these arguments",
                      first.text);
    }
    return *best;
}

const overload &choose(resolved *op, const mm_arg *args, int count, binding *out)
{
    if (op->overloads.size() == 1) {
        misfit why;
        if (!bind(op->overloads[0], args, count, false, out, &why)) {
            throw refusal(why.code, op->text + ": " + why.text,
                          op->overloads[0].schema);
        }
        return op->overloads[0];
    }
    uint64_t asked = signature(args, count);
    uint64_t known = op->choice.load(std::memory_order_relaxed);
    if (asked && known >> 16 == asked >> 16) {
        const overload &last = op->overloads[known & 0xffff];
        if (bind(last, args, count, true, out, nullptr)) {
            return last;
        }
    }
    const overload &found = search(op, args, count, out);
    if (asked) {
        uint64_t index = (uint64_t)(&found - op->overloads.data());
        op->choice.store(asked | index, std::memory_order_relaxed);
    }
    return found;
}

// A stack of arguments that keeps its memory from call to call. Calls nest.
class call_stack
{
  public:
    call_stack()
    {
        if (pool().size() <= depth()) {
            pool().emplace_back(std::make_unique<std::vector<IValue>>());
        }
        stack_ = pool()[depth()++].get();
    }
    ~call_stack()
    {
        stack_->clear();
        --depth();
    }
    call_stack(const call_stack &) = delete;
    call_stack &operator=(const call_stack &) = delete;
    std::vector<IValue> &operator*()
    {
        return *stack_;
    }

  private:
    static std::vector<std::unique_ptr<std::vector<IValue>>> &pool()
    {
        static thread_local std::vector<std::unique_ptr<std::vector<IValue>>> stacks;
        return stacks;
    }
    static size_t &depth()
    {
        static thread_local size_t in_use = 0;
        return in_use;
    }
    std::vector<IValue> *stack_;
};

int count_tensors(const std::vector<IValue> &values)
{
    size_t count = 0;

    for (const IValue &value : values) {
        count += value.isTensor() || value.isNone() ? 1
                 : value.isTensorList()             ? value.toTensorVector().size()
                                                    : 0;
    }
    return (int)count;
}

mm_number number_of(const IValue &value)
{
    return value.isDouble() ? mm_number_f64(value.toDouble())
           : value.isInt()  ? mm_number_i64(value.toInt())
           : value.isBool() ? mm_number_i64(value.toBool())
                            : mm_number();
}

void hand_out(const resolved *op, std::vector<IValue> &values, mm_op_result *result)
{
    int count = count_tensors(values);

    if (count > result->max_tensors) {
        if (result->max_tensors < 0) { // only the first is wanted
            count = -result->max_tensors;
        } else {
            throw refusal(MM_ERANGE, op->text + " gives " + std::to_string(count) +
                                         " tensors, there is room for " +
                                         std::to_string(result->max_tensors));
        }
    }
    result->number = mm_number();
    int next = 0;
    for (IValue &value : values) {
        if (value.isTensorList()) {
            for (at::Tensor &item : value.toTensorVector()) {
                if (next < count) {
                    result->tensors[next++] = give(std::move(item));
                }
            }
        } else if (value.isTensor() || value.isNone()) {
            if (next < count) {
                result->tensors[next++] =
                    value.isNone() ? nullptr : give(std::move(value).toTensor());
            }
        } else if (result->number.kind == MM_NUMBER_NONE) {
            result->number = number_of(value);
        }
    }
    result->num_tensors = next;
}

// The tensors of a call, for its error message.
size_t collect(const mm_arg *args, int count, const mm_tensor **out, size_t max)
{
    size_t n = 0;

    for (int i = 0; i < count && n < max; ++i) {
        if (args[i].kind == MM_ARG_TENSOR && args[i].u.tensor) {
            out[n++] = args[i].u.tensor;
        } else if (args[i].kind == MM_ARG_TENSORS) {
            for (int j = 0; j < args[i].count && n < max; ++j) {
                out[n++] = args[i].u.tensors[j];
            }
        }
    }
    return n;
}

mm_status op_call(mmt_op *op, const mm_arg *args, int count, mm_op_result *result)
{
    if (__builtin_expect(!thread_adopted, 0)) {
        adopt_thread();
    }
    try {
        binding bound;
        const overload &to = choose(behind(op), args, count, &bound);
        call_stack stack;

        for (size_t i = 0; i < to.parameters.size(); ++i) {
            (*stack).push_back(bound.args[i] ? convert(*bound.args[i], to.parameters[i])
                                             : to.parameters[i].initial);
        }
        to.handle.callBoxed(&*stack);
        if (result) {
            hand_out(behind(op), *stack, result);
        }
        return MM_OK;
    } catch (...) {
        const mm_tensor *tensors[6];
        size_t n = collect(args, count, tensors, 6);

        return report(op->name, tensors, n);
    }
}

} // namespace

void fill_door(mmt_api *api)
{
    api->op_find = op_find;
    api->op_schema = op_schema;
    api->op_supports = op_supports;
    api->op_call = op_call;
}

} // namespace mmt
