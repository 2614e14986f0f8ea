/* Where the module that a config imports lies. */
#include "registry/plugin.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "mmengine/file.h"

/* The folders that are searched, in order. */
static mm_value *folders(const char *config_file)
{
    mm_value *list = mm_value_new_list();
    char *beside = config_file != NULL ? mm_path_dirname(config_file) : NULL;
    const char *path = mmi_os_env("MMENGINE_PLUGIN_PATH");
    const char *data = mmi_os_env("XDG_DATA_HOME");
    const char *home = mmi_os_env("HOME");

    if (beside != NULL && beside[0] != '\0') {
        mm_list_push(list, mm_value_new_str(beside));
    }
    mm_list_push(list, mm_value_new_str("."));
    while (path != NULL && *path != '\0') {
        size_t size = strcspn(path, ":");

        if (size > 0) {
            mm_list_push(list, mm_value_new_str_n(path, size));
        }
        path += size + (path[size] == ':' ? 1 : 0);
    }
    if (data != NULL && data[0] == '/') {
        mm_list_push(list, mm_value_new_strf("%s/mmengine/plugins", data));
    } else if (home != NULL && home[0] == '/') {
        mm_list_push(list, mm_value_new_strf("%s/.local/share/mmengine/plugins", home));
    }
    mm_free(beside);
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

/* "my_models.lenet" -> "my_models/lenet"; yours. */
static char *path_of(const char *module)
{
    char *path = mm_strdup(module);

    for (char *c = path; c != NULL && *c != '\0'; c++) {
        *c = *c == '.' ? '/' : *c;
    }
    return path;
}

/* "folder/stem.ending" if it is a file; yours, else NULL. A folder "." is left out. */
static char *probe(const char *folder, const char *stem, const char *ending)
{
    bool is_here = strcmp(folder, ".") == 0;
    char *path =
        mm_strfmt("%s%s%s%s", is_here ? "" : folder, is_here ? "" : "/", stem, ending);

    if (path != NULL && mm_file_exists(path) && !mm_file_is_dir(path)) {
        return path;
    }
    mm_free(path);
    return NULL;
}

char *mmi_plugin_find(const char *module, const char *config_file)
{
    mm_value *list = folders(config_file);
    char *stem = list != NULL ? path_of(module) : NULL;
    size_t count = stem != NULL ? mm_value_len(list) : 0;
    char *found = NULL;

    for (size_t i = 0; i < count && found == NULL && !mm_has_error(); i++) {
        const char *folder = mm_value_str(mm_list_get(list, i));

        found = probe(folder, stem, ".c");
        found = found != NULL ? found : probe(folder, stem, ".so");
    }
    mm_free(stem);
    mm_value_unref(list);
    return found;
}

char *mmi_plugin_places(const char *config_file)
{
    mm_value *list = folders(config_file);
    size_t count = list != NULL ? mm_value_len(list) : 0;
    mmi_str text = {0};

    for (size_t i = 0; i < count; i++) {
        mmi_str_addf(&text, "%s'%s'", i > 0 ? ", " : "",
                     mm_value_str(mm_list_get(list, i)));
    }
    mm_value_unref(list);
    return mmi_str_take(&text);
}
