/* Executing statements. `elif` chains are followed in a loop; blocks recurse. */
#include <string.h>

#include "config/objects.h"
#include "mmengine/memory.h"

static mmi_flow flow_of(bool good)
{
    return good ? FLOW_NEXT : FLOW_ERROR;
}

/* `_base_ = ...` is read before the body runs and does nothing here. */
static bool is_base_line(const mmi_eval *ev, const mmi_node *node)
{
    const mmi_node *first = node->u.assign.targets.at[0];

    return ev->module->ignores_base && first->kind == NODE_NAME &&
           strcmp(first->u.name, "_base_") == 0;
}

static bool execute_assign(mmi_eval *ev, mmi_node *node)
{
    const mmi_nodes *targets = &node->u.assign.targets;
    mm_value *value = NULL;

    if (is_base_line(ev, node)) {
        return true;
    }
    value = mmi_evaluate(ev, node->u.assign.value);
    if (value == NULL) {
        const mmi_node *first = targets->at[0];

        mmi_path_report(ev, first->kind == NODE_NAME ? first->u.name : "");
    }
    for (int32_t i = 0; i < targets->count && !mm_has_error(); i++) {
        (void)mmi_assign(ev, targets->at[i], value);
    }
    mm_value_unref(value);
    return !mm_has_error();
}

static bool execute_annotated(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = NULL;

    if (node->u.annotated.value == NULL) {
        return true;
    }
    value = mmi_evaluate(ev, node->u.annotated.value);
    if (value != NULL) {
        (void)mmi_assign(ev, node->u.annotated.target, value);
    }
    mm_value_unref(value);
    return !mm_has_error();
}

static bool execute_expression(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = mmi_evaluate(ev, node->u.operand);

    if (value == NULL) {
        mmi_path_report(ev, "");
    }
    mm_value_unref(value);
    return value != NULL;
}

/* 1 true, 0 false, -1 error */
static int test(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = mmi_evaluate(ev, node);
    int result = value == NULL ? -1 : mmi_is_true(value);

    mm_value_unref(value);
    return result;
}

static mmi_flow execute_if(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    for (;;) {
        const mmi_nodes *otherwise = &node->u.branch.otherwise;
        int yes = test(ev, node->u.branch.test);

        if (yes != 0) {
            return yes < 0 ? FLOW_ERROR
                           : mmi_execute(ev, &node->u.branch.body, out_result);
        }
        if (otherwise->count != 1 || otherwise->at[0]->kind != NODE_IF) {
            return mmi_execute(ev, otherwise, out_result);
        }
        node = otherwise->at[0];
    }
}

static mmi_flow execute_while(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    int yes = 0;

    while ((yes = test(ev, node->u.branch.test)) > 0) {
        mmi_flow flow = mmi_execute(ev, &node->u.branch.body, out_result);

        if (flow == FLOW_BREAK) {
            return FLOW_NEXT;
        }
        if (flow != FLOW_NEXT && flow != FLOW_CONTINUE) {
            return flow;
        }
    }
    return yes < 0 ? FLOW_ERROR
                   : mmi_execute(ev, &node->u.branch.otherwise, out_result);
}

static mmi_flow run_loop(mmi_eval *ev, mmi_node *node, mmi_iter *iter,
                         mm_value **out_result)
{
    for (;;) {
        mm_value *item = NULL;
        mmi_flow flow = FLOW_ERROR;

        ev->at = node->u.loop.iter;
        item = mmi_iter_next(ev, iter);
        if (item == NULL) {
            break;
        }
        if (mmi_assign(ev, node->u.loop.target, item)) {
            flow = mmi_execute(ev, &node->u.loop.body, out_result);
        }
        mm_value_unref(item);
        if (flow == FLOW_BREAK) {
            return FLOW_NEXT;
        }
        if (flow != FLOW_NEXT && flow != FLOW_CONTINUE) {
            return flow;
        }
    }
    return mm_has_error() ? FLOW_ERROR
                          : mmi_execute(ev, &node->u.loop.otherwise, out_result);
}

static mmi_flow execute_for(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    mm_value *over = NULL;
    mmi_iter iter = {0};
    mmi_flow flow = FLOW_ERROR;

    if (node->flag) {
        (void)mmi_fail(ev, EXC_FATAL, "'async for' is not supported in a config");
        return FLOW_ERROR;
    }
    over = mmi_evaluate(ev, node->u.loop.iter);
    ev->at = node->u.loop.iter;
    if (over != NULL && mmi_iter_init(ev, &iter, over)) {
        flow = run_loop(ev, node, &iter, out_result);
    }
    mmi_iter_deinit(&iter);
    mm_value_unref(over);
    return flow;
}

static mmi_flow execute_return(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    mm_value *value = node->u.operand == NULL ? mm_value_new_none()
                                              : mmi_evaluate(ev, node->u.operand);

    if (value == NULL) {
        return FLOW_ERROR;
    }
    mm_value_unref(*out_result); /* a `return` in `finally` wins */
    *out_result = value;
    return FLOW_RETURN;
}

static bool execute_assert(mmi_eval *ev, mmi_node *node)
{
    int yes = test(ev, node->u.raise.what);
    mm_value *message = NULL;
    mm_value *text = NULL;

    if (yes != 0) {
        return yes > 0;
    }
    if (node->u.raise.cause != NULL) {
        message = mmi_evaluate(ev, node->u.raise.cause);
        text = message == NULL ? NULL : mmi_str_of(ev, message);
    }
    ev->at = node;
    if (!mm_has_error()) {
        (void)mmi_fail(ev, EXC_ASSERTION, "assertion failed%s%s",
                       text == NULL ? "" : ": ",
                       text == NULL ? "" : mm_value_str(text));
    }
    mm_value_unref(message);
    mm_value_unref(text);
    return false;
}

static bool execute_delete(mmi_eval *ev, mmi_node *node)
{
    for (int32_t i = 0; i < node->u.items.count && !mm_has_error(); i++) {
        (void)mmi_delete(ev, node->u.items.at[i]);
    }
    return !mm_has_error();
}

/* Applies decorators, innermost first, and binds the name. */
static bool bind_defined(mmi_eval *ev, mmi_node *node, const mmi_nodes *decorators,
                         const char *name, mm_value *value)
{
    for (int32_t i = decorators->count - 1; i >= 0 && value != NULL; i--) {
        mm_value *decorator = mmi_evaluate(ev, decorators->at[i]);
        mm_value *wrapped = NULL;

        ev->at = decorators->at[i];
        if (decorator != NULL) {
            wrapped = mmi_call_one(ev, decorator, value);
        }
        mm_value_unref(decorator);
        mm_value_unref(value);
        value = wrapped;
    }
    if (value != NULL) {
        (void)mmi_name_put(ev, name, value, mmi_source_at(ev, node));
    }
    mm_value_unref(value);
    return !mm_has_error();
}

/* `with open(...) as f`; what read_base() returns does nothing. */
static bool enter(mmi_eval *ev, mmi_node *node, int32_t index, mm_value *context)
{
    mmi_node *target = node->u.with.targets.at[index];

    ev->at = node->u.with.contexts.at[index];
    if (!mmi_is_file(context) && !mm_value_is_none(context)) {
        (void)mmi_fail(ev, EXC_TYPE, "'with' needs a file, not %s",
                       mm_value_type_name(context));
        return false;
    }
    return target == NULL || mmi_assign(ev, target, context);
}

/* The contexts from `index` on, then the body. */
static mmi_flow run_with(mmi_eval *ev, mmi_node *node, int32_t index,
                         mm_value **out_result)
{
    mmi_flow flow = FLOW_ERROR;
    mm_value *context = NULL;

    if (index == node->u.with.contexts.count) {
        return mmi_execute(ev, &node->u.with.body, out_result);
    }
    context = mmi_evaluate(ev, node->u.with.contexts.at[index]);
    if (context != NULL && enter(ev, node, index, context)) {
        flow = run_with(ev, node, index + 1, out_result);
    }
    if (context != NULL && mmi_is_file(context)) {
        MMI_OBJECT(mmi_file_object, &mmi_file_ops, context)->is_closed = true;
    }
    mm_value_unref(context);
    return flow;
}

static mmi_flow execute_with(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    if (node == ev->module->read_base) {
        return mmi_execute(ev, &node->u.with.body, out_result);
    }
    return run_with(ev, node, 0, out_result);
}

static mmi_flow execute_block(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    switch (node->kind) {
    case NODE_IF:
        return execute_if(ev, node, out_result);
    case NODE_WHILE:
        return execute_while(ev, node, out_result);
    case NODE_FOR:
        return execute_for(ev, node, out_result);
    case NODE_TRY:
        return mmi_execute_try(ev, node, out_result);
    case NODE_WITH:
        return execute_with(ev, node, out_result);
    case NODE_DEF:
        return flow_of(bind_defined(ev, node, &node->u.function->decorators,
                                    node->u.function->name,
                                    mmi_make_function(ev, node->u.function)));
    case NODE_CLASS:
        return flow_of(bind_defined(ev, node, &node->u.class_def.decorators,
                                    node->u.class_def.name, mmi_make_class(ev, node)));
    default:
        (void)mmi_fail(ev, EXC_FATAL, "%s is not supported in a config",
                       mmi_node_name(node));
        return FLOW_ERROR;
    }
}

static mmi_flow execute_one(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    switch (node->kind) {
    case NODE_EXPRESSION:
        return flow_of(execute_expression(ev, node));
    case NODE_ASSIGN:
        return flow_of(execute_assign(ev, node));
    case NODE_AUG_ASSIGN:
        return flow_of(mmi_augment(ev, node));
    case NODE_ANN_ASSIGN:
        return flow_of(execute_annotated(ev, node));
    case NODE_DELETE:
        return flow_of(execute_delete(ev, node));
    case NODE_PASS:
    case NODE_GLOBAL:
    case NODE_NONLOCAL:
        return FLOW_NEXT;
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    case NODE_RETURN:
        return execute_return(ev, node, out_result);
    case NODE_RAISE:
        return flow_of(mmi_execute_raise(ev, node));
    case NODE_ASSERT:
        return flow_of(execute_assert(ev, node));
    case NODE_IMPORT:
    case NODE_IMPORT_FROM:
        return flow_of(mmi_execute_import(ev, node));
    default:
        return execute_block(ev, node, out_result);
    }
}

mmi_flow mmi_execute(mmi_eval *ev, const mmi_nodes *body, mm_value **out_result)
{
    mmi_flow flow = FLOW_NEXT;

    if (ev->depth >= ev->max_depth) {
        (void)mmi_fail(ev, EXC_RECURSION, "nested more than %d levels deep",
                       ev->max_depth);
        return FLOW_ERROR;
    }
    ev->depth++;
    for (int32_t i = 0; i < body->count && flow == FLOW_NEXT; i++) {
        ev->at = body->at[i];
        flow = mmi_step(ev, 1) ? execute_one(ev, body->at[i], out_result) : FLOW_ERROR;
        if (flow == FLOW_ERROR) {
            mm_source source = mmi_source_at(ev, body->at[i]);

            (void)mm_error_locate(&source);
        }
    }
    ev->depth--;
    return flow;
}
