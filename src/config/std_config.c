/* `mmengine.config` as configs import it, and json. */
#include <string.h>

#include "config/std.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"

/* ---- mmengine.config ---- */

static mm_value *call_read_base(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "read_base", args, 0, 0) ? mm_value_new_none() : NULL;
}

/* ConfigDict(mapping or pairs, k=v) */
static mm_value *call_config_dict(mmi_eval *ev, const mmi_args *args)
{
    mm_value *made = mm_value_new_dict();

    mmi_mark_config_dict(ev, made);
    for (size_t i = 0; i < mmi_num_args(args) && !mm_has_error(); i++) {
        (void)mmi_dict_update(ev, made, mmi_arg(args, i));
    }
    if (args->named != NULL && !mm_has_error()) {
        (void)mmi_dict_update(ev, made, args->named);
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *make_config_dict(void)
{
    return mmi_new_type("ConfigDict", MM_KIND_DICT, call_config_dict);
}

static const mmi_std_entry config_entries[] = {
    PLAIN("read_base", call_read_base),
    CONSTANT("ConfigDict", make_config_dict),
};

const mmi_std_def mmi_std_config = MODULE("mmengine.config", config_entries);

/* ---- json ---- */

static mm_value *parse(mmi_eval *ev, const mm_value *text, const char *name)
{
    size_t size = 0;
    const char *data = NULL;
    mm_value *made = NULL;

    if (mm_value_kind(text) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "JSON is read from a str, not from %s",
                        mm_value_type_name(text));
    }
    data = mm_value_str_n(text, &size);
    if (!mmi_reserve(ev, size * 16)) {
        return NULL;
    }
    made = mm_json_parse(data, size, name);
    if (made == NULL) {
        ev->exc = EXC_VALUE;
    }
    return made;
}

static mm_value *json_loads(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "loads", args, 1, 1)
               ? parse(ev, mmi_arg(args, 0), "<json>")
               : NULL;
}

static mm_value *json_load(mmi_eval *ev, const mmi_args *args)
{
    mm_value *file = mmi_arg(args, 0);
    mm_value *text = NULL;
    mm_value *made = NULL;

    if (!mmi_expect_args(ev, "load", args, 1, 1)) {
        return NULL;
    }
    text = mmi_file_read_all(ev, file);
    made = text == NULL ? NULL : parse(ev, text, mmi_file_name(file));
    mm_value_unref(text);
    return made;
}

static const mmi_std_entry json_entries[] = {
    PLAIN("load", json_load),
    PLAIN("loads", json_loads),
};

const mmi_std_def mmi_std_json = MODULE("json", json_entries);
