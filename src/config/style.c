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

static bool is_base_assign(const mmi_node *node)
{
    const mmi_node *first = NULL;

    if (node->kind != NODE_ASSIGN) {
        return false;
    }
    first = node->u.assign.targets.at[0];
    return first->kind == NODE_NAME && strcmp(first->u.name, "_base_") == 0;
}

/* Everything below mmengine.config counts as Python's own. */
static bool is_own(const char *module)
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
            if (!is_own(aliases[i].name)) {
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
    return !is_own(module);
}

const mmi_node *mmi_find_lazy(const mmi_ast *ast)
{
    struct queue queue = {0};
    const mmi_node *found = NULL;

    add_block(&queue, &ast->body);
    for (size_t i = 0; i < queue.blocks.count && found == NULL; i++) {
        const mmi_nodes *block = queue.blocks.data[i];

        for (int32_t j = 0; j < block->count && found == NULL; j++) {
            const mmi_node *node = block->at[j];

            if (is_base_assign(node)) {
                mmi_vec_deinit(&queue.blocks);
                return NULL;
            }
            if (node->kind == NODE_WITH ||
                ((node->kind == NODE_IMPORT || node->kind == NODE_IMPORT_FROM) &&
                 is_lazy_import(node))) {
                found = node;
            }
            add_blocks(&queue, node);
        }
    }
    mmi_vec_deinit(&queue.blocks);
    return found;
}

const mmi_node *mmi_find_base(const mmi_ast *ast, int32_t *out_count)
{
    const mmi_node *found = NULL;

    *out_count = 0;
    for (int32_t i = 0; i < ast->body.count; i++) {
        if (is_base_assign(ast->body.at[i])) {
            found = found == NULL ? ast->body.at[i] : found;
            *out_count += 1;
        }
    }
    return found;
}
