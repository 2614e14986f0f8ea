/* The cache of compiled plugins. Each source has a folder of its own. In it lies, per
 * fingerprint (compiler, flags, ABI, path), a manifest: the library's name, then the
 * files that the compiler read, each with its hash. A library is taken if all of them
 * still have that content; so an edited header is noticed, and an unchanged plugin
 * costs no compiler run. Libraries and manifests appear by rename. */
#include "registry/plugin.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/os.h"
#include "base/str.h"
#include "mmengine/file.h"

/* Libraries that are kept per source: branches, builds, compilers. */
enum { MAX_KEPT = 6, HEX = MMI_SHA256_TEXT_SIZE };

char *mmi_plugin_cache_dir(void)
{
    if (mm_has_error()) {
        return NULL;
    }
    char *path = mmi_os_cache_dir("plugins");

    if (path != NULL) {
        return path;
    }
    if (mm_pending() == MM_ENOMEM) {
        return NULL;
    }
    /* No home, or one that cannot be written: compile for this process alone. */
    (void)mm_error_take(NULL);
    return mmi_os_temp_dir("mmengine-plugins");
}

/* --- which files were read --- */

/* A blank that a backslash protects belongs to the name, "$$" is "$". */
static const char *scan_name(const char *at, mmi_str *out)
{
    mmi_str_clear(out);
    while (*at != '\0' && strchr(" \t\r\n", *at) == NULL) {
        if (*at == '\\' && (at[1] == ' ' || at[1] == '#')) {
            at++;
        } else if (*at == '\\' && (at[1] == '\n' || at[1] == '\r')) {
            break;
        } else if (*at == '$' && at[1] == '$') {
            at++;
        }
        mmi_str_add_char(out, *at);
        at++;
    }
    return at;
}

mm_value *mmi_plugin_parse_rule(const char *text)
{
    const char *at = strstr(text, ": ");
    mm_value *files = mm_value_new_list();
    mmi_str name = {0};

    at = at != NULL ? at + 2 : "";
    while (*at != '\0' && !mm_has_error()) {
        if (*at == '\n') {
            break; /* the rule ends; a backslash would have continued it */
        }
        if (*at == '\\' && at[1] == '\n') {
            at += 2;
        } else if (strchr(" \t\r", *at) != NULL) {
            at++;
        } else {
            at = scan_name(at, &name);
            mm_list_push(files, mm_value_new_str(mmi_str_text(&name)));
        }
    }
    mmi_str_deinit(&name);
    if (mm_has_error()) {
        mm_value_unref(files);
        return NULL;
    }
    return files;
}

/* The hash of a file's content; false if it cannot be read. Raises nothing. */
static bool hash_file(const char *path, char *out_hex)
{
    mmi_mapping mapping = {0};

    if (mmi_map_file(path, &mapping) != MM_OK) {
        (void)mm_error_take(NULL);
        return false;
    }
    mmi_sha256_text(mapping.data, mapping.size, out_hex);
    mmi_unmap_file(&mapping);
    return true;
}

/* --- the manifest --- */

/* The library that the manifest names, if it is there and nothing has changed; yours,
 * else NULL without an error. */
static char *read_manifest(const char *folder, const char *manifest)
{
    char *text = mm_file_exists(manifest) ? mm_file_read(manifest, NULL) : NULL;
    char *line = text;
    char *end = text != NULL ? strchr(text, '\n') : NULL;
    bool is_good = end != NULL;
    char *library = NULL;
    char hex[HEX];

    while (is_good && (end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (line == text) {
            library = mm_path_join(folder, line);
            is_good = library != NULL && mm_file_exists(library);
        } else {
            is_good = strlen(line) > HEX && hash_file(line + HEX, hex) &&
                      strncmp(line, hex, HEX - 1) == 0;
        }
        line = end + 1;
    }
    mm_free(text);
    if (!is_good) {
        mm_free(library);
        library = NULL;
    }
    return library;
}

static mm_status write_manifest(const char *manifest, const char *library,
                                const mm_value *files)
{
    mmi_str text = {0};
    char hex[HEX];

    mmi_str_addf(&text, "%s\n", mm_path_basename(library));
    for (size_t i = 0; i < mm_value_len(files); i++) {
        const char *path = mm_value_str(mm_list_get(files, i));

        if (path == NULL || !hash_file(path, hex)) {
            break; /* it is gone already: the next run compiles again */
        }
        mmi_str_addf(&text, "%s %s\n", hex, path);
    }
    mm_status status = mm_pending();

    if (status == MM_OK) {
        status = mm_file_write(manifest, mmi_str_text(&text), text.size);
    }
    mmi_str_deinit(&text);
    return status;
}

/* --- old libraries --- */

struct kept {
    char *path;
    int64_t mtime_ns;
};

static int newest_first(const void *a, const void *b)
{
    int64_t first = ((const struct kept *)a)->mtime_ns;
    int64_t second = ((const struct kept *)b)->mtime_ns;

    return first > second ? -1 : first < second ? 1 : 0;
}

/* Removes all but the newest. Programs that have one loaded keep their copy. */
static void remove_old(const char *folder)
{
    struct kept kept[64];
    size_t count = 0;
    mm_value *names = mm_list_dir(folder);
    size_t num_names = names != NULL ? mm_value_len(names) : 0;

    for (size_t i = 0; i < num_names && count < sizeof(kept) / sizeof(kept[0]); i++) {
        char *path = mm_path_join(folder, mm_value_str(mm_list_get(names, i)));
        mmi_stat stat;

        if (path != NULL && strcmp(mm_path_extension(path), ".so") == 0 &&
            mmi_os_find_stat(path, &stat)) {
            kept[count++] = (struct kept){path, stat.mtime_ns};
        } else {
            mm_free(path);
        }
    }
    qsort(kept, count, sizeof(kept[0]), newest_first);
    for (size_t i = 0; i < count; i++) {
        if (i >= MAX_KEPT && mm_file_remove(kept[i].path) != MM_OK) {
            (void)mm_error_take(NULL); /* somebody else was faster */
        }
        mm_free(kept[i].path);
    }
    mm_value_unref(names);
    (void)mm_error_take(NULL); /* tidying up is no reason to fail */
}

/* --- compile --- */

/* Compiles into the folder under a name made of the content; yours. */
static char *compile_into(const char *folder, const char *source, const char *manifest)
{
    long long pid = (long long)mmi_os_pid();
    char *temp = mm_strfmt("%s/%lld.tmp", folder, pid);
    char *rule = mm_strfmt("%s/%lld.d.tmp", folder, pid);
    char *library = NULL;
    char hex[HEX];

    if (!mm_has_error() && mmi_plugin_compile(source, temp, rule) == MM_OK) {
        char *text = mm_file_read(rule, NULL);
        mm_value *files = text != NULL ? mmi_plugin_parse_rule(text) : NULL;

        if (files != NULL && hash_file(temp, hex)) {
            library = mm_strfmt("%s/%.24s.so", folder, hex);
            if (library != NULL && mmi_os_rename(temp, library) == MM_OK) {
                (void)write_manifest(manifest, library, files);
            }
        }
        mm_value_unref(files);
        mm_free(text);
    }
    if (rule != NULL && mm_file_exists(rule)) {
        mm_error error;
        mm_status status = mm_error_take(&error);

        if (mm_file_remove(rule) != MM_OK) {
            (void)mm_error_take(NULL);
        }
        if (status != MM_OK) {
            (void)mm_error_restore(&error);
        }
    }
    mm_free(rule);
    mm_free(temp);
    if (mm_has_error()) {
        mm_free(library);
        return NULL;
    }
    return library;
}

/* The folder of one source in the cache, made if needed: its name, then a hash of its
 * path. */
static char *folder_of(const char *source)
{
    char *cache = mmi_plugin_cache_dir();
    char *full = cache != NULL ? mmi_os_realpath(source) : NULL;
    char *folder = NULL;
    char hex[HEX];

    if (full != NULL) {
        const char *name = mm_path_basename(full);

        mmi_sha256_text(full, strlen(full), hex);
        folder = mm_strfmt("%s/%.*s-%.12s", cache, (int)strcspn(name, "."), name, hex);
    }
    if (folder != NULL && mmi_os_make_private_dir(folder) != MM_OK) {
        mm_free(folder);
        folder = NULL;
    }
    mm_free(full);
    mm_free(cache);
    return folder;
}

char *mmi_plugin_cached(const char *source)
{
    char hex[HEX];

    if (mmi_plugin_fingerprint(source, hex) != MM_OK) {
        return NULL;
    }
    char *folder = folder_of(source);
    char *manifest = folder != NULL ? mm_strfmt("%s/%.24s.txt", folder, hex) : NULL;
    char *library = manifest != NULL ? read_manifest(folder, manifest) : NULL;

    if (library == NULL && !mm_has_error() && manifest != NULL) {
        library = compile_into(folder, source, manifest);
        if (library != NULL) {
            remove_old(folder);
        }
    }
    mm_free(manifest);
    mm_free(folder);
    return library;
}
