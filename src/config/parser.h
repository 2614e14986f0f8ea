/* What the files of the parser share. A parser function returns NULL (or a negative
 * status) with an error pending; nothing is freed, the arena owns the nodes. */
#ifndef MM_CONFIG_PARSER_H
#define MM_CONFIG_PARSER_H

#include "config/ast.h"
#include "config/lexer.h"

enum { MMI_MAX_PARSE_DEPTH = 1000 }; /* nested expressions and blocks */

typedef struct mmi_parser {
    mmi_ast *ast;
    const mmi_text *text;
    const mmi_tokens *tokens;
    size_t at; /* index of the next token */
    int depth;
    mmi_function *function;  /* the def or lambda around, or NULL */
    int loops;               /* loops around, inside the function */
    const char *unsupported; /* what the string just read holds that we cannot store */
} mmi_parser;

/* A growing list of nodes; moved into the arena when complete. */
typedef struct mmi_list {
    mmi_node **at;
    int32_t count, room;
    mmi_node *few[8];
} mmi_list;

void mmi_list_add(mmi_list *list, mmi_node *node);
/* Moves the nodes to the arena and releases the list, also when an error is pending. */
mmi_nodes mmi_list_take(mmi_parser *p, mmi_list *list);

/* ---- tokens ---- */

static inline const mmi_token *mmi_peek(const mmi_parser *p)
{
    return &p->tokens->at[p->at];
}

static inline mmi_tok mmi_peek_kind(const mmi_parser *p)
{
    return (mmi_tok)p->tokens->at[p->at].kind;
}

/* The kind of the token after the next; the next one may not be the last. */
static inline mmi_tok mmi_peek_second(const mmi_parser *p)
{
    return p->at + 1 < p->tokens->count ? (mmi_tok)p->tokens->at[p->at + 1].kind
                                        : TOK_END;
}

/* Moves on; stays on the last token. Returns the token passed. */
const mmi_token *mmi_next(mmi_parser *p);
/* Moves on if the next token is of this kind. */
bool mmi_accept(mmi_parser *p, mmi_tok kind);
/* Moves over a token of this kind, else raises "expected ... `where`, found ...". */
bool mmi_expect(mmi_parser *p, mmi_tok kind, const char *where);
/* True if the next token is this name: a soft keyword. */
bool mmi_is_word(const mmi_parser *p, const char *word);
/* A copy of a name token's text. */
const char *mmi_token_text(mmi_parser *p, const mmi_token *token);
/* Moves over a name; `what` for the message: "a name after 'def'". */
const char *mmi_expect_name(mmi_parser *p, const char *what);

/* ---- errors ---- */

/* "syntax error: ..." at a token. Always returns NULL. */
void *mmi_syntax_error(mmi_parser *p, const mmi_token *token, const char *format, ...)
    MM_PRINTF(3, 4);
/* The same at a node. */
void *mmi_node_error(mmi_parser *p, const mmi_node *node, const char *format, ...)
    MM_PRINTF(3, 4);
/* "expected `what`, found ..." at the next token. Always returns NULL. */
void *mmi_expected(mmi_parser *p, const char *what);
/* Counts nesting. False with an error if it is too deep. */
bool mmi_enter(mmi_parser *p);

static inline void mmi_leave(mmi_parser *p)
{
    p->depth--;
}

/* ---- nodes ---- */

/* A node at a token; at another node. */
mmi_node *mmi_new_node(mmi_parser *p, mmi_node_kind kind, const mmi_token *token);
mmi_node *mmi_new_node_at(mmi_parser *p, mmi_node_kind kind, const mmi_node *place);
/* A constant; takes the value. NULL if it is NULL. */
mmi_node *mmi_new_constant(mmi_parser *p, const mmi_token *token,
                           MM_TAKES mm_value *value);

/* The value of `...`: an object value, one per tree. */
mm_value *mmi_new_ellipsis(void);

/* ---- expressions (parser_expr.c, parser_atom.c, parser_string.c) ---- */

mmi_node *mmi_parse_expression(mmi_parser *p);      /* conditional or lambda */
mmi_node *mmi_parse_disjunction(mmi_parser *p);     /* a or b: no `if`, no lambda */
mmi_node *mmi_parse_named(mmi_parser *p);           /* also x := y */
mmi_node *mmi_parse_star_expression(mmi_parser *p); /* also *x, x := y not */
mmi_node *
mmi_parse_expressions(mmi_parser *p); /* a, *b, c: a tuple if there is a comma */
mmi_node *mmi_parse_yield(mmi_parser *p);
mmi_node *mmi_parse_bitor(mmi_parser *p);   /* what may follow a star */
mmi_node *mmi_parse_primary(mmi_parser *p); /* atom with trailers */
mmi_node *mmi_parse_atom(mmi_parser *p);
mmi_node *mmi_parse_lambda(mmi_parser *p);
mmi_node *mmi_parse_string(mmi_parser *p); /* adjacent literals, parser_string.c */
mmi_node *mmi_parse_number(mmi_parser *p);
/* Arguments behind '(' up to and with ')'. */
bool mmi_parse_arguments(mmi_parser *p, mmi_nodes *out_args, mmi_nodes *out_keywords);
/* Parameters up to `end`, which is left for the caller. */
bool mmi_parse_params(mmi_parser *p, mmi_function *function, mmi_tok end);
/* for ... in ... if ...: makes a comprehension of `kind` around `element`. */
mmi_node *mmi_parse_comp(mmi_parser *p, mmi_node_kind kind, mmi_node *element,
                         mmi_node *value);
/* Checks that a node can be assigned to (or deleted). */
bool mmi_check_target(mmi_parser *p, mmi_node *node, const char *verb);
/* Targets of a `for`: a, (b, c), *d. */
mmi_node *mmi_parse_targets(mmi_parser *p);

/* ---- statements (parser_stmt.c, parser_block.c, parser_match.c) ---- */

bool mmi_parse_statement(mmi_parser *p, mmi_list *out);
/* ':' and the block behind it. */
mmi_nodes mmi_parse_block(mmi_parser *p, const char *owner);
mmi_node *mmi_parse_simple(mmi_parser *p);
mmi_node *mmi_parse_compound(mmi_parser *p, bool *out_found);
mmi_node *mmi_parse_match(mmi_parser *p);
mmi_node *mmi_parse_decorated(mmi_parser *p);
mmi_node *mmi_parse_def(mmi_parser *p, mmi_nodes decorators, bool is_async);
mmi_node *mmi_parse_class(mmi_parser *p, mmi_nodes decorators);
mmi_node *mmi_parse_try(mmi_parser *p);
mmi_node *mmi_parse_with(mmi_parser *p, bool is_async);
mmi_node *mmi_parse_for(mmi_parser *p, bool is_async);

#endif
