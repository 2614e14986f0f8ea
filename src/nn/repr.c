/* The printed tree of modules, PyTorch's format to the letter: one line for a layer, an
 * indented block for a module with children, equal neighbours of a ModuleList folded
 * ("(0-1): 2 x ..."), MMEngine's init_cfg behind it. */
#include "nn/layer.h"

#include <string.h>

#include "mmengine/memory.h"

/* Adds `text` with every line but the first indented by two; blank lines stay empty. */
static void add_indented(mmi_str *out, const char *text)
{
    const char *line = text;

    for (;;) {
        const char *end = strchr(line, '\n');
        size_t size = end != NULL ? (size_t)(end - line) : strlen(line);

        if (line != text) {
            mmi_str_add(out, "\n");
            if (strspn(line, " ") < size) {
                mmi_str_add(out, "  ");
            } else {
                size = 0;
            }
        }
        mmi_str_add_n(out, line, size);
        if (end == NULL) {
            return;
        }
        line = end + 1;
    }
}

/* The children of a ModuleList, runs of equal ones as one. */
static void add_list_children(mmi_str *out, char *const *texts, size_t count)
{
    size_t i = 0;

    while (i < count && !mm_has_error()) {
        size_t end = i + 1;
        mmi_str item = {0};

        while (end < count && strcmp(texts[end], texts[i]) == 0) {
            end++;
        }
        if (end - i > 1) {
            mmi_str_addf(&item, "(%zu-%zu): %zu x %s", i, end - 1, end - i, texts[i]);
        } else {
            mmi_str_addf(&item, "(%zu): %s", i, texts[i]);
        }
        mmi_str_add(out, "\n  ");
        add_indented(out, mmi_str_text(&item));
        mmi_str_deinit(&item);
        i = end;
    }
}

static void add_children(mmi_str *out, const mm_module *module, char *const *texts)
{
    if (strcmp(mm_module_type(module), "ModuleList") == 0) {
        add_list_children(out, texts, module->num_children);
        return;
    }
    for (size_t i = 0; i < module->num_children; i++) {
        mmi_str_addf(out, "\n  (%s): ", module->children[i].name);
        add_indented(out, texts[i]);
    }
}

static void add_body(mmi_str *out, const mm_module *module, const char *extra,
                     char *const *texts)
{
    bool one_line = module->num_children == 0 && strchr(extra, '\n') == NULL;

    if (one_line) {
        mmi_str_add(out, extra);
        return;
    }
    if (extra[0] != '\0') {
        mmi_str_add(out, "\n  ");
        add_indented(out, extra);
    }
    add_children(out, module, texts);
    mmi_str_add(out, "\n");
}

char *mm_module_repr(mm_module *module)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (module == NULL) {
        mm_raise(MM_EINVAL, "could not print a module: none given");
        return NULL;
    }
    char *extra = module->ops->extra_repr != NULL
                      ? module->ops->extra_repr(module->self)
                      : mm_strdup("");
    char **texts = mm_alloc_array(module->num_children + 1, sizeof(*texts));
    mmi_str out = {0};

    for (size_t i = 0; i < module->num_children && texts != NULL; i++) {
        texts[i] = mm_module_repr(module->children[i].module);
    }
    if (!mm_has_error()) {
        mmi_str_addf(&out, "%s(", mm_module_type(module));
        add_body(&out, module, extra, texts);
        mmi_str_add(&out, ")");
    }
    if (!mm_has_error() && mm_value_is_true(module->init_cfg)) {
        char *repr = mm_value_repr(module->init_cfg);

        mmi_str_addf(&out, "\ninit_cfg=%s", repr != NULL ? repr : "?");
        mm_free(repr);
    }
    for (size_t i = 0; i < module->num_children && texts != NULL; i++) {
        mm_free(texts[i]);
    }
    mm_free(texts);
    mm_free(extra);
    return mmi_str_take(&out);
}
