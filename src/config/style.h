/* MMEngine's two styles of Python configs. */
#ifndef MM_CONFIG_STYLE_H
#define MM_CONFIG_STYLE_H

#include "config/ast.h"

/* The statement that makes a file lazy (`with read_base()`, an import of a module that
 * is not Python's own), or NULL for a file of the style with `_base_`. */
const mmi_node *mmi_find_lazy(const mmi_ast *ast);

/* The first top-level assignment to `_base_`, or NULL. `out_count` gets how many of all
 * names `_base_` in the file are targets of such assignments. */
const mmi_node *mmi_find_base(const mmi_ast *ast, int32_t *out_count);

#endif
