// Arguments of the generic door: what a schema wants, whether an argument fits, and its
// conversion by (tag of the mm_arg, kind in the schema).

#include "torch/door.h"

#include <algorithm>

#include <ATen/core/jit_type.h>

namespace mmt
{
namespace
{

using c10::TypeKind;

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

} // namespace

overload describe_overload(const c10::OperatorHandle &handle)
{
    overload made{handle, {}, c10::toString(handle.schema())};

    for (const c10::Argument &argument : handle.schema().arguments()) {
        made.parameters.push_back(describe_parameter(argument));
    }
    return made;
}

namespace
{

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

} // namespace

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

mm_arg_kind plain_kind(const mm_arg &arg)
{
    if (arg.kind == MM_ARG_NUMBER) {
        return arg.u.number.kind == MM_NUMBER_F64 ? MM_ARG_F64 : MM_ARG_I64;
    }
    return arg.kind;
}

namespace
{

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

} // namespace

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

namespace
{

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

} // namespace

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

} // namespace mmt
