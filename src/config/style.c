/* Telling the styles apart as MMEngine does: the statements of a file in breadth-first
 * order; the first that decides counts. */
#include "config/style.h"

#include <string.h>

#include "base/vec.h"
#include "config/objects.h"

/* Blocks still to be looked at. */
struct queue {
    MMI_VEC(const mmi_nodes *) blocks;
};

static void add_block(struct queue *queue, const mmi_nodes *block)
{
    if (block->count > 0) {
        (void)mmi_vec_push(&queue->blocks, block);
    }
}

static void add_blocks(struct queue *queue, const mmi_node *node)
{
    switch (node->kind) {
    case NODE_IF:
    case NODE_WHILE:
        add_block(queue, &node->u.branch.body);
        add_block(queue, &node->u.branch.otherwise);
        break;
    case NODE_FOR:
        add_block(queue, &node->u.loop.body);
        add_block(queue, &node->u.loop.otherwise);
        break;
    case NODE_DEF:
        add_block(queue, &node->u.function->body);
        break;
    case NODE_CLASS:
        add_block(queue, &node->u.class_def.body);
        break;
    case NODE_TRY:
        add_block(queue, &node->u.attempt.body);
        for (int32_t i = 0; i < node->u.attempt.num_handlers; i++) {
            add_block(queue, &node->u.attempt.handlers[i].body);
        }
        add_block(queue, &node->u.attempt.otherwise);
        add_block(queue, &node->u.attempt.finally);
        break;
    default:
        break;
    }
}

bool mmi_is_base_assign(const mmi_node *node)
{
    const mmi_node *first = NULL;

    if (node->kind != NODE_ASSIGN) {
        return false;
    }
    first = node->u.assign.targets.at[0];
    return first->kind == NODE_NAME && strcmp(first->u.name, "_base_") == 0;
}

/* Everything below mmengine.config counts as Python's own. */
bool mmi_is_own_module(const char *module)
{
    return strncmp(module, "mmengine.config", strlen("mmengine.config")) == 0 ||
           mmi_is_std_name(module, strcspn(module, "."));
}

static bool is_lazy_import(const mmi_node *node)
{
    const mmi_alias *aliases = node->u.import.aliases;
    const char *module = node->u.import.module;

    if (node->kind == NODE_IMPORT) {
        for (int32_t i = 0; i < node->u.import.num_aliases; i++) {
            if (!mmi_is_own_module(aliases[i].name)) {
                return true;
            }
        }
        return false;
    }
    if (node->u.import.level > 0) {
        return true;
    }
    if (strcmp(module, "mmengine") == 0 && node->u.import.num_aliases == 1 &&
        strcmp(aliases[0].name, "Config") == 0) {
        return false;
    }
    return !mmi_is_own_module(module);
}

mm_status mmi_check_read_base(const mmi_ast *ast, const mmi_node *with)
{
    const mmi_node *call = with->u.with.contexts.at[0];
    mm_source source = mmi_node_source(ast, call);

    if (with->u.with.contexts.count == 1 && call->kind == NODE_CALL &&
        call->u.call.callee->kind == NODE_NAME &&
        strcmp(call->u.call.callee->u.name, "read_base") == 0) {
        return MM_OK;
    }
    (void)mm_raise(MM_ECONFIG,
                   "only read_base() may stand in a 'with' statement of a config");
    (void)mm_error_hint("text of a file comes from open(...).read(); a config with "
                        "_base_ may use 'with' freely");
    return mm_error_locate(&source);
}

/* True if a statement decides; it is then in `out_lazy`, or NULL there. */
static bool decides(const mmi_ast *ast, const mmi_node *node, const mmi_node **out_lazy)
{
    *out_lazy = NULL;
    if (mmi_is_base_assign(node)) {
        return true;
    }
    if (node->kind == NODE_WITH) {
        *out_lazy = node;
        return mmi_check_read_base(ast, node) == MM_OK || mm_has_error();
    }
    if ((node->kind == NODE_IMPORT || node->kind == NODE_IMPORT_FROM) &&
        is_lazy_import(node)) {
        *out_lazy = node;
        return true;
    }
    return false;
}

mm_status mmi_find_lazy(const mmi_ast *ast, const mmi_node **out_lazy)
{
    struct queue queue = {0};
    bool found = false;

    *out_lazy = NULL;
    add_block(&queue, &ast->body);
    for (size_t i = 0; i < queue.blocks.count && !found; i++) {
        const mmi_nodes *block = queue.blocks.data[i];

        for (int32_t j = 0; j < block->count && !found; j++) {
            found = decides(ast, block->at[j], out_lazy);
            add_blocks(&queue, block->at[j]);
        }
    }
    mmi_vec_deinit(&queue.blocks);
    return mm_pending();
}

const mmi_node *mmi_find_base(const mmi_ast *ast, int32_t *out_count)
{
    const mmi_node *found = NULL;

    *out_count = 0;
    for (int32_t i = 0; i < ast->body.count; i++) {
        if (mmi_is_base_assign(ast->body.at[i])) {
            found = found == NULL ? ast->body.at[i] : found;
            *out_count += 1;
        }
    }
    return found;
}
