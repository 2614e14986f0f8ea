/* The lexer. One pass over the text fills one array of tokens. Indentation becomes
 * INDENT and DEDENT, line ends inside brackets vanish. What cannot be read ends the
 * array with a TOK_ERROR, so that the parser reports whatever is wrong further up
 * first. Strings are only delimited here; the parser decodes them. */
#include "config/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/chars.h"
#include "config/lexer_scan.h"
#include "mmengine/memory.h"

typedef struct lexer {
    const mmi_text *text;
    const char *data; /* the text */
    size_t at, end;   /* where we are, where to stop */
    int32_t line;
    size_t line_start;
    mmi_tokens *out;
    size_t room;
    mmi_token brackets[MMI_MAX_BRACKETS];
    int depth; /* open brackets */
    bool part; /* inside an f-string: no lines, no blocks */
    int indents[MMI_MAX_INDENTS];
    int alt_indents[MMI_MAX_INDENTS]; /* the same with tabs of 1: finds mixed tabs */
    int num_indents;
} lexer;

static const char *const tok_names[] = {
    [TOK_END] = "end of file",
    [TOK_ERROR] = "an error",
    [TOK_NEWLINE] = "end of line",
    [TOK_INDENT] = "an indented block",
    [TOK_DEDENT] = "the end of a block",
    [TOK_NAME] = "a name",
    [TOK_NUMBER] = "a number",
    [TOK_STRING] = "a string",
    [TOK_LPAREN] = "'('",
    [TOK_RPAREN] = "')'",
    [TOK_LBRACKET] = "'['",
    [TOK_RBRACKET] = "']'",
    [TOK_LBRACE] = "'{'",
    [TOK_RBRACE] = "'}'",
    [TOK_COMMA] = "','",
    [TOK_COLON] = "':'",
    [TOK_DOT] = "'.'",
    [TOK_SEMICOLON] = "';'",
    [TOK_AT] = "'@'",
    [TOK_ASSIGN] = "'='",
    [TOK_ARROW] = "'->'",
    [TOK_WALRUS] = "':='",
    [TOK_ELLIPSIS] = "'...'",
    [TOK_PLUS] = "'+'",
    [TOK_MINUS] = "'-'",
    [TOK_STAR] = "'*'",
    [TOK_SLASH] = "'/'",
    [TOK_DSLASH] = "'//'",
    [TOK_PERCENT] = "'%'",
    [TOK_DSTAR] = "'**'",
    [TOK_AMPER] = "'&'",
    [TOK_BAR] = "'|'",
    [TOK_CARET] = "'^'",
    [TOK_TILDE] = "'~'",
    [TOK_LSHIFT] = "'<<'",
    [TOK_RSHIFT] = "'>>'",
    [TOK_EQ] = "'=='",
    [TOK_NE] = "'!='",
    [TOK_LT] = "'<'",
    [TOK_GT] = "'>'",
    [TOK_LE] = "'<='",
    [TOK_GE] = "'>='",
    [TOK_PLUS_ASSIGN] = "'+='",
    [TOK_MINUS_ASSIGN] = "'-='",
    [TOK_STAR_ASSIGN] = "'*='",
    [TOK_SLASH_ASSIGN] = "'/='",
    [TOK_DSLASH_ASSIGN] = "'//='",
    [TOK_PERCENT_ASSIGN] = "'%='",
    [TOK_AT_ASSIGN] = "'@='",
    [TOK_AMPER_ASSIGN] = "'&='",
    [TOK_BAR_ASSIGN] = "'|='",
    [TOK_CARET_ASSIGN] = "'^='",
    [TOK_RSHIFT_ASSIGN] = "'>>='",
    [TOK_LSHIFT_ASSIGN] = "'<<='",
    [TOK_DSTAR_ASSIGN] = "'**='",
};

static const char *const keywords[] = {
    "False",  "None",   "True",    "and",      "as",       "assert", "async",
    "await",  "break",  "class",   "continue", "def",      "del",    "elif",
    "else",   "except", "finally", "for",      "from",     "global", "if",
    "import", "in",     "is",      "lambda",   "nonlocal", "not",    "or",
    "pass",   "raise",  "return",  "try",      "while",    "with",   "yield"};

enum { NUM_KEYWORDS = sizeof(keywords) / sizeof(keywords[0]) };

mmi_tok mmi_find_keyword(const char *text, size_t size)
{
    size_t low = 0;
    size_t high = NUM_KEYWORDS;

    if (size < 2 || size > 8) {
        return TOK_NAME;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strncmp(keywords[middle], text, size);

        if (order == 0 && keywords[middle][size] != '\0') {
            order = 1;
        }
        if (order == 0) {
            return (mmi_tok)(KW_FALSE + middle);
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return TOK_NAME;
}

bool mmi_is_keyword(const char *text, size_t size)
{
    return mmi_find_keyword(text, size) != TOK_NAME;
}

const char *mmi_tok_name(mmi_tok kind)
{
    if (kind >= KW_FALSE) {
        return keywords[kind - KW_FALSE];
    }
    return tok_names[kind];
}

static mm_status add_token(lexer *lex, mmi_tok kind, size_t start, size_t size)
{
    mmi_token *token = NULL;

    if (lex->out->count == lex->room) {
        size_t room = lex->room * 2 + 64;
        mmi_token *at = mm_realloc(lex->out->at, room * sizeof(*at));

        if (at == NULL) {
            return mm_pending();
        }
        lex->out->at = at;
        lex->room = room;
    }
    token = &lex->out->at[lex->out->count++];
    token->kind = (uint8_t)kind;
    token->start = (uint32_t)start;
    token->size = (uint32_t)size;
    if (lex->text->num_edits > 0) {
        mmi_text_place(lex->text, start, &token->line, &token->column);
    } else {
        token->line = lex->line;
        token->column = (int32_t)(start - lex->line_start) + 1;
    }
    return MM_OK;
}

/* Ends the array: what stands at `start` cannot be read. */
MM_PRINTF(3, 4)
static mm_status add_error(lexer *lex, size_t start, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    (void)vsnprintf(lex->out->error, sizeof(lex->out->error), format, values);
    va_end(values);
    lex->at = lex->end;
    return add_token(lex, TOK_ERROR, start, 0);
}

static bool has_error(const lexer *lex)
{
    return lex->out->count > 0 && lex->out->at[lex->out->count - 1].kind == TOK_ERROR;
}

/* ---- strings ---- */

static void count_lines(lexer *lex, size_t start, size_t end)
{
    const char *p = lex->data + start;
    const char *stop = lex->data + end;

    while (p < stop && (p = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
        p++;
        lex->line++;
        lex->line_start = (size_t)(p - lex->data);
    }
}

static mm_status lex_string(lexer *lex, size_t prefix)
{
    size_t start = lex->at;
    const char *quote = lex->data + start + prefix;
    bool formatted = prefix > 0 && (memchr(lex->data + start, 'f', prefix) != NULL ||
                                    memchr(lex->data + start, 'F', prefix) != NULL);
    const char *after = mmi_string_end(quote, lex->data + lex->end, formatted);

    if (after == NULL) {
        bool triple = lex->end - start - prefix >= 3 && quote[1] == quote[0] &&
                      quote[2] == quote[0];

        return add_error(lex, start,
                         triple ? "this triple-quoted string has no end"
                                : "this string has no end on its line");
    }
    lex->at = (size_t)(after - lex->data);
    if (add_token(lex, TOK_STRING, start, lex->at - start) != MM_OK) {
        return mm_pending();
    }
    count_lines(lex, start, lex->at);
    return MM_OK;
}

/* ---- numbers ---- */

static mm_status lex_number(lexer *lex)
{
    const char *start = lex->data + lex->at;
    const char *end = lex->data + lex->end;
    const char *p = mmi_number_end(start, end);
    const char *stop = mmi_number_tail(p, end);
    size_t offset = lex->at;

    if (stop != p) {
        return add_error(lex, offset, "invalid number '%.*s'",
                         (int)(stop - start > 40 ? 40 : stop - start), start);
    }
    lex->at += (size_t)(p - start);
    return add_token(lex, TOK_NUMBER, offset, (size_t)(p - start));
}

/* ---- names ---- */

static mm_status lex_name(lexer *lex)
{
    const char *p = lex->data;
    size_t at = lex->at;
    size_t start = at;

    while (at < lex->end) {
        uint32_t c = (unsigned char)p[at];
        size_t step = 1;

        if (c >= 0x80) {
            step = mmi_utf8_decode(p + at, lex->end - at, &c);
        }
        if (!mmi_is_name_part(c)) {
            break;
        }
        at += step;
    }
    lex->at = at;
    return add_token(lex, mmi_find_keyword(p + start, at - start), start, at - start);
}

/* ---- punctuation ---- */

typedef struct punctuation {
    char text[4];
    uint8_t kind;
} punctuation;

/* Longer before shorter. */
static const punctuation marks[] = {
    {"...", TOK_ELLIPSIS},
    {"**=", TOK_DSTAR_ASSIGN},
    {"//=", TOK_DSLASH_ASSIGN},
    {">>=", TOK_RSHIFT_ASSIGN},
    {"<<=", TOK_LSHIFT_ASSIGN},
    {"**", TOK_DSTAR},
    {"//", TOK_DSLASH},
    {">>", TOK_RSHIFT},
    {"<<", TOK_LSHIFT},
    {"->", TOK_ARROW},
    {":=", TOK_WALRUS},
    {"+=", TOK_PLUS_ASSIGN},
    {"-=", TOK_MINUS_ASSIGN},
    {"*=", TOK_STAR_ASSIGN},
    {"/=", TOK_SLASH_ASSIGN},
    {"%=", TOK_PERCENT_ASSIGN},
    {"@=", TOK_AT_ASSIGN},
    {"&=", TOK_AMPER_ASSIGN},
    {"|=", TOK_BAR_ASSIGN},
    {"^=", TOK_CARET_ASSIGN},
    {"==", TOK_EQ},
    {"!=", TOK_NE},
    {"<=", TOK_LE},
    {">=", TOK_GE},
    {"(", TOK_LPAREN},
    {")", TOK_RPAREN},
    {"[", TOK_LBRACKET},
    {"]", TOK_RBRACKET},
    {"{", TOK_LBRACE},
    {"}", TOK_RBRACE},
    {",", TOK_COMMA},
    {":", TOK_COLON},
    {".", TOK_DOT},
    {";", TOK_SEMICOLON},
    {"@", TOK_AT},
    {"=", TOK_ASSIGN},
    {"+", TOK_PLUS},
    {"-", TOK_MINUS},
    {"*", TOK_STAR},
    {"/", TOK_SLASH},
    {"%", TOK_PERCENT},
    {"&", TOK_AMPER},
    {"|", TOK_BAR},
    {"^", TOK_CARET},
    {"~", TOK_TILDE},
    {"<", TOK_LT},
    {">", TOK_GT},
};

static const punctuation *find_mark(const lexer *lex)
{
    const char *p = lex->data + lex->at;
    size_t left = lex->end - lex->at;

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        size_t size = 1;

        if (marks[i].text[0] != p[0]) {
            continue;
        }
        size = strlen(marks[i].text);
        if (size <= left && memcmp(marks[i].text, p, size) == 0) {
            return &marks[i];
        }
    }
    return NULL;
}

static mm_status close_bracket(lexer *lex, mmi_tok kind)
{
    const mmi_token *open = NULL;

    if (lex->depth == 0) {
        return add_error(lex, lex->at, "%s closes nothing", mmi_tok_name(kind));
    }
    open = &lex->brackets[lex->depth - 1];
    if ((mmi_tok)(open->kind + 1) != kind) {
        return add_error(lex, lex->at, "%s does not close the %s of line %d column %d",
                         mmi_tok_name(kind), mmi_tok_name((mmi_tok)open->kind),
                         (int)open->line, (int)open->column);
    }
    lex->depth--;
    return MM_OK;
}

static mm_status lex_mark(lexer *lex)
{
    const punctuation *mark = find_mark(lex);
    size_t start = lex->at;

    if (mark == NULL) {
        uint32_t c = 0;
        size_t size = mmi_utf8_decode(lex->data + start, lex->end - start, &c);

        return c >= 0x80 ? add_error(lex, start,
                                     "character '%.*s' (U+%04X) has no meaning here",
                                     (int)size, lex->data + start, (unsigned)c)
               : c < 0x20 || c == 0x7F
                   ? add_error(lex, start,
                               "control character 0x%02X has no meaning here",
                               (unsigned)c)
                   : add_error(lex, start, "character '%c' has no meaning here",
                               (char)c);
    }
    if (mark->kind == TOK_RPAREN || mark->kind == TOK_RBRACKET ||
        mark->kind == TOK_RBRACE) {
        if (close_bracket(lex, (mmi_tok)mark->kind) != MM_OK || has_error(lex)) {
            return mm_pending();
        }
    }
    lex->at += strlen(mark->text);
    if (add_token(lex, (mmi_tok)mark->kind, start, lex->at - start) != MM_OK) {
        return mm_pending();
    }
    if (mark->kind == TOK_LPAREN || mark->kind == TOK_LBRACKET ||
        mark->kind == TOK_LBRACE) {
        if (lex->depth == MMI_MAX_BRACKETS) {
            return add_error(lex, start, "more than %d nested brackets",
                             (int)MMI_MAX_BRACKETS);
        }
        lex->brackets[lex->depth++] = lex->out->at[lex->out->count - 1];
    }
    return MM_OK;
}

/* ---- lines and blocks ---- */

/* Measures the blanks at the beginning of a line and moves behind them. */
static void measure_indent(lexer *lex, int *out_column, int *out_alt)
{
    int column = 0;
    int alt = 0;

    for (; lex->at < lex->end; lex->at++) {
        char c = lex->data[lex->at];

        if (c == ' ') {
            column++;
            alt++;
        } else if (c == '\t') {
            column = (column / 8 + 1) * 8;
            alt++;
        } else if (c == '\f') {
            column = 0;
            alt = 0;
        } else {
            break;
        }
    }
    *out_column = column;
    *out_alt = alt;
}

static mm_status set_indent(lexer *lex, int column, int alt)
{
    int top = lex->num_indents - 1;

    if (column > lex->indents[top]) {
        if (alt <= lex->alt_indents[top]) {
            return add_error(lex, lex->at,
                             "tabs and spaces are mixed in this indentation");
        }
        if (lex->num_indents == MMI_MAX_INDENTS) {
            return add_error(lex, lex->at, "more than %d nested blocks",
                             (int)MMI_MAX_INDENTS);
        }
        lex->indents[lex->num_indents] = column;
        lex->alt_indents[lex->num_indents++] = alt;
        return add_token(lex, TOK_INDENT, lex->at, 0);
    }
    while (lex->num_indents > 1 && column < lex->indents[lex->num_indents - 1]) {
        lex->num_indents--;
        if (add_token(lex, TOK_DEDENT, lex->at, 0) != MM_OK) {
            return mm_pending();
        }
    }
    top = lex->num_indents - 1;
    if (column != lex->indents[top]) {
        return add_error(lex, lex->at, "this indentation matches no outer block");
    }
    if (alt != lex->alt_indents[top]) {
        return add_error(lex, lex->at, "tabs and spaces are mixed in this indentation");
    }
    return MM_OK;
}

static void skip_comment(lexer *lex)
{
    const char *p = memchr(lex->data + lex->at, '\n', lex->end - lex->at);

    lex->at = p == NULL ? lex->end : (size_t)(p - lex->data);
}

static void next_line(lexer *lex)
{
    lex->at++;
    lex->line++;
    lex->line_start = lex->at;
}

/* At the beginning of a line: skips empty ones, then makes INDENT and DEDENT. */
static mm_status begin_line(lexer *lex)
{
    while (lex->at < lex->end) {
        int column = 0;
        int alt = 0;

        measure_indent(lex, &column, &alt);
        if (lex->at < lex->end && lex->data[lex->at] == '#') {
            skip_comment(lex);
        }
        if (lex->at == lex->end) {
            return MM_OK;
        }
        if (lex->data[lex->at] != '\n') {
            return set_indent(lex, column, alt);
        }
        next_line(lex);
    }
    return MM_OK;
}

/* Skips blanks, comments and joined lines. */
static mm_status skip_blanks(lexer *lex)
{
    while (lex->at < lex->end) {
        char c = lex->data[lex->at];

        if (c == ' ' || c == '\t' || c == '\f') {
            lex->at++;
        } else if (c == '#') {
            skip_comment(lex);
        } else if (c == '\n' && (lex->depth > 0 || lex->part)) {
            next_line(lex);
        } else if (c == '\\') {
            if (lex->at + 1 >= lex->end) {
                return add_error(lex, lex->at, "a line continues but the file ends");
            }
            if (lex->data[lex->at + 1] != '\n') {
                return add_error(lex, lex->at, "a backslash must end its line");
            }
            lex->at++;
            next_line(lex);
        } else {
            break;
        }
    }
    return MM_OK;
}

static mm_status lex_token(lexer *lex)
{
    const char *p = lex->data + lex->at;
    size_t left = lex->end - lex->at;
    size_t prefix = mmi_string_prefix(p, p + left);

    if (prefix != SIZE_MAX) {
        return lex_string(lex, prefix);
    }
    if ((*p >= '0' && *p <= '9') ||
        (*p == '.' && left > 1 && p[1] >= '0' && p[1] <= '9')) {
        return lex_number(lex);
    }
    if ((unsigned char)*p < 0x80) {
        return mmi_is_name_start((unsigned char)*p) ? lex_name(lex) : lex_mark(lex);
    }
    uint32_t c = 0;
    (void)mmi_utf8_decode(p, left, &c);
    return mmi_is_name_start(c) ? lex_name(lex) : lex_mark(lex);
}

/* Ends the last line, closes all blocks. */
static mm_status end_text(lexer *lex)
{
    const mmi_tokens *out = lex->out;

    if (has_error(lex)) {
        return MM_OK;
    }
    if (lex->depth > 0) {
        lex->out->unclosed = lex->brackets[lex->depth - 1];
    }
    if (!lex->part && lex->depth == 0) {
        if (out->count > 0 && out->at[out->count - 1].kind != TOK_NEWLINE &&
            out->at[out->count - 1].kind != TOK_DEDENT) {
            (void)add_token(lex, TOK_NEWLINE, lex->at, 0);
        }
        while (--lex->num_indents > 0) {
            (void)add_token(lex, TOK_DEDENT, lex->at, 0);
        }
    }
    return add_token(lex, TOK_END, lex->at, 0);
}

static mm_status run(lexer *lex)
{
    bool fresh = !lex->part;

    while (lex->at < lex->end && !mm_has_error()) {
        if (fresh && begin_line(lex) != MM_OK) {
            break;
        }
        fresh = false;
        if (skip_blanks(lex) != MM_OK || lex->at >= lex->end) {
            break;
        }
        if (lex->data[lex->at] == '\n') {
            (void)add_token(lex, TOK_NEWLINE, lex->at, 1);
            next_line(lex);
            fresh = true;
        } else {
            (void)lex_token(lex);
        }
    }
    return mm_has_error() ? mm_pending() : end_text(lex);
}

mm_status mmi_lex(const mmi_text *text, mmi_tokens *out)
{
    lexer lex = {.text = text, .data = text->data, .end = text->size, .line = 1};

    memset(out, 0, sizeof(*out));
    if (text->size >= UINT32_MAX) {
        return mm_raise(MM_ECONFIG, "%s: a file of %zu bytes is too large", text->file,
                        text->size);
    }
    lex.out = out;
    lex.num_indents = 1;
    return run(&lex);
}

mm_status mmi_lex_part(const mmi_text *text, const mmi_token *literal, size_t start,
                       size_t end, mmi_tokens *out)
{
    lexer lex = {
        .text = text, .data = text->data, .at = start, .end = end, .part = true};

    memset(out, 0, sizeof(*out));
    lex.out = out;
    lex.line = literal->line;
    lex.line_start = literal->start - (size_t)(literal->column - 1);
    lex.num_indents = 1;
    out->is_part = true;
    if (text->num_edits == 0) {
        count_lines(&lex, literal->start, start);
    }
    return run(&lex);
}

void mmi_tokens_deinit(mmi_tokens *tokens)
{
    mm_free(tokens->at);
    tokens->at = NULL;
    tokens->count = 0;
}
