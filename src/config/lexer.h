/* Tokens of Python 3 source text. The whole text becomes one array, so that the parser
 * can look ahead and step back for free. */
#ifndef MM_CONFIG_LEXER_H
#define MM_CONFIG_LEXER_H

#include "config/text.h"

/* Kinds of tokens. Keywords are in alphabetical order (the lexer searches them). */
typedef enum mmi_tok {
    TOK_END,
    TOK_ERROR, /* the text cannot be read from here on; see mmi_tokens.error */
    TOK_NEWLINE,
    TOK_INDENT,
    TOK_DEDENT,
    TOK_NAME,
    TOK_NUMBER,
    TOK_STRING,
    /* punctuation */
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_COMMA,
    TOK_COLON,
    TOK_DOT,
    TOK_SEMICOLON,
    TOK_AT,
    TOK_ASSIGN,
    TOK_ARROW,
    TOK_WALRUS,
    TOK_ELLIPSIS,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR,
    TOK_SLASH,
    TOK_DSLASH,
    TOK_PERCENT,
    TOK_DSTAR,
    TOK_AMPER,
    TOK_BAR,
    TOK_CARET,
    TOK_TILDE,
    TOK_LSHIFT,
    TOK_RSHIFT,
    TOK_EQ,
    TOK_NE,
    TOK_LT,
    TOK_GT,
    TOK_LE,
    TOK_GE,
    TOK_PLUS_ASSIGN,
    TOK_MINUS_ASSIGN,
    TOK_STAR_ASSIGN,
    TOK_SLASH_ASSIGN,
    TOK_DSLASH_ASSIGN,
    TOK_PERCENT_ASSIGN,
    TOK_AT_ASSIGN,
    TOK_AMPER_ASSIGN,
    TOK_BAR_ASSIGN,
    TOK_CARET_ASSIGN,
    TOK_RSHIFT_ASSIGN,
    TOK_LSHIFT_ASSIGN,
    TOK_DSTAR_ASSIGN,
    /* keywords */
    KW_FALSE,
    KW_NONE,
    KW_TRUE,
    KW_AND,
    KW_AS,
    KW_ASSERT,
    KW_ASYNC,
    KW_AWAIT,
    KW_BREAK,
    KW_CLASS,
    KW_CONTINUE,
    KW_DEF,
    KW_DEL,
    KW_ELIF,
    KW_ELSE,
    KW_EXCEPT,
    KW_FINALLY,
    KW_FOR,
    KW_FROM,
    KW_GLOBAL,
    KW_IF,
    KW_IMPORT,
    KW_IN,
    KW_IS,
    KW_LAMBDA,
    KW_NONLOCAL,
    KW_NOT,
    KW_OR,
    KW_PASS,
    KW_RAISE,
    KW_RETURN,
    KW_TRY,
    KW_WHILE,
    KW_WITH,
    KW_YIELD
} mmi_tok;

typedef struct mmi_token {
    uint8_t kind; /* mmi_tok */
    int32_t line, column;
    uint32_t start, size; /* bytes in the text */
} mmi_token;

enum {
    MMI_MAX_BRACKETS = 200, /* nested brackets, as in CPython */
    MMI_MAX_INDENTS = 100   /* nested blocks, as in CPython */
};

typedef struct mmi_tokens {
    mmi_token *at; /* the last one is TOK_END or TOK_ERROR */
    size_t count;
    bool is_part;       /* of a field of an f-string */
    char error[200];    /* what is wrong at a TOK_ERROR */
    mmi_token unclosed; /* the innermost bracket that is never closed; size 0: none */
} mmi_tokens;

/* Splits a text. A lexical error is a token, so that what stands before it is parsed
 * first. Errors: MM_ENOMEM. */
mm_status mmi_lex(const mmi_text *text, mmi_tokens *out);

/* The same for an expression inside an f-string: bytes [start, end) of the text, which
 * lie in the string token `literal`. Line breaks mean nothing there. */
mm_status mmi_lex_part(const mmi_text *text, const mmi_token *literal, size_t start,
                       size_t end, mmi_tokens *out);

void mmi_tokens_deinit(mmi_tokens *tokens);

/* "'('", "name", "end of line": how messages call a kind of token. */
const char *mmi_tok_name(mmi_tok kind);

/* The token of a keyword, or TOK_NAME. */
mmi_tok mmi_find_keyword(const char *text, size_t size);

/* The first byte of an f-string's replacement field at or after `at` that ends its
 * expression: '}', ':', '!' or '=' (of `{x=}`). `limit` if there is none. */
size_t mmi_field_end(const mmi_text *text, size_t at, size_t limit);

#endif
