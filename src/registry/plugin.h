/* What the files about plugins share. */
#ifndef REGISTRY_PLUGIN_H
#define REGISTRY_PLUGIN_H

#include "mmengine/plugin.h"

/* --- plugin.c --- */

/* Tells the sizes of MM_ABI_STRUCTS in this library; from then on plugins must agree.
 */
void mmi_plugin_set_layout(const size_t *struct_size, size_t count);

/* --- plugin_compile.c --- */

/* Compiles a plugin. Compiler, flags, headers: see toolchain. `dependencies` (may be
 * NULL) gets a make rule that names the files read. */
mm_status mmi_plugin_compile(const char *source, const char *output,
                             const char *dependencies);
/* A hash of everything but file contents that decides what compiling `source` gives:
 * compiler and its version, flags, headers' folder, ABI, the source's path. */
mm_status mmi_plugin_fingerprint(const char *source, char *out_hex);

/* --- plugin_cache.c --- */

/* The compiled form of a source: from the cache, else compiled now. Yours. */
MM_OWNED char *mmi_plugin_cached(const char *source);
/* The cache's folder, made if needed; yours. */
MM_OWNED char *mmi_plugin_cache_dir(void);
/* The files that a make rule names after its target: a new list of str. */
MM_OWNED mm_value *mmi_plugin_parse_rule(const char *text);

/* --- plugin_find.c --- */

/* The file of a module "a.b": "a/b.c" or "a/b.so" in one of the folders that are
 * searched. NULL without an error if there is none; yours. */
MM_OWNED char *mmi_plugin_find(const char *module, const char *config_file);
/* The folders that are searched, for messages: "'configs', '.'"; yours. */
MM_OWNED char *mmi_plugin_places(const char *config_file);

#endif
