/* Nodes: values that stand for classes and instances found in a pickle. A node is
 * data only; it remembers what would have been called so that it can be written back
 * unchanged. Everything it holds is frozen, so a node may cross threads. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fileio/pickle.h"
#include "mmengine/memory.h"

struct counted_node {
    mmi_node node;
    atomic_int_fast64_t count;
    char class_name[];
};

static void node_ref(void *object)
{
    struct counted_node *counted = object;
    atomic_fetch_add_explicit(&counted->count, 1, memory_order_relaxed);
}

static void node_unref(void *object)
{
    struct counted_node *counted = object;

    if (atomic_fetch_sub_explicit(&counted->count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mm_value_unref(counted->node.callee);
    mm_value_unref(counted->node.args);
    mm_value_unref(counted->node.kwargs);
    mm_value_unref(counted->node.state);
    mm_value_unref(counted->node.items);
    mm_value_unref(counted->node.entries);
    mm_free(counted);
}

static bool both_equal(const mm_value *a, const mm_value *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && mm_value_equal(a, b));
}

static bool node_equal(const void *object_a, const void *object_b)
{
    const mmi_node *a = object_a;
    const mmi_node *b = object_b;

    return a == b ||
           (a->kind == b->kind && strcmp(a->class_name, b->class_name) == 0 &&
            both_equal(a->args, b->args) && both_equal(a->kwargs, b->kwargs) &&
            both_equal(a->state, b->state) && both_equal(a->items, b->items) &&
            both_equal(a->entries, b->entries));
}

/* Scalars of NumPy are numbers here too. */
static bool node_to_f64(const void *object, double *out)
{
    mmi_numpy array;

    if (!mmi_numpy_find(object, &array) || !array.is_scalar) {
        return false;
    }
    *out = mmi_numpy_f64(&array, 0);
    return true;
}

static char *node_print(const void *object)
{
    const mmi_node *node = object;

    return mm_strfmt(node->kind == MMI_NODE_CLASS ? "<class %s>" : "<instance of %s>",
                     node->class_name[0] != '\0' ? node->class_name : "storage");
}

const mm_object_ops mmi_node_object = {
    .name = "pickle node",
    .ref = node_ref,
    .unref = node_unref,
    .equal = node_equal,
    .to_f64 = node_to_f64,
    .print = node_print,
};

static mm_value *keep_frozen(mm_value *value)
{
    if (value != NULL) {
        mm_value_freeze(value);
    }
    return mm_value_ref(value);
}

mm_value *mmi_node_new(const mmi_node *node)
{
    size_t size = strlen(node->class_name) + 1;
    struct counted_node *counted = mm_alloc(sizeof *counted + size);

    if (counted == NULL) {
        return NULL;
    }
    memcpy(counted->class_name, node->class_name, size);
    counted->node = *node;
    counted->node.class_name = counted->class_name;
    counted->node.callee = keep_frozen(node->callee);
    counted->node.args = keep_frozen(node->args);
    counted->node.kwargs = keep_frozen(node->kwargs);
    counted->node.state = keep_frozen(node->state);
    counted->node.items = keep_frozen(node->items);
    counted->node.entries = keep_frozen(node->entries);
    atomic_init(&counted->count, 1);
    mm_value *value = mm_value_new_object(counted, &mmi_node_object);
    node_unref(counted);
    return value;
}

const mmi_node *mmi_node_find(const mm_value *value)
{
    return mm_value_find_object(value, &mmi_node_object);
}

bool mmi_node_is(const mmi_node *node, mmi_node_kind kind, const char *class_name)
{
    return node != NULL && node->kind == kind &&
           strcmp(node->class_name, class_name) == 0;
}

bool mm_pickle_is_node(const mm_value *value)
{
    return mmi_node_find(value) != NULL;
}

const char *mm_pickle_class(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);

    if (node == NULL) {
        return NULL;
    }
    /* Instances of the first two protocols name their class as an argument. */
    bool is_maker = strcmp(node->class_name, "copy_reg._reconstructor") == 0 ||
                    strcmp(node->class_name, "copyreg._reconstructor") == 0 ||
                    strcmp(node->class_name, "copyreg.__newobj__") == 0;
    if (is_maker && node->args != NULL && mm_value_len(node->args) > 0) {
        const mmi_node *made = mmi_node_find(mm_list_get(node->args, 0));
        return made != NULL ? made->class_name : node->class_name;
    }
    return node->class_name;
}

mm_value *mm_pickle_args(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);
    return node != NULL ? node->args : NULL;
}

mm_value *mm_pickle_state(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);
    return node != NULL ? node->state : NULL;
}

mm_value *mm_pickle_items(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);
    return node != NULL ? node->items : NULL;
}

mm_value *mm_pickle_entries(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);
    return node != NULL ? node->entries : NULL;
}
