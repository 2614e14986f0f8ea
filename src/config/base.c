/* What a file of the style with `_base_` inherits: which files, and their keys together
 * in one dict. */
#include "config/base.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/package.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

/* A base to be read. */
struct base_ref {
    char *path;       /* absolute */
    char *file;       /* as shown */
    char *scope;      /* package of `package::path`, or NULL */
    mm_source source; /* where it is named */
};

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

/* ---- which ---- */

static mm_status fail_at(const mm_source *source, const char *message)
{
    (void)mm_raise(MM_ECONFIG, "%s", message);
    return mm_error_locate(source);
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
mm_value *mmi_base_names(mmi_load *load, const mmi_node *assign, mm_source *out_source)
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

mm_value *mmi_data_base_names(mm_value *data, mm_source *out_source)
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

/* ---- reading them ---- */

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
mm_value *mmi_load_bases(mmi_load *load_state, const mmi_link *link, mm_value *names,
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
