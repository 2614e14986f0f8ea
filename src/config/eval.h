/* The evaluator: what its files share.
 *
 * Values are mm_value containers that are changed in place, so lists and dicts have
 * Python's reference semantics. Functions that return mm_value * give the caller a
 * reference, NULL with an error pending; parameters are borrowed. The place of an error
 * is that of `ev->at`, the node being evaluated; whoever evaluates a part sets it back
 * to its own node before it goes on.
 */
#ifndef MM_CONFIG_EVAL_H
#define MM_CONFIG_EVAL_H

#include "config/ast.h"
#include "config/util.h"
#include "mmengine/config.h"
#include "mmengine/value.h"

/* Python's exceptions, as far as we raise or catch them. */
typedef enum mmi_exc {
    EXC_NONE,
    EXC_FATAL, /* limits, things not supported: no `except` catches it */
    EXC_BASE_EXCEPTION,
    EXC_EXCEPTION,
    EXC_ARITHMETIC,
    EXC_ASSERTION,
    EXC_ATTRIBUTE,
    EXC_BUFFER,
    EXC_EOF,
    EXC_FILE_EXISTS,
    EXC_FILE_NOT_FOUND,
    EXC_FLOATING_POINT,
    EXC_IMPORT,
    EXC_INDEX,
    EXC_KEY,
    EXC_KEYBOARD_INTERRUPT,
    EXC_LOOKUP,
    EXC_MODULE_NOT_FOUND,
    EXC_NAME,
    EXC_NOT_IMPLEMENTED,
    EXC_OS,
    EXC_OVERFLOW,
    EXC_RECURSION,
    EXC_RUNTIME,
    EXC_STOP_ITERATION,
    EXC_SYNTAX,
    EXC_SYSTEM_EXIT,
    EXC_TYPE,
    EXC_UNBOUND_LOCAL,
    EXC_VALUE,
    EXC_WARNING,
    EXC_ZERO_DIVISION,
    NUM_EXC
} mmi_exc;

enum {
    MMI_MAX_DEPTH_EVAL = 2500,        /* nested evaluations: C stack */
    MMI_MAX_CALLS = 200,              /* nested calls of functions of a config */
    MMI_MAX_STEPS = 20 * 1000 * 1000, /* default: evaluated nodes, whole chain */
    MMI_MAX_MEMORY = 256 << 20        /* default: bytes made, whole chain */
};

/* One file: its tree and its global names. */
typedef struct mmi_module {
    struct mmi_module *next;
    mmi_text text;
    mmi_ast ast;
    mm_value *globals; /* dict */
    mm_value *bases;   /* of a lazy file: ".a.b" to the names there; else NULL */
    const mmi_node *read_base; /* of a lazy file: the `with` that was read before */
    bool is_lazy;
    bool ignores_base; /* `_base_ = ...` was read before and is no statement */
} mmi_module;

/* The names of a running function, comprehension or class body. */
typedef struct mmi_scope {
    int32_t refs;
    struct mmi_scope *outer;           /* the function around it in the text, or NULL */
    struct mmi_scope *next, *previous; /* all scopes of the evaluator */
    mm_value *vars;                    /* dict */
    const mmi_names *locals;           /* names it binds; NULL: all (class body) */
    const mmi_function *function;      /* for global and nonlocal; NULL otherwise */
    bool is_class;
} mmi_scope;

/* A set of values by address; holds a reference to each. */
typedef struct mmi_value_set {
    mm_value **slots;
    size_t count, room;
} mmi_value_set;

bool mmi_value_set_has(const mmi_value_set *set, const mm_value *value);
void mmi_value_set_add(mmi_value_set *set, mm_value *value);
void mmi_value_set_deinit(mmi_value_set *set);

typedef struct mmi_eval {
    mmi_module *modules; /* all files read; functions may outlive the run of theirs */
    mmi_module *module;  /* the file being evaluated */
    mmi_scope *scope;    /* the innermost one; NULL at the level of the file */
    mmi_scope *scopes;   /* all that live */
    const mmi_node *at;  /* where we are */
    int64_t steps, max_steps;
    size_t memory, max_memory;
    int depth, max_depth;
    int calls;
    mmi_exc exc;                /* of the pending error */
    mm_value *raised;           /* the exception object of it, or NULL */
    mm_value *handled;          /* the exception an `except` is at work on, or NULL */
    mm_value *environ;          /* what the config set in os.environ: a dict or NULL */
    mmi_value_set config_dicts; /* dicts with attributes (MMEngine's ConfigDict) */
    mmi_value_set changed;      /* containers something was put into: may hold cycles */
    char path[256];             /* keys around the failing node: "model.backbone" */
} mmi_eval;

/* Limits may be NULL. */
void mmi_eval_init(mmi_eval *ev, const mm_config_limits *limits);
/* Breaks cycles and frees everything. */
void mmi_eval_deinit(mmi_eval *ev);

/* ---- errors and limits (eval.c) ---- */

/* Raises an exception at ev->at. Always returns NULL. */
void *mmi_fail(mmi_eval *ev, mmi_exc exc, const char *format, ...) MM_PRINTF(3, 4);
/* The class of the pending error. */
mmi_exc mmi_pending_exc(const mmi_eval *ev);
const char *mmi_exc_name(mmi_exc exc);
mmi_exc mmi_exc_parent(mmi_exc exc);
bool mmi_exc_is(mmi_exc exc, mmi_exc ancestor);
/* Counts work; false with an error at the limit. */
bool mmi_step(mmi_eval *ev, int64_t steps);
/* Counts memory about to be made; false with an error at the limit. */
bool mmi_reserve(mmi_eval *ev, size_t bytes);
/* The same for `count` items of a container. */
bool mmi_reserve_items(mmi_eval *ev, size_t count);
/* Notes that something was put into a container. */
void mmi_note_change(mmi_eval *ev, mm_value *container);
/* The place of a node in the present file. */
mm_source mmi_source_at(const mmi_eval *ev, const mmi_node *node);
mm_source mmi_source_of(const mmi_eval *ev, int32_t line, int32_t column);
/* Puts "key." in front of the key path of the pending error. */
void mmi_path_prepend(mmi_eval *ev, const char *key);
/* Adds the key path as a frame and forgets it. */
void mmi_path_report(mmi_eval *ev, const char *name);

/* ---- names and scopes (scope.c) ---- */

mmi_scope *mmi_scope_new(mmi_eval *ev, mmi_scope *outer, const mmi_names *locals);
mmi_scope *mmi_scope_ref(mmi_scope *scope);
void mmi_scope_unref(mmi_eval *ev, mmi_scope *scope);
mm_value *mmi_name_get(mmi_eval *ev, const char *name);
bool mmi_name_put(mmi_eval *ev, const char *name, mm_value *value, mm_source source);
bool mmi_name_delete(mmi_eval *ev, const char *name);
/* Finds out which names a function or comprehension binds. */
bool mmi_function_names(mmi_eval *ev, mmi_function *function);
const mmi_names *mmi_comp_names(mmi_eval *ev, mmi_node *comp);
bool mmi_names_has(const mmi_names *names, const char *name);

/* ---- expressions (eval_expr.c, eval_comp.c, eval_call.c) ---- */

mm_value *mmi_evaluate(mmi_eval *ev, mmi_node *node);
mm_value *mmi_eval_comp(mmi_eval *ev, mmi_node *node);
mm_value *mmi_eval_call(mmi_eval *ev, mmi_node *node);
mm_value *mmi_eval_joined(mmi_eval *ev, mmi_node *node);
/* Appends the items of [a, *b]. */
bool mmi_eval_items(mmi_eval *ev, const mmi_nodes *nodes, mm_value *list);

/* ---- calls (eval_call.c, function.c) ---- */

/* The arguments of a call. */
typedef struct mmi_args {
    mm_value *list;  /* positional: a tuple, or NULL if there are none */
    mm_value *named; /* a dict with places, or NULL */
} mmi_args;

static inline size_t mmi_num_args(const mmi_args *args)
{
    return args->list == NULL ? 0 : mm_value_len(args->list);
}

/* The i-th positional argument, borrowed, or NULL. */
mm_value *mmi_arg(const mmi_args *args, size_t index);
/* Binds arguments to `count` parameters, of which the first `required` must be given. A
 * name that begins with '/' is positional only. `out` gets borrowed values or NULL. */
bool mmi_bind(mmi_eval *ev, const char *function, const mmi_args *args,
              const char *const *names, size_t count, size_t required, mm_value **out);
/* The same for functions without keyword arguments: checks the number only. */
bool mmi_expect_args(mmi_eval *ev, const char *function, const mmi_args *args,
                     size_t least, size_t most);
mm_value *mmi_eval_apply(mmi_eval *ev, mm_value *callee, const mmi_args *args);
mm_value *mmi_call_one(mmi_eval *ev, mm_value *callee, mm_value *argument);
/* A function object of a def or lambda, with its defaults evaluated now. */
mm_value *mmi_make_function(mmi_eval *ev, mmi_function *function);
mm_value *mmi_make_class(mmi_eval *ev, mmi_node *node);

/* ---- statements (eval_stmt.c, eval_try.c, assign.c, import.c) ---- */

typedef enum mmi_flow {
    FLOW_NEXT,
    FLOW_BREAK,
    FLOW_CONTINUE,
    FLOW_RETURN,
    FLOW_ERROR
} mmi_flow;

/* `out_result` gets the value of a `return`. */
mmi_flow mmi_execute(mmi_eval *ev, const mmi_nodes *body, mm_value **out_result);
mmi_flow mmi_execute_try(mmi_eval *ev, mmi_node *node, mm_value **out_result);
bool mmi_execute_raise(mmi_eval *ev, mmi_node *node);
bool mmi_execute_import(mmi_eval *ev, mmi_node *node);
bool mmi_assign(mmi_eval *ev, mmi_node *target, mm_value *value);
bool mmi_delete(mmi_eval *ev, mmi_node *target);
bool mmi_augment(mmi_eval *ev, mmi_node *node);

/* ---- operators (ops.c, ops_number.c, subscript.c) ---- */

mm_value *mmi_binary(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b);
/* Both are int, bool or float. */
mm_value *mmi_binary_number(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b);
/* += and so on: lists, sets and ConfigDicts are changed in place. */
mm_value *mmi_binary_in_place(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b);
mm_value *mmi_unary(mmi_eval *ev, mmi_op op, mm_value *a);
/* int(float): towards zero. */
mm_value *mmi_int_of_f64(mmi_eval *ev, double value);
/* 1 true, 0 false, -1 error. */
int mmi_compare(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b);
int mmi_contains(mmi_eval *ev, mm_value *container, mm_value *item);
bool mmi_is_same(const mm_value *a, const mm_value *b); /* `is` */
bool mmi_is_true(const mm_value *value);
bool mmi_is_int(const mm_value *value);    /* int or bool */
bool mmi_is_number(const mm_value *value); /* int, bool or float */

mm_value *mmi_get_item(mmi_eval *ev, mm_value *object, mm_value *index);
bool mmi_set_item(mmi_eval *ev, mm_value *object, mm_value *index, mm_value *value,
                  mm_source source);
bool mmi_delete_item(mmi_eval *ev, mm_value *object, mm_value *index);
mm_value *mmi_get_slice(mmi_eval *ev, mm_value *object, mmi_node *node);
bool mmi_set_slice(mmi_eval *ev, mm_value *object, mmi_node *slice, mm_value *value);
bool mmi_delete_slice(mmi_eval *ev, mm_value *object, mmi_node *slice);
/* An index as Python reads it. False with an error. */
bool mmi_as_index(mmi_eval *ev, mm_value *value, int64_t *out);
/* A sequence repeated. */
mm_value *mmi_repeat(mmi_eval *ev, mm_value *value, mm_value *count);

/* ---- attributes (attribute.c) ---- */

mm_value *mmi_get_attribute(mmi_eval *ev, mm_value *object, const char *name);
/* The same, NULL without an error if there is none. */
mm_value *mmi_find_attribute(mmi_eval *ev, mm_value *object, const char *name);
bool mmi_set_attribute(mmi_eval *ev, mm_value *object, const char *name,
                       mm_value *value, mm_source source);
bool mmi_delete_attribute(mmi_eval *ev, mm_value *object, const char *name);

typedef struct mmi_method {
    const char *name;
    mm_value *(*call)(mmi_eval *ev, mm_value *self, const mmi_args *args);
} mmi_method;

/* list.sort(): `named` holds key and reverse, or is NULL. */
bool mmi_sort(mmi_eval *ev, mm_value *list, mm_value *named);

/* The method of a value, or NULL. */
const mmi_method *mmi_find_method(const mmi_eval *ev, const mm_value *self,
                                  const char *name);
extern const mmi_method mmi_str_methods[];
extern const mmi_method mmi_bytes_methods[];
extern const mmi_method mmi_list_methods[];
extern const mmi_method mmi_tuple_methods[];
extern const mmi_method mmi_dict_methods[];
extern const mmi_method mmi_config_dict_methods[]; /* before those of dict */
extern const mmi_method mmi_set_methods[];
extern const mmi_method mmi_int_methods[];
extern const mmi_method mmi_float_methods[];

/* ---- iteration (iter.c) ---- */

typedef struct mmi_iter {
    mm_value *over;  /* owned */
    size_t index;    /* next item; bytes in a str */
    size_t expected; /* entries of a dict, to see changes */
} mmi_iter;

bool mmi_iter_init(mmi_eval *ev, mmi_iter *iter, mm_value *over);
/* The next item, yours; NULL at the end or with an error. */
mm_value *mmi_iter_next(mmi_eval *ev, mmi_iter *iter);
/* Where the item that came last was written, if it is known. */
mm_source mmi_iter_source(const mmi_iter *iter);
void mmi_iter_deinit(mmi_iter *iter);
/* Appends all items to a list or tuple. */
bool mmi_extend(mmi_eval *ev, mm_value *list, mm_value *over);
/* A new list of all items. */
mm_value *mmi_to_list(mmi_eval *ev, mm_value *over);

/* ---- dicts (dict.c) ---- */

bool mmi_is_config_dict(const mmi_eval *ev, const mm_value *value);
/* Makes a dict a ConfigDict. */
void mmi_mark_config_dict(mmi_eval *ev, mm_value *dict);
/* What a ConfigDict stores in place of `value`: dicts become ConfigDicts, lists and
 * tuples are copied. */
mm_value *mmi_config_value(mmi_eval *ev, mm_value *value);
/* dict[key] = value with all that belongs to it. */
bool mmi_dict_store(mmi_eval *ev, mm_value *dict, mm_value *key, mm_value *value,
                    mm_source source);
/* dict.update(other): a mapping or pairs. */
bool mmi_dict_update(mmi_eval *ev, mm_value *dict, mm_value *other);
/* The value of a key, borrowed; KeyError with the nearest keys. */
mm_value *mmi_dict_fetch(mmi_eval *ev, mm_value *dict, mm_value *key);
/* False with a TypeError if `key` cannot be one. */
bool mmi_check_key(mmi_eval *ev, const mm_value *key);
/* A copy of one level, with places. A ConfigDict stays one. */
mm_value *mmi_shallow_copy(mmi_eval *ev, mm_value *value);
/* copy.deepcopy(). */
mm_value *mmi_deep_copy(mmi_eval *ev, mm_value *value);

/* ---- text (strfmt.c, repr.c) ---- */

mm_value *mmi_str_of(mmi_eval *ev, mm_value *value);  /* str(value) */
mm_value *mmi_repr_of(mmi_eval *ev, mm_value *value); /* repr(value) */
mm_value *mmi_format(mmi_eval *ev, mm_value *value, const char *spec, size_t size);
mm_value *mmi_percent(mmi_eval *ev, mm_value *format, mm_value *values);
mm_value *mmi_str_format(mmi_eval *ev, mm_value *format, const mmi_args *args);
/* Non-ASCII characters as escapes, as ascii() does. */
mm_value *mmi_ascii_of(mmi_eval *ev, mm_value *text);

/* ---- built-ins (builtins.c, types.c, modules.c) ---- */

/* A new reference to a built-in, or NULL without an error. */
mm_value *mmi_builtin(mmi_eval *ev, const char *name);
void mmi_builtin_each(void (*visit)(void *user, const char *name), void *user);
/* A standard module: "os.path"; NULL without an error if we have none. */
mm_value *mmi_std_module(mmi_eval *ev, const char *name);

/* The tree that a finished file leaves: own containers, no functions; markers become
 * values of `base`. Errors: cycles, values without a data form. */
mm_value *mmi_finish(mmi_eval *ev, mm_value *globals, const mmi_text *text,
                     mm_value *base);
/* What a lazy file leaves for the files that inherit from it: own containers, dicts are
 * ConfigDicts, all else as it is. */
mm_value *mmi_finish_lazy_base(mmi_eval *ev, mm_value *globals);
/* What the lazy file that was asked for leaves: imported classes as dotted names, other
 * objects opaque, without the names in `imported`. */
mm_value *mmi_finish_lazy(mmi_eval *ev, mm_value *globals, const mm_value *imported);
/* The same of one dict, all keys kept. */
mm_value *mmi_finish_dict(mmi_eval *ev, mm_value *dict);

#endif
