/* Python's copy module. */
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
