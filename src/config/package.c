/* Packages are found by looking for their folder; nothing is asked of Python. */
#include "config/package.h"

#include <ctype.h>
#include <string.h>

#include "base/os.h"
#include "base/suggest.h"
#include "config/load.h"
#include "config/util.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

/* The packages that MMEngine knows. */
static const char *const packages[] = {
    "mmcls",     "mmdet",   "mmdet3d",    "mmseg",     "mmaction",
    "mmtrack",   "mmpose",  "mmedit",     "mmocr",     "mmgen",
    "mmfewshot", "mmrazor", "mmflow",     "mmhuman3d", "mmrotate",
    "mmselfsup", "mmyolo",  "mmpretrain", "mmagic",
};

static bool is_known(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
        if (strlen(packages[i]) == size && memcmp(packages[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

static char *unknown_package(const char *scope)
{
    mmi_suggest suggest = {.word = scope};

    for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
        mmi_suggest_add(&suggest, packages[i]);
    }
    (void)mm_raise(MM_ECONFIG, "configs of a package '%s' cannot be inherited from",
                   scope);
    mmi_suggest_hint(&suggest);
    return NULL;
}

/* <folder>/<package> in the folders of MMENGINE_SITE; yours. */
static char *find_package(const char *package, size_t size)
{
    const char *folders = mmi_os_env("MMENGINE_SITE");

    for (const char *p = folders; p != NULL && !mm_has_error();) {
        int length = (int)strcspn(p, ":");
        char *folder =
            length == 0 ? NULL : mm_strfmt("%.*s/%.*s", length, p, (int)size, package);

        if (folder != NULL && mm_file_is_dir(folder)) {
            return folder;
        }
        mm_free(folder);
        p = p[length] == '\0' ? NULL : p + length + 1;
    }
    if (!mm_has_error()) {
        (void)mm_raise(MM_ENOENT, "could not find the package '%.*s'", (int)size,
                       package);
        (void)mm_error_hint(
            folders == NULL ? "set MMENGINE_SITE to the folder that holds the package"
                            : "MMENGINE_SITE is '%s'",
            folders);
    }
    return NULL;
}

/* The file `path` of a package; yours. */
static char *find_file(const char *package, size_t size, const char *path)
{
    char *folder = find_package(package, size);
    char *file = folder == NULL ? NULL : mm_path_join(folder, path);

    mm_free(folder);
    if (file != NULL && !mm_file_exists(file)) {
        (void)mm_raise(MM_ENOENT, "the package '%.*s' has no file '%s'", (int)size,
                       package, path);
        mmi_suggest_files(file);
        mm_free(file);
        return NULL;
    }
    return file;
}

char *mmi_package_module(const char *package, size_t size, const char *path)
{
    return find_file(package, size, path);
}

/* Letters up to the first '/', as MMEngine asks for. */
static bool is_package_path(const char *path)
{
    size_t size = 0;

    while (path[size] == '_' || (path[size] & 0x80) != 0 ||
           isalnum((unsigned char)path[size])) {
        size++;
    }
    return path[size] == '/' && strstr(path, "::") == NULL;
}

char *mmi_package_find(const char *name, char **out_scope)
{
    const char *path = strstr(name, "::") + 2;
    size_t size = (size_t)(path - name) - 2;
    char *below = NULL;
    char *file = NULL;

    *out_scope = mmi_strndup(name, size);
    if (*out_scope == NULL) {
        return NULL;
    }
    if (!is_package_path(path)) {
        (void)mm_raise(MM_ECONFIG, "'%s' is no path in a package", name);
        (void)mm_error_hint("write it like 'mmdet::_base_/models/faster-rcnn.py': the "
                            "first folder has letters, digits and '_' only");
        return NULL;
    }
    if (!is_known(name, size)) {
        return unknown_package(*out_scope);
    }
    below = mm_strfmt(".mim/configs/%s", path);
    file = below == NULL ? NULL : find_file(name, size, below);
    mm_free(below);
    return file;
}

static mm_value *add_scope(mm_value *value, const char *scope);

static mm_value *scope_dict(mm_value *dict, const char *scope)
{
    mm_value *made = mm_value_new_dict();
    bool here = mm_dict_has(dict, "type");
    mm_value *name = NULL;

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(dict); i++) {
        mm_value *item = here ? mm_value_ref(mm_dict_at(dict, i))
                              : add_scope(mm_dict_at(dict, i), scope);

        if (item != NULL) {
            mmi_dict_put_at(made, mm_dict_key_at(dict, i), item,
                            mmi_dict_source_of(dict, i));
        }
        mm_value_unref(item);
    }
    if (here && mm_value_is_none(mm_dict_find(dict, "_scope_"))) {
        name = mm_value_new_str(scope);
        if (name != NULL) {
            mm_dict_put(made, "_scope_", name);
        }
        mm_value_unref(name);
    }
    return made;
}

static mm_value *add_scope(mm_value *value, const char *scope)
{
    mm_kind kind = mm_value_kind(value);
    mm_value *made = NULL;

    if (kind == MM_KIND_DICT) {
        return scope_dict(value, scope);
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        return mm_value_ref(value);
    }
    made = kind == MM_KIND_LIST ? mm_value_new_list() : mm_value_new_tuple();
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        mm_value *item = add_scope(mm_list_get(value, i), scope);

        if (item != NULL) {
            mmi_list_append_at(made, item, mmi_list_source_of(value, i));
        }
        mm_value_unref(item);
    }
    return made;
}

mm_value *mmi_add_scope(const mm_value *root, const char *scope)
{
    mm_value *made = mm_value_new_dict();

    /* the top level itself has no type */
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(root); i++) {
        mm_value *item = add_scope(mm_dict_at(root, i), scope);

        if (item != NULL) {
            mmi_dict_put_at(made, mm_dict_key_at(root, i), item,
                            mmi_dict_source_of(root, i));
        }
        mm_value_unref(item);
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}
