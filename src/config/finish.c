/* What a file leaves when its body has run: a tree of containers of its own. MMEngine
 * copies values here one by one, so what was shared inside the file no longer is; so do
 * we, and cycles show themselves. Functions and classes inside values become opaque. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/objects.h"
#include "fileio/yaml.h"
#include "mmengine/memory.h"

enum { MAX_TREE_DEPTH = 300 };

/* Where a value lies, for messages. */
struct place {
    const struct place *outer;
    const char *key; /* NULL: the item `index` */
    size_t index;
    mm_source source;
    int depth;
};

/* What a tree is for: the styles differ in what may stay in it. */
enum purpose {
    FOR_TEXT_STYLE, /* merged, or the end */
    FOR_LAZY_BASE,  /* names of other lazy files: ConfigDicts and live objects */
    FOR_LAZY        /* the end */
};

struct finish {
    enum purpose purpose;
    mmi_eval *ev;
    const mmi_text *text; /* its markers */
    mm_value *base;
};

static mm_value *finish(const struct finish *f, mm_value *value,
                        const struct place *at);

static void write_place(const struct place *place, mmi_str *out)
{
    if (place == NULL) {
        return;
    }
    write_place(place->outer, out);
    if (place->key == NULL) {
        mmi_str_addf(out, ".%zu", place->index);
    } else {
        mmi_str_addf(out, out->size > 0 ? ".%s" : "%s", place->key);
    }
}

MM_PRINTF(3, 4)
static void *refuse(const struct finish *f, const struct place *at, const char *format,
                    ...)
{
    char what[300];
    mmi_str path = {0};
    mm_source source = {0};
    va_list values;

    va_start(values, format);
    (void)vsnprintf(what, sizeof(what), format, values);
    va_end(values);
    for (const struct place *place = at; place != NULL && source.file == NULL;
         place = place->outer) {
        source = place->source;
    }
    if (at->depth < MAX_TREE_DEPTH) {
        write_place(at, &path);
    } else {
        const struct place *top = at;

        while (top->outer != NULL) {
            top = top->outer;
        }
        mmi_str_add(&path, top->key);
    }
    if (!mm_has_error()) {
        f->ev->exc = EXC_FATAL;
        (void)mm_raise(MM_ECONFIG, "%.300s: %s", mmi_str_text(&path), what);
        (void)mm_error_locate(&source);
    }
    mmi_str_deinit(&path);
    return NULL;
}

/* ---- markers ---- */

static const mmi_marker *find_marker(const struct finish *f, const mm_value *value)
{
    const char *text = NULL;

    if (f->text->num_markers == 0) {
        return NULL;
    }
    text = mm_value_str(value);
    for (size_t i = 0; i < f->text->num_markers; i++) {
        if (strcmp(f->text->markers[i].text, text) == 0) {
            return &f->text->markers[i];
        }
    }
    return NULL;
}

static void *no_base_value(const struct finish *f, const struct place *at,
                           const mmi_marker *marker, const mm_value *dict,
                           const char *key)
{
    mmi_suggest suggest = {.word = key};

    for (size_t i = 0; mm_value_kind(dict) == MM_KIND_DICT && i < mm_value_len(dict);
         i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (name != NULL) {
            mmi_suggest_add(&suggest, name);
        }
    }
    (void)refuse(f, at, "the base has no value '%s'", marker->path);
    mmi_suggest_hint(&suggest);
    return NULL;
}

/* The value of the base that `{{ _base_.path }}` stands for, copied. */
static mm_value *base_value(const struct finish *f, const mmi_marker *marker,
                            const struct place *at)
{
    mm_value *value = f->base;
    const char *p = marker->path;

    for (;;) {
        size_t size = strcspn(p, ".");
        char *key = mmi_strndup(p, size);
        mm_value *next = key == NULL || mm_value_kind(value) != MM_KIND_DICT
                             ? NULL
                             : mm_dict_find(value, key);

        if (next == NULL) {
            (void)no_base_value(f, at, marker, value, key == NULL ? "" : key);
        }
        mm_free(key);
        if (next == NULL) {
            return NULL;
        }
        value = next;
        if (p[size] == '\0') {
            break;
        }
        p += size + 1;
    }
    struct finish plain = *f;
    mmi_text none = {0};
    plain.text = &none; /* strings of the base are no markers */
    return finish(&plain, value, at);
}

/* ---- objects ---- */

static mm_value *opaque(const mm_value *value)
{
    char *text = mm_value_repr(value);
    mm_value *made = text == NULL ? NULL : mmi_new_opaque(text);

    mm_free(text);
    return made;
}

static mm_value *finish_object(const struct finish *f, mm_value *value,
                               const struct place *at)
{
    const mm_object_ops *ops = mm_value_object_ops(value);

    if (ops == &mmi_range_ops || ops == &mmi_opaque_ops || ops == &mmi_ellipsis_ops ||
        ops == &mmi_date_ops || f->purpose == FOR_LAZY_BASE) {
        return mm_value_ref(value);
    }
    if (ops == &mmi_lazy_ops) {
        return mmi_lazy_text(mm_value_find_object(value, ops));
    }
    if (f->purpose == FOR_LAZY || (ops == &mmi_std_ops && mmi_is_std_class(value))) {
        return opaque(value);
    }
    if (ops == &mmi_iterator_ops || ops == &mmi_view_ops || ops == &mmi_std_ops) {
        (void)refuse(f, at, "a config cannot hold an object of type %s",
                     ops == &mmi_iterator_ops
                         ? MMI_OBJECT(mmi_iterator, ops, value)->name
                         : ops->name);
        (void)mm_error_hint("make a list of it with list(...)");
        return NULL;
    }
    return opaque(value);
}

/* ---- containers ---- */

/* Keys stay as they are, but for objects. */
static mm_value *finish_key(const struct finish *f, mm_value *key,
                            const struct place *at)
{
    return mm_value_kind(key) == MM_KIND_OBJECT ? finish_object(f, key, at)
                                                : mm_value_ref(key);
}

static mm_value *finish_dict(const struct finish *f, mm_value *value,
                             const struct place *at)
{
    mm_value *made = mm_value_new_dict();

    if (f->purpose == FOR_LAZY_BASE) {
        mmi_mark_config_dict(f->ev, made);
    }
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        const char *name = mm_dict_name_at(value, i);
        struct place here = {at, name == NULL ? "?" : name, i,
                             mmi_dict_source_of(value, i), at->depth + 1};
        mm_value *item = finish(f, mm_dict_at(value, i), &here);

        if (item != NULL) {
            mm_value *key = finish_key(f, mm_dict_key_at(value, i), &here);

            mmi_dict_put_at(made, key, item, here.source);
            mm_value_unref(key);
        }
        mm_value_unref(item);
    }
    return made;
}

static mm_value *finish_sequence(const struct finish *f, mm_value *value,
                                 const struct place *at)
{
    mm_value *made = mm_value_kind(value) == MM_KIND_LIST ? mm_value_new_list()
                                                          : mm_value_new_tuple();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        struct place here = {at, NULL, i, mmi_list_source_of(value, i), at->depth + 1};
        mm_value *item = finish(f, mm_list_get(value, i), &here);

        if (item != NULL) {
            mmi_list_append_at(made, item, here.source);
        }
        mm_value_unref(item);
    }
    return made;
}

static mm_value *finish_set(const struct finish *f, mm_value *value,
                            const struct place *at)
{
    mm_value *made = mm_value_new_set();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        mm_value *item = finish(f, mm_list_get(value, i), at);

        mm_set_add(made, item);
        mm_value_unref(item);
    }
    return made;
}

static mm_value *finish(const struct finish *f, mm_value *value, const struct place *at)
{
    mm_kind kind = mm_value_kind(value);
    const mmi_marker *marker = NULL;
    mm_value *made = NULL;

    if (kind == MM_KIND_STR) {
        marker = find_marker(f, value);
        return marker == NULL ? mm_value_ref(value) : base_value(f, marker, at);
    }
    if (kind == MM_KIND_OBJECT) {
        return finish_object(f, value, at);
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE && kind != MM_KIND_SET &&
        kind != MM_KIND_DICT) {
        return mm_value_ref(value);
    }
    if (at->depth >= MAX_TREE_DEPTH) {
        return refuse(f, at,
                      "the value contains itself or is nested more than %d levels deep",
                      (int)MAX_TREE_DEPTH);
    }
    if (!mmi_step(f->ev, 1) || !mmi_reserve_items(f->ev, mm_value_len(value) + 1)) {
        return NULL;
    }
    made = kind == MM_KIND_DICT  ? finish_dict(f, value, at)
           : kind == MM_KIND_SET ? finish_set(f, value, at)
                                 : finish_sequence(f, value, at);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* Functions and modules at the top level are helpers, not part of the config. */
static bool is_helper(const mm_value *value)
{
    const mm_object_ops *ops =
        mm_value_kind(value) == MM_KIND_OBJECT ? mm_value_object_ops(value) : NULL;
    const mmi_builtin_object *builtin =
        ops == &mmi_builtin_ops ? MMI_OBJECT(mmi_builtin_object, ops, value) : NULL;

    return ops == &mmi_function_ops ||
           (ops == &mmi_std_ops && !mmi_is_std_class(value)) ||
           (builtin != NULL && builtin->def->is_plain);
}

/* True if a name of a file stays in its config. */
static bool stays(const struct finish *f, const char *name, const mm_value *value)
{
    if (name == NULL || strncmp(name, "__", 2) == 0) {
        return false;
    }
    return f->purpose != FOR_TEXT_STYLE ||
           (strcmp(name, "_base_") != 0 && !is_helper(value));
}

/* The names of a file without those in `dropped` (may be NULL). */
static mm_value *finish_names(const struct finish *f, mm_value *globals,
                              const mm_value *dropped)
{
    mm_value *made = mm_value_new_dict();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(globals); i++) {
        const char *name = mm_dict_name_at(globals, i);
        struct place here = {NULL, name, i, mmi_dict_source_of(globals, i), 0};
        mm_value *item = NULL;

        if (!stays(f, name, mm_dict_at(globals, i)) ||
            (dropped != NULL && mm_set_has(dropped, mm_dict_key_at(globals, i)))) {
            continue;
        }
        item = finish(f, mm_dict_at(globals, i), &here);
        if (item != NULL) {
            mmi_dict_put_at(made, mm_dict_key_at(globals, i), item, here.source);
        }
        mm_value_unref(item);
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

mm_value *mmi_finish(mmi_eval *ev, mm_value *globals, const mmi_text *text,
                     mm_value *base)
{
    struct finish f = {.ev = ev, .text = text, .base = base};

    return finish_names(&f, globals, NULL);
}

mm_value *mmi_finish_lazy_base(mmi_eval *ev, mm_value *globals)
{
    mmi_text none = {0};
    struct finish f = {.purpose = FOR_LAZY_BASE, .ev = ev, .text = &none};

    return finish_names(&f, globals, NULL);
}

mm_value *mmi_finish_lazy(mmi_eval *ev, mm_value *globals, const mm_value *imported)
{
    mmi_text none = {0};
    struct finish f = {.purpose = FOR_LAZY, .ev = ev, .text = &none};

    return finish_names(&f, globals, imported);
}

mm_value *mmi_finish_dict(mmi_eval *ev, mm_value *dict)
{
    mmi_text none = {0};
    struct finish f = {.ev = ev, .text = &none};
    struct place top = {.key = "_base_"};

    return finish(&f, dict, &top);
}
