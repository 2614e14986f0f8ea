/* The parser: recursive descent over the token array. This file holds the entry point
 * and what the grammar files share: tokens, errors, lists, nodes. */
#include "config/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"

/* ---- lists ---- */

void mmi_list_add(mmi_list *list, mmi_node *node)
{
    if (node == NULL) {
        return;
    }
    if (list->at == NULL) {
        list->at = list->few;
        list->room = (int32_t)(sizeof(list->few) / sizeof(list->few[0]));
    }
    if (list->count == list->room) {
        size_t room = (size_t)list->room * 2;
        mmi_node **at = mm_realloc(list->at == list->few ? NULL : list->at,
                                   room * sizeof(mmi_node *));

        if (at == NULL) {
            return;
        }
        if (list->at == list->few) {
            memcpy(at, list->few, sizeof(list->few));
        }
        list->at = at;
        list->room = (int32_t)room;
    }
    list->at[list->count++] = node;
}

mmi_nodes mmi_list_take(mmi_parser *p, mmi_list *list)
{
    mmi_nodes out = {0};

    if (list->count > 0 && !mm_has_error()) {
        size_t size = (size_t)list->count * sizeof(mmi_node *);

        out.at = mmi_arena_alloc(&p->ast->arena, size);
        if (out.at != NULL) {
            memcpy(out.at, list->at, size);
            out.count = list->count;
        }
    }
    if (list->at != list->few) {
        mm_free(list->at);
    }
    list->at = NULL;
    list->count = 0;
    return out;
}

/* ---- errors ---- */

/* "name 'x'", "number '3'", "'='", "end of line". */
static void describe(const mmi_parser *p, const mmi_token *token, char *out,
                     size_t size)
{
    const char *text = p->text->data + token->start;
    int shown = token->size > 40 ? 40 : (int)token->size;

    switch (token->kind) {
    case TOK_END:
        (void)snprintf(out, size,
                       p->tokens->is_part ? "the end of the f-string field"
                                          : "end of file");
        break;
    case TOK_NAME:
        (void)snprintf(out, size, "name '%.*s'", shown, text);
        break;
    case TOK_NUMBER:
        (void)snprintf(out, size, "number '%.*s'", shown, text);
        break;
    default:
        (void)snprintf(out, size, token->kind >= KW_FALSE ? "keyword '%s'" : "%s",
                       mmi_tok_name((mmi_tok)token->kind));
        break;
    }
}

static void *fail_at(mmi_parser *p, int32_t line, int32_t column, const char *text)
{
    mm_source source = {.file = p->text->file, .line = line, .column = column};
    const mmi_token *open = &p->tokens->unclosed;

    (void)mm_raise(MM_ECONFIG, "syntax error: %s", text);
    (void)mm_error_locate(&source);
    if (open->size > 0 &&
        (open->line < line || (open->line == line && open->column < column))) {
        (void)mm_error_hint("the %s of line %d column %d is never closed",
                            mmi_tok_name((mmi_tok)open->kind), (int)open->line,
                            (int)open->column);
    }
    return NULL;
}

void *mmi_syntax_error(mmi_parser *p, const mmi_token *token, const char *format, ...)
{
    char text[400];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    return fail_at(p, token->line, token->column, text);
}

void *mmi_node_error(mmi_parser *p, const mmi_node *node, const char *format, ...)
{
    char text[400];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    return fail_at(p, node->line, node->column, text);
}

void *mmi_expected(mmi_parser *p, const char *what)
{
    const mmi_token *token = mmi_peek(p);
    char found[80];

    if (token->kind == TOK_ERROR) {
        return mmi_syntax_error(p, token, "%s", p->tokens->error);
    }
    describe(p, token, found, sizeof(found));
    return mmi_syntax_error(p, token, "expected %s, found %s", what, found);
}

bool mmi_enter(mmi_parser *p)
{
    if (++p->depth > MMI_MAX_PARSE_DEPTH) {
        (void)mmi_syntax_error(p, mmi_peek(p), "nested more than %d levels deep",
                               (int)MMI_MAX_PARSE_DEPTH);
        return false;
    }
    return true;
}

/* ---- tokens ---- */

const mmi_token *mmi_next(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);

    if (p->at + 1 < p->tokens->count) {
        p->at++;
    }
    return token;
}

bool mmi_accept(mmi_parser *p, mmi_tok kind)
{
    if (mmi_peek_kind(p) != kind) {
        return false;
    }
    (void)mmi_next(p);
    return true;
}

bool mmi_expect(mmi_parser *p, mmi_tok kind, const char *where)
{
    char what[160];

    if (mm_has_error()) {
        return false;
    }
    if (mmi_accept(p, kind)) {
        return true;
    }
    (void)snprintf(what, sizeof(what), kind >= KW_FALSE ? "'%s' %s" : "%s %s",
                   mmi_tok_name(kind), where);
    (void)mmi_expected(p, what);
    return false;
}

bool mmi_is_word(const mmi_parser *p, const char *word)
{
    const mmi_token *token = mmi_peek(p);
    size_t size = strlen(word);

    return token->kind == TOK_NAME && token->size == size &&
           memcmp(p->text->data + token->start, word, size) == 0;
}

const char *mmi_token_text(mmi_parser *p, const mmi_token *token)
{
    return mmi_arena_text(&p->ast->arena, p->text->data + token->start, token->size);
}

const char *mmi_expect_name(mmi_parser *p, const char *what)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (mmi_peek_kind(p) != TOK_NAME) {
        return mmi_expected(p, what);
    }
    return mmi_token_text(p, mmi_next(p));
}

/* ---- nodes ---- */

static mmi_node *make(mmi_parser *p, mmi_node_kind kind, int32_t line, int32_t column)
{
    mmi_node *node = mmi_arena_alloc(&p->ast->arena, sizeof(*node));

    if (node != NULL) {
        node->kind = (uint8_t)kind;
        node->line = line;
        node->column = column;
    }
    return node;
}

mmi_node *mmi_new_node(mmi_parser *p, mmi_node_kind kind, const mmi_token *token)
{
    return make(p, kind, token->line, token->column);
}

mmi_node *mmi_new_node_at(mmi_parser *p, mmi_node_kind kind, const mmi_node *place)
{
    return place == NULL ? NULL : make(p, kind, place->line, place->column);
}

mmi_node *mmi_new_constant(mmi_parser *p, const mmi_token *token, mm_value *value)
{
    mmi_node *node = mmi_new_node(p, NODE_CONSTANT, token);

    if (node == NULL || value == NULL) {
        mm_value_unref(value);
        return NULL;
    }
    node->u.constant = value;
    mm_list_push(p->ast->constants, value);
    return mm_has_error() ? NULL : node;
}

mm_source mmi_node_source(const mmi_ast *ast, const mmi_node *node)
{
    return (mm_source){.file = ast->file, .line = node->line, .column = node->column};
}

/* ---- names for messages ---- */

const char *mmi_node_name(const mmi_node *node)
{
    static const char *const names[] = {
        [NODE_NAME] = "a name",
        [NODE_CONSTANT] = "a literal",
        [NODE_UNSUPPORTED] = "a literal",
        [NODE_JOINED] = "an f-string",
        [NODE_FIELD] = "an f-string field",
        [NODE_TUPLE] = "a tuple",
        [NODE_LIST] = "a list",
        [NODE_SET] = "a set display",
        [NODE_DICT] = "a dict display",
        [NODE_UNARY] = "an expression",
        [NODE_BINARY] = "an expression",
        [NODE_BOOLEAN] = "an expression",
        [NODE_COMPARE] = "a comparison",
        [NODE_CONDITIONAL] = "a conditional expression",
        [NODE_LAMBDA] = "a lambda",
        [NODE_CALL] = "a call",
        [NODE_KEYWORD] = "a keyword argument",
        [NODE_ATTRIBUTE] = "an attribute",
        [NODE_SUBSCRIPT] = "a subscript",
        [NODE_SLICE] = "a slice",
        [NODE_STARRED] = "a starred expression",
        [NODE_LIST_COMP] = "a list comprehension",
        [NODE_SET_COMP] = "a set comprehension",
        [NODE_DICT_COMP] = "a dict comprehension",
        [NODE_GENERATOR] = "a generator expression",
        [NODE_AWAIT] = "an await expression",
        [NODE_YIELD] = "a yield expression",
        [NODE_YIELD_FROM] = "a yield expression",
        [NODE_WALRUS] = "a ':=' expression",
        [NODE_EXPRESSION] = "an expression statement",
        [NODE_ASSIGN] = "an assignment",
        [NODE_AUG_ASSIGN] = "an augmented assignment",
        [NODE_ANN_ASSIGN] = "an annotated assignment",
        [NODE_DELETE] = "a del statement",
        [NODE_PASS] = "a pass statement",
        [NODE_BREAK] = "a break statement",
        [NODE_CONTINUE] = "a continue statement",
        [NODE_RETURN] = "a return statement",
        [NODE_RAISE] = "a raise statement",
        [NODE_ASSERT] = "an assert statement",
        [NODE_GLOBAL] = "a global statement",
        [NODE_NONLOCAL] = "a nonlocal statement",
        [NODE_IMPORT] = "an import statement",
        [NODE_IMPORT_FROM] = "an import statement",
        [NODE_IF] = "an if statement",
        [NODE_WHILE] = "a while statement",
        [NODE_FOR] = "a for statement",
        [NODE_TRY] = "a try statement",
        [NODE_WITH] = "a with statement",
        [NODE_DEF] = "a function definition",
        [NODE_CLASS] = "a class definition",
        [NODE_MATCH] = "a match statement",
        [NODE_TYPE_ALIAS] = "a type statement",
    };
    return names[node->kind];
}

const char *mmi_op_text(mmi_op op)
{
    static const char *const texts[] = {
        [OP_ADD] = "+",         [OP_SUB] = "-",     [OP_MUL] = "*",
        [OP_MATMUL] = "@",      [OP_DIV] = "/",     [OP_FLOOR_DIV] = "//",
        [OP_MOD] = "%",         [OP_POW] = "**",    [OP_LSHIFT] = "<<",
        [OP_RSHIFT] = ">>",     [OP_OR] = "|",      [OP_XOR] = "^",
        [OP_AND] = "&",         [OP_POS] = "+",     [OP_NEG] = "-",
        [OP_INVERT] = "~",      [OP_NOT] = "not",   [OP_EQ] = "==",
        [OP_NE] = "!=",         [OP_LT] = "<",      [OP_LE] = "<=",
        [OP_GT] = ">",          [OP_GE] = ">=",     [OP_IN] = "in",
        [OP_NOT_IN] = "not in", [OP_IS] = "is",     [OP_IS_NOT] = "is not",
        [OP_BOTH] = "and",      [OP_EITHER] = "or",
    };
    return texts[op];
}

/* ---- entry ---- */

static void parse_file(mmi_parser *p)
{
    mmi_list body = {0};

    while (mmi_peek_kind(p) != TOK_END && !mm_has_error()) {
        if (mmi_peek_kind(p) == TOK_NEWLINE) {
            (void)mmi_next(p);
        } else if (mmi_peek_kind(p) == TOK_INDENT) {
            (void)mmi_syntax_error(p, mmi_peek(p), "unexpected indentation");
        } else {
            (void)mmi_parse_statement(p, &body);
        }
    }
    p->ast->body = mmi_list_take(p, &body);
}

mm_status mmi_parse(const mmi_text *text, mmi_ast *out)
{
    mmi_tokens tokens = {0};
    mmi_parser p = {.ast = out, .text = text, .tokens = &tokens};

    memset(out, 0, sizeof(*out));
    out->file = text->file;
    out->constants = mm_value_new_list();
    if (mmi_lex(text, &tokens) == MM_OK) {
        parse_file(&p);
    }
    mmi_tokens_deinit(&tokens);
    if (mm_has_error()) {
        mmi_ast_deinit(out);
    }
    return mm_pending();
}

void mmi_ast_deinit(mmi_ast *ast)
{
    mm_value_unref(ast->constants);
    ast->constants = NULL;
    mmi_arena_deinit(&ast->arena);
    ast->body = (mmi_nodes){0};
}
