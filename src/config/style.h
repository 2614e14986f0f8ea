/* MMEngine's two styles of Python configs. */
#ifndef MM_CONFIG_STYLE_H
#define MM_CONFIG_STYLE_H

#include "config/ast.h"

/* Finds the statement that makes a file lazy (`with read_base()`, an import of a module
 * that is not Python's own); NULL for a file of the style with `_base_`. Errors:
 * MM_ECONFIG for another `with`. */
mm_status mmi_find_lazy(const mmi_ast *ast, const mmi_node **out_lazy);

/* MM_ECONFIG unless a `with` statement is `with read_base():`. */
mm_status mmi_check_read_base(const mmi_ast *ast, const mmi_node *with);

/* True for Python's standard modules and MMEngine's `mmengine.config`. */
bool mmi_is_own_module(const char *module);

bool mmi_is_base_assign(const mmi_node *node);

/* The first top-level assignment to `_base_`, or NULL. `out_count` gets how many of all
 * names `_base_` in the file are targets of such assignments. */
const mmi_node *mmi_find_base(const mmi_ast *ast, int32_t *out_count);

#endif
