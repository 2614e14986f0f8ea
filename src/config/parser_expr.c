/* Expressions by precedence, from the conditional down to the power operator. Binary
 * operators are climbed in one loop; only brackets, unary operators and right-hand
 * sides recurse. */
#include "config/parser.h"

typedef struct binary_op {
    uint8_t token, op, level;
} binary_op;

/* Levels: 1 binds least. */
static const binary_op binary_ops[] = {
    {TOK_BAR, OP_OR, 1},           {TOK_CARET, OP_XOR, 2},     {TOK_AMPER, OP_AND, 3},
    {TOK_LSHIFT, OP_LSHIFT, 4},    {TOK_RSHIFT, OP_RSHIFT, 4}, {TOK_PLUS, OP_ADD, 5},
    {TOK_MINUS, OP_SUB, 5},        {TOK_STAR, OP_MUL, 6},      {TOK_SLASH, OP_DIV, 6},
    {TOK_DSLASH, OP_FLOOR_DIV, 6}, {TOK_PERCENT, OP_MOD, 6},   {TOK_AT, OP_MATMUL, 6},
};

static mmi_node *parse_factor(mmi_parser *p);

static const binary_op *find_binary(mmi_tok kind)
{
    for (size_t i = 0; i < sizeof(binary_ops) / sizeof(binary_ops[0]); i++) {
        if (binary_ops[i].token == (uint8_t)kind) {
            return &binary_ops[i];
        }
    }
    return NULL;
}

static mmi_node *parse_binary(mmi_parser *p, int least)
{
    mmi_node *left = parse_factor(p);

    while (left != NULL) {
        mmi_tok kind = mmi_peek_kind(p);
        const binary_op *found =
            kind >= TOK_AT && kind <= TOK_RSHIFT ? find_binary(kind) : NULL;
        mmi_node *node = NULL;

        if (found == NULL || found->level < least) {
            return left;
        }
        (void)mmi_next(p);
        node = mmi_new_node_at(p, NODE_BINARY, left);
        if (node == NULL) {
            return NULL;
        }
        node->op = found->op;
        node->u.binary.left = left;
        node->u.binary.right = parse_binary(p, found->level + 1);
        left = node->u.binary.right == NULL ? NULL : node;
    }
    return NULL;
}

mmi_node *mmi_parse_bitor(mmi_parser *p)
{
    return parse_binary(p, 1);
}

/* await x, x ** y */
static mmi_node *parse_power(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_node *base = NULL;
    mmi_node *node = NULL;

    if (mmi_accept(p, KW_AWAIT)) {
        base = mmi_new_node(p, NODE_AWAIT, token);
        if (base == NULL || (base->u.operand = mmi_parse_primary(p)) == NULL) {
            return NULL;
        }
    } else {
        base = mmi_parse_primary(p);
    }
    if (base == NULL || !mmi_accept(p, TOK_DSTAR)) {
        return base;
    }
    node = mmi_new_node_at(p, NODE_BINARY, base);
    if (node == NULL) {
        return NULL;
    }
    node->op = OP_POW;
    node->u.binary.left = base;
    node->u.binary.right = parse_factor(p);
    return node->u.binary.right == NULL ? NULL : node;
}

/* -x, +x, ~x */
static mmi_node *parse_factor(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_op op = token->kind == TOK_MINUS  ? OP_NEG
                : token->kind == TOK_PLUS ? OP_POS
                                          : OP_INVERT;
    mmi_node *node = NULL;

    if (!mmi_enter(p)) {
        return NULL;
    }
    if (token->kind == TOK_MINUS || token->kind == TOK_PLUS ||
        token->kind == TOK_TILDE) {
        (void)mmi_next(p);
        node = mmi_new_node(p, NODE_UNARY, token);
        if (node != NULL) {
            node->op = (uint8_t)op;
            node->u.operand = parse_factor(p);
            node = node->u.operand == NULL ? NULL : node;
        }
    } else {
        node = parse_power(p);
    }
    mmi_leave(p);
    return node;
}

/* Moves over a comparison operator; false if there is none. */
static bool accept_comparison(mmi_parser *p, mmi_op *out)
{
    switch (mmi_peek_kind(p)) {
    case TOK_EQ:
        *out = OP_EQ;
        break;
    case TOK_NE:
        *out = OP_NE;
        break;
    case TOK_LT:
        *out = OP_LT;
        break;
    case TOK_LE:
        *out = OP_LE;
        break;
    case TOK_GT:
        *out = OP_GT;
        break;
    case TOK_GE:
        *out = OP_GE;
        break;
    case KW_IN:
        *out = OP_IN;
        break;
    case KW_NOT:
        if (mmi_peek_second(p) != KW_IN) {
            return false;
        }
        (void)mmi_next(p);
        *out = OP_NOT_IN;
        break;
    case KW_IS:
        *out = OP_IS;
        if (mmi_peek_second(p) == KW_NOT) {
            (void)mmi_next(p);
            *out = OP_IS_NOT;
        }
        break;
    default:
        return false;
    }
    (void)mmi_next(p);
    return true;
}

static mmi_node *parse_comparison(mmi_parser *p)
{
    enum { MOST = 64 };
    uint8_t ops[MOST];
    mmi_node *first = mmi_parse_bitor(p);
    mmi_node *node = NULL;
    mmi_list rest = {0};
    mmi_op op = OP_EQ;

    if (first == NULL || !accept_comparison(p, &op)) {
        return first;
    }
    node = mmi_new_node_at(p, NODE_COMPARE, first);
    do {
        if (rest.count == MOST) {
            (void)mmi_syntax_error(p, mmi_peek(p), "more than %d chained comparisons",
                                   (int)MOST);
            break;
        }
        ops[rest.count] = (uint8_t)op;
        mmi_list_add(&rest, mmi_parse_bitor(p));
    } while (!mm_has_error() && accept_comparison(p, &op));
    if (node != NULL) {
        node->u.compare.first = first;
        node->u.compare.rest = mmi_list_take(p, &rest);
        node->u.compare.ops = (uint8_t *)mmi_arena_text(
            &p->ast->arena, (const char *)ops, (size_t)node->u.compare.rest.count);
    } else {
        (void)mmi_list_take(p, &rest);
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_inversion(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_node *node = NULL;

    if (!mmi_accept(p, KW_NOT)) {
        return parse_comparison(p);
    }
    if (!mmi_enter(p)) {
        return NULL;
    }
    node = mmi_new_node(p, NODE_UNARY, token);
    if (node != NULL) {
        node->op = OP_NOT;
        node->u.operand = parse_inversion(p);
        node = node->u.operand == NULL ? NULL : node;
    }
    mmi_leave(p);
    return node;
}

/* a and b and c; a or b or c. */
static mmi_node *parse_boolean(mmi_parser *p, mmi_tok word)
{
    mmi_node *first = word == KW_OR ? parse_boolean(p, KW_AND) : parse_inversion(p);
    mmi_list items = {0};
    mmi_node *node = NULL;

    if (first == NULL || mmi_peek_kind(p) != word) {
        return first;
    }
    mmi_list_add(&items, first);
    while (!mm_has_error() && mmi_accept(p, word)) {
        mmi_list_add(&items,
                     word == KW_OR ? parse_boolean(p, KW_AND) : parse_inversion(p));
    }
    node = mmi_new_node_at(p, NODE_BOOLEAN, first);
    if (node != NULL) {
        node->op = word == KW_OR ? OP_EITHER : OP_BOTH;
        node->u.items = mmi_list_take(p, &items);
    } else {
        (void)mmi_list_take(p, &items);
    }
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_disjunction(mmi_parser *p)
{
    return mm_has_error() ? NULL : parse_boolean(p, KW_OR);
}

static mmi_node *parse_conditional(mmi_parser *p)
{
    mmi_node *yes = parse_boolean(p, KW_OR);
    mmi_node *node = NULL;

    if (yes == NULL || !mmi_accept(p, KW_IF)) {
        return yes;
    }
    node = mmi_new_node_at(p, NODE_CONDITIONAL, yes);
    if (node == NULL) {
        return NULL;
    }
    node->u.conditional.yes = yes;
    node->u.conditional.test = parse_boolean(p, KW_OR);
    if (node->u.conditional.test == NULL ||
        !mmi_expect(p, KW_ELSE, "after the condition")) {
        return NULL;
    }
    node->u.conditional.no = mmi_parse_expression(p);
    return node->u.conditional.no == NULL ? NULL : node;
}

mmi_node *mmi_parse_expression(mmi_parser *p)
{
    mmi_node *node = NULL;

    if (mm_has_error() || !mmi_enter(p)) {
        return NULL;
    }
    node = mmi_peek_kind(p) == KW_LAMBDA ? mmi_parse_lambda(p) : parse_conditional(p);
    mmi_leave(p);
    return node;
}

mmi_node *mmi_parse_named(mmi_parser *p)
{
    mmi_node *node = mmi_parse_expression(p);
    mmi_node *walrus = NULL;

    if (node == NULL || mmi_peek_kind(p) != TOK_WALRUS) {
        return node;
    }
    if (node->kind != NODE_NAME || node->flag) {
        return mmi_node_error(p, node, "':=' can only bind a name, not %s",
                              mmi_node_name(node));
    }
    (void)mmi_next(p);
    walrus = mmi_new_node_at(p, NODE_WALRUS, node);
    if (walrus == NULL) {
        return NULL;
    }
    walrus->u.binary.left = node;
    walrus->u.binary.right = mmi_parse_expression(p);
    return walrus->u.binary.right == NULL ? NULL : walrus;
}

mmi_node *mmi_parse_star_expression(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_node *node = NULL;

    if (!mmi_accept(p, TOK_STAR)) {
        return mmi_parse_expression(p);
    }
    node = mmi_new_node(p, NODE_STARRED, token);
    if (node == NULL) {
        return NULL;
    }
    node->u.operand = mmi_parse_bitor(p);
    return node->u.operand == NULL ? NULL : node;
}

/* True if the next token cannot begin another item of a bare tuple. */
static bool ends_tuple(const mmi_parser *p)
{
    switch (mmi_peek_kind(p)) {
    case TOK_NEWLINE:
    case TOK_END:
    case TOK_ASSIGN:
    case TOK_SEMICOLON:
    case TOK_COLON:
    case TOK_RPAREN:
    case TOK_RBRACKET:
    case TOK_RBRACE:
    case KW_IN:
        return true;
    default:
        return mmi_peek_kind(p) >= TOK_PLUS_ASSIGN &&
               mmi_peek_kind(p) <= TOK_DSTAR_ASSIGN;
    }
}

/* The items behind `first` of a tuple without brackets. */
static mmi_node *finish_tuple(mmi_parser *p, mmi_node *first,
                              mmi_node *(*parse_item)(mmi_parser *))
{
    mmi_list items = {0};
    mmi_node *node = mmi_new_node_at(p, NODE_TUPLE, first);

    mmi_list_add(&items, first);
    while (!mm_has_error() && mmi_accept(p, TOK_COMMA) && !ends_tuple(p)) {
        mmi_list_add(&items, parse_item(p));
    }
    if (node == NULL) {
        (void)mmi_list_take(p, &items);
        return NULL;
    }
    node->u.items = mmi_list_take(p, &items);
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_expressions(mmi_parser *p)
{
    mmi_node *first = mmi_parse_star_expression(p);

    if (first == NULL || mmi_peek_kind(p) != TOK_COMMA) {
        return first;
    }
    return finish_tuple(p, first, mmi_parse_star_expression);
}

/* One target of a `for`: the operator `in` must not be swallowed. */
static mmi_node *parse_target(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_node *node = NULL;

    if (!mmi_accept(p, TOK_STAR)) {
        return mmi_parse_bitor(p);
    }
    node = mmi_new_node(p, NODE_STARRED, token);
    if (node == NULL) {
        return NULL;
    }
    node->u.operand = mmi_parse_bitor(p);
    return node->u.operand == NULL ? NULL : node;
}

mmi_node *mmi_parse_targets(mmi_parser *p)
{
    mmi_node *node = parse_target(p);

    if (node != NULL && mmi_peek_kind(p) == TOK_COMMA) {
        node = finish_tuple(p, node, parse_target);
    }
    return node != NULL && mmi_check_target(p, node, "assign to") ? node : NULL;
}

mmi_node *mmi_parse_yield(mmi_parser *p)
{
    const mmi_token *token = mmi_next(p);
    mmi_node *node = NULL;

    if (p->function == NULL) {
        return mmi_syntax_error(p, token, "'yield' outside of a function");
    }
    p->function->is_generator = true;
    node = mmi_new_node(p, NODE_YIELD, token);
    if (node == NULL) {
        return NULL;
    }
    if (mmi_accept(p, KW_FROM)) {
        node->kind = NODE_YIELD_FROM;
        node->u.operand = mmi_parse_expression(p);
    } else if (!ends_tuple(p)) {
        node->u.operand = mmi_parse_expressions(p);
    }
    return mm_has_error() ? NULL : node;
}

/* ---- targets ---- */

static bool check_items(mmi_parser *p, mmi_node *node, const char *verb)
{
    int stars = 0;

    for (int32_t i = 0; i < node->u.items.count; i++) {
        mmi_node *item = node->u.items.at[i];

        if (item->kind == NODE_STARRED) {
            if (++stars > 1) {
                (void)mmi_node_error(p, item, "two starred targets in one assignment");
                return false;
            }
            item = item->u.operand;
        }
        if (!mmi_check_target(p, item, verb)) {
            return false;
        }
    }
    return true;
}

bool mmi_check_target(mmi_parser *p, mmi_node *node, const char *verb)
{
    switch (node->kind) {
    case NODE_NAME:
    case NODE_ATTRIBUTE:
    case NODE_SUBSCRIPT:
        return true;
    case NODE_TUPLE:
    case NODE_LIST:
        return check_items(p, node, verb);
    case NODE_STARRED:
        (void)mmi_node_error(p, node, "a starred target must be in a list or tuple");
        return false;
    default:
        (void)mmi_node_error(p, node, "cannot %s %s", verb, mmi_node_name(node));
        return false;
    }
}
