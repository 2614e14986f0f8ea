/* The syntax tree of Python 3. Nodes live in the tree's arena; every node knows the
 * line and column where it begins. Constants are values that the tree owns. */
#ifndef MM_CONFIG_AST_H
#define MM_CONFIG_AST_H

#include "config/arena.h"
#include "config/text.h"

typedef enum mmi_node_kind {
    /* expressions */
    NODE_NAME,
    NODE_CONSTANT,
    NODE_UNSUPPORTED, /* parsed, an error when evaluated; `name` says what it is */
    NODE_JOINED,      /* f-string: constants and fields */
    NODE_FIELD,       /* one {...} of it */
    NODE_TUPLE,
    NODE_LIST,
    NODE_SET,
    NODE_DICT,
    NODE_UNARY,
    NODE_BINARY,
    NODE_BOOLEAN, /* and, or */
    NODE_COMPARE,
    NODE_CONDITIONAL,
    NODE_LAMBDA,
    NODE_CALL,
    NODE_KEYWORD, /* k=v or **v of a call */
    NODE_ATTRIBUTE,
    NODE_SUBSCRIPT,
    NODE_SLICE,
    NODE_STARRED,
    NODE_LIST_COMP,
    NODE_SET_COMP,
    NODE_DICT_COMP,
    NODE_GENERATOR,
    NODE_AWAIT,
    NODE_YIELD,
    NODE_YIELD_FROM,
    NODE_WALRUS,
    /* statements */
    NODE_EXPRESSION,
    NODE_ASSIGN,
    NODE_AUG_ASSIGN,
    NODE_ANN_ASSIGN,
    NODE_DELETE,
    NODE_PASS,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_RETURN,
    NODE_RAISE,
    NODE_ASSERT,
    NODE_GLOBAL,
    NODE_NONLOCAL,
    NODE_IMPORT,
    NODE_IMPORT_FROM,
    NODE_IF,
    NODE_WHILE,
    NODE_FOR,
    NODE_TRY,
    NODE_WITH,
    NODE_DEF,
    NODE_CLASS,
    NODE_MATCH,
    NODE_TYPE_ALIAS
} mmi_node_kind;

/* Binary and unary operators. */
typedef enum mmi_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_MATMUL,
    OP_DIV,
    OP_FLOOR_DIV,
    OP_MOD,
    OP_POW,
    OP_LSHIFT,
    OP_RSHIFT,
    OP_OR,
    OP_XOR,
    OP_AND,
    /* unary */
    OP_POS,
    OP_NEG,
    OP_INVERT,
    OP_NOT,
    /* comparisons */
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN,
    OP_IS,
    OP_IS_NOT,
    /* boolean */
    OP_BOTH,  /* and */
    OP_EITHER /* or */
} mmi_op;

typedef struct mmi_node mmi_node;

typedef struct mmi_nodes {
    mmi_node **at;
    int32_t count;
} mmi_nodes;

/* A name and, in imports, what it is bound to. */
typedef struct mmi_alias {
    const char *name;  /* dotted; "*" */
    const char *bound; /* after `as`, or NULL */
    int32_t line, column;
} mmi_alias;

typedef enum mmi_param_kind {
    PARAM_POSITIONAL, /* before a '/' */
    PARAM_NORMAL,
    PARAM_STAR,    /* *args; name NULL for a bare '*' */
    PARAM_KEYWORD, /* behind the star */
    PARAM_DSTAR    /* **kwargs */
} mmi_param_kind;

typedef struct mmi_param {
    const char *name;
    mmi_node *fallback; /* default value, or NULL */
    mmi_node *annotation;
    mmi_param_kind kind;
    int32_t line, column;
} mmi_param;

/* The names that a function or comprehension binds; computed at first use. */
typedef struct mmi_names {
    const char **at;
    int32_t count, room;
} mmi_names;

/* A def or a lambda. */
typedef struct mmi_function {
    const char *name; /* "<lambda>" */
    mmi_param *params;
    int32_t num_params;
    mmi_nodes body;   /* of a def */
    mmi_node *result; /* of a lambda */
    mmi_node *returns;
    mmi_nodes decorators;
    bool is_async;
    bool is_generator;
    bool has_names;    /* the three below are known */
    mmi_names locals;  /* parameters and all names bound in the body */
    mmi_names globals; /* declared global */
    mmi_names outers;  /* declared nonlocal */
} mmi_function;

/* for TARGET in ITER if ... */
typedef struct mmi_clause {
    mmi_node *target, *iter;
    mmi_nodes conditions;
    bool is_async;
} mmi_clause;

typedef struct mmi_handler {
    mmi_node *type; /* NULL: everything */
    const char *name;
    mmi_nodes body;
    int32_t line, column;
} mmi_handler;

typedef struct mmi_case {
    mmi_node *pattern; /* kept as the expression it looks like */
    mmi_node *guard;
    mmi_nodes body;
} mmi_case;

struct mmi_node {
    uint8_t kind; /* mmi_node_kind */
    uint8_t op;   /* mmi_op; conversion of a field ('r', 's', 'a' or 0) */
    bool flag;    /* meaning by kind: in parentheses, async, ... */
    int32_t line, column;
    union {
        const char *name; /* NAME, UNSUPPORTED; GLOBAL and NONLOCAL use `names` */
        mm_value *constant;
        mmi_nodes items; /* JOINED, TUPLE, LIST, SET, BOOLEAN, DELETE */
        struct {
            mmi_nodes keys; /* NULL: **value */
            mmi_nodes values;
        } dict;
        mmi_node *operand; /* UNARY, STARRED, AWAIT, YIELD*, EXPRESSION, RETURN */
        struct {
            mmi_node *left, *right;
        } binary; /* also WALRUS and AUG_ASSIGN: target, value */
        struct {
            mmi_node *first;
            mmi_nodes rest;
            uint8_t *ops; /* one for each of `rest` */
        } compare;
        struct {
            mmi_node *test, *yes, *no;
        } conditional;
        mmi_function *function; /* LAMBDA, DEF */
        struct {
            mmi_node *callee;
            mmi_nodes args;
            mmi_nodes keywords;
        } call;
        struct {
            const char *name; /* NULL: **value */
            mmi_node *value;
        } keyword;
        struct {
            mmi_node *object;
            const char *name;
            int32_t line, column; /* of the name */
        } attribute;
        struct {
            mmi_node *object, *index;
        } subscript;
        struct {
            mmi_node *lower, *upper, *step;
        } slice;
        struct {
            mmi_node *element; /* key of a dict comprehension */
            mmi_node *value;
            mmi_clause *clauses;
            int32_t num_clauses;
            mmi_names *locals;
        } comp;
        struct {
            mmi_node *value;
            mmi_node *spec;   /* JOINED or NULL */
            const char *echo; /* "x=" of {x=}, or NULL */
        } field;
        struct {
            mmi_nodes targets;
            mmi_node *value;
        } assign;
        struct {
            mmi_node *target, *annotation, *value;
        } annotated;
        struct {
            mmi_node *what, *cause;
        } raise;         /* also ASSERT: condition, message */
        mmi_names names; /* GLOBAL, NONLOCAL */
        struct {
            const char *module; /* IMPORT_FROM; NULL: only dots */
            int32_t level;      /* leading dots */
            mmi_alias *aliases;
            int32_t num_aliases;
        } import;
        struct {
            mmi_node *test;
            mmi_nodes body, otherwise;
        } branch; /* IF, WHILE */
        struct {
            mmi_node *target, *iter;
            mmi_nodes body, otherwise;
        } loop;
        struct {
            mmi_nodes body;
            mmi_handler *handlers;
            int32_t num_handlers;
            mmi_nodes otherwise, finally;
        } attempt;
        struct {
            mmi_nodes contexts, targets; /* a target may be NULL */
            mmi_nodes body;
        } with;
        struct {
            const char *name;
            mmi_nodes args, keywords, body, decorators;
        } class_def;
        struct {
            mmi_node *subject;
            mmi_case *cases;
            int32_t num_cases;
        } match;
    } u;
};

/* One parsed file. */
typedef struct mmi_ast {
    mmi_arena arena;
    const char *file; /* interned */
    mmi_nodes body;
    mm_value *constants;    /* a list that owns the constants */
    int32_t num_base_names; /* how often the name _base_ stands in the file */
    bool sees_globals;      /* it names locals(), globals() or the like */
} mmi_ast;

/* Parses a text. The tree does not need the text any more. Errors: MM_ECONFIG with
 * place.
 */
mm_status mmi_parse(const mmi_text *text, mmi_ast *out);

void mmi_ast_deinit(mmi_ast *ast);

/* The place of a node. */
mm_source mmi_node_source(const mmi_ast *ast, const mmi_node *node);

/* "a call", "a comparison": how messages call a node. */
const char *mmi_node_name(const mmi_node *node);

/* "+", "//", "not in". */
const char *mmi_op_text(mmi_op op);

#endif
