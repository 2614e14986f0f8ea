/* Calls: evaluating arguments, binding them to parameters, dispatching on what is
 * called. Keyword arguments are a dict with the places of their names, which dict()
 * returns as it is: so every `dict(k=v)` knows where it was written. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/objects.h"
#include "mmengine/memory.h"

mm_value *mmi_arg(const mmi_args *args, size_t index)
{
    return index < mmi_num_args(args) ? mm_list_get(args->list, index) : NULL;
}

static void release(mmi_args *args)
{
    mm_value_unref(args->list);
    mm_value_unref(args->named);
}

/* ---- evaluating arguments ---- */

/* f(**mapping) */
static void add_mapping(mmi_eval *ev, mmi_node *node, mm_value *named)
{
    mm_value *other = mmi_evaluate(ev, node->u.keyword.value);

    ev->at = node;
    if (other != NULL && mm_value_kind(other) != MM_KIND_DICT) {
        (void)mmi_fail(ev, EXC_TYPE, "'**' needs a dict, not %s",
                       mm_value_type_name(other));
    }
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(other); i++) {
        mm_value *key = mm_dict_key_at(other, i);

        if (mm_value_kind(key) != MM_KIND_STR) {
            (void)mmi_fail(ev, EXC_TYPE, "'**' needs keys that are strings, not %s",
                           mm_value_type_name(key));
        } else if (mm_dict_find_key(named, key) != NULL) {
            (void)mmi_fail(ev, EXC_TYPE, "the argument '%s' is given twice",
                           mm_value_str(key));
        } else {
            mmi_dict_put_at(named, key, mm_dict_at(other, i),
                            mmi_dict_source_of(other, i));
        }
    }
    mm_value_unref(other);
}

static void add_keyword(mmi_eval *ev, mmi_node *node, mm_value *named)
{
    const char *name = node->u.keyword.name;
    mm_value *value = NULL;
    size_t count = mm_value_len(named);

    if (name == NULL) {
        add_mapping(ev, node, named);
        return;
    }
    value = mmi_evaluate(ev, node->u.keyword.value);
    if (value == NULL) {
        mmi_path_prepend(ev, name);
        return;
    }
    mm_dict_take(named, name, value);
    if (mm_has_error()) {
        return;
    }
    if (mm_value_len(named) == count) { /* f(**{'a': 1}, a=2) */
        ev->at = node;
        (void)mmi_fail(ev, EXC_TYPE, "the argument '%s' is given twice", name);
        return;
    }
    mm_dict_set_source_at(named, count, mmi_source_at(ev, node));
}

static bool eval_args(mmi_eval *ev, mmi_node *node, mmi_args *out)
{
    const mmi_nodes *keywords = &node->u.call.keywords;

    if (!mmi_reserve_items(ev, (size_t)(node->u.call.args.count + keywords->count))) {
        return false;
    }
    if (node->u.call.args.count > 0) {
        out->list = mm_value_new_tuple();
        (void)mmi_eval_items(ev, &node->u.call.args, out->list);
    }
    if (keywords->count > 0) {
        out->named = mm_value_new_dict();
        for (int32_t i = 0; i < keywords->count && !mm_has_error(); i++) {
            add_keyword(ev, keywords->at[i], out->named);
        }
    }
    return !mm_has_error();
}

/* ---- binding ---- */

bool mmi_expect_args(mmi_eval *ev, const char *function, const mmi_args *args,
                     size_t least, size_t most)
{
    size_t count = mmi_num_args(args);

    if (args->named != NULL && mm_value_len(args->named) > 0) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() takes no keyword argument '%s'", function,
                       mm_dict_name_at(args->named, 0));
        return false;
    }
    if (count < least || count > most) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() takes %s%zu argument%s, got %zu", function,
                       least == most   ? ""
                       : count < least ? "at least "
                                       : "at most ",
                       count < least ? least : most,
                       (count < least ? least : most) == 1 ? "" : "s", count);
        return false;
    }
    return !mm_has_error();
}

static void *unknown_argument(mmi_eval *ev, const char *function, const char *name,
                              const char *const *names, size_t count)
{
    mmi_suggest suggest = {.word = name};

    for (size_t i = 0; i < count; i++) {
        if (names[i][0] != '/') {
            mmi_suggest_add(&suggest, names[i]);
        }
    }
    (void)mmi_fail(ev, EXC_TYPE, "%s() has no argument '%s'", function, name);
    mmi_suggest_hint(&suggest);
    return NULL;
}

static bool bind_named(mmi_eval *ev, const char *function, const mmi_args *args,
                       const char *const *names, size_t count, mm_value **out)
{
    for (size_t i = 0; args->named != NULL && i < mm_value_len(args->named); i++) {
        const char *name = mm_dict_name_at(args->named, i);
        size_t at = 0;

        while (at < count && (names[at][0] == '/' || strcmp(names[at], name) != 0)) {
            at++;
        }
        if (at == count) {
            (void)unknown_argument(ev, function, name, names, count);
            return false;
        }
        if (out[at] != NULL) {
            (void)mmi_fail(ev, EXC_TYPE, "%s() got the argument '%s' twice", function,
                           name);
            return false;
        }
        out[at] = mm_dict_at(args->named, i);
    }
    return !mm_has_error();
}

bool mmi_bind(mmi_eval *ev, const char *function, const mmi_args *args,
              const char *const *names, size_t count, size_t required, mm_value **out)
{
    size_t given = mmi_num_args(args);

    if (given > count) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() takes at most %zu argument%s, got %zu",
                       function, count, count == 1 ? "" : "s", given);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = i < given ? mm_list_get(args->list, i) : NULL;
    }
    if (!bind_named(ev, function, args, names, count, out)) {
        return false;
    }
    for (size_t i = 0; i < required; i++) {
        if (out[i] == NULL) {
            (void)mmi_fail(ev, EXC_TYPE, "%s() needs the argument '%s'", function,
                           names[i] + (names[i][0] == '/'));
            return false;
        }
    }
    return !mm_has_error();
}

/* ---- functions of the config ---- */

/* Parameters filled so far: the value of each lies in `vars` under its name. */
struct binding {
    mmi_eval *ev;
    const mmi_function *function;
    const mmi_args *args;
    mm_value *vars;
};

static void bind_positional(struct binding *b)
{
    size_t given = mmi_num_args(b->args);
    size_t next = 0;
    size_t places = 0;

    for (int32_t i = 0; i < b->function->num_params && !mm_has_error(); i++) {
        const mmi_param *param = &b->function->params[i];

        if (param->kind == PARAM_STAR && param->name != NULL) {
            mm_value *rest = mm_value_new_tuple();

            while (next < given && !mm_has_error()) {
                mm_list_append(rest, mm_list_get(b->args->list, next++));
            }
            mm_dict_take(b->vars, param->name, rest);
        } else if (param->kind <= PARAM_NORMAL) {
            places++;
            if (next < given) {
                mm_dict_put(b->vars, param->name, mm_list_get(b->args->list, next++));
            }
        }
    }
    if (next < given && !mm_has_error()) {
        (void)mmi_fail(b->ev, EXC_TYPE, "%s() takes %zu positional argument%s, got %zu",
                       b->function->name, places, places == 1 ? "" : "s", given);
    }
}

static const mmi_param *find_param(const mmi_function *function, const char *name)
{
    for (int32_t i = 0; i < function->num_params; i++) {
        const mmi_param *param = &function->params[i];

        if ((param->kind == PARAM_NORMAL || param->kind == PARAM_KEYWORD) &&
            strcmp(param->name, name) == 0) {
            return param;
        }
    }
    return NULL;
}

static const mmi_param *find_rest(const mmi_function *function)
{
    const mmi_param *last =
        function->num_params == 0 ? NULL : &function->params[function->num_params - 1];

    return last != NULL && last->kind == PARAM_DSTAR ? last : NULL;
}

static void bind_keywords(struct binding *b)
{
    const mmi_param *rest_param = find_rest(b->function);
    mm_value *rest = rest_param == NULL ? NULL : mm_value_new_dict();

    for (size_t i = 0;
         b->args->named != NULL && !mm_has_error() && i < mm_value_len(b->args->named);
         i++) {
        const char *name = mm_dict_name_at(b->args->named, i);
        mm_value *value = mm_dict_at(b->args->named, i);
        const mmi_param *param = find_param(b->function, name);

        if (param != NULL && mm_dict_has(b->vars, name)) {
            (void)mmi_fail(b->ev, EXC_TYPE, "%s() got the argument '%s' twice",
                           b->function->name, name);
        } else if (param != NULL) {
            mm_dict_put(b->vars, name, value);
        } else if (rest != NULL) {
            mmi_dict_put_at(rest, mm_dict_key_at(b->args->named, i), value,
                            mmi_dict_source_of(b->args->named, i));
        } else {
            mmi_suggest suggest = {.word = name};

            for (int32_t j = 0; j < b->function->num_params; j++) {
                if (b->function->params[j].name != NULL) {
                    mmi_suggest_add(&suggest, b->function->params[j].name);
                }
            }
            (void)mmi_fail(b->ev, EXC_TYPE, "%s() has no argument '%s'",
                           b->function->name, name);
            mmi_suggest_hint(&suggest);
        }
    }
    if (rest != NULL) {
        mm_dict_take(b->vars, rest_param->name, rest);
    }
}

static void bind_defaults(struct binding *b, const mm_value *defaults)
{
    size_t next = 0;

    for (int32_t i = 0; i < b->function->num_params && !mm_has_error(); i++) {
        const mmi_param *param = &b->function->params[i];
        mm_value *fallback = NULL;

        if (param->fallback != NULL) {
            fallback = mm_list_get(defaults, next++);
        }
        if (param->name == NULL || mm_dict_has(b->vars, param->name)) {
            continue;
        }
        if (fallback == NULL) {
            (void)mmi_fail(b->ev, EXC_TYPE, "%s() needs the argument '%s'",
                           b->function->name, param->name);
        } else {
            mm_dict_put(b->vars, param->name, fallback);
        }
    }
}

static mm_value *run_body(mmi_eval *ev, mmi_function *function)
{
    mm_value *result = NULL;
    mmi_flow flow = FLOW_NEXT;

    if (function->result != NULL) {
        return mmi_evaluate(ev, function->result);
    }
    flow = mmi_execute(ev, &function->body, &result);
    return flow == FLOW_ERROR ? NULL : result != NULL ? result : mm_value_new_none();
}

/* True if the function can be run at all. */
static bool check_call(mmi_eval *ev, const mmi_function *function)
{
    if (function->is_generator || function->is_async) {
        (void)mmi_fail(ev, EXC_FATAL, "%s() is %s, which a config cannot call",
                       function->name,
                       function->is_async ? "a coroutine" : "a generator function");
    } else if (ev->calls >= MMI_MAX_CALLS || ev->depth >= ev->max_depth) {
        (void)mmi_fail(ev, EXC_RECURSION, "%s() is called more than %d levels deep",
                       function->name, (int)MMI_MAX_CALLS);
    }
    return !mm_has_error();
}

/* "while calling f(), file:line:column"; a recursion is told once. */
static void add_frame(const char *name, const mm_source *place)
{
    const mm_error *error = mm_error_peek();
    char text[MM_ERROR_FRAME_SIZE];

    (void)snprintf(text, sizeof(text), "while calling %.60s(), %.90s:%d:%d", name,
                   place->file, (int)place->line, (int)place->column);
    if (error->num_frames == 0 ||
        strcmp(error->frames[error->num_frames - 1], text) != 0) {
        (void)mm_error_frame("%s", text);
    }
}

static mm_value *call_function(mmi_eval *ev, mmi_function_object *callee,
                               const mmi_args *args)
{
    mmi_scope *caller_scope = ev->scope;
    mmi_module *caller_module = ev->module;
    mm_source place = mmi_source_at(ev, ev->at);
    struct binding b = {.ev = ev, .function = callee->function, .args = args};
    mmi_scope *scope = NULL;
    mm_value *result = NULL;

    if (!check_call(ev, callee->function)) {
        return NULL;
    }
    ev->module = callee->module;
    scope = mmi_function_names(ev, callee->function)
                ? mmi_scope_new(ev, callee->outer, &callee->function->locals)
                : NULL;
    ev->module = caller_module;
    if (scope == NULL) {
        return NULL;
    }
    scope->function = callee->function;
    b.vars = scope->vars;
    bind_positional(&b);
    bind_keywords(&b);
    bind_defaults(&b, callee->defaults);
    if (!mm_has_error()) {
        ev->calls++;
        ev->scope = scope;
        ev->module = callee->module;
        result = run_body(ev, callee->function);
        ev->calls--;
        ev->scope = caller_scope;
        ev->module = caller_module;
        if (result == NULL) {
            add_frame(callee->function->name, &place);
        }
    }
    mmi_scope_unref(ev, scope);
    return result;
}

/* ---- dispatch ---- */

static mm_value *call_exc_type(mmi_eval *ev, const mmi_type_object *type,
                               const mmi_args *args)
{
    if (args->named != NULL && mm_value_len(args->named) > 0) {
        return mmi_fail(ev, EXC_TYPE, "%s() takes no keyword arguments", type->name);
    }
    return mmi_new_exception(type->exc, args->list, mmi_source_at(ev, ev->at));
}

static mm_value *call_type(mmi_eval *ev, const mmi_type_object *type,
                           const mmi_args *args)
{
    if (type->attributes != NULL) {
        return mmi_fail(ev, EXC_FATAL, "a config cannot make objects of its class '%s'",
                        type->name);
    }
    if (type->exc != EXC_NONE) {
        return call_exc_type(ev, type, args);
    }
    if (type->call == NULL) {
        return mmi_fail(ev, EXC_TYPE, "objects of type '%s' cannot be made",
                        type->name);
    }
    return type->call(ev, args);
}

/* A method; str.upper and the like take their value from the arguments. */
static mm_value *call_bound(mmi_eval *ev, const mmi_bound_object *bound,
                            const mmi_args *args)
{
    mmi_args rest = {.named = args->named};
    mm_value *result = NULL;
    mm_value *self = mmi_arg(args, 0);

    if (bound->self != NULL) {
        return bound->method->call(ev, bound->self, args);
    }
    if (self == NULL ||
        mmi_find_method(ev, self, bound->method->name) != bound->method) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs a value of its type first",
                        bound->method->name);
    }
    rest.list = mm_value_new_tuple();
    for (size_t i = 1; i < mmi_num_args(args); i++) {
        mm_list_append(rest.list, mmi_arg(args, i));
    }
    if (!mm_has_error()) {
        result = bound->method->call(ev, self, &rest);
    }
    mm_value_unref(rest.list);
    return result;
}

static mm_value *refuse_lazy_call(mmi_eval *ev, const mmi_lazy_object *lazy)
{
    (void)mmi_fail(ev, EXC_RUNTIME,
                   "'%s.%s' is only a name in a config and cannot be called",
                   lazy->module, lazy->name);
    (void)mm_error_hint("write dict(type=%s, ...)", lazy->name);
    return NULL;
}

mm_value *mmi_eval_apply(mmi_eval *ev, mm_value *callee, const mmi_args *args)
{
    const mm_object_ops *ops =
        mm_value_kind(callee) == MM_KIND_OBJECT ? mm_value_object_ops(callee) : NULL;
    void *object = mm_value_find_object(callee, NULL);

    if (!mmi_step(ev, 1)) {
        return NULL;
    }
    if (ops == &mmi_function_ops) {
        return call_function(ev, object, args);
    }
    if (ops == &mmi_builtin_ops) {
        return ((mmi_builtin_object *)object)->def->call(ev, args);
    }
    if (ops == &mmi_bound_ops) {
        return call_bound(ev, object, args);
    }
    if (ops == &mmi_type_ops) {
        return call_type(ev, object, args);
    }
    if (ops == &mmi_std_ops && ((mmi_std_object *)object)->def == NULL) {
        return mmi_fail(ev, EXC_FATAL, "'%s' is not available in a config",
                        ((mmi_std_object *)object)->name);
    }
    if (ops == &mmi_partial_ops) {
        return mmi_call_partial(ev, object, args);
    }
    if (ops == &mmi_lazy_ops) {
        return refuse_lazy_call(ev, object);
    }
    return mmi_fail(ev, EXC_TYPE, "%s cannot be called", mm_value_type_name(callee));
}

mm_value *mmi_call_one(mmi_eval *ev, mm_value *callee, mm_value *argument)
{
    mmi_args args = {.list = mm_value_new_tuple()};
    mm_value *result = NULL;

    mm_list_append(args.list, argument);
    if (!mm_has_error()) {
        result = mmi_eval_apply(ev, callee, &args);
    }
    release(&args);
    return result;
}

/* object.method(...) without a bound object in between. */
static mm_value *call_attribute(mmi_eval *ev, mmi_node *node)
{
    mmi_node *callee_node = node->u.call.callee;
    mm_value *self = mmi_evaluate(ev, callee_node->u.attribute.object);
    const mmi_method *method =
        self == NULL ? NULL : mmi_find_method(ev, self, callee_node->u.attribute.name);
    mm_value *callee = NULL;
    mm_value *result = NULL;
    mmi_args args = {0};

    ev->at = callee_node;
    if (self != NULL && method == NULL) {
        callee = mmi_get_attribute(ev, self, callee_node->u.attribute.name);
    }
    if ((method != NULL || callee != NULL) && eval_args(ev, node, &args)) {
        ev->at = node;
        result = method != NULL ? method->call(ev, self, &args)
                                : mmi_eval_apply(ev, callee, &args);
    }
    release(&args);
    mm_value_unref(callee);
    mm_value_unref(self);
    return result;
}

mm_value *mmi_eval_call(mmi_eval *ev, mmi_node *node)
{
    mm_value *callee = NULL;
    mm_value *result = NULL;
    mmi_args args = {0};

    if (node->u.call.callee->kind == NODE_ATTRIBUTE) {
        return call_attribute(ev, node);
    }
    callee = mmi_evaluate(ev, node->u.call.callee);
    if (callee != NULL && eval_args(ev, node, &args)) {
        ev->at = node;
        result = mmi_eval_apply(ev, callee, &args);
    }
    release(&args);
    mm_value_unref(callee);
    return result;
}

/* ---- definitions ---- */

static void deinit_function(void *self)
{
    mmi_function_object *object = self;

    mm_value_unref(object->defaults);
    mmi_scope_unref(object->ev, object->outer);
}

mm_value *mmi_make_function(mmi_eval *ev, mmi_function *function)
{
    mmi_function_object *object = mmi_object_new(sizeof(*object), deinit_function);

    if (object == NULL) {
        return NULL;
    }
    object->ev = ev;
    object->module = ev->module;
    object->function = function;
    object->outer = mmi_scope_ref(ev->scope);
    object->defaults = mm_value_new_list();
    for (int32_t i = 0; i < function->num_params && !mm_has_error(); i++) {
        if (function->params[i].fallback != NULL) {
            mm_value *value = mmi_evaluate(ev, function->params[i].fallback);

            if (value != NULL) {
                mm_list_push(object->defaults, value);
            }
        }
    }
    if (mm_has_error()) {
        mmi_object_unref(object);
        return NULL;
    }
    return mmi_object_value(object, &mmi_function_ops);
}

static void deinit_class(void *self)
{
    mm_value_unref(((mmi_type_object *)self)->attributes);
}

mm_value *mmi_make_class(mmi_eval *ev, mmi_node *node)
{
    mmi_type_object *object = mmi_object_new(sizeof(*object), deinit_class);
    mmi_scope *scope = mmi_scope_new(ev, ev->scope, NULL);
    mmi_scope *outer = ev->scope;
    mm_value *result = NULL;

    if (object != NULL && scope != NULL) {
        scope->is_class = true;
        object->name = node->u.class_def.name;
        object->kind = MM_KIND_OBJECT;
        object->attributes = mm_value_ref(scope->vars);
        ev->scope = scope;
        (void)mmi_execute(ev, &node->u.class_def.body, &result);
        ev->scope = outer;
    }
    mmi_scope_unref(ev, scope);
    if (mm_has_error()) {
        mmi_object_unref(object);
        return NULL;
    }
    return mmi_object_value(object, &mmi_type_ops);
}
