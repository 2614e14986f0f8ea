/* Compound statements: if, while, for, try, with, def, class, match. */
#include <string.h>

#include "config/parser.h"

mmi_nodes mmi_parse_block(mmi_parser *p, const char *owner)
{
    mmi_list body = {0};

    if (!mmi_expect(p, TOK_COLON, owner)) {
        return (mmi_nodes){0};
    }
    if (mmi_peek_kind(p) != TOK_NEWLINE) {
        /* a block on the same line holds simple statements only */
        switch (mmi_peek_kind(p)) {
        case KW_IF:
        case KW_WHILE:
        case KW_FOR:
        case KW_TRY:
        case KW_WITH:
        case KW_DEF:
        case KW_CLASS:
            (void)mmi_expected(p, "a simple statement or a new line after ':'");
            break;
        default:
            (void)mmi_parse_statement(p, &body);
            break;
        }
        return mmi_list_take(p, &body);
    }
    (void)mmi_next(p);
    if (mmi_expect(p, TOK_INDENT, owner)) {
        while (!mm_has_error() && !mmi_accept(p, TOK_DEDENT)) {
            if (mmi_peek_kind(p) == TOK_END || mmi_peek_kind(p) == TOK_ERROR) {
                (void)mmi_expected(p, "a statement");
            } else if (mmi_peek_kind(p) == TOK_INDENT) {
                (void)mmi_syntax_error(p, mmi_peek(p), "unexpected indentation");
            } else {
                (void)mmi_parse_statement(p, &body);
            }
        }
    }
    return mmi_list_take(p, &body);
}

/* `if` and `elif` chains hang one in the other's `otherwise`, built without recursion.
 */
static mmi_node *parse_if(mmi_parser *p)
{
    mmi_node *top = NULL;
    mmi_node *last = NULL;

    do {
        mmi_node *node = mmi_new_node(p, NODE_IF, mmi_next(p));

        if (node == NULL || (node->u.branch.test = mmi_parse_named(p)) == NULL) {
            return NULL;
        }
        node->u.branch.body = mmi_parse_block(p, "after the condition of 'if'");
        if (mm_has_error()) {
            return NULL;
        }
        if (last == NULL) {
            top = node;
        } else {
            mmi_list one = {0};

            mmi_list_add(&one, node);
            last->u.branch.otherwise = mmi_list_take(p, &one);
        }
        last = node;
    } while (mmi_peek_kind(p) == KW_ELIF);
    if (mmi_accept(p, KW_ELSE)) {
        last->u.branch.otherwise = mmi_parse_block(p, "after 'else'");
    }
    return mm_has_error() ? NULL : top;
}

static mmi_node *parse_while(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_WHILE, mmi_next(p));

    if (node == NULL || (node->u.branch.test = mmi_parse_named(p)) == NULL) {
        return NULL;
    }
    p->loops++;
    node->u.branch.body = mmi_parse_block(p, "after the condition of 'while'");
    p->loops--;
    if (!mm_has_error() && mmi_accept(p, KW_ELSE)) {
        node->u.branch.otherwise = mmi_parse_block(p, "after 'else'");
    }
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_for(mmi_parser *p, bool is_async)
{
    mmi_node *node = mmi_new_node(p, NODE_FOR, mmi_next(p));

    if (node == NULL || (node->u.loop.target = mmi_parse_targets(p)) == NULL ||
        !mmi_expect(p, KW_IN, "after the targets of 'for'")) {
        return NULL;
    }
    node->flag = is_async;
    node->u.loop.iter = mmi_parse_expressions(p);
    p->loops++;
    node->u.loop.body = mmi_parse_block(p, "after the head of 'for'");
    p->loops--;
    if (!mm_has_error() && mmi_accept(p, KW_ELSE)) {
        node->u.loop.otherwise = mmi_parse_block(p, "after 'else'");
    }
    return mm_has_error() ? NULL : node;
}

/* ---- try ---- */

static bool parse_handler(mmi_parser *p, mmi_handler *out)
{
    const mmi_token *token = mmi_next(p);

    memset(out, 0, sizeof(*out));
    out->line = token->line;
    out->column = token->column;
    (void)mmi_accept(p, TOK_STAR); /* except* */
    if (mmi_peek_kind(p) != TOK_COLON) {
        out->type = mmi_parse_expressions(p);
        if (!mm_has_error() && mmi_accept(p, KW_AS)) {
            out->name = mmi_expect_name(p, "a name after 'as'");
        }
    }
    out->body = mmi_parse_block(p, "after 'except'");
    return !mm_has_error();
}

static bool parse_handlers(mmi_parser *p, mmi_node *node)
{
    enum { MOST = 32 };
    mmi_handler handlers[MOST];
    int32_t count = 0;

    while (mmi_peek_kind(p) == KW_EXCEPT) {
        if (count == MOST) {
            (void)mmi_syntax_error(p, mmi_peek(p), "more than %d handlers", (int)MOST);
        }
        if (mm_has_error() || !parse_handler(p, &handlers[count++])) {
            return false;
        }
    }
    node->u.attempt.num_handlers = count;
    if (count > 0) {
        node->u.attempt.handlers =
            mmi_arena_alloc(&p->ast->arena, (size_t)count * sizeof(mmi_handler));
        if (node->u.attempt.handlers == NULL) {
            return false;
        }
        memcpy(node->u.attempt.handlers, handlers, (size_t)count * sizeof(mmi_handler));
    }
    return true;
}

mmi_node *mmi_parse_try(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_TRY, mmi_next(p));
    bool has_finally = false;

    if (node == NULL) {
        return NULL;
    }
    node->u.attempt.body = mmi_parse_block(p, "after 'try'");
    if (mm_has_error() || !parse_handlers(p, node)) {
        return NULL;
    }
    if (node->u.attempt.num_handlers > 0 && mmi_accept(p, KW_ELSE)) {
        node->u.attempt.otherwise = mmi_parse_block(p, "after 'else'");
    }
    if (!mm_has_error() && mmi_accept(p, KW_FINALLY)) {
        has_finally = true;
        node->u.attempt.finally = mmi_parse_block(p, "after 'finally'");
    }
    if (!mm_has_error() && node->u.attempt.num_handlers == 0 && !has_finally) {
        return mmi_expected(p, "'except' or 'finally'");
    }
    return mm_has_error() ? NULL : node;
}

/* ---- with ---- */

/* True if the bracket at the next token encloses the whole head of the `with`: behind
 * its partner comes ':'. */
static bool is_bracketed_head(const mmi_parser *p)
{
    int depth = 0;
    bool comma = false;

    for (size_t i = p->at; i < p->tokens->count; i++) {
        uint8_t kind = p->tokens->at[i].kind;

        depth += kind == TOK_LPAREN || kind == TOK_LBRACKET || kind == TOK_LBRACE;
        depth -= kind == TOK_RPAREN || kind == TOK_RBRACKET || kind == TOK_RBRACE;
        comma = comma || (depth == 1 && (kind == TOK_COMMA || kind == KW_AS));
        if (depth == 0) {
            return comma && i + 1 < p->tokens->count &&
                   p->tokens->at[i + 1].kind == TOK_COLON;
        }
    }
    return false;
}

static bool parse_context(mmi_parser *p, mmi_list *contexts, mmi_list *targets)
{
    mmi_node *context = mmi_parse_expression(p);
    mmi_node *target = context; /* stands for "none" until the lists are taken */

    mmi_list_add(contexts, context);
    if (context != NULL && mmi_accept(p, KW_AS)) {
        target = mmi_parse_bitor(p);
        if (target != NULL) {
            (void)mmi_check_target(p, target, "assign to");
        }
    }
    mmi_list_add(targets, target);
    return !mm_has_error();
}

mmi_node *mmi_parse_with(mmi_parser *p, bool is_async)
{
    mmi_node *node = mmi_new_node(p, NODE_WITH, mmi_next(p));
    bool bracket = mmi_peek_kind(p) == TOK_LPAREN && is_bracketed_head(p);
    mmi_list contexts = {0};
    mmi_list targets = {0};

    if (bracket) {
        (void)mmi_next(p);
    }
    do {
        if (bracket && contexts.count > 0 && mmi_peek_kind(p) == TOK_RPAREN) {
            break;
        }
    } while (parse_context(p, &contexts, &targets) && mmi_accept(p, TOK_COMMA));
    if (bracket) {
        (void)mmi_expect(p, TOK_RPAREN, "to close the head of 'with'");
    }
    mmi_nodes taken_contexts = mmi_list_take(p, &contexts);
    mmi_nodes taken_targets = mmi_list_take(p, &targets);
    if (node == NULL || mm_has_error()) {
        return NULL;
    }
    for (int32_t i = 0; i < taken_contexts.count; i++) {
        if (taken_targets.at[i] == taken_contexts.at[i]) {
            taken_targets.at[i] = NULL;
        }
    }
    node->flag = is_async;
    node->u.with.contexts = taken_contexts;
    node->u.with.targets = taken_targets;
    node->u.with.body = mmi_parse_block(p, "after the head of 'with'");
    return mm_has_error() ? NULL : node;
}

/* ---- def, class ---- */

/* [T, *U] of a generic def or class: read and forgotten. */
static bool skip_type_params(mmi_parser *p)
{
    int depth = 0;

    if (mmi_peek_kind(p) != TOK_LBRACKET) {
        return true;
    }
    do {
        mmi_tok kind = mmi_peek_kind(p);

        depth += kind == TOK_LBRACKET;
        depth -= kind == TOK_RBRACKET;
        if (kind == TOK_END || kind == TOK_ERROR) {
            (void)mmi_expected(p, "']' to close the type parameters");
            return false;
        }
        (void)mmi_next(p);
    } while (depth > 0);
    return true;
}

mmi_node *mmi_parse_def(mmi_parser *p, mmi_nodes decorators, bool is_async)
{
    mmi_node *node = mmi_new_node(p, NODE_DEF, mmi_next(p));
    mmi_function *function = mmi_arena_alloc(&p->ast->arena, sizeof(*function));
    mmi_function *outer = p->function;
    int loops = p->loops;

    if (node == NULL || function == NULL) {
        return NULL;
    }
    node->u.function = function;
    function->decorators = decorators;
    function->is_async = is_async;
    function->name = mmi_expect_name(p, "a name after 'def'");
    if (function->name == NULL || !skip_type_params(p) ||
        !mmi_expect(p, TOK_LPAREN, "after the name of the function") ||
        !mmi_parse_params(p, function, TOK_RPAREN)) {
        return NULL;
    }
    (void)mmi_next(p);
    if (mmi_accept(p, TOK_ARROW)) {
        function->returns = mmi_parse_expression(p);
    }
    p->function = function;
    p->loops = 0;
    function->body = mmi_parse_block(p, "after the head of 'def'");
    p->function = outer;
    p->loops = loops;
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_class(mmi_parser *p, mmi_nodes decorators)
{
    mmi_node *node = mmi_new_node(p, NODE_CLASS, mmi_next(p));
    mmi_function *outer = p->function;
    int loops = p->loops;

    if (node == NULL) {
        return NULL;
    }
    node->u.class_def.decorators = decorators;
    node->u.class_def.name = mmi_expect_name(p, "a name after 'class'");
    if (node->u.class_def.name == NULL || !skip_type_params(p)) {
        return NULL;
    }
    if (mmi_accept(p, TOK_LPAREN) &&
        !mmi_parse_arguments(p, &node->u.class_def.args, &node->u.class_def.keywords)) {
        return NULL;
    }
    p->function = NULL;
    p->loops = 0;
    node->u.class_def.body = mmi_parse_block(p, "after the head of 'class'");
    p->function = outer;
    p->loops = loops;
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_decorated(mmi_parser *p)
{
    mmi_list list = {0};
    mmi_nodes decorators = {0};
    bool is_async = false;

    while (!mm_has_error() && mmi_accept(p, TOK_AT)) {
        mmi_list_add(&list, mmi_parse_named(p));
        (void)mmi_expect(p, TOK_NEWLINE, "after the decorator");
    }
    decorators = mmi_list_take(p, &list);
    if (mm_has_error()) {
        return NULL;
    }
    is_async = mmi_accept(p, KW_ASYNC);
    if (mmi_peek_kind(p) == KW_DEF) {
        return mmi_parse_def(p, decorators, is_async);
    }
    if (mmi_peek_kind(p) == KW_CLASS && !is_async) {
        return mmi_parse_class(p, decorators);
    }
    return mmi_expected(p, "'def' or 'class' after the decorator");
}

static mmi_node *parse_async(mmi_parser *p)
{
    (void)mmi_next(p);
    switch (mmi_peek_kind(p)) {
    case KW_DEF:
        return mmi_parse_def(p, (mmi_nodes){0}, true);
    case KW_FOR:
        return mmi_parse_for(p, true);
    case KW_WITH:
        return mmi_parse_with(p, true);
    default:
        return mmi_expected(p, "'def', 'for' or 'with' after 'async'");
    }
}

mmi_node *mmi_parse_compound(mmi_parser *p, bool *out_found)
{
    *out_found = true;
    switch (mmi_peek_kind(p)) {
    case KW_IF:
        return parse_if(p);
    case KW_WHILE:
        return parse_while(p);
    case KW_FOR:
        return mmi_parse_for(p, false);
    case KW_TRY:
        return mmi_parse_try(p);
    case KW_WITH:
        return mmi_parse_with(p, false);
    case KW_DEF:
        return mmi_parse_def(p, (mmi_nodes){0}, false);
    case KW_CLASS:
        return mmi_parse_class(p, (mmi_nodes){0});
    case TOK_AT:
        return mmi_parse_decorated(p);
    case KW_ASYNC:
        return parse_async(p);
    case TOK_NAME: {
        mmi_node *node = mmi_is_word(p, "match") ? mmi_parse_match(p) : NULL;

        *out_found = node != NULL || mm_has_error();
        return node;
    }
    default:
        *out_found = false;
        return NULL;
    }
}
