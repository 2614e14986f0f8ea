/* Values in files, by the name of their format, and the litter of killed writers. */
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "fileio/pickle.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"

enum format { FORMAT_NONE, FORMAT_JSON, FORMAT_YAML, FORMAT_PICKLE };

static enum format find_format(const char *path, const char *name)
{
    if (name == NULL) {
        const char *extension = mm_path_extension(path);
        name = extension[0] == '.' ? extension + 1 : extension;
    }
    if (strcmp(name, "json") == 0) {
        return FORMAT_JSON;
    }
    if (strcmp(name, "yaml") == 0 || strcmp(name, "yml") == 0) {
        return FORMAT_YAML;
    }
    if (strcmp(name, "pickle") == 0 || strcmp(name, "pkl") == 0) {
        return FORMAT_PICKLE;
    }
    mm_raise(MM_EINVAL, "no format '%s' for file '%s'", name, path);
    mm_error_hint("known are json, yaml, yml, pickle and pkl");
    return FORMAT_NONE;
}

mm_value *mm_fileio_load(const char *path, const char *format_name)
{
    enum format format = MMI_NEED(path) ? find_format(path, format_name) : FORMAT_NONE;
    mmi_mapping mapping = {0};

    if (format == FORMAT_NONE || mmi_map_file(path, &mapping) != MM_OK) {
        return NULL;
    }
    const char *data = mapping.data != NULL ? mapping.data : "";
    mm_value *value = format == FORMAT_JSON ? mm_json_parse(data, mapping.size, path)
                      : format == FORMAT_YAML
                          ? mm_yaml_parse(data, mapping.size, path)
                          : mm_pickle_parse(data, mapping.size, path);
    mmi_unmap_file(&mapping);
    return value;
}

mm_status mm_fileio_dump(const mm_value *value, const char *path,
                         const char *format_name)
{
    enum format format = MMI_NEED(path) ? find_format(path, format_name) : FORMAT_NONE;
    size_t size = 0;
    char *data = NULL;

    if (format == FORMAT_JSON || format == FORMAT_YAML) {
        data = format == FORMAT_JSON ? mm_json_format(value, NULL)
                                     : mm_yaml_format(value, NULL);
        size = data != NULL ? strlen(data) : 0;
    } else if (format == FORMAT_PICKLE) {
        data = mm_pickle_format(value, &size);
    }
    if (data == NULL) {
        return mm_error_frame("while writing '%s'", path != NULL ? path : "");
    }
    mm_status status = mm_file_write(path, data, size);
    mm_free(data);
    return status;
}

/* The pid in "<path>.<host>-<pid>-<n>.tmp" if the host is ours; else 0. */
static int64_t our_writer(const char *name, size_t path_size, const char *host)
{
    const char *at = name + path_size + 1;
    size_t host_size = strlen(host);
    int64_t pid = 0;

    if (strncmp(at, host, host_size) != 0 || at[host_size] != '-') {
        return 0;
    }
    for (at += host_size + 1; *at >= '0' && *at <= '9' && pid < INT32_MAX; at++) {
        pid = pid * 10 + (*at - '0');
    }
    return *at == '-' ? pid : 0;
}

int64_t mm_file_remove_stale(const char *folder)
{
    mm_value *names = MMI_NEED(folder) ? mm_list_dir(folder) : NULL;
    char host[256] = "";
    int64_t removed = 0;

    mmi_os_host_name(host, sizeof host);
    for (size_t i = 0; names != NULL && i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        size_t path_size = 0;
        int64_t pid = name != NULL && mmi_atomic_is_temp(name, &path_size)
                          ? our_writer(name, path_size, host)
                          : 0;
        if (pid == 0 || pid == mmi_os_pid() || mmi_os_process_is_alive(pid)) {
            continue;
        }
        char *path = mm_path_join(folder, name);
        if (path != NULL && mm_file_remove(path) == MM_OK) {
            removed++;
        } else if (mm_pending() == MM_ENOENT) {
            mm_error_take(NULL); /* somebody else was faster */
        }
        mm_free(path);
    }
    mm_value_unref(names);
    return mmi_is_pending() ? 0 : removed;
}
