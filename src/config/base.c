/* Inheritance. One file is read in MMEngine's order: templates in the text, its bases,
 * the body with `_base_` in view, references to the base, the merge. Files of one load
 * share the evaluator and its limits; each keeps its tree until the load ends. */
#include "config/base.h"

#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "base/suggest.h"
#include "config/data.h"
#include "config/lazy.h"
#include "config/merge.h"
#include "config/package.h"
#include "config/style.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

enum { MAX_CHAIN = 100 }; /* files that inherit from each other */

/* A base to be read. */
struct base_ref {
    char *path;       /* absolute */
    char *file;       /* as shown */
    char *scope;      /* package of `package::path`, or NULL */
    mm_source source; /* where it is named */
};

static mm_value *load(mmi_load *load, mmi_text *text, const mmi_link *link);

/* ---- paths ---- */

char *mmi_absolute_path(const char *folder, const char *path)
{
    const char *home = path[0] == '~' && path[1] == '/' ? mmi_os_env("HOME") : NULL;
    char *expanded = home == NULL ? mm_strdup(path) : mm_path_join(home, path + 2);
    char *joined = expanded == NULL ? NULL : mm_path_join(folder, expanded);
    char *normal = joined == NULL ? NULL : mm_path_normalize(joined);

    mm_free(expanded);
    mm_free(joined);
    return normal;
}

/* A path beside the file that names it; `folder` may be "". */
static char *beside(const char *file, const char *path)
{
    char *folder = mm_path_dirname(file);
    char *joined = folder == NULL    ? NULL
                   : *folder == '\0' ? mm_strdup(path)
                                     : mm_path_join(folder, path);
    char *normal = joined == NULL ? NULL : mm_path_normalize(joined);

    mm_free(folder);
    mm_free(joined);
    return normal;
}

static void base_ref_deinit(struct base_ref *ref)
{
    mm_free(ref->path);
    mm_free(ref->file);
    mm_free(ref->scope);
    *ref = (struct base_ref){0};
}

/* ---- bases: which ---- */

static mm_status fail_at(const mm_source *source, const char *message)
{
    (void)mm_raise(MM_ECONFIG, "%s", message);
    return mm_error_locate(source);
}

void mmi_suggest_files(const char *path)
{
    mmi_suggest suggest = {0};
    char *folder = NULL;
    mm_value *names = NULL;
    mm_error error;

    (void)mm_error_take(&error); /* nothing else works while it is pending */
    suggest.word = mm_path_basename(path);
    folder = mm_path_dirname(path);
    names = folder != NULL && mm_file_is_dir(folder) ? mm_list_dir(folder) : NULL;
    for (size_t i = 0; names != NULL && i < mm_value_len(names); i++) {
        mmi_suggest_add(&suggest, mm_value_str(mm_list_get(names, i)));
    }
    (void)mm_error_take(NULL);
    (void)mm_error_restore(&error);
    if (names == NULL) {
        (void)mm_error_hint("its folder does not exist either");
    }
    mmi_suggest_hint(&suggest);
    mm_value_unref(names);
    mm_free(folder);
}

static mm_status resolve_base(const mmi_link *link, const mm_value *name,
                              struct base_ref *out)
{
    const char *text = NULL;
    char *folder = NULL;

    if (mm_value_kind(name) != MM_KIND_STR) {
        char message[120];

        (void)snprintf(message, sizeof(message),
                       "_base_ must be a str or a list of str, "
                       "not %s",
                       mm_value_type_name(name));
        return fail_at(&out->source, message);
    }
    text = mm_value_str(name);
    if (strstr(text, "::") != NULL) {
        out->path = mmi_package_find(text, &out->scope);
        out->file = mm_strdup(out->path == NULL ? "" : out->path);
        return mm_error_locate(&out->source);
    }
    folder = mm_path_dirname(link->path);
    out->path = folder == NULL ? NULL : mmi_absolute_path(folder, text);
    out->file =
        text[0] == '/' || text[0] == '~' ? mm_strdup(text) : beside(link->file, text);
    mm_free(folder);
    if (!mm_has_error() && !mm_file_exists(out->path)) {
        (void)mm_raise(MM_ENOENT, "the base '%s' does not exist: there is no file '%s'",
                       text, out->file);
        (void)mm_error_locate(&out->source);
        mmi_suggest_files(out->path);
    }
    return mm_pending();
}

/* The names in `_base_`: a list, where a single value counts as one. `out_source` gets
 * its place. NULL without an error if there are none. */
static mm_value *names_in_python(mmi_load *load, const mmi_node *assign,
                                 mm_source *out_source)
{
    mmi_eval *ev = &load->ev;
    mm_value *value = NULL;
    mm_value *list = NULL;

    if (assign == NULL) {
        return NULL;
    }
    *out_source = mmi_source_at(ev, assign->u.assign.value);
    value = mmi_evaluate(ev, assign->u.assign.value);
    if (value == NULL || mm_value_kind(value) == MM_KIND_LIST) {
        return value;
    }
    list = mm_value_new_list();
    mmi_list_append_at(list, value, *out_source);
    mm_value_unref(value);
    return list;
}

static mm_value *names_in_data(mm_value *data, mm_source *out_source)
{
    mm_value *value = mm_dict_find(data, "_base_");
    const mm_source *source = mm_dict_source(data, "_base_");
    mm_value *list = NULL;

    if (value == NULL || mm_value_kind(value) == MM_KIND_LIST) {
        return mm_value_ref(value);
    }
    *out_source = source == NULL ? (mm_source){0} : *source;
    list = mm_value_new_list();
    mmi_list_append_at(list, value, *out_source);
    return list;
}

/* ---- bases: reading ---- */

static bool is_on_the_way(const mmi_link *link, const char *path)
{
    for (; link != NULL; link = link->child) {
        if (strcmp(link->path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* Reads the file of a link. */
static mm_value *load_link(mmi_load *load_state, const mmi_link *link)
{
    mmi_module *module = mm_alloc(sizeof(*module));

    if (module == NULL) {
        return NULL;
    }
    module->next = load_state->ev.modules;
    load_state->ev.modules = module;
    if (mmi_text_read(&module->text, link->given, link->path, link->file) != MM_OK) {
        return NULL;
    }
    return load(load_state, &module->text, link);
}

mm_value *mmi_load_base(mmi_load *load_state, const mmi_link *link, mmi_link *base,
                        const mm_source *source)
{
    mmi_eval *ev = &load_state->ev;
    mmi_module *module = ev->module;
    mm_value *root = NULL;

    base->child = link;
    base->depth = link->depth + 1;
    if (is_on_the_way(link, base->path)) {
        (void)mm_raise(MM_ECONFIG, "'%s' inherits from itself", base->file);
        (void)mm_error_locate(source);
        return NULL;
    }
    if (link->depth >= MAX_CHAIN) {
        (void)mm_raise(MM_ECONFIG, "more than %d files inherit from each other",
                       (int)MAX_CHAIN);
        (void)mm_error_locate(source);
        return NULL;
    }
    root = load_link(load_state, base);
    ev->module = module;
    if (root == NULL) {
        (void)mm_error_frame("while reading base '%s' of %s:%d:%d", base->file,
                             source->file == NULL ? link->file : source->file,
                             (int)source->line, (int)source->column);
    }
    return root;
}

static mm_value *load_base(mmi_load *load_state, const mmi_link *link,
                           const struct base_ref *ref)
{
    mmi_link base = {.path = ref->path, .given = ref->path, .file = ref->file};
    mm_value *root = mmi_load_base(load_state, link, &base, &ref->source);

    if (root != NULL && ref->scope != NULL) {
        mm_value *scoped = mmi_add_scope(root, ref->scope);

        mm_value_unref(root);
        root = scoped;
    }
    return root;
}

/* Adds the keys of one base to those of the others. */
static mm_status join_base(mm_value *all, mm_value *root, const struct base_ref *ref)
{
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(root); i++) {
        const char *name = mm_dict_name_at(root, i);
        mm_source first = {0};

        if (name != NULL && mm_dict_has(all, name)) {
            const mm_source *source = mm_dict_source(all, name);
            mm_source second = mmi_dict_source_of(root, i);

            first = source == NULL ? first : *source;
            (void)mm_raise(MM_ECONFIG,
                           "two bases have the key '%s': %s:%d:%d and %s:%d:%d", name,
                           first.file == NULL ? "?" : first.file, (int)first.line,
                           (int)first.column, second.file == NULL ? "?" : second.file,
                           (int)second.line, (int)second.column);
            return mm_error_locate(&ref->source);
        }
        mmi_dict_put_at(all, mm_dict_key_at(root, i), mm_dict_at(root, i),
                        mmi_dict_source_of(root, i));
    }
    return mm_pending();
}

/* All bases of a file in one dict. */
static mm_value *load_bases(mmi_load *load_state, const mmi_link *link, mm_value *names,
                            mm_source place)
{
    mm_value *all = mm_value_new_dict();

    for (size_t i = 0; names != NULL && !mm_has_error() && i < mm_value_len(names);
         i++) {
        const mm_source *source = mm_list_source(names, i);
        struct base_ref ref = {.source = source == NULL ? place : *source};
        mm_value *root = NULL;

        if (resolve_base(link, mm_list_get(names, i), &ref) == MM_OK) {
            root = load_base(load_state, link, &ref);
        }
        if (root != NULL) {
            (void)join_base(all, root, &ref);
        }
        mm_value_unref(root);
        base_ref_deinit(&ref);
    }
    return all;
}

/* ---- the body ---- */

/* Runs the body of a Python file. `base` is replaced if the body could change it. */
static mm_value *run_python(mmi_load *load_state, mmi_module *module, bool sees_base,
                            mm_value **base)
{
    mmi_eval *ev = &load_state->ev;
    mm_value *result = NULL;
    mm_value *shown = NULL;

    if (sees_base) { /* the body sees dicts of its own, with attributes */
        shown = mmi_config_value(ev, *base);
        mm_dict_put(module->globals, "_base_", shown);
    }
    if (!mm_has_error()) {
        (void)mmi_execute(ev, &module->ast.body, &result);
    }
    mm_value_unref(result);
    if (shown != NULL && !mm_has_error()) {
        mm_value *changed = mmi_finish_dict(ev, shown);

        mm_value_unref(*base);
        *base = changed;
    }
    mm_value_unref(shown);
    return mm_has_error() ? NULL
                          : mmi_finish(ev, module->globals, &module->text, *base);
}

/* `_deprecation_ = dict(expected=..., reference=...)` becomes a warning. */
static void take_deprecation(mm_value *root, const char *file)
{
    mm_value *info = mm_dict_find(root, "_deprecation_");
    const char *expected = NULL;
    const char *reference = NULL;

    if (info == NULL || mm_has_error()) {
        return;
    }
    if (mm_value_kind(info) == MM_KIND_DICT) {
        mm_value *values[2] = {mm_dict_find(info, "expected"),
                               mm_dict_find(info, "reference")};

        expected =
            mm_value_kind(values[0]) == MM_KIND_STR ? mm_value_str(values[0]) : NULL;
        reference =
            mm_value_kind(values[1]) == MM_KIND_STR ? mm_value_str(values[1]) : NULL;
    }
    mm_log(MM_LOG_WARN, "the config file %s will be deprecated in the future%s%s%s%s%s",
           file, expected == NULL ? "" : ", use ", expected == NULL ? "" : expected,
           expected == NULL ? "" : " instead", reference == NULL ? "" : "; see ",
           reference == NULL ? "" : reference);
    (void)mm_dict_remove(root, "_deprecation_");
}

static mm_value *merge_into(mm_value *root, mm_value *base, const char *file)
{
    mm_value *merged = NULL;

    if (root == NULL) {
        return NULL;
    }
    take_deprecation(root, file);
    merged = mm_has_error() ? NULL : mmi_merge(root, base, false);
    mm_value_unref(root);
    return merged;
}

/* ---- one file ---- */

static void add_text(mmi_load *load_state, const mmi_text *text)
{
    if (load_state->text.size > 0) {
        mmi_str_add_char(&load_state->text, '\n');
    }
    mmi_str_add(&load_state->text, text->path == NULL ? text->file : text->path);
    mmi_str_add_char(&load_state->text, '\n');
    mmi_str_add_n(&load_state->text, text->source, text->source_size);
}

/* A lazy file as base of one that is not. */
static mm_status refuse_lazy(const mmi_module *module, const mmi_node *node)
{
    mm_source source = mmi_node_source(&module->ast, node);

    (void)mm_raise(MM_ECONFIG,
                   "%s makes this a lazy config, which cannot be a base in _base_",
                   mmi_node_name(node));
    (void)mm_error_hint("inherit from it with 'with read_base(): from ... import *'");
    return mm_error_locate(&source);
}

/* Replaces templates and parses again if there were any. The styles are told apart
 * before, as templates are none in a lazy file. */
static mm_status expand(mmi_load *load_state, mmi_module *module)
{
    if (mmi_text_expand(&module->text, load_state->env, load_state->args) != MM_OK ||
        module->text.num_edits == 0) {
        return mm_pending();
    }
    mmi_ast_deinit(&module->ast);
    module->ast = (mmi_ast){0};
    return mmi_parse(&module->text, &module->ast);
}

/* A file of the style with `_base_`. */
static mm_value *load_text_style(mmi_load *load_state, mmi_module *module,
                                 const mmi_link *link)
{
    mmi_eval *ev = &load_state->ev;
    const mmi_node *assign = NULL;
    int32_t num_assigns = 0;
    mm_source place = {0};
    mm_value *names = NULL;
    mm_value *base = NULL;
    mm_value *root = NULL;

    if (expand(load_state, module) != MM_OK) {
        return NULL;
    }
    module->globals = mm_value_new_dict();
    module->ignores_base = true;
    ev->module = module;
    assign = mmi_find_base(&module->ast, &num_assigns);
    names = names_in_python(load_state, assign, &place);
    base = mm_has_error() ? NULL : load_bases(load_state, link, names, place);
    if (!mm_has_error()) {
        bool sees_base = module->ast.num_base_names > num_assigns ||
                         (module->ast.sees_globals && mm_value_len(base) > 0);

        root =
            run_python(load_state, module, sees_base, &base); /* may replace `base` */
        root = merge_into(root, base, link->file);
    }
    mm_value_unref(names);
    mm_value_unref(base);
    return root;
}

static mm_value *load_python(mmi_load *load_state, mmi_module *module,
                             const mmi_link *link)
{
    const mmi_node *lazy = NULL;

    if (mmi_parse(&module->text, &module->ast) != MM_OK) {
        if (strstr(module->text.data, "{{$") != NULL) {
            (void)mm_error_hint("outside of a text, a variable is written "
                                "{{'$NAME:default'}}");
        }
        return NULL;
    }
    if (link->is_lazy) {
        return mmi_load_lazy(load_state, module, link);
    }
    if (mmi_find_lazy(&module->ast, &lazy) != MM_OK) {
        return NULL;
    }
    if (lazy == NULL) {
        return load_text_style(load_state, module, link);
    }
    if (link->child != NULL) {
        (void)refuse_lazy(module, lazy);
        return NULL;
    }
    return mmi_load_lazy(load_state, module, link);
}

static mm_value *load_data(mmi_load *load_state, mmi_module *module,
                           const mmi_link *link, bool is_json)
{
    mmi_eval *ev = &load_state->ev;
    mm_source place = {.file = module->text.file, .line = 1, .column = 1};
    mm_value *names = NULL;
    mm_value *base = NULL;
    mm_value *root = NULL;

    if (mmi_text_expand(&module->text, load_state->env, load_state->args) != MM_OK) {
        return NULL;
    }
    module->ast.file = module->text.file;
    ev->module = module;
    module->globals = mmi_read_data(ev, &module->text, is_json);
    if (!mm_has_error()) {
        names = names_in_data(module->globals, &place);
        base = load_bases(load_state, link, names, place);
    }
    if (!mm_has_error()) {
        root = merge_into(mmi_finish(ev, module->globals, &module->text, base), base,
                          link->file);
    }
    mm_value_unref(names);
    mm_value_unref(base);
    return root;
}

/* The text belongs to the newest module of the evaluator. */
static mm_value *load(mmi_load *load_state, mmi_text *text, const mmi_link *link)
{
    mmi_module *module = load_state->ev.modules;
    const char *extension = mm_path_extension(link->path);
    mm_value *root = NULL;

    if (strcmp(extension, ".py") == 0) {
        root = load_python(load_state, module, link);
    } else if (strcmp(extension, ".json") == 0) {
        root = load_data(load_state, module, link, true);
    } else if (strcmp(extension, ".yaml") == 0 || strcmp(extension, ".yml") == 0) {
        root = load_data(load_state, module, link, false);
    } else {
        (void)mm_raise(MM_ECONFIG,
                       "could not read config '%s': its name must end with .py, "
                       ".json, .yaml or .yml",
                       link->file);
    }
    if (root != NULL && !link->is_lazy) {
        add_text(load_state, text);
    }
    return root;
}

/* ---- entry ---- */

static const char *const reserved[] = {"filename", "text", "pretty_text",
                                       "env_variables"};

bool mmi_is_reserved(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strlen(reserved[i]) == size && strncmp(reserved[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Names that are members of a loaded config cannot be keys. */
static mm_value *check_reserved(mm_value *root)
{
    for (size_t i = 0; root != NULL && i < sizeof(reserved) / sizeof(reserved[0]);
         i++) {
        if (mm_dict_has(root, reserved[i])) {
            (void)mm_raise(MM_ECONFIG,
                           "'%s' is a reserved name and cannot be a key of a "
                           "config",
                           reserved[i]);
            (void)mm_error_locate(mm_dict_source(root, reserved[i]));
            mm_value_unref(root);
            return NULL;
        }
    }
    return root;
}

static bool begin(mmi_load *load_state)
{
    mmi_eval_init(&load_state->ev,
                  load_state->args == NULL ? NULL : &load_state->args->limits);
    load_state->env = mm_value_new_dict();
    load_state->imported = mm_value_new_set();
    return !mm_has_error();
}

mm_value *mmi_load_file(mmi_load *load_state, const char *path)
{
    char *folder = begin(load_state) ? mmi_os_cwd() : NULL;
    char *full = folder == NULL ? NULL : mmi_absolute_path(folder, path);
    mm_value *root = NULL;

    if (full != NULL && !mm_file_exists(full)) {
        (void)mm_raise(MM_ENOENT, "could not open config '%s': no such file", path);
        mmi_suggest_files(full);
    } else if (full != NULL) {
        mmi_link link = {.path = full, .given = path, .file = path, .depth = 1};

        root = check_reserved(load_link(load_state, &link));
    }
    mm_free(folder);
    mm_free(full);
    return root;
}

mm_value *mmi_load_string(mmi_load *load_state, const char *text, const char *format)
{
    char *folder = begin(load_state) ? mmi_os_cwd() : NULL;
    char *path = folder == NULL ? NULL : mm_strfmt("%s/<string>%s", folder, format);
    mmi_link link = {.path = path, .given = path, .file = "<string>", .depth = 1};
    mmi_module *module = path == NULL ? NULL : mm_alloc(sizeof(*module));
    mm_value *root = NULL;

    if (module != NULL) {
        module->next = load_state->ev.modules;
        load_state->ev.modules = module;
        if (mmi_text_set(&module->text, text, strlen(text), path, "<string>") ==
            MM_OK) {
            root = check_reserved(load(load_state, &module->text, &link));
        }
    }
    mm_free(folder);
    mm_free(path);
    return root;
}

void mmi_load_deinit(mmi_load *load_state)
{
    mmi_eval_deinit(&load_state->ev);
    mm_value_unref(load_state->env);
    mm_value_unref(load_state->imported);
    mmi_str_deinit(&load_state->text);
}
