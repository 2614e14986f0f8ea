// Operators as the door sees them: parameters with their kinds and defaults, and the
// rules by which arguments go to parameters.
#ifndef MMT_DOOR_H
#define MMT_DOOR_H

#include <string>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include "torch/internal.h"

namespace mmt
{

using c10::IValue;

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

// Why arguments do not fit an overload; `code` MM_OK: they do.
struct misfit {
    mm_status code = MM_OK;
    std::string text;
};

struct binding {
    const mm_arg *args[MAX_PARAMETERS];
    int cost;
};

overload describe_overload(const c10::OperatorHandle &handle);

// A NULL or absent argument, whatever its kind.
bool is_none(const mm_arg &arg);

// The plain kind of an argument: a number is an int or a float.
mm_arg_kind plain_kind(const mm_arg &arg);

// Spreads arguments over parameters. `strict`: keyword-only parameters need their
// names, so that the overload is chosen as Python would. `why` may be NULL.
bool bind(const overload &to, const mm_arg *args, int count, bool strict, binding *out,
          misfit *why);

// The value of an argument that bind() placed.
IValue convert(const mm_arg &arg, const parameter &to);

} // namespace mmt

#endif
