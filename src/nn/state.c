/* State dicts: every parameter and persistent buffer by dotted name, in PyTorch's order
 * (of each module first the parameters, then the buffers, then the children). Loading
 * writes into the tensors that are there; what does not fit is reported and, where the
 * caller asks for strictness, an error before anything was written. */
#include "nn/walk.h"

#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"

static mm_status put_slots(struct mmi_walk *walk, const struct mmi_slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        const struct mmi_slot *slot = &slots->items[i];

        if (slot->tensor == NULL || !slot->persistent) {
            continue;
        }
        size_t before = mmi_walk_push(walk, slot->name);

        mm_dict_take(walk->user, walk->path, mm_value_new_tensor(slot->tensor));
        mmi_walk_pop(walk, before);
    }
    return mm_pending();
}

static mm_status put_module(struct mmi_walk *walk, mm_module *module)
{
    mm_status status = put_slots(walk, &module->params);

    return status < 0 ? status : put_slots(walk, &module->buffers);
}

mm_value *mm_module_state_dict(mm_module *module)
{
    mm_value *dict = mm_value_new_dict();

    if (mmi_walk(&(struct mmi_walk){.visit = put_module, .user = dict}, module) < 0) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}

void mm_load_report_deinit(mm_load_report *report)
{
    if (report != NULL) {
        mm_value_unref(report->missing);
        mm_value_unref(report->unexpected);
        mm_value_unref(report->mismatched);
        *report = (mm_load_report){0};
    }
}

static mm_value *sizes_of(const mm_tensor_info *info)
{
    mm_value *sizes = mm_value_new_list();

    for (int i = 0; i < info->ndim; i++) {
        mm_list_push(sizes, mm_value_new_i64(info->sizes[i]));
    }
    return sizes;
}

/* PyTorch before 0.4 wrote a scalar as [1]. */
static bool fits(const mm_tensor_info *from, const mm_tensor_info *to)
{
    if (to->ndim == 0 && from->ndim == 1 && from->sizes[0] == 1) {
        return true;
    }
    return from->ndim == to->ndim &&
           memcmp(from->sizes, to->sizes, sizeof(int64_t) * (size_t)to->ndim) == 0;
}

static void report_mismatch(mm_load_report *report, const char *name,
                            const mm_tensor_info *from, const mm_tensor_info *to)
{
    mm_value *entry = mm_value_new_tuple();

    mm_list_push(entry, mm_value_new_str(name));
    mm_list_push(entry, sizes_of(from));
    mm_list_push(entry, sizes_of(to));
    mm_list_push(report->mismatched, entry);
}

/* Sorts one tensor of the module into the report. */
static void compare(mm_load_report *report, const char *name, const mm_value *own,
                    const mm_value *given)
{
    mm_tensor_info to;
    mm_tensor_info from;

    if (given == NULL) {
        const char *last = strrchr(name, '.');

        if (strcmp(last != NULL ? last + 1 : name, "num_batches_tracked") != 0) {
            mm_list_push(report->missing, mm_value_new_str(name));
        }
        return;
    }
    mm_tensor *source = mm_value_find_tensor(given);

    if (source == NULL) {
        mm_raise(MM_ETYPE, "could not load '%s': expected a tensor, got %s", name,
                 mm_value_type_name(given));
        return;
    }
    if (mm_tensor_info_get(source, &from) != MM_OK ||
        mm_tensor_info_get(mm_value_tensor(own), &to) != MM_OK) {
        return;
    }
    if (fits(&from, &to)) {
        report->matched++;
    } else {
        report_mismatch(report, name, &from, &to);
    }
}

/* "3 missing (a, b, ...)" of a list of names or of tuples that begin with a name. */
static char *list_names(const mm_value *list, const char *what)
{
    enum { SHOWN = 8 };
    size_t count = mm_value_len(list);
    char *text = mm_strfmt("%zu %s (", count, what);

    for (size_t i = 0; i < count && i < SHOWN && text != NULL; i++) {
        mm_value *item = mm_list_get(list, i);
        char *repr = NULL;
        const char *name = NULL;

        if (mm_value_kind(item) == MM_KIND_TUPLE) {
            char *there = mm_value_repr(mm_list_get(item, 1));
            char *here = mm_value_repr(mm_list_get(item, 2));

            repr = mm_strfmt("%s: %s in the file, %s in the module",
                             mm_value_str(mm_list_get(item, 0)), there, here);
            mm_free(there);
            mm_free(here);
            name = repr;
        } else {
            name = mm_value_str(item);
        }
        char *longer = mm_strfmt("%s%s%s", text, i > 0 ? ", " : "", name);

        mm_free(repr);
        mm_free(text);
        text = longer;
    }
    char *closed = mm_strfmt("%s%s)", text, count > SHOWN ? ", ..." : "");

    mm_free(text);
    return closed;
}

static mm_status raise_report(const mm_module *module, const mm_load_report *report)
{
    const mm_value *lists[] = {report->missing, report->unexpected, report->mismatched};
    static const char *const what[] = {"missing", "unexpected", "of another size"};
    char *text = mm_strdup("");

    for (size_t i = 0; i < 3; i++) {
        if (mm_value_len(lists[i]) == 0) {
            continue;
        }
        char *names = list_names(lists[i], what[i]);
        char *longer = mm_strfmt("%s%s%s", text, text[0] != '\0' ? "; " : "", names);

        mm_free(names);
        mm_free(text);
        text = longer;
    }
    mm_raise(MM_EDATA, "could not load weights into a %s: %s", mm_module_type(module),
             text);
    mm_free(text);
    return mm_pending();
}

static mm_status compare_all(const mm_value *own, const mm_value *given,
                             mm_load_report *report)
{
    size_t count = mm_value_len(own);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(own, i);

        compare(report, name, mm_dict_at(own, i), mm_dict_find(given, name));
    }
    count = mm_value_len(given);
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(given, i);

        if (name == NULL) {
            return mm_raise(MM_ETYPE, "could not load weights: a key of the state dict "
                                      "is no string");
        }
        if (!mm_dict_has(own, name)) {
            mm_list_push(report->unexpected, mm_value_new_str(name));
        }
    }
    return mm_pending();
}

/* Copies what fits; called after the comparison, so nothing is half loaded. */
static mm_status copy_all(const mm_value *own, const mm_value *given)
{
    size_t count = mm_value_len(own);
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *source = mm_dict_find(given, mm_dict_name_at(own, i));
        mm_tensor_info to;
        mm_tensor_info from;

        if (source == NULL ||
            mm_tensor_info_get(mm_value_tensor(mm_dict_at(own, i)), &to) != MM_OK ||
            mm_tensor_info_get(mm_value_tensor(source), &from) != MM_OK ||
            !fits(&from, &to)) {
            continue;
        }
        mm_scope scope = mm_scope_open();
        mm_tensor *tensor = mm_value_tensor(source);

        if (from.ndim != to.ndim) {
            tensor = mm_reshape(tensor, MM_DIMS_EMPTY);
        }
        mm_copy_(mm_value_tensor(mm_dict_at(own, i)), tensor);
        mm_scope_close(scope);
        if (mm_has_error()) {
            mm_error_frame("while loading '%s'", mm_dict_name_at(own, i));
        }
    }
    mm_grad_mode_set(recorded);
    return mm_pending();
}

/* --- modules that make the file's tensors fit --- */

struct mend {
    const mm_value *given;
    mm_value *changed; /* a dict of our own, once a module asks for it; or NULL */
};

static void copy_entries(struct mend *mend)
{
    size_t count = mm_value_len(mend->given);

    mend->changed = mm_value_new_dict();
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_dict_put_key(mend->changed, mm_dict_key_at(mend->given, i),
                        mm_dict_at(mend->given, i));
    }
}

static mm_status mend_module(struct mmi_walk *walk, mm_module *module)
{
    struct mend *mend = walk->user;

    if (module->ops->before_load == NULL) {
        return mm_pending();
    }
    if (mend->changed == NULL) {
        copy_entries(mend);
    }
    char *prefix = mm_strfmt("%s%s", walk->path, walk->size > 0 ? "." : "");
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    if (!mm_has_error() &&
        module->ops->before_load(module->self, mend->changed, prefix) < 0) {
        mm_error_frame("while fitting weights into %s (%s)", walk->path,
                       mm_module_type(module));
    }
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_free(prefix);
    return mm_pending();
}

/* The state dict as the modules want it: NULL if it stays as it is. */
static mm_value *mended(mm_module *module, const mm_value *state_dict)
{
    struct mend mend = {.given = state_dict};

    (void)mmi_walk(&(struct mmi_walk){.visit = mend_module, .user = &mend}, module);
    return mend.changed;
}

mm_status mm_module_load_state_dict(mm_module *module, const mm_value *state_dict,
                                    bool strict, mm_load_report *out)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (module == NULL || mm_value_kind(state_dict) != MM_KIND_DICT) {
        return mm_raise(MM_EINVAL,
                        "could not load weights: expected a module and a "
                        "dict, got %s",
                        mm_value_type_name(state_dict));
    }
    mm_value *changed = mended(module, state_dict);
    mm_value *own = mm_module_state_dict(module);
    mm_load_report report = {.missing = mm_value_new_list(),
                             .unexpected = mm_value_new_list(),
                             .mismatched = mm_value_new_list()};

    state_dict = changed != NULL ? changed : state_dict;
    if (!mm_has_error() && compare_all(own, state_dict, &report) == MM_OK) {
        bool clean = mm_value_len(report.missing) == 0 &&
                     mm_value_len(report.unexpected) == 0 &&
                     mm_value_len(report.mismatched) == 0;

        if (strict && !clean) {
            raise_report(module, &report);
        } else {
            copy_all(own, state_dict);
        }
    }
    mm_value_unref(own);
    mm_value_unref(changed);
    if (out != NULL && !mm_has_error()) {
        *out = report;
    } else {
        mm_load_report_deinit(&report);
    }
    return mm_pending();
}
