// The generic door: every operator of libtorch by its schema. Names are resolved once
// to handles with their arguments' kinds and defaults; a call converts the arguments by
// (tag of the mm_arg, kind in the schema), runs the operator boxed and lays its results
// out.

#include "torch/internal.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <c10/core/TensorOptions.h>

namespace mmt
{
namespace
{

using c10::IValue;
using c10::TypeKind;

enum class slot {
    tensor,
    tensors,
    optional_tensors,
    integer,
    number,
    real,
    boolean,
    integers,
    numbers,
    reals,
    booleans,
    text,
    device,
    generator,
    unsupported
};

struct parameter {
    std::string name;
    std::string type; // as the schema writes it
    slot kind = slot::unsupported;
    bool is_optional = false;
    bool has_default = false;
    bool keyword_only = false;
    size_t fill = 1; // how often one int is repeated for int[n]
    IValue initial;
};

struct overload {
    c10::OperatorHandle handle;
    std::vector<parameter> parameters;
    std::string schema;
};

enum { MAX_PARAMETERS = 64 };

slot list_slot(const c10::Type &item)
{
    switch (item.kind()) {
    case TypeKind::TensorType:
        return slot::tensors;
    case TypeKind::OptionalType:
        return slot::optional_tensors; // Tensor?[] is the only one
    case TypeKind::IntType:
    case TypeKind::SymIntType:
        return slot::integers;
    case TypeKind::NumberType:
        return slot::numbers;
    case TypeKind::FloatType:
        return slot::reals;
    case TypeKind::BoolType:
        return slot::booleans;
    default:
        return slot::unsupported;
    }
}

slot slot_of(const c10::Type &type)
{
    switch (type.kind()) {
    case TypeKind::TensorType:
        return slot::tensor;
    case TypeKind::IntType: // also dtype, layout, memory format
    case TypeKind::SymIntType:
        return slot::integer;
    case TypeKind::NumberType:
        return slot::number;
    case TypeKind::FloatType:
        return slot::real;
    case TypeKind::BoolType:
        return slot::boolean;
    case TypeKind::StringType:
        return slot::text;
    case TypeKind::DeviceObjType:
        return slot::device;
    case TypeKind::GeneratorType:
        return slot::generator;
    case TypeKind::ListType:
        return list_slot(*type.containedType(0));
    default:
        return slot::unsupported;
    }
}

parameter describe_parameter(const c10::Argument &argument)
{
    parameter made;
    c10::TypePtr type = argument.type();

    made.name = argument.name();
    made.type = argument.real_type()->annotation_str();
    if (type->kind() == TypeKind::OptionalType) {
        made.is_optional = true;
        type = type->containedType(0);
    }
    made.kind = slot_of(*type);
    made.keyword_only = argument.kwarg_only();
    if (argument.N()) {
        made.fill = (size_t)std::max<int32_t>(1, *argument.N());
    }
    if (argument.default_value()) {
        made.has_default = true;
        made.initial = *argument.default_value();
    }
    return made;
}

overload describe_overload(const c10::OperatorHandle &handle)
{
    overload made{handle, {}, c10::toString(handle.schema())};

    for (const c10::Argument &argument : handle.schema().arguments()) {
        made.parameters.push_back(describe_parameter(argument));
    }
    return made;
}

const char *name_of(mm_arg_kind kind)
{
    static const char *const names[] = {"None",
                                        "a tensor",
                                        "a list of tensors",
                                        "an int",
                                        "a float",
                                        "a bool",
                                        "a string",
                                        "a list of ints",
                                        "a list of floats",
                                        "a list of bools",
                                        "a dtype",
                                        "a memory format",
                                        "a device",
                                        "a generator",
                                        "a number"};

    return names[kind];
}

// A NULL or absent argument, whatever its kind.
bool is_none(const mm_arg &arg)
{
    switch (arg.kind) {
    case MM_ARG_NONE:
        return true;
    case MM_ARG_TENSOR:
        return !arg.u.tensor;
    case MM_ARG_STR:
    case MM_ARG_DEVICE:
        return !arg.u.str;
    case MM_ARG_RNG:
        return !arg.u.rng;
    case MM_ARG_DTYPE:
    case MM_ARG_FORMAT:
        return arg.u.i64 == 0;
    case MM_ARG_NUMBER:
        return arg.u.number.kind == MM_NUMBER_NONE;
    case MM_ARG_I64S:
        return arg.count == 0 && !arg.u.i64s;
    default:
        return false;
    }
}

// The plain kind of an argument: a number is an int or a float.
mm_arg_kind plain_kind(const mm_arg &arg)
{
    if (arg.kind == MM_ARG_NUMBER) {
        return arg.u.number.kind == MM_NUMBER_F64 ? MM_ARG_F64 : MM_ARG_I64;
    }
    return arg.kind;
}

// What it costs to pass `arg` here: 0 as it is, more when it must be converted, -1
// never.
int fit(const mm_arg &arg, const parameter &to)
{
    if (is_none(arg)) {
        return to.is_optional ? 0 : -1;
    }
    switch (plain_kind(arg)) {
    case MM_ARG_TENSOR:
        return to.kind == slot::tensor ? 0 : -1;
    case MM_ARG_TENSORS:
        return to.kind == slot::tensors            ? 0
               : to.kind == slot::optional_tensors ? 1
                                                   : -1;
    case MM_ARG_I64:
        switch (to.kind) {
        case slot::integer:
        case slot::number:
            return 0;
        case slot::real:
        case slot::integers:
            return 1;
        case slot::boolean:
            return 2;
        default:
            return -1;
        }
    case MM_ARG_F64:
        return to.kind == slot::real || to.kind == slot::number ? 0 : -1;
    case MM_ARG_BOOL:
        return to.kind == slot::boolean ? 0 : to.kind == slot::number ? 1 : -1;
    case MM_ARG_STR:
        return to.kind == slot::text ? 0 : to.kind == slot::device ? 1 : -1;
    case MM_ARG_I64S:
        return to.kind == slot::integers                            ? 0
               : to.kind == slot::reals || to.kind == slot::numbers ? 1
                                                                    : -1;
    case MM_ARG_F64S:
        return to.kind == slot::reals || to.kind == slot::numbers ? 0 : -1;
    case MM_ARG_BOOLS:
        return to.kind == slot::booleans ? 0 : -1;
    case MM_ARG_DTYPE:
    case MM_ARG_FORMAT:
        return to.kind == slot::integer ? 0 : -1;
    case MM_ARG_DEVICE:
        return to.kind == slot::device ? 0 : -1;
    case MM_ARG_RNG:
        return to.kind == slot::generator ? 0 : -1;
    default:
        return -1;
    }
}

int64_t int_of(const mm_arg &arg)
{
    switch (arg.kind) {
    case MM_ARG_NUMBER:
        return arg.u.number.u.i64;
    case MM_ARG_DTYPE:
    case MM_ARG_FORMAT:
        // codes are libtorch's plus one; channels last comes after "preserve" there
        return arg.kind == MM_ARG_DTYPE            ? arg.u.i64 - 1
               : arg.u.i64 == MM_FORMAT_CONTIGUOUS ? 0
                                                   : arg.u.i64;
    default:
        return arg.u.i64;
    }
}

bool is_real(const mm_arg &arg)
{
    return plain_kind(arg) == MM_ARG_F64;
}

double real_of(const mm_arg &arg)
{
    if (!is_real(arg)) {
        return (double)int_of(arg);
    }
    return arg.kind == MM_ARG_NUMBER ? arg.u.number.u.f64 : arg.u.f64;
}

IValue tensor_list(const mm_arg &arg)
{
    std::vector<at::Tensor> tensors;

    tensors.reserve((size_t)arg.count);
    for (int i = 0; i < arg.count; ++i) {
        tensors.push_back(share(arg.u.tensors[i]));
    }
    return IValue(std::move(tensors));
}

IValue optional_tensor_list(const mm_arg &arg)
{
    c10::List<opt<at::Tensor>> tensors;

    tensors.reserve((size_t)arg.count);
    for (int i = 0; i < arg.count; ++i) {
        tensors.push_back(arg.u.tensors[i] ? opt<at::Tensor>(share(arg.u.tensors[i]))
                                           : opt<at::Tensor>());
    }
    return IValue(std::move(tensors));
}

IValue int_list(const mm_arg &arg, const parameter &to)
{
    if (arg.kind != MM_ARG_I64S) {
        return IValue(std::vector<int64_t>(to.fill, int_of(arg)));
    }
    if (to.fill > 1 && arg.count == 1) {
        return IValue(std::vector<int64_t>(to.fill, arg.u.i64s[0]));
    }
    return IValue(std::vector<int64_t>(arg.u.i64s, arg.u.i64s + arg.count));
}

IValue real_list(const mm_arg &arg)
{
    std::vector<double> reals((size_t)arg.count);

    for (int i = 0; i < arg.count; ++i) {
        reals[(size_t)i] =
            arg.kind == MM_ARG_F64S ? arg.u.f64s[i] : (double)arg.u.i64s[i];
    }
    return IValue(std::move(reals));
}

IValue number_list(const mm_arg &arg)
{
    c10::List<at::Scalar> numbers;

    numbers.reserve((size_t)arg.count);
    for (int i = 0; i < arg.count; ++i) {
        numbers.push_back(arg.kind == MM_ARG_F64S ? at::Scalar(arg.u.f64s[i])
                                                  : at::Scalar(arg.u.i64s[i]));
    }
    return IValue(std::move(numbers));
}

// `arg` fits `to`: fit() was asked.
IValue convert(const mm_arg &arg, const parameter &to)
{
    if (is_none(arg)) {
        return IValue();
    }
    switch (to.kind) {
    case slot::tensor:
        return IValue(share(arg.u.tensor));
    case slot::tensors:
        return tensor_list(arg);
    case slot::optional_tensors:
        return optional_tensor_list(arg);
    case slot::integer:
        return IValue(int_of(arg));
    case slot::number:
        if (arg.kind == MM_ARG_BOOL) {
            return IValue(arg.u.i64 != 0);
        }
        return is_real(arg) ? IValue(real_of(arg)) : IValue(int_of(arg));
    case slot::real:
        return IValue(real_of(arg));
    case slot::boolean:
        return IValue(int_of(arg) != 0);
    case slot::integers:
        return int_list(arg, to);
    case slot::numbers:
        return number_list(arg);
    case slot::reals:
        return real_list(arg);
    case slot::booleans:
        return IValue(
            c10::List<bool>(at::ArrayRef<bool>(arg.u.bools, (size_t)arg.count)));
    case slot::text:
        return IValue(std::string(arg.u.str));
    case slot::device:
        return IValue(device(arg.u.str));
    case slot::generator:
        return IValue(*generator(arg.u.rng));
    default:
        return IValue();
    }
}

// Why arguments do not fit an overload; `code` MM_OK: they do.
struct misfit {
    mm_status code = MM_OK;
    std::string text;
};

struct binding {
    const mm_arg *args[MAX_PARAMETERS];
    int cost;
};

int find_parameter(const overload &to, const char *name)
{
    for (size_t i = 0; i < to.parameters.size(); ++i) {
        if (to.parameters[i].name == name) {
            return (int)i;
        }
    }
    return -1;
}

// Index of the parameter that argument `i` goes to, or -1 with the reason in `why`.
int place(const overload &to, const mm_arg &arg, int i, bool strict, misfit *why)
{
    if (arg.name) {
        int at = find_parameter(to, arg.name);
        if (at < 0 && why) {
            *why = {MM_EINVAL, std::string("there is no argument '") + arg.name + "'"};
        }
        return at;
    }
    if (i >= (int)to.parameters.size() ||
        (strict && to.parameters[(size_t)i].keyword_only)) {
        if (why) {
            *why = {MM_EINVAL,
                    "argument " + std::to_string(i + 1) + " is one too many"};
        }
        return -1;
    }
    return i;
}

// Spreads arguments over parameters. `strict`: keyword-only parameters need their
// names, so that the overload is chosen as Python would. `why` may be NULL.
bool bind(const overload &to, const mm_arg *args, int count, bool strict, binding *out,
          misfit *why)
{
    size_t total = to.parameters.size();

    std::fill_n(out->args, total, nullptr);
    out->cost = 0;
    for (int i = 0; i < count; ++i) {
        int at = place(to, args[i], i, strict, why);
        if (at < 0) {
            return false;
        }
        int cost = fit(args[i], to.parameters[(size_t)at]);
        if (cost < 0 || out->args[at]) {
            const parameter &parameter = to.parameters[(size_t)at];
            bool none = is_none(args[i]);
            if (why) {
                *why = {out->args[at] || none ? MM_EINVAL : MM_ETYPE,
                        "argument '" + parameter.name + "' (" + parameter.type + ") " +
                            (out->args[at] ? "is given twice"
                             : none        ? "must not be NULL"
                                           : std::string("cannot be ") +
                                          name_of(plain_kind(args[i])))};
            }
            return false;
        }
        out->args[at] = &args[i];
        out->cost += cost;
    }
    for (size_t i = 0; i < total; ++i) {
        if (!out->args[i] && !to.parameters[i].has_default) {
            if (why) {
                *why = {MM_EINVAL, "argument '" + to.parameters[i].name + "' (" +
                                       to.parameters[i].type + ") is missing"};
            }
            return false;
        }
    }
    return true;
}

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
};

const resolved *behind(const mmt_op *op)
{
    return static_cast<const resolved *>(op);
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
            if ((any || other == which) && handle &&
                handle->hasComputedKernelForDispatchKey(key)) {
                return true;
            }
        }
        return false;
    });
}

// The overload that the arguments fit best; the first of equals.
const overload &choose(const resolved *op, const mm_arg *args, int count, binding *out)
{
    const overload *best = nullptr;
    misfit first;

    if (op->overloads.size() == 1) {
        if (bind(op->overloads[0], args, count, false, out, &first)) {
            return op->overloads[0];
        }
    }
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
        bool one = op->overloads.size() == 1;
        throw refusal(one ? first.code : MM_EINVAL,
                      op->text + ": " +
                          (one ? first.text : "no overload fits these arguments"),
                      one ? op->overloads[0].schema : first.text);
    }
    return *best;
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

        report(op->name, tensors, n);
        return MM_ETORCH;
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
