/* Reading one config with everything it inherits: the chain of files, the style of
 * each, what the load gathers. Files of one load share the evaluator and its limits;
 * each keeps its tree until the load ends. */
#include "config/load.h"

#include <string.h>

#include "base/os.h"
#include "base/suggest.h"
#include "config/lazy.h"
#include "config/style.h"
#include "config/text_style.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

enum { MAX_CHAIN = 100 }; /* files that inherit from each other */

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

/* ---- one file ---- */

/* Files cost steps, so that chains which fork end. */
static bool count_file(mmi_load *load_state, size_t size)
{
    enum { STEPS_PER_FILE = 1000, BYTES_PER_STEP = 16 };

    return mmi_step(&load_state->ev, STEPS_PER_FILE + (int64_t)(size / BYTES_PER_STEP));
}

/* Adds to the text of the config: path and contents of each file; of a lazy one the
 * contents alone. */
static void add_text(mmi_load *load_state, const mmi_module *module,
                     const mmi_link *link)
{
    const mmi_text *text = &module->text;

    if (link->is_lazy) {
        return;
    }
    if (!module->is_lazy) {
        mmi_str_add(&load_state->text, load_state->text.size > 0 ? "\n" : "");
        mmi_str_add(&load_state->text, text->path == NULL ? text->file : text->path);
        mmi_str_add_char(&load_state->text, '\n');
    }
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
        return mmi_load_text_style(load_state, module, link);
    }
    if (link->child != NULL) {
        (void)refuse_lazy(module, lazy);
        return NULL;
    }
    return mmi_load_lazy(load_state, module, link);
}

/* Adds an empty module to the load; it is the newest of the evaluator. */
static mmi_module *add_module(mmi_load *load_state)
{
    mmi_module *module = mm_alloc(sizeof(*module));

    if (module != NULL) {
        module->next = load_state->ev.modules;
        load_state->ev.modules = module;
    }
    return module;
}

/* Reads a module whose text is known. */
static mm_value *load(mmi_load *load_state, mmi_module *module, const mmi_link *link)
{
    const char *extension = mm_path_extension(link->path);
    mm_value *root = NULL;

    if (!count_file(load_state, module->text.source_size)) {
        return NULL;
    }
    root =
        strcmp(extension, ".py") == 0
            ? load_python(load_state, module, link)
            : mmi_load_data(load_state, module, link, strcmp(extension, ".json") == 0);
    if (root != NULL) {
        add_text(load_state, module, link);
    }
    return root;
}

/* ---- the chain ---- */

static bool is_on_the_way(const mmi_link *link, const char *path)
{
    for (; link != NULL; link = link->child) {
        if (strcmp(link->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_extension(const mmi_link *link)
{
    static const char *const known[] = {".py", ".json", ".yaml", ".yml"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(mm_path_extension(link->path), known[i]) == 0) {
            return true;
        }
    }
    (void)mm_raise(MM_ECONFIG,
                   "could not read config '%s': its name must end with .py, "
                   ".json, .yaml or .yml",
                   link->file);
    return false;
}

/* Says what is wrong with a file before it is opened; a pipe might never answer. */
static bool can_read(const mmi_link *link)
{
    mmi_stat stat = {0};

    if (mmi_os_find_stat(link->given, &stat) && !stat.is_file) {
        (void)mm_raise(MM_ECONFIG, "could not read config '%s': it is %s", link->file,
                       stat.is_dir ? "a folder" : "no regular file");
        return false;
    }
    return check_extension(link);
}

/* Reads the file of a link. */
static mm_value *load_link(mmi_load *load_state, const mmi_link *link)
{
    mmi_module *module = NULL;
    mmi_stat stat = {0};

    if (mmi_os_find_stat(link->given, &stat) &&
        !mmi_reserve(&load_state->ev, stat.size < 0 ? 0 : (size_t)stat.size)) {
        return NULL;
    }
    module = add_module(load_state);
    if (module == NULL ||
        mmi_text_read(&module->text, link->given, link->path, link->file) != MM_OK) {
        return NULL;
    }
    return load(load_state, module, link);
}

mm_value *mmi_load_base(mmi_load *load_state, const mmi_link *link, mmi_link *base,
                        const mm_source *source)
{
    mmi_eval *ev = &load_state->ev;
    mmi_module *module = ev->module;
    const mmi_node *at = ev->at;
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
    if (!can_read(base)) {
        (void)mm_error_locate(source);
        return NULL;
    }
    ev->at = NULL; /* no place in the new file yet */
    root = load_link(load_state, base);
    ev->module = module;
    ev->at = at;
    if (root == NULL) {
        (void)mm_error_frame("while reading base '%s' of %s:%d:%d", base->file,
                             source->file == NULL ? link->file : source->file,
                             (int)source->line, (int)source->column);
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
        mmi_link link = {.path = full,
                         .given = path[0] == '~' ? full : path,
                         .file = path,
                         .depth = 1};

        root = can_read(&link) ? check_reserved(load_link(load_state, &link)) : NULL;
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
    mmi_module *module = NULL;
    mm_value *root = NULL;

    if (path != NULL && check_extension(&link)) {
        module = add_module(load_state);
    }
    if (module != NULL &&
        mmi_text_set(&module->text, text, strlen(text), path, "<string>") == MM_OK) {
        root = check_reserved(load(load_state, module, &link));
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
