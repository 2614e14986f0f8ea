/* os.environ. What a config sets is seen by the rest of its load alone; the environment
 * of the process stays as it is. */
#include "base/os.h"
#include "config/std.h"

bool mmi_is_environ(const mm_value *value)
{
    const mmi_std_object *object = mm_value_kind(value) == MM_KIND_OBJECT
                                       ? MMI_OBJECT(mmi_std_object, &mmi_std_ops, value)
                                       : NULL;

    return object != NULL && object->def == &mmi_std_environ;
}

static bool check_text(mmi_eval *ev, const mm_value *value, const char *what)
{
    if (mm_value_kind(value) != MM_KIND_STR) {
        (void)mmi_fail(ev, EXC_TYPE,
                       "the %s of an environment variable must be a str, not %s", what,
                       mm_value_type_name(value));
        return false;
    }
    return true;
}

mm_value *mmi_environ_find(mmi_eval *ev, mm_value *name)
{
    mm_value *set = NULL;
    const char *value = NULL;

    if (!check_text(ev, name, "name")) {
        return NULL;
    }
    set = ev->environ == NULL ? NULL : mm_dict_find_key(ev->environ, name);
    if (set != NULL) {
        return mm_value_is_none(set) ? NULL : mm_value_ref(set);
    }
    value = mmi_os_env(mm_value_str(name));
    return value == NULL ? NULL : mm_value_new_str(value);
}

bool mmi_environ_set(mmi_eval *ev, mm_value *name, mm_value *value)
{
    mm_value *none = mm_value_new_none();

    if (check_text(ev, name, "name") &&
        (value == NULL || check_text(ev, value, "value"))) {
        if (ev->environ == NULL) {
            ev->environ = mm_value_new_dict();
        }
        mm_dict_put_key(ev->environ, name, value == NULL ? none : value);
    }
    return !mm_has_error();
}

/* get(), pop() and setdefault() share their arguments. */
static mm_value *find_or(mmi_eval *ev, const char *function, const mmi_args *args,
                         mm_value **out_name, bool *out_found)
{
    static const char *const names[] = {"key", "default"};
    mm_value *given[2] = {0};
    mm_value *value = NULL;

    *out_found = false;
    if (!mmi_bind(ev, function, args, names, 2, 1, given)) {
        return NULL;
    }
    *out_name = given[0];
    value = mmi_environ_find(ev, given[0]);
    *out_found = value != NULL;
    return value != NULL || mm_has_error() ? value
           : given[1] != NULL              ? mm_value_ref(given[1])
                                           : mm_value_new_none();
}

mm_value *mmi_getenv(mmi_eval *ev, const mmi_args *args)
{
    mm_value *name = NULL;
    bool found = false;

    return find_or(ev, "get", args, &name, &found);
}

static mm_value *environ_pop(mmi_eval *ev, const mmi_args *args)
{
    mm_value *name = NULL;
    bool found = false;
    mm_value *value = find_or(ev, "pop", args, &name, &found);

    if (value != NULL && !found && mmi_num_args(args) == 1) {
        mm_value_unref(value);
        return mmi_fail(ev, EXC_KEY, "the environment variable '%s' is not set",
                        mm_value_str(name));
    }
    if (value != NULL) {
        (void)mmi_environ_set(ev, name, NULL);
    }
    return value;
}

static mm_value *environ_setdefault(mmi_eval *ev, const mmi_args *args)
{
    mm_value *name = NULL;
    bool found = false;
    mm_value *value = find_or(ev, "setdefault", args, &name, &found);

    if (value != NULL && !found && !mmi_environ_set(ev, name, value)) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

static mm_value *environ_update(mmi_eval *ev, const mmi_args *args)
{
    mm_value *pairs = mm_value_new_dict();

    if (mmi_expect_args(ev, "update", args, 1, 1)) {
        (void)mmi_dict_update(ev, pairs, mmi_arg(args, 0));
    }
    for (size_t i = 0; i < mm_value_len(pairs) && !mm_has_error(); i++) {
        (void)mmi_environ_set(ev, mm_dict_key_at(pairs, i), mm_dict_at(pairs, i));
    }
    mm_value_unref(pairs);
    return mm_has_error() ? NULL : mm_value_new_none();
}

static const mmi_std_entry environ_entries[] = {
    PLAIN("get", mmi_getenv),
    PLAIN("pop", environ_pop),
    PLAIN("setdefault", environ_setdefault),
    PLAIN("update", environ_update),
};

const mmi_std_def mmi_std_environ = MODULE("os.environ", environ_entries);
