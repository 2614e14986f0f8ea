/* Files of the style with `_base_`, in MMEngine's order: templates in the text, the
 * bases, the body with `_base_` in view, references to the base, the merge. YAML and
 * JSON files have no body but the same order. */
#include "config/text_style.h"

#include <string.h>

#include "config/base.h"
#include "config/data.h"
#include "config/merge.h"
#include "config/style.h"
#include "mmengine/log.h"

/* Runs the body of a Python file. `base` is replaced if the body could change it. */
static mm_value *run_python(mmi_load *load_state, mmi_module *module, bool sees_base,
                            mm_value **base)
{
    mmi_eval *ev = &load_state->ev;
    mm_value *result = NULL;
    mm_value *shown = NULL;

    if (sees_base) { /* the body sees dicts of its own, with attributes */
        shown = mmi_config_value(ev, *base);
        mm_dict_put(module->globals, "_base_", shown);
    }
    if (!mm_has_error()) {
        (void)mmi_execute(ev, &module->ast.body, &result);
    }
    mm_value_unref(result);
    if (shown != NULL && !mm_has_error()) {
        mm_value *changed = mmi_finish_dict(ev, shown);

        mm_value_unref(*base);
        *base = changed;
    }
    mm_value_unref(shown);
    return mm_has_error() ? NULL
                          : mmi_finish(ev, module->globals, &module->text, *base);
}

/* `_deprecation_ = dict(expected=..., reference=...)` becomes a warning. */
static void take_deprecation(mm_value *root, const char *file)
{
    mm_value *info = mm_dict_find(root, "_deprecation_");
    const char *expected = NULL;
    const char *reference = NULL;

    if (info == NULL || mm_has_error()) {
        return;
    }
    if (mm_value_kind(info) == MM_KIND_DICT) {
        mm_value *values[2] = {mm_dict_find(info, "expected"),
                               mm_dict_find(info, "reference")};

        expected =
            mm_value_kind(values[0]) == MM_KIND_STR ? mm_value_str(values[0]) : NULL;
        reference =
            mm_value_kind(values[1]) == MM_KIND_STR ? mm_value_str(values[1]) : NULL;
    }
    mm_log(MM_LOG_WARN, "the config file %s will be deprecated in the future%s%s%s%s%s",
           file, expected == NULL ? "" : ", use ", expected == NULL ? "" : expected,
           expected == NULL ? "" : " instead", reference == NULL ? "" : "; see ",
           reference == NULL ? "" : reference);
    (void)mm_dict_remove(root, "_deprecation_");
}

static mm_value *merge_into(mm_value *root, mm_value *base, const char *file)
{
    mm_value *merged = NULL;

    if (root == NULL) {
        return NULL;
    }
    take_deprecation(root, file);
    merged = mm_has_error() ? NULL : mmi_merge(root, base, false);
    mm_value_unref(root);
    return merged;
}

/* Replaces templates and parses again if there were any. The styles are told apart
 * before, as templates are none in a lazy file. */
static mm_status expand(mmi_load *load_state, mmi_module *module)
{
    if (mmi_text_expand(&module->text, load_state->env, load_state->args) != MM_OK ||
        module->text.num_edits == 0) {
        return mm_pending();
    }
    mmi_ast_deinit(&module->ast);
    module->ast = (mmi_ast){0};
    return mmi_parse(&module->text, &module->ast);
}

/* A file of the style with `_base_`. */
mm_value *mmi_load_text_style(mmi_load *load_state, mmi_module *module,
                              const mmi_link *link)
{
    mmi_eval *ev = &load_state->ev;
    const mmi_node *assign = NULL;
    int32_t num_assigns = 0;
    mm_source place = {0};
    mm_value *names = NULL;
    mm_value *base = NULL;
    mm_value *root = NULL;

    if (expand(load_state, module) != MM_OK) {
        return NULL;
    }
    module->globals = mm_value_new_dict();
    module->ignores_base = true;
    ev->module = module;
    assign = mmi_find_base(&module->ast, &num_assigns);
    names = mmi_base_names(load_state, assign, &place);
    base = mm_has_error() ? NULL : mmi_load_bases(load_state, link, names, place);
    if (!mm_has_error()) {
        bool sees_base = module->ast.num_base_names > num_assigns ||
                         (module->ast.sees_globals && mm_value_len(base) > 0);

        root =
            run_python(load_state, module, sees_base, &base); /* may replace `base` */
        root = merge_into(root, base, link->file);
    }
    mm_value_unref(names);
    mm_value_unref(base);
    return root;
}

mm_value *mmi_load_data(mmi_load *load_state, mmi_module *module, const mmi_link *link,
                        bool is_json)
{
    mmi_eval *ev = &load_state->ev;
    mm_source place = {.file = module->text.file, .line = 1, .column = 1};
    mm_value *names = NULL;
    mm_value *base = NULL;
    mm_value *root = NULL;

    if (mmi_text_expand(&module->text, load_state->env, load_state->args) != MM_OK) {
        return NULL;
    }
    module->ast.file = module->text.file;
    ev->module = module;
    module->globals = mmi_read_data(ev, &module->text, is_json);
    if (!mm_has_error()) {
        names = mmi_data_base_names(module->globals, &place);
        base = mmi_load_bases(load_state, link, names, place);
    }
    if (!mm_has_error()) {
        root = merge_into(mmi_finish(ev, module->globals, &module->text, base), base,
                          link->file);
    }
    mm_value_unref(names);
    mm_value_unref(base);
    return root;
}
