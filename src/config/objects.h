/* Values that exist only while a config runs: functions, types, modules, iterators.
 * Each is an object value with one of the tables below; ranges and opaque objects may
 * also stand in a finished config. */
#ifndef MM_CONFIG_OBJECTS_H
#define MM_CONFIG_OBJECTS_H

#include <stdatomic.h>

#include "config/eval.h"

/* Every object begins with this. */
typedef struct mmi_object {
    _Atomic int32_t refs;
    void (*deinit)(void *self); /* optional: releases what it holds */
} mmi_object;

/* A zeroed object of `size` bytes with one reference. */
void *mmi_object_new(size_t size, void (*deinit)(void *self));
void mmi_object_ref(void *object);
void mmi_object_unref(void *object);
/* Makes a value of a new object and gives the object to it. NULL if `object` is NULL.
 */
mm_value *mmi_object_value(void *object, const mm_object_ops *ops);

/* ---- functions ---- */

typedef struct mmi_function_object {
    mmi_object head;
    mmi_eval *ev;
    mmi_module *module;
    mmi_function *function;
    mm_value *defaults; /* a list, one for each parameter with a default, in order */
    mmi_scope *outer;
} mmi_function_object;

typedef struct mmi_builtin_def {
    const char *name;
    mm_value *(*call)(mmi_eval *ev, const mmi_args *args);
    bool is_plain; /* a Python function there, which a config drops at its top level */
} mmi_builtin_def;

typedef struct mmi_builtin_object {
    mmi_object head;
    const mmi_builtin_def *def;
} mmi_builtin_object;

typedef struct mmi_bound_object {
    mmi_object head;
    mm_value *self; /* NULL: the first argument (str.upper) */
    const mmi_method *method;
} mmi_bound_object;

/* functools.partial(callee, *list, **named) */
typedef struct mmi_partial_object {
    mmi_object head;
    mm_value *callee;
    mm_value *list;  /* list */
    mm_value *named; /* dict */
} mmi_partial_object;

/* ---- types ---- */

/* A built-in type, an exception class or a class of the config. */
typedef struct mmi_type_object {
    mmi_object head;
    const char *name; /* static, or of the tree */
    mmi_exc exc;      /* an exception class: which */
    mm_kind kind;     /* what isinstance() compares; OBJECT: see below */
    mm_value *(*call)(mmi_eval *ev, const mmi_args *args);
    mm_value *attributes; /* a dict: class of the config; else NULL */
    mmi_eval *ev;
} mmi_type_object;

typedef struct mmi_exc_object {
    mmi_object head;
    mmi_exc exc;
    char *name;     /* of a class of the config, else NULL */
    mm_value *args; /* tuple */
    mm_source source;
} mmi_exc_object;

/* ---- modules ---- */

typedef struct mmi_std_def mmi_std_def;

typedef struct mmi_std_object {
    mmi_object head;
    const mmi_std_def *def; /* NULL: a module we do not have; an error when used */
    char *name;             /* of such a module or of what was imported from it */
} mmi_std_object;

/* ---- lazy imports ---- */

/* What an import of a lazy config binds, or an attribute of it: nothing is imported, as
 * data it is a dotted name. */
typedef struct mmi_lazy_object {
    mmi_object head;
    char *module;      /* "torch.optim" */
    char *name;        /* "SGD"; of `import torch`: the module again */
    bool is_module;    /* `import torch` */
    bool is_attribute; /* of another: torch.optim.SGD */
} mmi_lazy_object;

/* ---- files ---- */

typedef struct mmi_file_object {
    mmi_object head;
    char *name; /* as it was opened */
    char *data;
    size_t size, at;
    bool is_binary, is_closed;
} mmi_file_object;

/* ---- iteration ---- */

typedef struct mmi_range_object {
    mmi_object head;
    int64_t start, stop, step;
    int64_t count;
} mmi_range_object;

typedef struct mmi_iterator {
    mmi_object head;
    mm_value *(*next)(mmi_eval *ev, struct mmi_iterator *self); /* as mmi_iter_next() */
    const char *name;
    mmi_iter *levels; /* what it draws from; of a generator: clauses begun */
    int num_levels;
    mm_value *function; /* map, filter */
    int64_t count;      /* enumerate */
    /* generator expressions */
    mmi_eval *ev;
    mmi_node *node;
    mmi_scope *scope;
    mmi_module *module;
    bool running;
} mmi_iterator;

typedef enum mmi_view_kind { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS } mmi_view_kind;

typedef struct mmi_view_object {
    mmi_object head;
    mm_value *dict;
    mmi_view_kind kind;
} mmi_view_object;

/* ---- the others ---- */

/* What is left of a function or class in a finished config. */
typedef struct mmi_opaque_object {
    mmi_object head;
    char *text; /* "<function f>" */
} mmi_opaque_object;

extern const mm_object_ops mmi_function_ops;
extern const mm_object_ops mmi_builtin_ops;
extern const mm_object_ops mmi_bound_ops;
extern const mm_object_ops mmi_type_ops;
extern const mm_object_ops mmi_exc_ops;
extern const mm_object_ops mmi_std_ops;
extern const mm_object_ops mmi_partial_ops;
extern const mm_object_ops mmi_file_ops;
extern const mm_object_ops mmi_lazy_ops;
extern const mm_object_ops mmi_range_ops;
extern const mm_object_ops mmi_iterator_ops;
extern const mm_object_ops mmi_view_ops;
extern const mm_object_ops mmi_opaque_ops;
extern const mm_object_ops mmi_ellipsis_ops;

mm_value *mmi_new_builtin(const mmi_builtin_def *def);
mm_value *mmi_new_bound(mm_value *self, const mmi_method *method);
/* `def` becomes a type: its name and how it is called. */
mm_value *mmi_new_type(const char *name, mm_kind kind,
                       mm_value *(*call)(mmi_eval *ev, const mmi_args *args));
mm_value *mmi_new_exc_type(mmi_exc exc);
mm_value *mmi_new_exception(mmi_exc exc, mm_value *args, mm_source source);
/* A standard module, or, with `def` NULL, the name of one we do not have. */
mm_value *mmi_new_std(const mmi_std_def *def, const char *name);
/* A name of a module; `name` NULL: the module itself. */
mm_value *mmi_new_lazy(const char *module, const char *name);
/* An attribute of it. */
mm_value *mmi_lazy_attribute(const mmi_lazy_object *lazy, const char *name);
/* "torch.optim.SGD" */
mm_value *mmi_lazy_text(const mmi_lazy_object *lazy);
mm_value *mmi_new_range(int64_t start, int64_t stop, int64_t step);
mm_value *mmi_new_view(mm_value *dict, mmi_view_kind kind);
mm_value *mmi_new_opaque(const char *text);
/* True for what stays in a config though a module does not: a class of a standard
 * module that we do not have, os.environ. */
bool mmi_is_std_class(const mm_value *value);
/* The i-th item of a range, i < count. */
int64_t mmi_range_at(const mmi_range_object *range, int64_t index);
mm_value *mmi_view_at(const mmi_view_object *view, size_t index);

mm_value *mmi_call_partial(mmi_eval *ev, const mmi_partial_object *self,
                           const mmi_args *args);
/* itertools.chain.from_iterable() */
mm_value *mmi_chain_from_iterable(mmi_eval *ev, const mmi_args *args);
/* iter(over) */
mm_value *mmi_iterate(mmi_eval *ev, mm_value *over);

/* dict.fromkeys() */
mm_value *mmi_fromkeys(mmi_eval *ev, const mmi_args *args);
/* collections.OrderedDict */
mm_value *mmi_new_ordered_dict_type(void);

/* eval() */
mm_value *mmi_eval_text(mmi_eval *ev, const mmi_args *args);

/* open() */
mm_value *mmi_open(mmi_eval *ev, const mmi_args *args);
extern const mmi_method mmi_file_methods[];
bool mmi_is_file(const mm_value *value);
/* The next line; NULL without an error at the end. */
mm_value *mmi_file_next(mmi_eval *ev, mmi_file_object *file);
/* file.read() */
mm_value *mmi_file_read_all(mmi_eval *ev, mm_value *value);
const char *mmi_file_name(const mm_value *value);

/* A built-in type or exception class, isinstance, Ellipsis; NULL without an error. */
mm_value *mmi_builtin_type(mmi_eval *ev, const char *name);
void mmi_builtin_type_each(void (*visit)(void *user, const char *name), void *user);
/* round(value, digits) */
double mmi_round_f64(double value, int64_t digits);
/* The value of `...`. */
mm_value *mmi_new_ellipsis(void);

/* An attribute of a built-in type (`dict.fromkeys`), or NULL without an error. */
mm_value *mmi_type_attribute(mmi_eval *ev, const mmi_type_object *type,
                             const char *name);

/* An attribute of a standard module or NULL without an error; its name. */
mm_value *mmi_std_get(mmi_eval *ev, const mmi_std_def *def, const char *name);
const char *mmi_std_name(const mmi_std_def *def);
/* True if Python has a standard module whose first part is this. */
bool mmi_is_std_name(const char *name, size_t size);
/* os.environ[...] and `in os.environ`. NULL without an error if it is not set. */
bool mmi_is_environ(const mm_value *value);
mm_value *mmi_environ_find(mmi_eval *ev, mm_value *name);
/* os.environ[name] = value; NULL: del. For this load alone. */
bool mmi_environ_set(mmi_eval *ev, mm_value *name, mm_value *value);
/* os.environ.get() */
mm_value *mmi_getenv(mmi_eval *ev, const mmi_args *args);
void mmi_std_each(const mmi_std_def *def, void (*visit)(void *user, const char *name),
                  void *user);

/* The object of a value if it has these ops, else NULL. */
#define MMI_OBJECT(type, ops, value) ((type *)mm_value_find_object((value), (ops)))

#endif
