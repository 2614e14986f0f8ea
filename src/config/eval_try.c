/* raise, try, except, finally. A pending error is Python's exception in flight:
 * `except` takes it and makes an exception object of it, `raise` makes it pending
 * again. Limits and things that are not supported cannot be caught. */
#include <string.h>

#include "config/objects.h"
#include "mmengine/memory.h"

/* ---- raise ---- */

/* "ValueError: text" */
static void raise_object(mmi_eval *ev, mm_value *exception)
{
    const mmi_exc_object *object = MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, exception);
    const char *name = object->name != NULL ? object->name : mmi_exc_name(object->exc);
    mm_value *text = mmi_str_of(ev, exception);

    if (text != NULL) {
        const char *message = mm_value_str(text);

        mm_value_unref(ev->raised);
        ev->raised = mm_value_ref(exception);
        ev->exc = object->exc;
        (void)mm_raise(MM_ECONFIG, "%s%s%s", name, *message == '\0' ? "" : ": ",
                       message);
        (void)mm_error_locate(&object->source);
    }
    mm_value_unref(text);
}

/* An exception object of what stands behind `raise`: an object or a class. */
static mm_value *exception_of(mmi_eval *ev, mm_value *what)
{
    const mmi_type_object *type = MMI_OBJECT(mmi_type_object, &mmi_type_ops, what);
    mm_value *exception = NULL;
    mmi_exc_object *object = NULL;

    if (MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, what) != NULL) {
        return mm_value_ref(what);
    }
    if (type == NULL || (type->exc == EXC_NONE && type->attributes == NULL)) {
        return mmi_fail(ev, EXC_TYPE, "an exception is needed, not %s",
                        mm_value_type_name(what));
    }
    exception = mmi_new_exception(type->exc != EXC_NONE ? type->exc : EXC_EXCEPTION,
                                  NULL, mmi_source_at(ev, ev->at));
    object = MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, exception);
    if (object != NULL && type->attributes != NULL) {
        object->name = mm_strdup(type->name);
    }
    return exception;
}

bool mmi_execute_raise(mmi_eval *ev, mmi_node *node)
{
    mm_value *what = NULL;
    mm_value *exception = NULL;

    if (node->u.raise.what == NULL) {
        if (ev->handled == NULL) {
            return mmi_fail(ev, EXC_RUNTIME, "there is no exception to raise again") !=
                   NULL;
        }
        raise_object(ev, ev->handled);
        return false;
    }
    what = mmi_evaluate(ev, node->u.raise.what);
    ev->at = node;
    exception = what == NULL ? NULL : exception_of(ev, what);
    if (exception != NULL) {
        raise_object(ev, exception);
    }
    mm_value_unref(what);
    mm_value_unref(exception);
    return false;
}

/* ---- catching ---- */

/* The text of an error without its place. */
static const char *plain_message(const mm_error *error)
{
    const char *text = error->message;
    const char *at = strstr(text, ": ");

    /* "file:line:column: message": digits stand before the first ": " */
    if (at != NULL && at > text && at[-1] >= '0' && at[-1] <= '9') {
        return at + 2;
    }
    return text;
}

/* Takes the pending error into `error` and makes an exception object of it. */
static mm_value *catch_error(mmi_eval *ev, mm_error *error, mmi_exc exc)
{
    mm_value *exception = ev->raised;
    mm_value *args = NULL;

    (void)mm_error_take(error);
    ev->exc = EXC_NONE;
    ev->raised = NULL;
    ev->path[0] = '\0';
    if (exception != NULL) {
        return exception;
    }
    args = mm_value_new_tuple();
    mm_list_push(args, mm_value_new_str(plain_message(error)));
    exception = mmi_new_exception(exc, args, mmi_source_at(ev, ev->at));
    mm_value_unref(args);
    return exception;
}

/* 1 if `type`, a class or a tuple of classes, matches; -1: error. */
static int matches(mmi_eval *ev, const mmi_exc_object *exception, const mm_value *type)
{
    const mmi_type_object *class = MMI_OBJECT(mmi_type_object, &mmi_type_ops, type);

    if (mm_value_kind(type) == MM_KIND_TUPLE) {
        for (size_t i = 0; i < mm_value_len(type); i++) {
            int match = matches(ev, exception, mm_list_get(type, i));

            if (match != 0) {
                return match;
            }
        }
        return 0;
    }
    if (class == NULL || (class->exc == EXC_NONE && class->attributes == NULL)) {
        (void)mmi_fail(ev, EXC_TYPE, "'except' needs exception classes, not %s",
                       mm_value_type_name(type));
        return -1;
    }
    if (class->attributes != NULL) {
        return exception->name != NULL && strcmp(exception->name, class->name) == 0;
    }
    return mmi_exc_is(exception->exc, class->exc);
}

static const mmi_handler *find_handler(mmi_eval *ev, mmi_node *node,
                                       mm_value *exception)
{
    const mmi_exc_object *object = MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, exception);

    for (int32_t i = 0; i < node->u.attempt.num_handlers; i++) {
        const mmi_handler *handler = &node->u.attempt.handlers[i];
        mm_value *type = NULL;
        int match = 1;

        if (handler->type != NULL) {
            type = mmi_evaluate(ev, handler->type);
            match = type == NULL ? -1 : matches(ev, object, type);
        }
        mm_value_unref(type);
        if (match != 0) {
            return match > 0 ? handler : NULL;
        }
    }
    return NULL;
}

static mmi_flow run_handler(mmi_eval *ev, const mmi_handler *handler,
                            mm_value *exception, mm_value **out_result)
{
    mm_value *outer = ev->handled;
    mmi_flow flow = FLOW_NEXT;

    ev->handled = mm_value_ref(exception);
    if (handler->name != NULL) {
        (void)mmi_name_put(ev, handler->name, exception,
                           mmi_source_of(ev, handler->line, handler->column));
    }
    flow = mm_has_error() ? FLOW_ERROR : mmi_execute(ev, &handler->body, out_result);
    if (handler->name != NULL && !mm_has_error()) {
        (void)mm_dict_remove(ev->scope == NULL ? ev->module->globals : ev->scope->vars,
                             handler->name);
    }
    mm_value_unref(ev->handled);
    ev->handled = outer;
    return flow;
}

/* The body failed: looks for a handler. `error` is room for the error meanwhile. */
static mmi_flow handle(mmi_eval *ev, mmi_node *node, mm_error *error,
                       mm_value **out_result)
{
    mmi_exc exc = mmi_pending_exc(ev);
    mm_value *exception = NULL;
    const mmi_handler *handler = NULL;
    mmi_flow flow = FLOW_ERROR;

    if (exc == EXC_FATAL || node->u.attempt.num_handlers == 0) {
        return FLOW_ERROR;
    }
    exception = catch_error(ev, error, exc);
    handler = exception == NULL ? NULL : find_handler(ev, node, exception);
    if (handler != NULL) {
        flow = run_handler(ev, handler, exception, out_result);
    } else if (!mm_has_error()) {
        ev->exc = exc;
        mm_value_unref(ev->raised);
        ev->raised = mm_value_ref(exception);
        (void)mm_error_restore(error);
    }
    mm_value_unref(exception);
    return flow;
}

static mmi_flow run_finally(mmi_eval *ev, mmi_node *node, mmi_flow flow,
                            mm_error *error, mm_value **out_result)
{
    mmi_exc exc = ev->exc;
    mmi_flow last = FLOW_NEXT;
    bool failed = mm_has_error();

    if (failed && mmi_pending_exc(ev) == EXC_FATAL) {
        return flow;
    }
    if (failed) {
        (void)mm_error_take(error);
        ev->exc = EXC_NONE;
    }
    last = mmi_execute(ev, &node->u.attempt.finally, out_result);
    if (last != FLOW_NEXT) {
        return last; /* break, return or another error: the first one is forgotten */
    }
    if (failed) {
        ev->exc = exc;
        (void)mm_error_restore(error);
    }
    return flow;
}

mmi_flow mmi_execute_try(mmi_eval *ev, mmi_node *node, mm_value **out_result)
{
    mm_error *error = mm_alloc(sizeof(*error));
    int depth = ev->depth;
    mmi_scope *scope = ev->scope;
    mmi_flow flow = FLOW_ERROR;

    if (error == NULL) {
        return FLOW_ERROR;
    }
    flow = mmi_execute(ev, &node->u.attempt.body, out_result);
    ev->depth = depth;
    ev->scope = scope;
    if (flow == FLOW_ERROR) {
        flow = handle(ev, node, error, out_result);
    } else if (flow == FLOW_NEXT) {
        flow = mmi_execute(ev, &node->u.attempt.otherwise, out_result);
    }
    if (node->u.attempt.finally.count > 0) {
        flow = run_finally(ev, node, flow, error, out_result);
    }
    mm_free(error);
    return flow;
}
