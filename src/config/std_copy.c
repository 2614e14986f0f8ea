/* Python's copy, and the little of collections and sys that has a meaning here. */
#include "config/std.h"

static mm_value *copy_copy(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "copy", args, 1, 1)
               ? mmi_shallow_copy(ev, mmi_arg(args, 0))
               : NULL;
}

static mm_value *copy_deepcopy(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "deepcopy", args, 1, 2)
               ? mmi_deep_copy(ev, mmi_arg(args, 0))
               : NULL;
}

static const mmi_std_entry copy_entries[] = {
    PLAIN("copy", copy_copy),
    PLAIN("deepcopy", copy_deepcopy),
};

const mmi_std_def mmi_std_copy = MODULE("copy", copy_entries);

static const mmi_std_entry collections_entries[] = {
    CONSTANT("OrderedDict", mmi_new_ordered_dict_type),
};

const mmi_std_def mmi_std_collections = MODULE("collections", collections_entries);

static mm_value *make_maxsize(void)
{
    return mm_value_new_i64(INT64_MAX);
}

static mm_value *make_platform(void)
{
    return mm_value_new_str("linux");
}

static const mmi_std_entry sys_entries[] = {
    CONSTANT("maxsize", make_maxsize),
    CONSTANT("platform", make_platform),
};

const mmi_std_def mmi_std_sys = MODULE("sys", sys_entries);
