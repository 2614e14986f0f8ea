/* The match statement. `match` and `case` are names elsewhere, so the line is tried
 * first: only "match ... :" with a block that begins with "case" is one. Patterns look
 * like expressions and are kept as such. */
#include <string.h>

#include "config/parser.h"

/* True if the logical line at the next token ends with ':' and a block of `case`
 * follows.
 */
static bool is_match(const mmi_parser *p)
{
    const mmi_token *at = p->tokens->at;
    size_t i = p->at + 1;

    if (at[i].kind == TOK_ASSIGN || at[i].kind == TOK_DOT ||
        at[i].kind == TOK_NEWLINE || at[i].kind == TOK_END) {
        return false;
    }
    while (i < p->tokens->count && at[i].kind != TOK_NEWLINE && at[i].kind != TOK_END &&
           at[i].kind != TOK_ERROR) {
        i++;
    }
    if (i + 2 >= p->tokens->count || at[i].kind != TOK_NEWLINE ||
        at[i - 1].kind != TOK_COLON || at[i + 1].kind != TOK_INDENT) {
        return false;
    }
    return at[i + 2].kind == TOK_NAME && at[i + 2].size == 4 &&
           memcmp(p->text->data + at[i + 2].start, "case", 4) == 0;
}

static mmi_node *parse_pattern(mmi_parser *p);

/* pattern | pattern ... as name: `as` binds, kept as a ':=' node. */
static mmi_node *parse_as(mmi_parser *p)
{
    mmi_node *pattern = mmi_peek_kind(p) == TOK_STAR ? mmi_parse_star_expression(p)
                                                     : mmi_parse_disjunction(p);
    mmi_node *node = NULL;

    if (pattern == NULL || !mmi_accept(p, KW_AS)) {
        return pattern;
    }
    node = mmi_new_node_at(p, NODE_WALRUS, pattern);
    if (node == NULL) {
        return NULL;
    }
    node->u.binary.right = pattern;
    node->u.binary.left = mmi_parse_atom(p);
    return node->u.binary.left == NULL ? NULL : node;
}

/* A pattern, or several with commas. */
static mmi_node *parse_pattern(mmi_parser *p)
{
    mmi_node *first = parse_as(p);
    mmi_list items = {0};
    mmi_node *node = NULL;

    if (first == NULL || mmi_peek_kind(p) != TOK_COMMA) {
        return first;
    }
    mmi_list_add(&items, first);
    while (!mm_has_error() && mmi_accept(p, TOK_COMMA)) {
        if (mmi_peek_kind(p) == TOK_COLON || mmi_peek_kind(p) == KW_IF) {
            break;
        }
        mmi_list_add(&items, parse_as(p));
    }
    node = mmi_new_node_at(p, NODE_TUPLE, first);
    mmi_nodes taken = mmi_list_take(p, &items);
    if (node != NULL) {
        node->u.items = taken;
    }
    return mm_has_error() ? NULL : node;
}

static bool parse_case(mmi_parser *p, mmi_case *out)
{
    memset(out, 0, sizeof(*out));
    if (!mmi_is_word(p, "case")) {
        (void)mmi_expected(p, "'case'");
        return false;
    }
    (void)mmi_next(p);
    out->pattern = parse_pattern(p);
    if (!mm_has_error() && mmi_accept(p, KW_IF)) {
        out->guard = mmi_parse_named(p);
    }
    out->body = mmi_parse_block(p, "after the pattern");
    return !mm_has_error();
}

mmi_node *mmi_parse_match(mmi_parser *p)
{
    enum { MOST = 64 };
    mmi_case cases[MOST];
    int32_t count = 0;
    mmi_node *node = NULL;

    if (!is_match(p)) {
        return NULL;
    }
    node = mmi_new_node(p, NODE_MATCH, mmi_next(p));
    if (node == NULL || (node->u.match.subject = mmi_parse_expressions(p)) == NULL ||
        !mmi_expect(p, TOK_COLON, "after the subject of 'match'")) {
        return NULL;
    }
    (void)mmi_next(p); /* end of line */
    (void)mmi_next(p); /* indentation */
    while (!mm_has_error() && !mmi_accept(p, TOK_DEDENT)) {
        if (count == MOST) {
            return mmi_syntax_error(p, mmi_peek(p), "more than %d cases", (int)MOST);
        }
        (void)parse_case(p, &cases[count++]);
    }
    node->u.match.num_cases = count;
    node->u.match.cases =
        mmi_arena_alloc(&p->ast->arena, (size_t)count * sizeof(mmi_case));
    if (mm_has_error()) {
        return NULL;
    }
    memcpy(node->u.match.cases, cases, (size_t)count * sizeof(mmi_case));
    return node;
}
