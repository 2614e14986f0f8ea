/* Evaluating expressions: one function for each kind of node. Displays note where their
 * items were written. */
#include <string.h>

#include "config/eval.h"
#include "mmengine/memory.h"

/* ---- displays ---- */

static bool append_starred(mmi_eval *ev, mmi_node *node, mm_value *list)
{
    mm_value *over = mmi_evaluate(ev, node->u.operand);
    bool good = over != NULL;

    ev->at = node;
    if (mm_value_kind(list) == MM_KIND_SET) {
        mmi_iter iter = {0};
        mm_value *item = NULL;

        good = good && mmi_iter_init(ev, &iter, over);
        while (good && (item = mmi_iter_next(ev, &iter)) != NULL) {
            good = mmi_check_key(ev, item);
            mm_set_add(list, item);
            mm_value_unref(item);
        }
        mmi_iter_deinit(&iter);
    } else {
        good = good && mmi_extend(ev, list, over);
    }
    mm_value_unref(over);
    return !mm_has_error();
}

bool mmi_eval_items(mmi_eval *ev, const mmi_nodes *nodes, mm_value *list)
{
    for (int32_t i = 0; i < nodes->count && !mm_has_error(); i++) {
        mmi_node *node = nodes->at[i];
        mm_value *item = NULL;

        if (node->kind == NODE_STARRED) {
            (void)append_starred(ev, node, list);
            continue;
        }
        item = mmi_evaluate(ev, node);
        if (item != NULL && mm_value_kind(list) == MM_KIND_SET) {
            ev->at = node;
            if (mmi_check_key(ev, item)) {
                mm_set_add(list, item);
            }
        } else if (item != NULL) {
            mmi_list_append_at(list, item, mmi_source_at(ev, node));
        }
        mm_value_unref(item);
    }
    return !mm_has_error();
}

static mm_value *eval_sequence(mmi_eval *ev, mmi_node *node, mm_value *made)
{
    if (!mmi_reserve_items(ev, (size_t)node->u.items.count) ||
        !mmi_eval_items(ev, &node->u.items, made)) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* Constant keys name the entry in key paths. */
static const char *key_text(const mm_value *key)
{
    return mm_value_kind(key) == MM_KIND_STR && !mm_has_error() ? mm_value_str(key)
                                                                : "?";
}

static void eval_pair(mmi_eval *ev, mmi_node *key_node, mmi_node *value_node,
                      mm_value *dict)
{
    mm_value *key = mmi_evaluate(ev, key_node);
    const char *name = key == NULL ? "?" : key_text(key);
    mm_value *value = key == NULL ? NULL : mmi_evaluate(ev, value_node);

    if (key != NULL && value == NULL) {
        mmi_path_prepend(ev, name);
    }
    ev->at = key_node;
    if (value != NULL && mmi_check_key(ev, key)) {
        mmi_dict_put_at(dict, key, value, mmi_source_at(ev, key_node));
    }
    mm_value_unref(key);
    mm_value_unref(value);
}

static mm_value *eval_dict(mmi_eval *ev, mmi_node *node)
{
    mm_value *dict = mm_value_new_dict();
    const mmi_nodes *keys = &node->u.dict.keys;

    (void)mmi_reserve_items(ev, (size_t)keys->count);
    for (int32_t i = 0; i < keys->count && !mm_has_error(); i++) {
        mmi_node *value_node = node->u.dict.values.at[i];

        if (keys->at[i] != NULL) {
            eval_pair(ev, keys->at[i], value_node, dict);
        } else {
            mm_value *other = mmi_evaluate(ev, value_node);

            ev->at = value_node;
            if (other != NULL && mm_value_kind(other) != MM_KIND_DICT) {
                (void)mmi_fail(ev, EXC_TYPE, "'**' needs a dict, not %s",
                               mm_value_type_name(other));
            } else if (other != NULL) {
                (void)mmi_dict_update(ev, dict, other);
            }
            mm_value_unref(other);
        }
    }
    if (mm_has_error()) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}

/* ---- operators ---- */

static mm_value *eval_binary(mmi_eval *ev, mmi_node *node)
{
    mm_value *left = mmi_evaluate(ev, node->u.binary.left);
    mm_value *right = left == NULL ? NULL : mmi_evaluate(ev, node->u.binary.right);
    mm_value *result = NULL;

    ev->at = node;
    if (right != NULL) {
        result = mmi_binary(ev, (mmi_op)node->op, left, right);
    }
    mm_value_unref(left);
    mm_value_unref(right);
    return result;
}

static mm_value *eval_unary(mmi_eval *ev, mmi_node *node)
{
    mm_value *operand = mmi_evaluate(ev, node->u.operand);
    mm_value *result = NULL;

    ev->at = node;
    if (operand != NULL) {
        result = node->op == OP_NOT ? mm_value_new_bool(!mmi_is_true(operand))
                                    : mmi_unary(ev, (mmi_op)node->op, operand);
    }
    mm_value_unref(operand);
    return result;
}

/* and, or: the value of the operand that decides. */
static mm_value *eval_boolean(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = NULL;

    for (int32_t i = 0; i < node->u.items.count; i++) {
        mm_value_unref(value);
        value = mmi_evaluate(ev, node->u.items.at[i]);
        if (value == NULL || mmi_is_true(value) == (node->op == OP_EITHER)) {
            break;
        }
    }
    return value;
}

static mm_value *eval_compare(mmi_eval *ev, mmi_node *node)
{
    mm_value *left = mmi_evaluate(ev, node->u.compare.first);
    int result = left == NULL ? -1 : 1;

    for (int32_t i = 0; i < node->u.compare.rest.count && result == 1; i++) {
        mm_value *right = mmi_evaluate(ev, node->u.compare.rest.at[i]);

        ev->at = node;
        result = right == NULL
                     ? -1
                     : mmi_compare(ev, (mmi_op)node->u.compare.ops[i], left, right);
        mm_value_unref(left);
        left = right;
    }
    mm_value_unref(left);
    return result < 0 ? NULL : mm_value_new_bool(result == 1);
}

static mm_value *eval_conditional(mmi_eval *ev, mmi_node *node)
{
    mm_value *test = mmi_evaluate(ev, node->u.conditional.test);
    bool yes = test != NULL && mmi_is_true(test);

    if (test == NULL) {
        return NULL;
    }
    mm_value_unref(test);
    return mmi_evaluate(ev, yes ? node->u.conditional.yes : node->u.conditional.no);
}

static mm_value *eval_walrus(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = mmi_evaluate(ev, node->u.binary.right);
    mmi_node *target = node->u.binary.left;
    mmi_scope *scope = ev->scope;

    if (value == NULL) {
        return NULL;
    }
    /* a comprehension binds for the function around it */
    while (ev->scope != NULL && ev->scope->function == NULL && !ev->scope->is_class) {
        ev->scope = ev->scope->outer;
    }
    (void)mmi_name_put(ev, target->u.name, value, mmi_source_at(ev, target));
    ev->scope = scope;
    if (mm_has_error()) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

/* ---- attributes and subscripts ---- */

static mm_value *eval_attribute(mmi_eval *ev, mmi_node *node)
{
    mm_value *object = mmi_evaluate(ev, node->u.attribute.object);
    mm_value *result = NULL;

    ev->at = node;
    if (object != NULL) {
        result = mmi_get_attribute(ev, object, node->u.attribute.name);
    }
    mm_value_unref(object);
    return result;
}

static mm_value *eval_subscript(mmi_eval *ev, mmi_node *node)
{
    mm_value *object = mmi_evaluate(ev, node->u.subscript.object);
    mmi_node *index_node = node->u.subscript.index;
    mm_value *result = NULL;

    if (object == NULL) {
        return NULL;
    }
    if (index_node->kind == NODE_SLICE) {
        result = mmi_get_slice(ev, object, index_node);
    } else {
        mm_value *index = mmi_evaluate(ev, index_node);

        ev->at = index_node;
        result = index == NULL ? NULL : mmi_get_item(ev, object, index);
        mm_value_unref(index);
    }
    mm_value_unref(object);
    return result;
}

/* ---- f-strings ---- */

static mm_value *convert(mmi_eval *ev, mm_value *value, char conversion)
{
    mm_value *text = NULL;
    mm_value *ascii = NULL;

    switch (conversion) {
    case 's':
        return mmi_str_of(ev, value);
    case 'r':
        return mmi_repr_of(ev, value);
    case 'a':
        text = mmi_repr_of(ev, value);
        ascii = text == NULL ? NULL : mmi_ascii_of(ev, text);
        mm_value_unref(text);
        return ascii;
    default:
        return mm_value_ref(value);
    }
}

static void add_field(mmi_eval *ev, mmi_node *node, mmi_str *out)
{
    mm_value *value = mmi_evaluate(ev, node->u.field.value);
    mm_value *spec = value == NULL || node->u.field.spec == NULL
                         ? NULL
                         : mmi_evaluate(ev, node->u.field.spec);
    bool echo = node->u.field.echo != NULL;
    char conversion =
        (char)(node->op == 0 && echo && node->u.field.spec == NULL ? 'r' : node->op);
    mm_value *shown = NULL;
    mm_value *text = NULL;

    ev->at = node;
    if (echo) {
        mmi_str_add(out, node->u.field.echo);
    }
    if (!mm_has_error()) {
        shown = convert(ev, value, conversion);
    }
    if (shown != NULL) {
        size_t size = 0;
        const char *format = spec == NULL ? "" : mm_value_str_n(spec, &size);

        text = mmi_format(ev, shown, format, size);
    }
    if (text != NULL) {
        size_t size = 0;
        const char *data = mm_value_str_n(text, &size);

        mmi_str_add_n(out, data, size);
    }
    mm_value_unref(value);
    mm_value_unref(spec);
    mm_value_unref(shown);
    mm_value_unref(text);
}

mm_value *mmi_eval_joined(mmi_eval *ev, mmi_node *node)
{
    mmi_str out = {0};

    for (int32_t i = 0; i < node->u.items.count && !mm_has_error(); i++) {
        mmi_node *part = node->u.items.at[i];

        if (part->kind == NODE_FIELD) {
            add_field(ev, part, &out);
        } else {
            size_t size = 0;
            const char *data = mm_value_str_n(part->u.constant, &size);

            mmi_str_add_n(&out, data, size);
        }
    }
    if (!mmi_reserve(ev, out.size)) {
        mmi_str_deinit(&out);
        return NULL;
    }
    return mmi_str_value(&out);
}

/* ---- dispatch ---- */

static mm_value *evaluate_kind(mmi_eval *ev, mmi_node *node)
{
    switch (node->kind) {
    case NODE_NAME:
        return mmi_name_get(ev, node->u.name);
    case NODE_CONSTANT:
        return mm_value_ref(node->u.constant);
    case NODE_UNSUPPORTED:
        return mmi_fail(ev, EXC_FATAL, "%s is not supported in a config", node->u.name);
    case NODE_JOINED:
        return mmi_eval_joined(ev, node);
    case NODE_TUPLE:
        return eval_sequence(ev, node, mm_value_new_tuple());
    case NODE_LIST:
        return eval_sequence(ev, node, mm_value_new_list());
    case NODE_SET:
        return eval_sequence(ev, node, mm_value_new_set());
    case NODE_DICT:
        return eval_dict(ev, node);
    case NODE_UNARY:
        return eval_unary(ev, node);
    case NODE_BINARY:
        return eval_binary(ev, node);
    case NODE_BOOLEAN:
        return eval_boolean(ev, node);
    case NODE_COMPARE:
        return eval_compare(ev, node);
    case NODE_CONDITIONAL:
        return eval_conditional(ev, node);
    case NODE_LAMBDA:
        return mmi_make_function(ev, node->u.function);
    case NODE_CALL:
        return mmi_eval_call(ev, node);
    case NODE_ATTRIBUTE:
        return eval_attribute(ev, node);
    case NODE_SUBSCRIPT:
        return eval_subscript(ev, node);
    case NODE_LIST_COMP:
    case NODE_SET_COMP:
    case NODE_DICT_COMP:
    case NODE_GENERATOR:
        return mmi_eval_comp(ev, node);
    case NODE_WALRUS:
        return eval_walrus(ev, node);
    case NODE_STARRED:
        return mmi_fail(ev, EXC_SYNTAX, "a starred expression is not allowed here");
    case NODE_SLICE:
        return mmi_fail(ev, EXC_FATAL,
                        "a slice among several indices is not supported");
    default:
        return mmi_fail(ev, EXC_FATAL, "%s is not supported in a config",
                        mmi_node_name(node));
    }
}

mm_value *mmi_evaluate(mmi_eval *ev, mmi_node *node)
{
    mm_value *value = NULL;

    if (mm_has_error()) {
        return NULL;
    }
    ev->at = node;
    if (!mmi_step(ev, 1)) {
        return NULL;
    }
    if (ev->depth >= ev->max_depth) {
        return mmi_fail(ev, EXC_RECURSION, "nested more than %d levels deep",
                        ev->max_depth);
    }
    ev->depth++;
    value = evaluate_kind(ev, node);
    ev->depth--;
    if (value == NULL) {
        mm_source source = mmi_source_at(ev, node);

        (void)mm_error_locate(&source); /* of errors that the base library raised */
    }
    return value;
}
