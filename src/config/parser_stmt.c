/* Simple statements, those that fit on a line. */
#include <string.h>

#include "config/parser.h"

typedef struct augmented {
    uint8_t token, op;
} augmented;

static const augmented augmented_ops[] = {
    {TOK_PLUS_ASSIGN, OP_ADD},         {TOK_MINUS_ASSIGN, OP_SUB},
    {TOK_STAR_ASSIGN, OP_MUL},         {TOK_SLASH_ASSIGN, OP_DIV},
    {TOK_DSLASH_ASSIGN, OP_FLOOR_DIV}, {TOK_PERCENT_ASSIGN, OP_MOD},
    {TOK_AT_ASSIGN, OP_MATMUL},        {TOK_AMPER_ASSIGN, OP_AND},
    {TOK_BAR_ASSIGN, OP_OR},           {TOK_CARET_ASSIGN, OP_XOR},
    {TOK_RSHIFT_ASSIGN, OP_RSHIFT},    {TOK_LSHIFT_ASSIGN, OP_LSHIFT},
    {TOK_DSTAR_ASSIGN, OP_POW},
};

/* The right-hand side of an assignment. */
static mmi_node *parse_value(mmi_parser *p)
{
    return mmi_peek_kind(p) == KW_YIELD ? mmi_parse_yield(p) : mmi_parse_expressions(p);
}

/* a = b = value; the first target is parsed. */
static mmi_node *parse_assign(mmi_parser *p, mmi_node *first)
{
    mmi_node *node = mmi_new_node_at(p, NODE_ASSIGN, first);
    mmi_list targets = {0};
    mmi_node *value = first;

    while (!mm_has_error() && mmi_accept(p, TOK_ASSIGN)) {
        if (!mmi_check_target(p, value, "assign to")) {
            break;
        }
        mmi_list_add(&targets, value);
        value = parse_value(p);
    }
    mmi_nodes taken = mmi_list_take(p, &targets);
    if (node != NULL) {
        node->u.assign.targets = taken;
        node->u.assign.value = value;
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_annotated(mmi_parser *p, mmi_node *target)
{
    mmi_node *node = mmi_new_node_at(p, NODE_ANN_ASSIGN, target);

    if (node == NULL) {
        return NULL;
    }
    if (target->kind != NODE_NAME && target->kind != NODE_ATTRIBUTE &&
        target->kind != NODE_SUBSCRIPT) {
        return mmi_node_error(p, target, "%s cannot have a type annotation",
                              mmi_node_name(target));
    }
    (void)mmi_next(p);
    node->u.annotated.target = target;
    node->u.annotated.annotation = mmi_parse_expression(p);
    if (!mm_has_error() && mmi_accept(p, TOK_ASSIGN)) {
        node->u.annotated.value = parse_value(p);
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_augmented(mmi_parser *p, mmi_node *target)
{
    mmi_tok kind = mmi_peek_kind(p);
    mmi_node *node = mmi_new_node_at(p, NODE_AUG_ASSIGN, target);

    if (node == NULL) {
        return NULL;
    }
    if (target->kind != NODE_NAME && target->kind != NODE_ATTRIBUTE &&
        target->kind != NODE_SUBSCRIPT) {
        return mmi_node_error(p, target, "cannot update %s in place",
                              mmi_node_name(target));
    }
    for (size_t i = 0; i < sizeof(augmented_ops) / sizeof(augmented_ops[0]); i++) {
        if (augmented_ops[i].token == (uint8_t)kind) {
            node->op = augmented_ops[i].op;
        }
    }
    (void)mmi_next(p);
    node->u.binary.left = target;
    node->u.binary.right = parse_value(p);
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_expression_statement(mmi_parser *p)
{
    mmi_node *first = parse_value(p);
    mmi_node *node = NULL;

    if (first == NULL) {
        return NULL;
    }
    switch (mmi_peek_kind(p)) {
    case TOK_ASSIGN:
        return parse_assign(p, first);
    case TOK_COLON:
        return parse_annotated(p, first);
    default:
        break;
    }
    if (mmi_peek_kind(p) >= TOK_PLUS_ASSIGN && mmi_peek_kind(p) <= TOK_DSTAR_ASSIGN) {
        return parse_augmented(p, first);
    }
    if (first->kind == NODE_STARRED) {
        return mmi_node_error(p, first, "a starred expression is not allowed here");
    }
    node = mmi_new_node_at(p, NODE_EXPRESSION, first);
    if (node != NULL) {
        node->u.operand = first;
    }
    return node;
}

/* ---- imports ---- */

/* a.b.c */
static const char *parse_dotted(mmi_parser *p, const char *what)
{
    const char *name = mmi_expect_name(p, what);

    while (name != NULL && mmi_accept(p, TOK_DOT)) {
        const char *part = mmi_expect_name(p, "a name after '.'");
        size_t head = strlen(name);
        char *whole = NULL;

        if (part == NULL) {
            return NULL;
        }
        whole = mmi_arena_alloc(&p->ast->arena, head + strlen(part) + 2);
        if (whole == NULL) {
            return NULL;
        }
        memcpy(whole, name, head);
        whole[head] = '.';
        memcpy(whole + head + 1, part, strlen(part));
        name = whole;
    }
    return name;
}

typedef struct alias_list {
    mmi_alias *at;
    int32_t count, room;
} alias_list;

static bool parse_alias(mmi_parser *p, alias_list *list, bool dotted)
{
    mmi_alias alias = {.line = mmi_peek(p)->line, .column = mmi_peek(p)->column};

    alias.name = dotted ? parse_dotted(p, "a module name after 'import'")
                        : mmi_expect_name(p, "a name to import");
    if (alias.name != NULL && mmi_accept(p, KW_AS)) {
        alias.bound = mmi_expect_name(p, "a name after 'as'");
    }
    if (mm_has_error()) {
        return false;
    }
    if (list->count == list->room) {
        int32_t room = list->room * 2 + 8;
        mmi_alias *at =
            mmi_arena_alloc(&p->ast->arena, (size_t)room * sizeof(mmi_alias));

        if (at == NULL) {
            return false;
        }
        if (list->count > 0) {
            memcpy(at, list->at, (size_t)list->count * sizeof(mmi_alias));
        }
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = alias;
    return true;
}

static mmi_node *parse_import(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_IMPORT, mmi_next(p));
    alias_list list = {0};

    do {
        if (!parse_alias(p, &list, true)) {
            return NULL;
        }
    } while (mmi_accept(p, TOK_COMMA));
    if (node != NULL) {
        node->u.import.aliases = list.at;
        node->u.import.num_aliases = list.count;
    }
    return node;
}

/* The names behind `import` of a from-import. */
static bool parse_names(mmi_parser *p, alias_list *list)
{
    bool bracket = false;

    if (mmi_peek_kind(p) == TOK_STAR) {
        mmi_alias *star = mmi_arena_alloc(&p->ast->arena, sizeof(*star));

        if (star != NULL) {
            star->name = "*";
            star->line = mmi_peek(p)->line;
            star->column = mmi_peek(p)->column;
            list->at = star;
            list->count = 1;
        }
        (void)mmi_next(p);
        return star != NULL;
    }
    bracket = mmi_accept(p, TOK_LPAREN);
    do {
        if (bracket && list->count > 0 && mmi_peek_kind(p) == TOK_RPAREN) {
            break;
        }
        if (!parse_alias(p, list, false)) {
            return false;
        }
    } while (mmi_accept(p, TOK_COMMA));
    return !bracket || mmi_expect(p, TOK_RPAREN, "to close the list of names");
}

static mmi_node *parse_import_from(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_IMPORT_FROM, mmi_next(p));
    alias_list list = {0};

    if (node == NULL) {
        return NULL;
    }
    for (;;) {
        if (mmi_accept(p, TOK_DOT)) {
            node->u.import.level++;
        } else if (mmi_accept(p, TOK_ELLIPSIS)) {
            node->u.import.level += 3;
        } else {
            break;
        }
    }
    if (node->u.import.level == 0 || mmi_peek_kind(p) == TOK_NAME) {
        node->u.import.module = parse_dotted(p, "a module name after 'from'");
    }
    if (!mmi_expect(p, KW_IMPORT, "after the module") || !parse_names(p, &list)) {
        return NULL;
    }
    node->u.import.aliases = list.at;
    node->u.import.num_aliases = list.count;
    return node;
}

/* ---- the others ---- */

static mmi_node *parse_delete(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_DELETE, mmi_next(p));
    mmi_node *what = mmi_parse_expressions(p);
    mmi_list items = {0};

    if (what == NULL || !mmi_check_target(p, what, "delete")) {
        return NULL;
    }
    mmi_list_add(&items, what);
    mmi_nodes taken = mmi_list_take(p, &items);
    if (node != NULL) {
        node->u.items = taken;
    }
    return mm_has_error() ? NULL : node;
}

/* global a, b; nonlocal c */
static mmi_node *parse_declared(mmi_parser *p, mmi_node_kind kind)
{
    const mmi_token *token = mmi_next(p);
    mmi_node *node = mmi_new_node(p, kind, token);
    const char *names[64];
    int32_t count = 0;

    if (kind == NODE_NONLOCAL && p->function == NULL) {
        return mmi_syntax_error(p, token, "'nonlocal' outside of a function");
    }
    do {
        if (count == (int32_t)(sizeof(names) / sizeof(names[0]))) {
            return mmi_syntax_error(p, mmi_peek(p), "more than %d names", (int)count);
        }
        names[count++] = mmi_expect_name(p, "a name");
    } while (!mm_has_error() && mmi_accept(p, TOK_COMMA));
    if (node != NULL) {
        node->u.names.at =
            mmi_arena_alloc(&p->ast->arena, (size_t)count * sizeof(names[0]));
        if (node->u.names.at != NULL) {
            memcpy(node->u.names.at, names, (size_t)count * sizeof(names[0]));
            node->u.names.count = count;
        }
    }
    return mm_has_error() ? NULL : node;
}

static bool ends_statement(const mmi_parser *p)
{
    mmi_tok kind = mmi_peek_kind(p);

    return kind == TOK_NEWLINE || kind == TOK_SEMICOLON || kind == TOK_END;
}

static mmi_node *parse_return(mmi_parser *p)
{
    const mmi_token *token = mmi_next(p);
    mmi_node *node = mmi_new_node(p, NODE_RETURN, token);

    if (p->function == NULL) {
        return mmi_syntax_error(p, token, "'return' outside of a function");
    }
    if (node != NULL && !ends_statement(p)) {
        node->u.operand = mmi_parse_expressions(p);
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_raise(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_RAISE, mmi_next(p));

    if (node != NULL && !ends_statement(p)) {
        node->u.raise.what = mmi_parse_expression(p);
        if (!mm_has_error() && mmi_accept(p, KW_FROM)) {
            node->u.raise.cause = mmi_parse_expression(p);
        }
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_assert(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_ASSERT, mmi_next(p));

    if (node != NULL) {
        node->u.raise.what = mmi_parse_expression(p);
        if (!mm_has_error() && mmi_accept(p, TOK_COMMA)) {
            node->u.raise.cause = mmi_parse_expression(p);
        }
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_loop_control(mmi_parser *p, mmi_node_kind kind)
{
    const mmi_token *token = mmi_next(p);

    if (p->loops == 0) {
        return mmi_syntax_error(p, token, "'%s' outside of a loop",
                                mmi_tok_name((mmi_tok)token->kind));
    }
    return mmi_new_node(p, kind, token);
}

/* type X = ...: `type` is a name everywhere else. */
static bool is_type_alias(const mmi_parser *p)
{
    return mmi_is_word(p, "type") && mmi_peek_second(p) == TOK_NAME &&
           p->at + 2 < p->tokens->count && p->tokens->at[p->at + 2].kind == TOK_ASSIGN;
}

static mmi_node *parse_type_alias(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_TYPE_ALIAS, mmi_next(p));
    mmi_node *target = mmi_parse_atom(p);

    if (node == NULL || target == NULL ||
        !mmi_expect(p, TOK_ASSIGN, "after the name of the type")) {
        return NULL;
    }
    node->u.binary.left = target;
    node->u.binary.right = mmi_parse_expression(p);
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_simple(mmi_parser *p)
{
    switch (mmi_peek_kind(p)) {
    case KW_PASS:
        return mmi_new_node(p, NODE_PASS, mmi_next(p));
    case KW_BREAK:
        return parse_loop_control(p, NODE_BREAK);
    case KW_CONTINUE:
        return parse_loop_control(p, NODE_CONTINUE);
    case KW_DEL:
        return parse_delete(p);
    case KW_RETURN:
        return parse_return(p);
    case KW_RAISE:
        return parse_raise(p);
    case KW_ASSERT:
        return parse_assert(p);
    case KW_GLOBAL:
        return parse_declared(p, NODE_GLOBAL);
    case KW_NONLOCAL:
        return parse_declared(p, NODE_NONLOCAL);
    case KW_IMPORT:
        return parse_import(p);
    case KW_FROM:
        return parse_import_from(p);
    default:
        return is_type_alias(p) ? parse_type_alias(p) : parse_expression_statement(p);
    }
}

/* Simple statements on one line, up to and with the end of the line. */
static bool parse_line(mmi_parser *p, mmi_list *out)
{
    do {
        if (ends_statement(p)) {
            break; /* behind a last ';' */
        }
        mmi_list_add(out, mmi_parse_simple(p));
    } while (!mm_has_error() && mmi_accept(p, TOK_SEMICOLON));
    if (mm_has_error() || mmi_peek_kind(p) == TOK_END) {
        return !mm_has_error();
    }
    if (!mmi_accept(p, TOK_NEWLINE)) {
        (void)mmi_expected(p, "end of line");
    }
    return !mm_has_error();
}

bool mmi_parse_statement(mmi_parser *p, mmi_list *out)
{
    bool found = false;
    mmi_node *node = NULL;

    if (!mmi_enter(p)) {
        return false;
    }
    node = mmi_parse_compound(p, &found);
    if (found) {
        mmi_list_add(out, node);
    } else if (!mm_has_error()) {
        (void)parse_line(p, out);
    }
    mmi_leave(p);
    return !mm_has_error();
}
