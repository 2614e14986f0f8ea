/* Atoms and what may trail them: names, literals, displays, comprehensions, calls,
 * attributes, subscripts, lambdas. */
#include <string.h>

#include "config/parser.h"

/* ---- displays ---- */

static bool is_comp(const mmi_parser *p)
{
    return mmi_peek_kind(p) == KW_FOR ||
           (mmi_peek_kind(p) == KW_ASYNC && mmi_peek_second(p) == KW_FOR);
}

static mmi_node *parse_item(mmi_parser *p)
{
    return mmi_peek_kind(p) == TOK_STAR ? mmi_parse_star_expression(p)
                                        : mmi_parse_named(p);
}

/* "',' or ']'" and, where two values stand side by side, the likely cause. */
static void *missing_comma(mmi_parser *p, mmi_tok close)
{
    mmi_tok kind = mmi_peek_kind(p);
    const char *what = close == TOK_RPAREN     ? "',' or ')'"
                       : close == TOK_RBRACKET ? "',' or ']'"
                                               : "',' or '}'";

    (void)mmi_expected(p, what);
    if (kind == TOK_NAME || kind == TOK_NUMBER || kind == TOK_STRING) {
        (void)mm_error_hint("a comma may be missing before it");
    } else if (kind == TOK_COLON && close == TOK_RPAREN) {
        (void)mm_error_hint("in a call a name and its value are joined by '='");
    } else if (kind == TOK_ASSIGN && close == TOK_RBRACE) {
        (void)mm_error_hint("in braces a key and its value are joined by ':'");
    }
    return NULL;
}

/* Items up to and with `close`, behind `first`. */
static mmi_nodes parse_items(mmi_parser *p, mmi_node *first, mmi_tok close)
{
    mmi_list items = {0};

    mmi_list_add(&items, first);
    while (!mm_has_error() && !mmi_accept(p, close)) {
        if (items.count > 0 && !mmi_accept(p, TOK_COMMA)) {
            (void)missing_comma(p, close);
        } else if (mmi_peek_kind(p) != close) {
            mmi_list_add(&items, parse_item(p));
        }
    }
    return mmi_list_take(p, &items);
}

/* (...): a tuple, a generator, a yield or just an expression. */
static mmi_node *parse_parens(mmi_parser *p)
{
    const mmi_token *open = mmi_next(p);
    mmi_node *node = NULL;

    if (mmi_accept(p, TOK_RPAREN)) {
        node = mmi_new_node(p, NODE_TUPLE, open);
    } else if (mmi_peek_kind(p) == KW_YIELD) {
        node = mmi_parse_yield(p);
        return mmi_expect(p, TOK_RPAREN, "to close the bracket") ? node : NULL;
    } else {
        mmi_node *first = parse_item(p);

        if (first != NULL && is_comp(p)) {
            node = mmi_parse_comp(p, NODE_GENERATOR, first, NULL);
            if (node == NULL || !mmi_expect(p, TOK_RPAREN, "to close the generator")) {
                return NULL;
            }
            node->line = open->line;
            node->column = open->column;
        } else if (first != NULL && mmi_peek_kind(p) == TOK_COMMA) {
            node = mmi_new_node(p, NODE_TUPLE, open);
            if (node != NULL) {
                node->u.items = parse_items(p, first, TOK_RPAREN);
            }
        } else if (first != NULL && first->kind == NODE_STARRED) {
            return mmi_node_error(p, first, "a starred expression is not allowed here");
        } else if (first != NULL) {
            if (!mmi_accept(p, TOK_RPAREN)) {
                return missing_comma(p, TOK_RPAREN);
            }
            node = first;
        }
    }
    if (node != NULL) {
        node->flag = true;
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_brackets(mmi_parser *p)
{
    const mmi_token *open = mmi_next(p);
    mmi_node *node = NULL;
    mmi_node *first = NULL;

    if (mmi_accept(p, TOK_RBRACKET)) {
        return mmi_new_node(p, NODE_LIST, open);
    }
    first = parse_item(p);
    if (first == NULL) {
        return NULL;
    }
    if (is_comp(p)) {
        node = mmi_parse_comp(p, NODE_LIST_COMP, first, NULL);
        if (node == NULL || !mmi_expect(p, TOK_RBRACKET, "to close the list")) {
            return NULL;
        }
        node->line = open->line;
        node->column = open->column;
        return node;
    }
    node = mmi_new_node(p, NODE_LIST, open);
    if (node != NULL) {
        node->u.items = parse_items(p, first, TOK_RBRACKET);
    }
    return mm_has_error() ? NULL : node;
}

/* `k: v` or `**m`; the key of the latter is NULL. False with an error. */
static bool parse_pair(mmi_parser *p, mmi_node **out_key, mmi_node **out_value)
{
    *out_key = NULL;
    if (mmi_accept(p, TOK_DSTAR)) {
        *out_value = mmi_parse_bitor(p);
        return *out_value != NULL;
    }
    *out_key = mmi_parse_expression(p);
    if (*out_key == NULL || !mmi_expect(p, TOK_COLON, "after the key")) {
        return false;
    }
    *out_value = mmi_parse_expression(p);
    return *out_value != NULL;
}

/* A dict display behind its first pair. A NULL key is kept as the value itself in
 * `keys` until the lists are taken, since lists skip NULL. */
static mmi_node *finish_dict(mmi_parser *p, const mmi_token *open, mmi_node *key,
                             mmi_node *value)
{
    mmi_list keys = {0};
    mmi_list values = {0};
    mmi_node *node = mmi_new_node(p, NODE_DICT, open);

    while (!mm_has_error()) {
        mmi_list_add(&keys, key == NULL ? value : key);
        mmi_list_add(&values, value);
        if (mmi_accept(p, TOK_COMMA)) {
            if (mmi_accept(p, TOK_RBRACE)) {
                break;
            }
            (void)parse_pair(p, &key, &value);
        } else if (mmi_accept(p, TOK_RBRACE)) {
            break;
        } else {
            (void)missing_comma(p, TOK_RBRACE);
        }
    }
    mmi_nodes key_nodes = mmi_list_take(p, &keys);
    mmi_nodes value_nodes = mmi_list_take(p, &values);
    if (node == NULL || mm_has_error()) {
        return NULL;
    }
    for (int32_t i = 0; i < key_nodes.count; i++) {
        if (key_nodes.at[i] == value_nodes.at[i]) {
            key_nodes.at[i] = NULL;
        }
    }
    node->u.dict.keys = key_nodes;
    node->u.dict.values = value_nodes;
    return node;
}

static mmi_node *parse_set_display(mmi_parser *p, const mmi_token *open,
                                   mmi_node *first)
{
    mmi_node *node = NULL;

    if (is_comp(p)) {
        node = mmi_parse_comp(p, NODE_SET_COMP, first, NULL);
        if (node == NULL || !mmi_expect(p, TOK_RBRACE, "to close the set")) {
            return NULL;
        }
        return node;
    }
    node = mmi_new_node(p, NODE_SET, open);
    if (node != NULL) {
        node->u.items = parse_items(p, first, TOK_RBRACE);
    }
    return mm_has_error() ? NULL : node;
}

static mmi_node *parse_braces(mmi_parser *p)
{
    const mmi_token *open = mmi_next(p);
    mmi_node *key = NULL;
    mmi_node *value = NULL;
    mmi_node *node = NULL;

    if (mmi_accept(p, TOK_RBRACE)) {
        return mmi_new_node(p, NODE_DICT, open);
    }
    if (mmi_peek_kind(p) == TOK_DSTAR) {
        return parse_pair(p, &key, &value) ? finish_dict(p, open, key, value) : NULL;
    }
    key = parse_item(p);
    if (key == NULL) {
        return NULL;
    }
    if (mmi_peek_kind(p) != TOK_COLON) {
        return parse_set_display(p, open, key);
    }
    (void)mmi_next(p);
    value = mmi_parse_expression(p);
    if (value == NULL) {
        return NULL;
    }
    if (!is_comp(p)) {
        return finish_dict(p, open, key, value);
    }
    node = mmi_parse_comp(p, NODE_DICT_COMP, key, value);
    return node != NULL && mmi_expect(p, TOK_RBRACE, "to close the dict") ? node : NULL;
}

/* ---- comprehensions ---- */

static bool parse_clause(mmi_parser *p, mmi_clause *out)
{
    mmi_list conditions = {0};

    out->is_async = mmi_accept(p, KW_ASYNC);
    if (!mmi_expect(p, KW_FOR, "in the comprehension")) {
        return false;
    }
    out->target = mmi_parse_targets(p);
    if (out->target == NULL || !mmi_expect(p, KW_IN, "after the targets of 'for'")) {
        return false;
    }
    out->iter = mmi_parse_disjunction(p); /* `for x in a if b` must leave the `if` */
    while (!mm_has_error() && mmi_accept(p, KW_IF)) {
        mmi_list_add(&conditions, mmi_parse_disjunction(p));
    }
    out->conditions = mmi_list_take(p, &conditions);
    return !mm_has_error();
}

mmi_node *mmi_parse_comp(mmi_parser *p, mmi_node_kind kind, mmi_node *element,
                         mmi_node *value)
{
    enum { MOST = 20 };
    mmi_clause clauses[MOST] = {0};
    mmi_node *node = mmi_new_node_at(p, kind, element);
    int32_t count = 0;

    if (element->kind == NODE_STARRED) {
        return mmi_node_error(p, element, "a comprehension cannot unpack with '*'");
    }
    while (is_comp(p)) {
        if (count == MOST) {
            return mmi_syntax_error(p, mmi_peek(p), "more than %d nested 'for'",
                                    (int)MOST);
        }
        if (!parse_clause(p, &clauses[count++])) {
            return NULL;
        }
    }
    if (node == NULL) {
        return NULL;
    }
    node->u.comp.element = element;
    node->u.comp.value = value;
    node->u.comp.num_clauses = count;
    node->u.comp.clauses =
        mmi_arena_alloc(&p->ast->arena, (size_t)count * sizeof(mmi_clause));
    if (node->u.comp.clauses == NULL) {
        return NULL;
    }
    memcpy(node->u.comp.clauses, clauses, (size_t)count * sizeof(mmi_clause));
    return node;
}

/* ---- calls ---- */

static mmi_node *parse_keyword(mmi_parser *p)
{
    mmi_node *node = mmi_new_node(p, NODE_KEYWORD, mmi_peek(p));

    if (node == NULL) {
        return NULL;
    }
    if (mmi_accept(p, TOK_DSTAR)) {
        node->u.keyword.value = mmi_parse_expression(p);
    } else {
        node->u.keyword.name = mmi_token_text(p, mmi_next(p));
        (void)mmi_next(p); /* the '=' */
        node->u.keyword.value = mmi_parse_expression(p);
    }
    return mm_has_error() ? NULL : node;
}

static bool is_repeated(const mmi_list *keywords, const mmi_node *node)
{
    for (int32_t i = 0; node->u.keyword.name != NULL && i < keywords->count; i++) {
        const char *name = keywords->at[i]->u.keyword.name;

        if (name != NULL && strcmp(name, node->u.keyword.name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_keyword(mmi_parser *p, mmi_list *keywords)
{
    mmi_node *node = parse_keyword(p);

    if (node != NULL && is_repeated(keywords, node)) {
        (void)mmi_node_error(p, node, "the argument '%s' is given twice",
                             node->u.keyword.name);
    }
    mmi_list_add(keywords, node);
}

static void add_positional(mmi_parser *p, mmi_list *args, const mmi_list *keywords)
{
    mmi_node *node = parse_item(p);

    if (node == NULL) {
        return;
    }
    if (mmi_peek_kind(p) == TOK_ASSIGN) {
        (void)mmi_node_error(p, node, "%s cannot name an argument",
                             mmi_node_name(node));
        (void)mm_error_hint("use '==' to compare");
    } else if (is_comp(p)) {
        bool alone = args->count == 0 && keywords->count == 0;

        node = mmi_parse_comp(p, NODE_GENERATOR, node, NULL);
        if (node != NULL && (!alone || mmi_peek_kind(p) == TOK_COMMA)) {
            /* f(x for x in y,) alone is accepted by no Python either */
            (void)mmi_node_error(p, node,
                                 "a generator among other arguments needs "
                                 "brackets of its own");
        }
    } else if (keywords->count > 0 && node->kind != NODE_STARRED) {
        (void)mmi_node_error(p, node,
                             "a positional argument follows a keyword argument");
    }
    mmi_list_add(args, node);
}

bool mmi_parse_arguments(mmi_parser *p, mmi_nodes *out_args, mmi_nodes *out_keywords)
{
    mmi_list args = {0};
    mmi_list keywords = {0};

    while (!mm_has_error() && !mmi_accept(p, TOK_RPAREN)) {
        if (args.count + keywords.count > 0) {
            if (!mmi_accept(p, TOK_COMMA)) {
                (void)missing_comma(p, TOK_RPAREN);
                break;
            }
            if (mmi_accept(p, TOK_RPAREN)) {
                break;
            }
        }
        if (mmi_peek_kind(p) == TOK_DSTAR ||
            (mmi_peek_kind(p) == TOK_NAME && mmi_peek_second(p) == TOK_ASSIGN)) {
            add_keyword(p, &keywords);
        } else {
            add_positional(p, &args, &keywords);
        }
    }
    *out_args = mmi_list_take(p, &args);
    *out_keywords = mmi_list_take(p, &keywords);
    return !mm_has_error();
}

/* ---- subscripts ---- */

static bool ends_slice(const mmi_parser *p)
{
    mmi_tok kind = mmi_peek_kind(p);

    return kind == TOK_COLON || kind == TOK_COMMA || kind == TOK_RBRACKET;
}

static mmi_node *parse_slice(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    mmi_node *lower = NULL;
    mmi_node *node = NULL;

    if (mmi_peek_kind(p) != TOK_COLON) {
        lower = parse_item(p);
        if (lower == NULL || mmi_peek_kind(p) != TOK_COLON) {
            return lower;
        }
    }
    (void)mmi_next(p);
    node = mmi_new_node(p, NODE_SLICE, token);
    if (node == NULL) {
        return NULL;
    }
    node->u.slice.lower = lower;
    if (!ends_slice(p)) {
        node->u.slice.upper = mmi_parse_expression(p);
    }
    if (!mm_has_error() && mmi_accept(p, TOK_COLON) && !ends_slice(p)) {
        node->u.slice.step = mmi_parse_expression(p);
    }
    return mm_has_error() ? NULL : node;
}

/* The index behind '[' up to and with ']': one slice or a tuple of them. */
static mmi_node *parse_index(mmi_parser *p)
{
    mmi_node *first = parse_slice(p);
    mmi_list items = {0};
    mmi_node *node = NULL;

    if (first == NULL) {
        return NULL;
    }
    if (mmi_accept(p, TOK_RBRACKET)) {
        return first;
    }
    mmi_list_add(&items, first);
    while (!mm_has_error() && !mmi_accept(p, TOK_RBRACKET)) {
        if (!mmi_accept(p, TOK_COMMA)) {
            (void)missing_comma(p, TOK_RBRACKET);
        } else if (mmi_peek_kind(p) != TOK_RBRACKET) {
            mmi_list_add(&items, parse_slice(p));
        }
    }
    node = mmi_new_node_at(p, NODE_TUPLE, first);
    mmi_nodes taken = mmi_list_take(p, &items);
    if (node != NULL) {
        node->u.items = taken;
    }
    return mm_has_error() ? NULL : node;
}

/* ---- primary ---- */

static mmi_node *parse_attribute(mmi_parser *p, mmi_node *object)
{
    mmi_node *node = mmi_new_node_at(p, NODE_ATTRIBUTE, object);
    const mmi_token *token = NULL;

    (void)mmi_next(p);
    token = mmi_peek(p);
    if (node == NULL) {
        return NULL;
    }
    node->u.attribute.object = object;
    node->u.attribute.line = token->line;
    node->u.attribute.column = token->column;
    node->u.attribute.name = mmi_expect_name(p, "a name after '.'");
    return node->u.attribute.name == NULL ? NULL : node;
}

mmi_node *mmi_parse_primary(mmi_parser *p)
{
    mmi_node *node = mmi_parse_atom(p);

    while (node != NULL) {
        mmi_node *object = node;

        if (mmi_peek_kind(p) == TOK_DOT) {
            node = parse_attribute(p, object);
        } else if (mmi_peek_kind(p) == TOK_LPAREN) {
            (void)mmi_next(p);
            node = mmi_new_node_at(p, NODE_CALL, object);
            if (node != NULL) {
                node->u.call.callee = object;
                node =
                    mmi_parse_arguments(p, &node->u.call.args, &node->u.call.keywords)
                        ? node
                        : NULL;
            }
        } else if (mmi_peek_kind(p) == TOK_LBRACKET) {
            (void)mmi_next(p);
            node = mmi_new_node_at(p, NODE_SUBSCRIPT, object);
            if (node != NULL) {
                node->u.subscript.object = object;
                node->u.subscript.index = parse_index(p);
                node = node->u.subscript.index == NULL ? NULL : node;
            }
        } else {
            return node;
        }
    }
    return NULL;
}

/* Names that tell which parts of the world a file can see. */
static void note_name(mmi_ast *ast, const char *name)
{
    static const char *const viewers[] = {"locals", "globals", "vars", "dir", "eval"};

    ast->num_base_names += strcmp(name, "_base_") == 0;
    for (size_t i = 0; i < sizeof(viewers) / sizeof(viewers[0]); i++) {
        ast->sees_globals = ast->sees_globals || strcmp(name, viewers[i]) == 0;
    }
}

static mmi_node *parse_name(mmi_parser *p)
{
    const mmi_token *token = mmi_next(p);
    mmi_node *node = mmi_new_node(p, NODE_NAME, token);

    if (node != NULL && (node->u.name = mmi_token_text(p, token)) != NULL) {
        note_name(p->ast, node->u.name);
    }
    return mm_has_error() ? NULL : node;
}

mmi_node *mmi_parse_atom(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);

    switch (token->kind) {
    case TOK_NAME:
        return parse_name(p);
    case TOK_NUMBER:
        return mmi_parse_number(p);
    case TOK_STRING:
        return mmi_parse_string(p);
    case TOK_LPAREN:
        return parse_parens(p);
    case TOK_LBRACKET:
        return parse_brackets(p);
    case TOK_LBRACE:
        return parse_braces(p);
    case KW_NONE:
        return mmi_new_constant(p, mmi_next(p), mm_value_new_none());
    case KW_TRUE:
        return mmi_new_constant(p, mmi_next(p), mm_value_new_bool(true));
    case KW_FALSE:
        return mmi_new_constant(p, mmi_next(p), mm_value_new_bool(false));
    case TOK_ELLIPSIS:
        return mmi_new_constant(p, mmi_next(p), mmi_new_ellipsis());
    default:
        return mmi_expected(p, "a value");
    }
}

/* ---- parameters and lambdas ---- */

typedef struct param_list {
    mmi_param at[100];
    int32_t count;
    bool star, slash, fallback; /* what was seen */
} param_list;

static mmi_param *add_param(mmi_parser *p, param_list *list, mmi_param_kind kind)
{
    mmi_param *param = &list->at[list->count];

    if (list->count == (int32_t)(sizeof(list->at) / sizeof(list->at[0]))) {
        return mmi_syntax_error(p, mmi_peek(p), "more than %d parameters",
                                (int)list->count);
    }
    list->count++;
    memset(param, 0, sizeof(*param));
    param->kind = kind;
    param->line = mmi_peek(p)->line;
    param->column = mmi_peek(p)->column;
    return param;
}

static bool parse_slash(mmi_parser *p, param_list *list)
{
    const mmi_token *token = mmi_next(p);

    if (list->count == 0 || list->slash || list->star) {
        (void)mmi_syntax_error(p, token, "'/' must follow positional parameters");
        return false;
    }
    list->slash = true;
    for (int32_t i = 0; i < list->count; i++) {
        list->at[i].kind = PARAM_POSITIONAL;
    }
    return true;
}

/* One parameter with its star, annotation and default. */
static bool parse_param(mmi_parser *p, param_list *list, mmi_tok end)
{
    bool star = mmi_accept(p, TOK_STAR);
    bool dstar = !star && mmi_accept(p, TOK_DSTAR);
    mmi_param_kind kind = star         ? PARAM_STAR
                          : dstar      ? PARAM_DSTAR
                          : list->star ? PARAM_KEYWORD
                                       : PARAM_NORMAL;
    const mmi_token *token = mmi_peek(p);
    mmi_param *param = add_param(p, list, kind);

    if (param == NULL) {
        return false;
    }
    if (star && list->star) {
        (void)mmi_syntax_error(p, token, "'*' may appear only once");
        return false;
    }
    list->star = list->star || star;
    if (star && mmi_peek_kind(p) == TOK_COMMA) {
        return true;
    }
    param->name = mmi_expect_name(p, "a parameter name");
    if (param->name != NULL && end == TOK_RPAREN && mmi_accept(p, TOK_COLON)) {
        param->annotation = mmi_parse_star_expression(p);
    }
    if (!mm_has_error() && !star && !dstar && mmi_accept(p, TOK_ASSIGN)) {
        param->fallback = mmi_parse_expression(p);
        list->fallback = list->fallback || kind == PARAM_NORMAL;
    } else if (kind == PARAM_NORMAL && list->fallback && !mm_has_error()) {
        (void)mmi_syntax_error(p, token,
                               "a parameter without default follows one with default");
    }
    return !mm_has_error();
}

static bool check_params(mmi_parser *p, const param_list *list)
{
    for (int32_t i = 0; i < list->count; i++) {
        const mmi_param *param = &list->at[i];

        if (param->kind == PARAM_DSTAR && i != list->count - 1) {
            (void)mmi_syntax_error(p, mmi_peek(p), "'**%s' must be the last parameter",
                                   param->name);
            return false;
        }
        for (int32_t j = 0; j < i && param->name != NULL; j++) {
            if (list->at[j].name != NULL &&
                strcmp(list->at[j].name, param->name) == 0) {
                (void)mmi_syntax_error(p, mmi_peek(p), "two parameters are called '%s'",
                                       param->name);
                return false;
            }
        }
    }
    return true;
}

bool mmi_parse_params(mmi_parser *p, mmi_function *function, mmi_tok end)
{
    param_list *list = mmi_arena_alloc(&p->ast->arena, sizeof(*list));

    if (list == NULL) {
        return false;
    }
    while (!mm_has_error() && mmi_peek_kind(p) != end) {
        bool good = mmi_peek_kind(p) == TOK_SLASH ? parse_slash(p, list)
                                                  : parse_param(p, list, end);

        if (!good) {
            return false;
        }
        if (mmi_peek_kind(p) != end &&
            !mmi_expect(p, TOK_COMMA, "after the parameter")) {
            return false;
        }
    }
    if (mm_has_error() || !check_params(p, list)) {
        return false;
    }
    function->num_params = list->count;
    function->params =
        mmi_arena_alloc(&p->ast->arena, (size_t)(list->count + 1) * sizeof(mmi_param));
    if (function->params == NULL) {
        return false;
    }
    memcpy(function->params, list->at, (size_t)list->count * sizeof(mmi_param));
    return true;
}

mmi_node *mmi_parse_lambda(mmi_parser *p)
{
    const mmi_token *token = mmi_next(p);
    mmi_node *node = mmi_new_node(p, NODE_LAMBDA, token);
    mmi_function *function = mmi_arena_alloc(&p->ast->arena, sizeof(*function));
    mmi_function *outer = p->function;

    if (node == NULL || function == NULL) {
        return NULL;
    }
    function->name = "<lambda>";
    node->u.function = function;
    if (!mmi_parse_params(p, function, TOK_COLON)) {
        return NULL;
    }
    (void)mmi_next(p);
    p->function = function;
    function->result = mmi_parse_expression(p);
    p->function = outer;
    return function->result == NULL ? NULL : node;
}
