/* Binding: names, attributes, items, slices, unpacking; deleting; augmented assignment.
 */
#include "config/eval.h"

/* ---- unpacking ---- */

static int32_t find_star(const mmi_nodes *targets)
{
    for (int32_t i = 0; i < targets->count; i++) {
        if (targets->at[i]->kind == NODE_STARRED) {
            return i;
        }
    }
    return -1;
}

/* The items [from, to) as a new list. */
static mm_value *part_of(const mm_value *items, size_t from, size_t to)
{
    mm_value *part = mm_value_new_list();

    for (size_t i = from; i < to && !mm_has_error(); i++) {
        mmi_list_append_at(part, mm_list_get(items, i), mmi_list_source_of(items, i));
    }
    return part;
}

static bool assign_items(mmi_eval *ev, const mmi_nodes *targets, mm_value *items)
{
    size_t given = mm_value_len(items);
    size_t wanted = (size_t)targets->count;
    int32_t star = find_star(targets);
    size_t at = 0;

    if (star < 0 ? given != wanted : given + 1 < wanted) {
        (void)mmi_fail(ev, EXC_VALUE, "cannot unpack %zu value%s into %s%zu target%s",
                       given, given == 1 ? "" : "s", star < 0 ? "" : "at least ",
                       star < 0 ? wanted : wanted - 1,
                       (star < 0 ? wanted : wanted - 1) == 1 ? "" : "s");
        return false;
    }
    for (int32_t i = 0; i < targets->count && !mm_has_error(); i++) {
        if (i == star) {
            size_t end = at + (given + 1 - wanted);
            mm_value *rest = part_of(items, at, end);

            (void)mmi_assign(ev, targets->at[i]->u.operand, rest);
            mm_value_unref(rest);
            at = end;
        } else {
            (void)mmi_assign(ev, targets->at[i], mm_list_get(items, at++));
        }
    }
    return !mm_has_error();
}

static bool unpack(mmi_eval *ev, mmi_node *target, mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    mm_value *items =
        kind == MM_KIND_TUPLE ? mm_value_ref(value) : mmi_to_list(ev, value);

    if (items != NULL) {
        ev->at = target;
        (void)assign_items(ev, &target->u.items, items);
    }
    mm_value_unref(items);
    return !mm_has_error();
}

/* ---- assignment ---- */

static bool assign_subscript(mmi_eval *ev, mmi_node *target, mm_value *value)
{
    mm_value *object = mmi_evaluate(ev, target->u.subscript.object);
    mmi_node *index_node = target->u.subscript.index;
    mm_value *index = NULL;

    if (object != NULL && index_node->kind == NODE_SLICE) {
        (void)mmi_set_slice(ev, object, index_node, value);
    } else if (object != NULL) {
        index = mmi_evaluate(ev, index_node);
        ev->at = index_node;
        if (index != NULL) {
            (void)mmi_set_item(ev, object, index, value, mmi_source_at(ev, index_node));
        }
    }
    mm_value_unref(index);
    mm_value_unref(object);
    return !mm_has_error();
}

static mm_source name_source(const mmi_eval *ev, const mmi_node *node)
{
    return mmi_source_of(ev, node->u.attribute.line, node->u.attribute.column);
}

static bool assign_attribute(mmi_eval *ev, mmi_node *target, mm_value *value)
{
    mm_value *object = mmi_evaluate(ev, target->u.attribute.object);

    ev->at = target;
    if (object != NULL) {
        (void)mmi_set_attribute(ev, object, target->u.attribute.name, value,
                                name_source(ev, target));
    }
    mm_value_unref(object);
    return !mm_has_error();
}

bool mmi_assign(mmi_eval *ev, mmi_node *target, mm_value *value)
{
    if (mm_has_error()) {
        return false;
    }
    ev->at = target;
    switch (target->kind) {
    case NODE_NAME:
        return mmi_name_put(ev, target->u.name, value, mmi_source_at(ev, target));
    case NODE_ATTRIBUTE:
        return assign_attribute(ev, target, value);
    case NODE_SUBSCRIPT:
        return assign_subscript(ev, target, value);
    default:
        return unpack(ev, target, value);
    }
}

/* ---- del ---- */

static bool delete_subscript(mmi_eval *ev, mmi_node *target)
{
    mm_value *object = mmi_evaluate(ev, target->u.subscript.object);
    mmi_node *index_node = target->u.subscript.index;

    if (object != NULL && index_node->kind == NODE_SLICE) {
        (void)mmi_delete_slice(ev, object, index_node);
    } else if (object != NULL) {
        mm_value *index = mmi_evaluate(ev, index_node);

        ev->at = index_node;
        if (index != NULL) {
            (void)mmi_delete_item(ev, object, index);
        }
        mm_value_unref(index);
    }
    mm_value_unref(object);
    return !mm_has_error();
}

bool mmi_delete(mmi_eval *ev, mmi_node *target)
{
    mm_value *object = NULL;

    ev->at = target;
    switch (target->kind) {
    case NODE_NAME:
        return mmi_name_delete(ev, target->u.name);
    case NODE_SUBSCRIPT:
        return delete_subscript(ev, target);
    case NODE_ATTRIBUTE:
        object = mmi_evaluate(ev, target->u.attribute.object);
        ev->at = target;
        if (object != NULL) {
            (void)mmi_delete_attribute(ev, object, target->u.attribute.name);
        }
        mm_value_unref(object);
        return !mm_has_error();
    default:
        for (int32_t i = 0; i < target->u.items.count && !mm_has_error(); i++) {
            (void)mmi_delete(ev, target->u.items.at[i]);
        }
        return !mm_has_error();
    }
}

/* ---- augmented assignment ---- */

/* old op= right; the right-hand side is evaluated here, after the old value. */
static mm_value *combine(mmi_eval *ev, mmi_node *node, mm_value *old)
{
    mm_value *right = old == NULL ? NULL : mmi_evaluate(ev, node->u.binary.right);
    mm_value *result = NULL;

    ev->at = node;
    if (right != NULL) {
        result = mmi_binary_in_place(ev, (mmi_op)node->op, old, right);
    }
    mm_value_unref(right);
    return result;
}

static bool augment_name(mmi_eval *ev, mmi_node *node, mmi_node *target)
{
    mm_value *old = mmi_evaluate(ev, target);
    mm_value *result = combine(ev, node, old);

    if (result != NULL) {
        (void)mmi_name_put(ev, target->u.name, result, mmi_source_at(ev, target));
    }
    mm_value_unref(old);
    mm_value_unref(result);
    return !mm_has_error();
}

static bool augment_attribute(mmi_eval *ev, mmi_node *node, mmi_node *target)
{
    const char *name = target->u.attribute.name;
    mm_value *object = mmi_evaluate(ev, target->u.attribute.object);
    mm_value *old = NULL;
    mm_value *result = NULL;

    ev->at = target;
    old = object == NULL ? NULL : mmi_get_attribute(ev, object, name);
    result = combine(ev, node, old);
    if (result != NULL) {
        (void)mmi_set_attribute(ev, object, name, result, name_source(ev, target));
    }
    mm_value_unref(object);
    mm_value_unref(old);
    mm_value_unref(result);
    return !mm_has_error();
}

static bool augment_item(mmi_eval *ev, mmi_node *node, mmi_node *target)
{
    mmi_node *index_node = target->u.subscript.index;
    bool slice = index_node->kind == NODE_SLICE;
    mm_value *object = mmi_evaluate(ev, target->u.subscript.object);
    mm_value *index = NULL;
    mm_value *old = NULL;
    mm_value *result = NULL;

    if (object != NULL && slice) {
        old = mmi_get_slice(ev, object, index_node);
    } else if (object != NULL) {
        index = mmi_evaluate(ev, index_node);
        ev->at = index_node;
        old = index == NULL ? NULL : mmi_get_item(ev, object, index);
    }
    result = combine(ev, node, old);
    if (result != NULL && slice) {
        (void)mmi_set_slice(ev, object, index_node, result);
    } else if (result != NULL) {
        (void)mmi_set_item(ev, object, index, result, mmi_source_at(ev, index_node));
    }
    mm_value_unref(object);
    mm_value_unref(index);
    mm_value_unref(old);
    mm_value_unref(result);
    return !mm_has_error();
}

bool mmi_augment(mmi_eval *ev, mmi_node *node)
{
    mmi_node *target = node->u.binary.left;

    switch (target->kind) {
    case NODE_NAME:
        return augment_name(ev, node, target);
    case NODE_ATTRIBUTE:
        return augment_attribute(ev, node, target);
    default:
        return augment_item(ev, node, target);
    }
}
