/* MMEngine's lazy style. The files named in `with read_base():` are read first, and
 * what they leave is put among the names of this file before its body runs; nothing is
 * merged, the body changes what it inherited. Other imports of modules that are not
 * Python's own bind dotted names (see mmi_lazy_object). All imports are checked before
 * the body runs, also those in functions that are never called. */
#include "config/lazy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/objects.h"
#include "config/package.h"
#include "config/style.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

/* A file on its way. */
struct lazy {
    mmi_load *load;
    mmi_module *module;
    const mmi_link *link;
};

MM_PRINTF(4, 5)
static void *refuse(const struct lazy *lazy, int32_t line, int32_t column,
                    const char *format, ...)
{
    mm_source source = {.file = lazy->module->ast.file, .line = line, .column = column};
    char text[400];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    (void)mm_raise(MM_ECONFIG, "%s", text);
    (void)mm_error_locate(&source);
    return NULL;
}

/* ---- with read_base(): which files ---- */

/* The first `with` at the top level; NULL if there is none, or with an error. */
static const mmi_node *find_read_base(const struct lazy *lazy)
{
    const mmi_ast *ast = &lazy->module->ast;

    for (int32_t i = 0; i < ast->body.count; i++) {
        const mmi_node *node = ast->body.at[i];

        if (mmi_is_base_assign(node)) {
            (void)refuse(lazy, node->line, node->column,
                         "a lazy config cannot have _base_");
            (void)mm_error_hint("inherit with 'with read_base(): from ... import *'");
            return NULL;
        }
        if (node->kind == NODE_WITH) {
            return mmi_check_read_base(ast, node) == MM_OK ? node : NULL;
        }
    }
    return NULL;
}

char *mmi_import_key(const mmi_node *import)
{
    const char *module = import->u.import.module;
    mmi_str key = {0};

    for (int32_t i = 0; i < import->u.import.level; i++) {
        mmi_str_add_char(&key, '.');
    }
    mmi_str_add(&key, module == NULL ? "None" : module);
    return mmi_str_take(&key);
}

/* "a.b" as "a/b.py" */
static void add_module_file(mmi_str *path, const char *module)
{
    for (; *module != '\0'; module++) {
        mmi_str_add_char(path, *module == '.' ? '/' : *module);
    }
    mmi_str_add(path, ".py");
}

/* The file of a relative import in `file`. */
static char *relative_file(const char *file, const mmi_node *import)
{
    const char *slash = strrchr(file, '/');
    mmi_str path = {0};

    if (slash != NULL) {
        mmi_str_add_n(&path, file, (size_t)(slash - file) + 1);
    }
    for (int32_t i = 1; i < import->u.import.level; i++) {
        mmi_str_add(&path, "../");
    }
    add_module_file(&path, import->u.import.module);
    return mmi_str_take(&path);
}

/* The file of an absolute import, "mmdet.configs.a". */
static char *package_file(const struct lazy *lazy, const mmi_node *import)
{
    const char *module = import->u.import.module;
    const char *dot = strchr(module, '.');
    mm_source source = mmi_node_source(&lazy->module->ast, import);
    mmi_str rest = {0};
    char *path = NULL;

    if (dot == NULL) {
        (void)refuse(lazy, import->line, import->column,
                     "the package '%s' is no base: a base is a file of a package",
                     module);
        (void)mm_error_hint("write it like 'from mmdet.configs._base_.default_runtime "
                            "import *'");
        return NULL;
    }
    add_module_file(&rest, dot + 1);
    path = mmi_package_module(module, (size_t)(dot - module), mmi_str_text(&rest));
    mmi_str_deinit(&rest);
    (void)mm_error_locate(&source);
    return path;
}

/* What may stand in `with read_base():`. */
static bool check_base_import(const struct lazy *lazy, const mmi_node *node)
{
    if (node->kind != NODE_IMPORT_FROM) {
        (void)refuse(lazy, node->line, node->column,
                     "only 'from ... import ...' may stand in 'with read_base()', "
                     "not %s",
                     mmi_node_name(node));
        return false;
    }
    if (node->u.import.module == NULL) {
        (void)refuse(lazy, node->line, node->column,
                     "'from . import' names no file that could be a base");
        (void)mm_error_hint("write it like 'from .name import *'");
        return false;
    }
    return true;
}

/* ---- with read_base(): reading them ---- */

static mm_value *no_such_base(const struct lazy *lazy, const mmi_node *import,
                              const char *file)
{
    mm_source source = mmi_node_source(&lazy->module->ast, import);
    char *name = mmi_import_key(import);

    (void)mm_raise(MM_ENOENT, "the base '%s' does not exist: there is no file '%s'",
                   name == NULL ? "" : name, file);
    (void)mm_error_locate(&source);
    mmi_suggest_files(file);
    mm_free(name);
    return NULL;
}

/* A base by the three names of its file; takes them. */
static mm_value *load_file(const struct lazy *lazy, const mmi_node *import, char *given,
                           char *file, char *path)
{
    mmi_link base = {.path = path, .given = given, .file = file, .is_lazy = true};
    mm_source source = mmi_node_source(&lazy->module->ast, import);
    mm_value *root = NULL;

    if (given != NULL && file != NULL && path != NULL) {
        root = !mm_file_exists(given) || mm_file_is_dir(given)
                   ? no_such_base(lazy, import, file)
                   : mmi_load_base(lazy->load, lazy->link, &base, &source);
    }
    mm_free(given);
    mm_free(file);
    mm_free(path);
    return root;
}

/* A path without ".."; takes `path`. */
static char *normal(char *path)
{
    char *made = path == NULL ? NULL : mm_path_normalize(path);

    mm_free(path);
    return made;
}

static mm_value *load_import(const struct lazy *lazy, const mmi_node *import)
{
    const mmi_link *link = lazy->link;
    char *found = NULL;

    if (import->u.import.level > 0) {
        return load_file(lazy, import, relative_file(link->given, import),
                         normal(relative_file(link->file, import)),
                         normal(relative_file(link->path, import)));
    }
    found = package_file(lazy, import);
    return found == NULL ? NULL
                         : load_file(lazy, import, found, mm_strdup(found),
                                     mm_path_normalize(found));
}

/* Reads all bases into `module->bases`. */
static mm_status load_bases(const struct lazy *lazy, const mmi_nodes *imports)
{
    mm_value *bases = lazy->module->bases;

    for (int32_t i = 0; i < imports->count; i++) {
        if (!check_base_import(lazy, imports->at[i])) {
            return mm_pending();
        }
    }
    for (int32_t i = 0; i < imports->count && !mm_has_error(); i++) {
        char *key = mmi_import_key(imports->at[i]);

        if (key != NULL && !mm_dict_has(bases, key)) {
            mm_value *root = load_import(lazy, imports->at[i]);

            mm_dict_put(bases, key, root);
            mm_value_unref(root);
        }
        mm_free(key);
    }
    return mm_pending();
}

/* ---- imports before the body runs ---- */

static void note_imported(const struct lazy *lazy, const char *name)
{
    mm_value *text = mm_value_new_str(name);

    mm_set_add(lazy->load->imported, text);
    mm_value_unref(text);
}

/* The base that an import names, or NULL without an error. */
static mm_value *base_of(const struct lazy *lazy, const mmi_node *import)
{
    char *key = mmi_import_key(import);
    mm_value *base = key == NULL ? NULL : mm_dict_find(lazy->module->bases, key);

    mm_free(key);
    return base;
}

static void no_base_name(const struct lazy *lazy, const mmi_node *import,
                         const mmi_alias *alias, const mm_value *base)
{
    mmi_suggest suggest = {.word = alias->name};
    char *key = mmi_import_key(import);

    for (size_t i = 0; i < mm_value_len(base); i++) {
        mmi_suggest_add(&suggest, mm_dict_name_at(base, i));
    }
    (void)refuse(lazy, alias->line, alias->column, "the base '%s' has no name '%s'",
                 key == NULL ? "" : key, alias->name);
    mmi_suggest_hint(&suggest);
    mm_free(key);
}

/* Puts names of a base among those of the file. */
static void put_base_names(const struct lazy *lazy, const mmi_node *import,
                           mm_value *base)
{
    mm_value *globals = lazy->module->globals;

    for (int32_t i = 0; i < import->u.import.num_aliases && !mm_has_error(); i++) {
        const mmi_alias *alias = &import->u.import.aliases[i];
        mm_value *value = mm_dict_find(base, alias->name);

        if (strcmp(alias->name, "*") == 0) {
            for (size_t j = 0; j < mm_value_len(base); j++) {
                mmi_dict_put_at(globals, mm_dict_key_at(base, j), mm_dict_at(base, j),
                                mmi_dict_source_of(base, j));
            }
        } else if (value == NULL) {
            no_base_name(lazy, import, alias, base);
        } else {
            const char *name = alias->bound != NULL ? alias->bound : alias->name;
            const mm_source *source = mm_dict_source(base, alias->name);

            mm_dict_put(globals, name, value);
            if (source != NULL && !mm_has_error()) {
                mm_dict_set_source(globals, name, *source);
            }
        }
    }
}

static void scan_import_from(const struct lazy *lazy, const mmi_node *import)
{
    const char *module = import->u.import.module;
    mm_value *base = NULL;

    if (import->u.import.level > 0 || !mmi_is_own_module(module)) {
        base = base_of(lazy, import);
    }
    if (base != NULL) {
        put_base_names(lazy, import, base);
        return;
    }
    for (int32_t i = 0; i < import->u.import.num_aliases && !mm_has_error(); i++) {
        const mmi_alias *alias = &import->u.import.aliases[i];

        if (strcmp(alias->name, "*") == 0) {
            (void)refuse(lazy, import->line, import->column,
                         "'import *' takes the names of a base and must stand in 'with "
                         "read_base()'");
        } else {
            note_imported(lazy, alias->bound != NULL ? alias->bound : alias->name);
        }
    }
}

static void scan_import(const struct lazy *lazy, const mmi_node *import)
{
    if (import->u.import.num_aliases > 1) {
        (void)refuse(lazy, import->line, import->column,
                     "a lazy config imports one module in a line");
    } else if (import->u.import.aliases[0].bound != NULL) {
        note_imported(lazy, import->u.import.aliases[0].bound);
    }
}

static void scan_block(const struct lazy *lazy, const mmi_nodes *block);
static void scan_inside(const struct lazy *lazy, const mmi_nodes *block);

static void scan_try(const struct lazy *lazy, const mmi_node *node)
{
    scan_inside(lazy, &node->u.attempt.body);
    for (int32_t i = 0; i < node->u.attempt.num_handlers; i++) {
        scan_inside(lazy, &node->u.attempt.handlers[i].body);
    }
    scan_inside(lazy, &node->u.attempt.otherwise);
    scan_inside(lazy, &node->u.attempt.finally);
}

static void scan_statement(const struct lazy *lazy, const mmi_node *node)
{
    switch (node->kind) {
    case NODE_IMPORT_FROM:
        scan_import_from(lazy, node);
        break;
    case NODE_IMPORT:
        scan_import(lazy, node);
        break;
    case NODE_IF:
    case NODE_WHILE:
        scan_inside(lazy, &node->u.branch.body);
        scan_inside(lazy, &node->u.branch.otherwise);
        break;
    case NODE_FOR:
        scan_inside(lazy, &node->u.loop.body);
        scan_inside(lazy, &node->u.loop.otherwise);
        break;
    case NODE_TRY:
        scan_try(lazy, node);
        break;
    case NODE_WITH:
        if (node == lazy->module->read_base) {
            scan_block(lazy, &node->u.with.body);
        } else {
            scan_inside(lazy, &node->u.with.body);
        }
        break;
    case NODE_DEF:
        scan_inside(lazy, &node->u.function->body);
        break;
    case NODE_CLASS:
        scan_inside(lazy, &node->u.class_def.body);
        break;
    default:
        break;
    }
}

/* Looks at all imports, also in functions, in the order of the text. */
static void scan_block(const struct lazy *lazy, const mmi_nodes *block)
{
    for (int32_t i = 0; i < block->count && !mm_has_error(); i++) {
        scan_statement(lazy, block->at[i]);
    }
}

static bool is_base_import(const struct lazy *lazy, const mmi_node *node)
{
    return node->kind == NODE_IMPORT_FROM &&
           (node->u.import.level > 0 || !mmi_is_own_module(node->u.import.module)) &&
           base_of(lazy, node) != NULL;
}

/* A block of a statement. MMEngine takes imports of bases out of it and refuses what is
 * left if that is nothing. */
static void scan_inside(const struct lazy *lazy, const mmi_nodes *block)
{
    int32_t count = 0;

    while (count < block->count && is_base_import(lazy, block->at[count])) {
        count++;
    }
    if (count > 0 && count == block->count) {
        (void)refuse(lazy, block->at[0]->line, block->at[0]->column,
                     "bases are imported in the first 'with read_base()' only");
        return;
    }
    scan_block(lazy, block);
}

/* `import torch` at the top level counts from the first line on. */
static void bind_modules(const struct lazy *lazy)
{
    const mmi_nodes *body = &lazy->module->ast.body;

    for (int32_t i = body->count - 1; i >= 0 && !mm_has_error(); i--) {
        const mmi_alias *alias = body->at[i]->u.import.aliases;

        if (body->at[i]->kind == NODE_IMPORT && alias->bound == NULL &&
            !mmi_is_own_module(alias->name)) {
            char *first = mmi_strndup(alias->name, strcspn(alias->name, "."));
            mm_value *module = first == NULL ? NULL : mmi_new_lazy(first, NULL);

            body->at[i]->flag = true; /* nothing is left to do */
            if (module != NULL) {
                note_imported(lazy, first);
                mm_dict_put(lazy->module->globals, first, module);
            }
            mm_value_unref(module);
            mm_free(first);
        }
    }
}

/* ---- one file ---- */

static void put_file_name(const struct lazy *lazy)
{
    mm_value *name = mm_value_new_str(lazy->link->given);

    mm_dict_put(lazy->module->globals, "__file__", name);
    mm_value_unref(name);
}

mm_value *mmi_load_lazy(mmi_load *load, mmi_module *module, const mmi_link *link)
{
    struct lazy lazy = {.load = load, .module = module, .link = link};
    mmi_eval *ev = &load->ev;
    mm_value *result = NULL;

    module->is_lazy = true;
    module->globals = mm_value_new_dict();
    module->bases = mm_value_new_dict();
    ev->module = module;
    put_file_name(&lazy);
    module->read_base = find_read_base(&lazy);
    if (module->read_base != NULL) {
        (void)load_bases(&lazy, &module->read_base->u.with.body);
    }
    scan_block(&lazy, &module->ast.body);
    bind_modules(&lazy);
    if (!mm_has_error()) {
        (void)mmi_execute(ev, &module->ast.body, &result);
    }
    mm_value_unref(result);
    if (mm_has_error()) {
        return NULL;
    }
    return link->child != NULL ? mmi_finish_lazy_base(ev, module->globals)
                               : mmi_finish_lazy(ev, module->globals, load->imported);
}
