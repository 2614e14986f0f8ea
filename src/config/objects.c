/* Making, counting and printing the objects of a running config. Counts are atomic,
 * since ranges and opaque objects stay in finished values, which threads share. */
#include "config/objects.h"

#include <string.h>

#include "config/parser.h"
#include "mmengine/memory.h"

void *mmi_object_new(size_t size, void (*deinit)(void *self))
{
    mmi_object *object = mm_alloc(size);

    if (object != NULL) {
        atomic_init(&object->refs, 1);
        object->deinit = deinit;
    }
    return object;
}

void mmi_object_ref(void *object)
{
    mmi_object *head = object;

    atomic_fetch_add_explicit(&head->refs, 1, memory_order_relaxed);
}

void mmi_object_unref(void *object)
{
    mmi_object *head = object;

    if (head == NULL ||
        atomic_fetch_sub_explicit(&head->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (head->deinit != NULL) {
        head->deinit(object);
    }
    mm_free(object);
}

mm_value *mmi_object_value(void *object, const mm_object_ops *ops)
{
    mm_value *value = object == NULL ? NULL : mm_value_new_object(object, ops);

    mmi_object_unref(object);
    return value;
}

/* ---- how they print ---- */

static char *print_function(const void *object)
{
    const mmi_function_object *self = object;

    return mm_strfmt("<function %s>", self->function->name);
}

static char *print_builtin(const void *object)
{
    const mmi_builtin_object *self = object;

    return mm_strfmt("<built-in function %s>", self->def->name);
}

static char *print_bound(const void *object)
{
    const mmi_bound_object *self = object;

    return mm_strfmt("<built-in method %s of %s object>", self->method->name,
                     mm_value_type_name(self->self));
}

static char *print_type(const void *object)
{
    const mmi_type_object *self = object;

    return mm_strfmt("<class '%s'>", self->name);
}

static char *print_exc(const void *object)
{
    const mmi_exc_object *self = object;
    char *args = mm_value_repr(self->args);
    char *text = NULL;

    if (args != NULL) {
        size_t size = strlen(args);
        bool one = mm_value_len(self->args) == 1; /* repr of a tuple ends with ",)" */

        text = mm_strfmt("%s%.*s%s",
                         self->name != NULL ? self->name : mmi_exc_name(self->exc),
                         (int)(one ? size - 2 : size), args, one ? ")" : "");
    }
    mm_free(args);
    return text;
}

static char *print_std(const void *object)
{
    const mmi_std_object *self = object;
    const char *name = self->def == NULL ? self->name : mmi_std_name(self->def);
    const char *last = strrchr(name, '.');

    return last != NULL && last[1] >= 'A' && last[1] <= 'Z'
               ? mm_strfmt("<class '%s'>", last + 1)
               : mm_strfmt("<module '%s'>", name);
}

static char *print_partial(const void *object)
{
    const mmi_partial_object *self = object;
    char *callee = mm_value_repr(self->callee);
    char *text = callee == NULL ? NULL : mm_strfmt("functools.partial(%s)", callee);

    mm_free(callee);
    return text;
}

static char *print_file(const void *object)
{
    return mm_strfmt("<file '%s'>", ((const mmi_file_object *)object)->name);
}

static char *print_lazy(const void *object)
{
    return mm_strdup(((const mmi_lazy_object *)object)->name);
}

static char *print_range(const void *object)
{
    const mmi_range_object *self = object;

    return self->step == 1
               ? mm_strfmt("range(%lld, %lld)", (long long)self->start,
                           (long long)self->stop)
               : mm_strfmt("range(%lld, %lld, %lld)", (long long)self->start,
                           (long long)self->stop, (long long)self->step);
}

static char *print_iterator(const void *object)
{
    const mmi_iterator *self = object;

    return mm_strfmt("<%s object>", self->name);
}

static char *print_view(const void *object)
{
    static const char *const names[] = {"dict_keys", "dict_values", "dict_items"};
    const mmi_view_object *self = object;
    mm_value *list = mm_value_new_list();
    char *inner = NULL;
    char *text = NULL;

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(self->dict); i++) {
        mm_list_push(list, mmi_view_at(self, i));
    }
    inner = mm_has_error() ? NULL : mm_value_repr(list);
    text = inner == NULL ? NULL : mm_strfmt("%s(%s)", names[self->kind], inner);
    mm_free(inner);
    mm_value_unref(list);
    return text;
}

static char *print_opaque(const void *object)
{
    const mmi_opaque_object *self = object;

    return mm_strdup(self->text);
}

static char *print_ellipsis(const void *object)
{
    (void)object;
    return mm_strdup("Ellipsis");
}

/* ---- equality ---- */

static bool equal_range(const void *a, const void *b)
{
    const mmi_range_object *x = a;
    const mmi_range_object *y = b;

    return x->count == y->count &&
           (x->count == 0 ||
            (x->start == y->start && (x->count == 1 || x->step == y->step)));
}

static bool equal_type(const void *a, const void *b)
{
    const mmi_type_object *x = a;
    const mmi_type_object *y = b;

    return x == y || (x->attributes == NULL && y->attributes == NULL &&
                      strcmp(x->name, y->name) == 0);
}

static bool equal_std(const void *a, const void *b)
{
    const mmi_std_object *x = a;
    const mmi_std_object *y = b;

    return x->def == y->def && (x->def != NULL || x == y);
}

static bool equal_builtin(const void *a, const void *b)
{
    const mmi_builtin_object *x = a;
    const mmi_builtin_object *y = b;

    return x->def == y->def;
}

static bool equal_ellipsis(const void *a, const void *b)
{
    (void)a;
    (void)b;
    return true;
}

static bool equal_view(const void *a, const void *b)
{
    const mmi_view_object *x = a;
    const mmi_view_object *y = b;

    return x->kind == y->kind && x->kind != VIEW_VALUES &&
           mm_value_equal(x->dict, y->dict);
}

#define OPS(name_, print_, equal_)                                                     \
    {                                                                                  \
        .name = (name_), .ref = mmi_object_ref, .unref = mmi_object_unref,             \
        .print = (print_), .equal = (equal_)                                           \
    }

const mm_object_ops mmi_function_ops = OPS("function", print_function, NULL);
const mm_object_ops mmi_builtin_ops =
    OPS("builtin_function_or_method", print_builtin, equal_builtin);
const mm_object_ops mmi_bound_ops =
    OPS("builtin_function_or_method", print_bound, NULL);
const mm_object_ops mmi_type_ops = OPS("type", print_type, equal_type);
const mm_object_ops mmi_exc_ops = OPS("exception", print_exc, NULL);
const mm_object_ops mmi_std_ops = OPS("module", print_std, equal_std);
const mm_object_ops mmi_partial_ops = OPS("functools.partial", print_partial, NULL);
const mm_object_ops mmi_file_ops = OPS("file", print_file, NULL);
const mm_object_ops mmi_lazy_ops = OPS("lazy import", print_lazy, NULL);
const mm_object_ops mmi_range_ops = OPS("range", print_range, equal_range);
const mm_object_ops mmi_iterator_ops = OPS("iterator", print_iterator, NULL);
const mm_object_ops mmi_view_ops = OPS("dict view", print_view, equal_view);
const mm_object_ops mmi_opaque_ops = OPS("object", print_opaque, NULL);
const mm_object_ops mmi_ellipsis_ops = OPS("ellipsis", print_ellipsis, equal_ellipsis);

/* ---- making them ---- */

mm_value *mmi_new_ellipsis(void)
{
    return mmi_object_value(mmi_object_new(sizeof(mmi_object), NULL),
                            &mmi_ellipsis_ops);
}

mm_value *mmi_new_builtin(const mmi_builtin_def *def)
{
    mmi_builtin_object *object = mmi_object_new(sizeof(*object), NULL);

    if (object != NULL) {
        object->def = def;
    }
    return mmi_object_value(object, &mmi_builtin_ops);
}

static void deinit_bound(void *self)
{
    mm_value_unref(((mmi_bound_object *)self)->self);
}

mm_value *mmi_new_bound(mm_value *self, const mmi_method *method)
{
    mmi_bound_object *object = mmi_object_new(sizeof(*object), deinit_bound);

    if (object != NULL) {
        object->self = mm_value_ref(self);
        object->method = method;
    }
    return mmi_object_value(object, &mmi_bound_ops);
}

mm_value *mmi_new_type(const char *name, mm_kind kind,
                       mm_value *(*call)(mmi_eval *ev, const mmi_args *args))
{
    mmi_type_object *object = mmi_object_new(sizeof(*object), NULL);

    if (object != NULL) {
        object->name = name;
        object->kind = kind;
        object->call = call;
    }
    return mmi_object_value(object, &mmi_type_ops);
}

mm_value *mmi_new_exc_type(mmi_exc exc)
{
    mmi_type_object *object = mmi_object_new(sizeof(*object), NULL);

    if (object != NULL) {
        object->name = mmi_exc_name(exc);
        object->exc = exc;
        object->kind = MM_KIND_OBJECT;
    }
    return mmi_object_value(object, &mmi_type_ops);
}

static void deinit_exc(void *self)
{
    mmi_exc_object *object = self;

    mm_value_unref(object->args);
    mm_free(object->name);
}

mm_value *mmi_new_exception(mmi_exc exc, mm_value *args, mm_source source)
{
    mmi_exc_object *object = mmi_object_new(sizeof(*object), deinit_exc);

    if (object != NULL) {
        object->exc = exc;
        object->args = args == NULL ? mm_value_new_tuple() : mm_value_ref(args);
        object->source = source;
    }
    return mmi_object_value(object, &mmi_exc_ops);
}

static void deinit_std(void *self)
{
    mm_free(((mmi_std_object *)self)->name);
}

mm_value *mmi_new_std(const mmi_std_def *def, const char *name)
{
    mmi_std_object *object = mmi_object_new(sizeof(*object), deinit_std);

    if (object != NULL) {
        object->def = def;
        object->name = def == NULL ? mm_strdup(name) : NULL;
    }
    return mmi_object_value(object, &mmi_std_ops);
}

static void deinit_lazy(void *self)
{
    mmi_lazy_object *object = self;

    mm_free(object->module);
    mm_free(object->name);
}

/* Takes `module`. */
static mm_value *new_lazy(char *module, const char *name, bool is_module)
{
    mmi_lazy_object *object = mmi_object_new(sizeof(*object), deinit_lazy);

    if (object == NULL) {
        mm_free(module);
        return NULL;
    }
    object->module = module;
    object->name = mm_strdup(name);
    object->is_module = is_module;
    return mmi_object_value(object, &mmi_lazy_ops);
}

mm_value *mmi_new_lazy(const char *module, const char *name)
{
    return new_lazy(mm_strdup(module), name == NULL ? module : name, name == NULL);
}

mm_value *mmi_lazy_attribute(const mmi_lazy_object *lazy, const char *name)
{
    mm_value *made =
        new_lazy(lazy->is_module ? mm_strdup(lazy->module)
                                 : mm_strfmt("%s.%s", lazy->module, lazy->name),
                 name, false);
    mmi_lazy_object *object = mm_value_find_object(made, &mmi_lazy_ops);

    if (object != NULL) {
        object->is_attribute = true;
    }
    return made;
}

mm_value *mmi_lazy_text(const mmi_lazy_object *lazy)
{
    return mm_value_new_strf("%s.%s", lazy->module, lazy->name);
}

mm_value *mmi_new_range(int64_t start, int64_t stop, int64_t step)
{
    mmi_range_object *object = mmi_object_new(sizeof(*object), NULL);

    if (object != NULL) {
        uint64_t span = step > 0
                            ? (stop > start ? (uint64_t)stop - (uint64_t)start : 0)
                            : (start > stop ? (uint64_t)start - (uint64_t)stop : 0);
        uint64_t width = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
        uint64_t count = span == 0 ? 0 : (span - 1) / width + 1;

        object->start = start;
        object->stop = stop;
        object->step = step;
        object->count = count > INT64_MAX ? INT64_MAX : (int64_t)count;
    }
    return mmi_object_value(object, &mmi_range_ops);
}

int64_t mmi_range_at(const mmi_range_object *range, int64_t index)
{
    return (int64_t)((uint64_t)range->start + (uint64_t)index * (uint64_t)range->step);
}

static void deinit_view(void *self)
{
    mm_value_unref(((mmi_view_object *)self)->dict);
}

mm_value *mmi_new_view(mm_value *dict, mmi_view_kind kind)
{
    mmi_view_object *object = mmi_object_new(sizeof(*object), deinit_view);

    if (object != NULL) {
        object->dict = mm_value_ref(dict);
        object->kind = kind;
    }
    return mmi_object_value(object, &mmi_view_ops);
}

mm_value *mmi_view_at(const mmi_view_object *view, size_t index)
{
    mm_value *pair = NULL;

    if (view->kind == VIEW_KEYS) {
        return mm_value_ref(mm_dict_key_at(view->dict, index));
    }
    if (view->kind == VIEW_VALUES) {
        return mm_value_ref(mm_dict_at(view->dict, index));
    }
    pair = mm_value_new_tuple();
    mm_list_append(pair, mm_dict_key_at(view->dict, index));
    mm_list_append(pair, mm_dict_at(view->dict, index));
    return pair;
}

static void deinit_opaque(void *self)
{
    mm_free(((mmi_opaque_object *)self)->text);
}

mm_value *mmi_new_opaque(const char *text)
{
    mmi_opaque_object *object = mmi_object_new(sizeof(*object), deinit_opaque);

    if (object != NULL) {
        object->text = mm_strdup(text);
    }
    return mmi_object_value(object, &mmi_opaque_ops);
}
