/* Names: which function binds what, and looking them up. As in Python, a name that a
 * function binds anywhere in its body is its own everywhere in it. The names of the
 * file itself are one dict, which locals() and globals() hand out. */
#include <string.h>

#include "base/suggest.h"
#include "config/objects.h"
#include "mmengine/memory.h"

bool mmi_names_has(const mmi_names *names, const char *name)
{
    for (int32_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- which names are bound ---- */

/* What a walk over a body collects. */
struct walk {
    mmi_arena *arena;
    mmi_names *locals, *globals, *outers;
    int depth;
};

static void add_name(struct walk *walk, mmi_names *names, const char *name)
{
    if (name == NULL || mmi_names_has(names, name)) {
        return;
    }
    if (names->count == names->room) {
        int32_t room = names->room * 2 + 8;
        const char **at = mmi_arena_alloc(walk->arena, (size_t)room * sizeof(*at));

        if (at == NULL) {
            return;
        }
        if (names->count > 0) {
            memcpy(at, names->at, (size_t)names->count * sizeof(*at));
        }
        names->at = at;
        names->room = room;
    }
    names->at[names->count++] = name;
}

static void walk_body(struct walk *walk, const mmi_nodes *body);

/* Names in a target. */
static void walk_target(struct walk *walk, const mmi_node *node)
{
    if (node == NULL || walk->depth > MMI_MAX_CALLS) {
        return;
    }
    walk->depth++;
    switch (node->kind) {
    case NODE_NAME:
        add_name(walk, walk->locals, node->u.name);
        break;
    case NODE_STARRED:
        walk_target(walk, node->u.operand);
        break;
    case NODE_TUPLE:
    case NODE_LIST:
        for (int32_t i = 0; i < node->u.items.count; i++) {
            walk_target(walk, node->u.items.at[i]);
        }
        break;
    default:
        break;
    }
    walk->depth--;
}

static void walk_expressions(struct walk *walk, const mmi_nodes *nodes);

/* Finds `:=` in an expression; comprehensions hand theirs to the function. */
static void walk_expression(struct walk *walk, const mmi_node *node)
{
    if (node == NULL || walk->depth > MMI_MAX_DEPTH_EVAL) {
        return;
    }
    walk->depth++;
    switch (node->kind) {
    case NODE_WALRUS:
        walk_target(walk, node->u.binary.left);
        walk_expression(walk, node->u.binary.right);
        break;
    case NODE_BINARY:
        walk_expression(walk, node->u.binary.left);
        walk_expression(walk, node->u.binary.right);
        break;
    case NODE_UNARY:
    case NODE_STARRED:
    case NODE_AWAIT:
    case NODE_YIELD:
    case NODE_YIELD_FROM:
        walk_expression(walk, node->u.operand);
        break;
    case NODE_JOINED:
    case NODE_TUPLE:
    case NODE_LIST:
    case NODE_SET:
    case NODE_BOOLEAN:
        walk_expressions(walk, &node->u.items);
        break;
    case NODE_FIELD:
        walk_expression(walk, node->u.field.value);
        break;
    case NODE_DICT:
        walk_expressions(walk, &node->u.dict.keys);
        walk_expressions(walk, &node->u.dict.values);
        break;
    case NODE_COMPARE:
        walk_expression(walk, node->u.compare.first);
        walk_expressions(walk, &node->u.compare.rest);
        break;
    case NODE_CONDITIONAL:
        walk_expression(walk, node->u.conditional.test);
        walk_expression(walk, node->u.conditional.yes);
        walk_expression(walk, node->u.conditional.no);
        break;
    case NODE_CALL:
        walk_expression(walk, node->u.call.callee);
        walk_expressions(walk, &node->u.call.args);
        walk_expressions(walk, &node->u.call.keywords);
        break;
    case NODE_KEYWORD:
        walk_expression(walk, node->u.keyword.value);
        break;
    case NODE_ATTRIBUTE:
        walk_expression(walk, node->u.attribute.object);
        break;
    case NODE_SUBSCRIPT:
        walk_expression(walk, node->u.subscript.object);
        walk_expression(walk, node->u.subscript.index);
        break;
    case NODE_LIST_COMP:
    case NODE_SET_COMP:
    case NODE_DICT_COMP:
    case NODE_GENERATOR:
        walk_expression(walk, node->u.comp.element);
        walk_expression(walk, node->u.comp.value);
        for (int32_t i = 0; i < node->u.comp.num_clauses; i++) {
            walk_expression(walk, node->u.comp.clauses[i].iter);
            walk_expressions(walk, &node->u.comp.clauses[i].conditions);
        }
        break;
    default:
        break;
    }
    walk->depth--;
}

static void walk_expressions(struct walk *walk, const mmi_nodes *nodes)
{
    for (int32_t i = 0; i < nodes->count; i++) {
        walk_expression(walk, nodes->at[i]);
    }
}

static void walk_import(struct walk *walk, const mmi_node *node)
{
    for (int32_t i = 0; i < node->u.import.num_aliases; i++) {
        const mmi_alias *alias = &node->u.import.aliases[i];
        const char *name = alias->bound != NULL ? alias->bound : alias->name;
        size_t size = strcspn(name, ".");

        add_name(walk, walk->locals,
                 name[size] == '\0' ? name : mmi_arena_text(walk->arena, name, size));
    }
}

static void walk_try(struct walk *walk, const mmi_node *node)
{
    walk_body(walk, &node->u.attempt.body);
    for (int32_t i = 0; i < node->u.attempt.num_handlers; i++) {
        add_name(walk, walk->locals, node->u.attempt.handlers[i].name);
        walk_body(walk, &node->u.attempt.handlers[i].body);
    }
    walk_body(walk, &node->u.attempt.otherwise);
    walk_body(walk, &node->u.attempt.finally);
}

static void walk_with(struct walk *walk, const mmi_node *node)
{
    walk_expressions(walk, &node->u.with.contexts);
    for (int32_t i = 0; i < node->u.with.targets.count; i++) {
        walk_target(walk, node->u.with.targets.at[i]);
    }
    walk_body(walk, &node->u.with.body);
}

static void walk_declared(struct walk *walk, mmi_names *names, const mmi_node *node)
{
    for (int32_t i = 0; i < node->u.names.count; i++) {
        add_name(walk, names, node->u.names.at[i]);
    }
}

static void walk_assign(struct walk *walk, const mmi_node *node)
{
    for (int32_t i = 0; i < node->u.assign.targets.count; i++) {
        walk_target(walk, node->u.assign.targets.at[i]);
    }
    walk_expression(walk, node->u.assign.value);
}

static void walk_branch(struct walk *walk, const mmi_node *node)
{
    walk_expression(walk, node->u.branch.test);
    walk_body(walk, &node->u.branch.body);
    walk_body(walk, &node->u.branch.otherwise);
}

static void walk_loop(struct walk *walk, const mmi_node *node)
{
    walk_target(walk, node->u.loop.target);
    walk_expression(walk, node->u.loop.iter);
    walk_body(walk, &node->u.loop.body);
    walk_body(walk, &node->u.loop.otherwise);
}

static void walk_statement(struct walk *walk, const mmi_node *node)
{
    switch (node->kind) {
    case NODE_ASSIGN:
        walk_assign(walk, node);
        break;
    case NODE_AUG_ASSIGN:
        walk_target(walk, node->u.binary.left);
        walk_expression(walk, node->u.binary.right);
        break;
    case NODE_ANN_ASSIGN:
        walk_target(walk, node->u.annotated.target);
        walk_expression(walk, node->u.annotated.value);
        break;
    case NODE_DELETE:
        for (int32_t i = 0; i < node->u.items.count; i++) {
            walk_target(walk, node->u.items.at[i]);
        }
        break;
    case NODE_EXPRESSION:
    case NODE_RETURN:
        walk_expression(walk, node->u.operand);
        break;
    case NODE_RAISE:
    case NODE_ASSERT:
        walk_expression(walk, node->u.raise.what);
        walk_expression(walk, node->u.raise.cause);
        break;
    case NODE_IF:
    case NODE_WHILE:
        walk_branch(walk, node);
        break;
    case NODE_FOR:
        walk_loop(walk, node);
        break;
    case NODE_TRY:
        walk_try(walk, node);
        break;
    case NODE_WITH:
        walk_with(walk, node);
        break;
    case NODE_IMPORT:
    case NODE_IMPORT_FROM:
        walk_import(walk, node);
        break;
    case NODE_DEF:
        add_name(walk, walk->locals, node->u.function->name);
        break;
    case NODE_CLASS:
        add_name(walk, walk->locals, node->u.class_def.name);
        break;
    case NODE_GLOBAL:
        walk_declared(walk, walk->globals, node);
        break;
    case NODE_NONLOCAL:
        walk_declared(walk, walk->outers, node);
        break;
    default:
        break;
    }
}

static void walk_body(struct walk *walk, const mmi_nodes *body)
{
    if (walk->depth > MMI_MAX_DEPTH_EVAL) {
        return;
    }
    walk->depth++;
    for (int32_t i = 0; i < body->count; i++) {
        walk_statement(walk, body->at[i]);
    }
    walk->depth--;
}

static void drop_names(mmi_names *names, const mmi_names *dropped)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < names->count; i++) {
        if (!mmi_names_has(dropped, names->at[i])) {
            names->at[kept++] = names->at[i];
        }
    }
    names->count = kept;
}

bool mmi_function_names(mmi_eval *ev, mmi_function *function)
{
    struct walk walk = {.arena = &ev->module->ast.arena,
                        .locals = &function->locals,
                        .globals = &function->globals,
                        .outers = &function->outers};

    if (function->has_names) {
        return true;
    }
    walk_body(&walk, &function->body);
    walk_expression(&walk, function->result);
    drop_names(&function->locals, &function->globals);
    drop_names(&function->locals, &function->outers);
    for (int32_t i = 0; i < function->num_params; i++) {
        add_name(&walk, &function->locals, function->params[i].name);
    }
    function->has_names = !mm_has_error();
    return function->has_names;
}

const mmi_names *mmi_comp_names(mmi_eval *ev, mmi_node *comp)
{
    mmi_arena *arena = &ev->module->ast.arena;
    struct walk walk = {.arena = arena};

    if (comp->u.comp.locals == NULL) {
        walk.locals = mmi_arena_alloc(arena, sizeof(mmi_names));
        if (walk.locals == NULL) {
            return NULL;
        }
        for (int32_t i = 0; i < comp->u.comp.num_clauses; i++) {
            walk_target(&walk, comp->u.comp.clauses[i].target);
        }
        comp->u.comp.locals = mm_has_error() ? NULL : walk.locals;
    }
    return comp->u.comp.locals;
}

/* ---- scopes ---- */

mmi_scope *mmi_scope_new(mmi_eval *ev, mmi_scope *outer, const mmi_names *locals)
{
    mmi_scope *scope = mm_alloc(sizeof(*scope));

    if (scope == NULL) {
        return NULL;
    }
    scope->refs = 1;
    scope->vars = mm_value_new_dict();
    scope->outer = mmi_scope_ref(outer);
    scope->locals = locals;
    scope->next = ev->scopes;
    if (ev->scopes != NULL) {
        ev->scopes->previous = scope;
    }
    ev->scopes = scope;
    if (scope->vars == NULL) {
        mmi_scope_unref(ev, scope);
        return NULL;
    }
    return scope;
}

mmi_scope *mmi_scope_ref(mmi_scope *scope)
{
    if (scope != NULL) {
        scope->refs++;
    }
    return scope;
}

void mmi_scope_unref(mmi_eval *ev, mmi_scope *scope)
{
    while (scope != NULL && --scope->refs == 0) {
        mmi_scope *outer = scope->outer;

        if (scope->previous != NULL) {
            scope->previous->next = scope->next;
        } else {
            ev->scopes = scope->next;
        }
        if (scope->next != NULL) {
            scope->next->previous = scope->previous;
        }
        mm_value_unref(scope->vars);
        mm_free(scope);
        scope = outer;
    }
}

/* ---- looking up ---- */

static void suggest_names(mmi_suggest *suggest, const mm_value *vars)
{
    for (size_t i = 0; vars != NULL && i < mm_value_len(vars); i++) {
        const char *name = mm_dict_name_at(vars, i);

        if (name != NULL) {
            mmi_suggest_add(suggest, name);
        }
    }
}

static void visit_builtin(void *user, const char *name)
{
    mmi_suggest_add(user, name);
}

/* Raises NameError with what was probably meant. */
static void *unknown_name(mmi_eval *ev, const char *name)
{
    mmi_suggest suggest = {.word = name};
    mmi_scope *scope = ev->scope;

    for (; scope != NULL; scope = scope->outer) {
        suggest_names(&suggest, scope->vars);
    }
    suggest_names(&suggest, ev->module->globals);
    mmi_builtin_each(visit_builtin, &suggest);
    (void)mmi_fail(ev, EXC_NAME, "name '%s' is not defined", name);
    if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
        (void)mm_error_hint("did you mean '%s'?", name[0] == 't' ? "True" : "False");
    } else if (strcmp(name, "null") == 0 || strcmp(name, "none") == 0) {
        (void)mm_error_hint("did you mean 'None'?");
    }
    if (ev->module->is_lazy && strcmp(name, "_base_") == 0) {
        (void)mm_error_hint("templates and _base_ are not for lazy configs; bases are "
                            "read with 'with read_base()'");
        return NULL;
    }
    mmi_suggest_hint(&suggest);
    return NULL;
}

static bool owns(const mmi_scope *scope, const char *name)
{
    return scope->locals == NULL || mmi_names_has(scope->locals, name);
}

static bool is_global(const mmi_scope *scope, const char *name)
{
    return scope->function != NULL && mmi_names_has(&scope->function->globals, name);
}

mm_value *mmi_name_get(mmi_eval *ev, const char *name)
{
    mm_value *value = NULL;

    for (mmi_scope *scope = ev->scope; scope != NULL; scope = scope->outer) {
        if (scope->is_class && scope != ev->scope) {
            continue; /* methods do not see the names of their class */
        }
        if (is_global(scope, name)) {
            break;
        }
        if (!owns(scope, name)) {
            continue;
        }
        value = mm_dict_find(scope->vars, name);
        if (value != NULL) {
            return mm_value_ref(value);
        }
        if (!scope->is_class) {
            return mmi_fail(ev, EXC_UNBOUND_LOCAL,
                            "'%s' is used before it has a value in this function",
                            name);
        }
    }
    value = mm_dict_find(ev->module->globals, name);
    if (value != NULL) {
        return mm_value_ref(value);
    }
    value = mmi_builtin(ev, name);
    return value != NULL || mm_has_error() ? value : unknown_name(ev, name);
}

/* The dict that binding `name` changes. */
static mm_value *home_of(mmi_eval *ev, const char *name)
{
    for (mmi_scope *scope = ev->scope; scope != NULL; scope = scope->outer) {
        if (is_global(scope, name)) {
            break;
        }
        if (owns(scope, name)) {
            return scope->vars;
        }
    }
    return ev->module->globals;
}

bool mmi_name_put(mmi_eval *ev, const char *name, mm_value *value, mm_source source)
{
    mm_value *home = home_of(ev, name);

    mm_dict_put(home, name, value);
    if (!mm_has_error()) {
        mm_dict_set_source(home, name, source);
    }
    return !mm_has_error();
}

bool mmi_name_delete(mmi_eval *ev, const char *name)
{
    if (!mm_has_error() && !mm_dict_remove(home_of(ev, name), name)) {
        (void)unknown_name(ev, name);
    }
    return !mm_has_error();
}
