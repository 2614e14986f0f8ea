/* Bases from other packages: "mmdet::_base_/models/faster-rcnn_r50_fpn.py". */
#ifndef MM_CONFIG_PACKAGE_H
#define MM_CONFIG_PACKAGE_H

#include "mmengine/value.h"

/* The file that "package::path" names, searched in the folders of MMENGINE_SITE (with
 * ':' between them), as <folder>/<package>/.mim/configs/<path>. `out_scope` gets the
 * package. Both are yours. Errors: MM_ENOENT, MM_ECONFIG. */
MM_OWNED char *mmi_package_find(const char *name, char **out_scope);

/* The file <package>/<path> below a folder of MMENGINE_SITE; `size` is the length of
 * the package's name. Yours. Errors: MM_ENOENT. */
MM_OWNED char *mmi_package_module(const char *package, size_t size, const char *path);

/* A copy of a dict in which the outermost dicts with a key `type` have
 * `_scope_=scope`, unless they name one. */
MM_OWNED mm_value *mmi_add_scope(const mm_value *root, const char *scope);

#endif
