/* eval(): an expression in a text, with the names around the call. */
#include <string.h>

#include "config/objects.h"
#include "mmengine/memory.h"

/* The text as a module of its own that shares the names of the present one. It lives as
 * long as the load: functions made in it may, too. */
static mmi_module *parse(mmi_eval *ev, const char *text, size_t size)
{
    mmi_module *module = mm_alloc(sizeof(*module));

    if (module == NULL) {
        return NULL;
    }
    module->next = ev->modules;
    ev->modules = module;
    module->globals = mm_value_ref(ev->module->globals);
    module->bases = mm_value_ref(ev->module->bases);
    module->is_lazy = ev->module->is_lazy;
    if (mmi_text_set(&module->text, text, size, NULL, "<eval>") != MM_OK ||
        mmi_parse(&module->text, &module->ast) != MM_OK) {
        ev->exc = EXC_SYNTAX;
        return NULL;
    }
    return module;
}

mm_value *mmi_eval_text(mmi_eval *ev, const mmi_args *args)
{
    mmi_module *outer = ev->module;
    const mmi_node *at = ev->at;
    mmi_module *module = NULL;
    mm_value *result = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!mmi_expect_args(ev, "eval", args, 1, 1)) {
        return NULL;
    }
    if (mm_value_kind(mmi_arg(args, 0)) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "eval() needs a str, not %s",
                        mm_value_type_name(mmi_arg(args, 0)));
    }
    text = mm_value_str_n(mmi_arg(args, 0), &size);
    while (size > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        size--;
    }
    if (mmi_step(ev, (int64_t)size) && mmi_reserve(ev, sizeof(*module) + size * 16)) {
        module = parse(ev, text, size);
    }
    if (module != NULL && (module->ast.body.count != 1 ||
                           module->ast.body.at[0]->kind != NODE_EXPRESSION)) {
        return mmi_fail(ev, EXC_SYNTAX, "eval() needs one expression");
    }
    if (module != NULL) {
        ev->module = module;
        result = mmi_evaluate(ev, module->ast.body.at[0]->u.operand);
        ev->module = outer;
        ev->at = at;
    }
    if (result == NULL) {
        (void)mm_error_frame("in eval() at %s:%d:%d", outer->ast.file, (int)at->line,
                             (int)at->column);
    }
    return result;
}
