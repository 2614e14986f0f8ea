/* Literals: numbers, strings with all their prefixes and escapes, f-strings. Adjacent
 * literals are one. The fields of an f-string are lexed and parsed from their own bytes
 * of the text, so that every node inside keeps its place. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/bigint.h"
#include "config/chars.h"
#include "config/parser.h"
#include "config/util.h"
#include "mmengine/number.h"

enum {
    MAX_DIGITS = 4300, /* of a decimal literal, as in CPython */
    MAX_FIELDS = 8     /* fields nested in format specs and fields */
};

/* One string token taken apart. */
typedef struct literal {
    const mmi_token *token;
    size_t at, end; /* what stands between the quotes */
    bool raw, bytes, formatted;
} literal;

/* The parts of an f-string on their way to a node. */
typedef struct joined {
    mmi_list parts;
    mmi_str run; /* text not yet added */
    const mmi_token *token;
} joined;

static mmi_node *unsupported(mmi_parser *p, const mmi_token *token, const char *what)
{
    mmi_node *node = mmi_new_node(p, NODE_UNSUPPORTED, token);

    if (node != NULL) {
        node->u.name = what;
    }
    return node;
}

/* ---- numbers ---- */

static mm_value *parse_int(mmi_parser *p, const mmi_token *token, const char *digits,
                           size_t size, int base)
{
    mmi_big big = {0};
    mm_value *value = NULL;

    if (base == 10 && size > MAX_DIGITS) {
        return mmi_syntax_error(p, token, "an int of more than %d digits",
                                (int)MAX_DIGITS);
    }
    if (base == 10 && size > 1 && digits[0] == '0' && strspn(digits, "0") < size) {
        (void)mmi_syntax_error(p, token, "an int may not begin with 0");
        (void)mm_error_hint("write 0o%s for an octal number", digits + 1);
        return NULL;
    }
    if (base == 10 && size < 19) {
        int64_t sum = 0;

        for (size_t i = 0; i < size; i++) {
            sum = sum * 10 + (digits[i] - '0');
        }
        return mm_value_new_i64(sum);
    }
    value = mmi_big_parse(&big, digits, size, base) ? mmi_big_value(&big) : NULL;
    mmi_big_deinit(&big);
    return value;
}

static mm_value *number_value(mmi_parser *p, const mmi_token *token, const char *digits,
                              size_t size)
{
    char second = size > 1 ? (char)(digits[1] | 32) : '\0';
    int base = digits[0] != '0' ? 10
               : second == 'x'  ? 16
               : second == 'o'  ? 8
               : second == 'b'  ? 2
                                : 10;
    double value = 0;

    if (base != 10) {
        return parse_int(p, token, digits + 2, size - 2, base);
    }
    if (strpbrk(digits, ".eE") == NULL) {
        return parse_int(p, token, digits, size, 10);
    }
    if (mm_f64_scan(digits, size, &value) != size) {
        return mmi_syntax_error(p, token, "invalid number '%s'", digits);
    }
    return mm_value_new_f64(value);
}

mmi_node *mmi_parse_number(mmi_parser *p)
{
    const mmi_token *token = mmi_next(p);
    const char *text = p->text->data + token->start;
    char *digits = mmi_arena_alloc(&p->ast->arena, token->size + 1);
    size_t size = 0;

    if (digits == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < token->size; i++) {
        if (text[i] != '_') {
            digits[size++] = text[i];
        }
    }
    if ((digits[size - 1] | 32) == 'j' && (size < 2 || (digits[1] | 32) != 'x')) {
        return unsupported(p, token, "a complex number");
    }
    return mmi_new_constant(p, token, number_value(p, token, digits, size));
}

/* ---- escapes ---- */

static literal take_apart(const mmi_parser *p, const mmi_token *token)
{
    const char *text = p->text->data + token->start;
    literal out = {.token = token};
    size_t at = 0;
    size_t quotes = 1;

    for (; text[at] != '\'' && text[at] != '"'; at++) {
        char c = (char)(text[at] | 32);

        out.raw = out.raw || c == 'r';
        out.bytes = out.bytes || c == 'b';
        out.formatted = out.formatted || c == 'f';
    }
    if (token->size >= at + 6 && text[at + 1] == text[at] && text[at + 2] == text[at]) {
        quotes = 3;
    }
    out.at = token->start + at + quotes;
    out.end = token->start + token->size - quotes;
    return out;
}

/* An error at an offset of the text. */
static void *fail(mmi_parser *p, const mmi_token *token, size_t offset,
                  const char *text)
{
    mmi_token place = *token;

    mmi_text_place(p->text, offset, &place.line, &place.column);
    return mmi_syntax_error(p, &place, "%s", text);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xhh, \uhhhh, \Uhhhhhhhh: exactly `count` digits behind `at`. */
static size_t decode_hex(mmi_parser *p, const literal *lit, size_t at, int count,
                         mmi_str *out)
{
    const char *text = p->text->data;
    uint32_t value = 0;

    for (int i = 0; i < count; i++) {
        int digit = at + (size_t)i < lit->end ? hex_value(text[at + (size_t)i]) : -1;

        if (digit < 0) {
            (void)fail(p, lit->token, at - 2, "this escape needs more hex digits");
            return lit->end;
        }
        value = value << 4 | (uint32_t)digit;
    }
    if (lit->bytes) {
        mmi_str_add_char(out, (char)value);
    } else if (value > 0x10FFFF) {
        (void)fail(p, lit->token, at - 2, "this escape is no Unicode character");
    } else if (value >= 0xD800 && value < 0xE000) {
        p->unsupported = "half of a surrogate pair";
    } else {
        mmi_str_add_utf8(out, value);
    }
    return at + (size_t)count;
}

static size_t decode_octal(mmi_parser *p, const literal *lit, size_t at, mmi_str *out)
{
    const char *text = p->text->data;
    uint32_t value = 0;
    int count = 0;

    while (count < 3 && at < lit->end && text[at] >= '0' && text[at] <= '7') {
        value = value * 8 + (uint32_t)(text[at++] - '0');
        count++;
    }
    if (lit->bytes) {
        mmi_str_add_char(out, (char)(value & 0xFFU));
    } else {
        mmi_str_add_utf8(out, value);
    }
    return at;
}

/* The escape at `at` (a backslash); returns what follows it. */
static size_t decode_escape(mmi_parser *p, const literal *lit, size_t at, mmi_str *out)
{
    static const char from[] = "\\'\"abfnrtv";
    static const char to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = at + 1 < lit->end ? p->text->data[at + 1] : '\0';
    const char *found = c == '\0' ? NULL : strchr(from, c);

    if (found != NULL) {
        mmi_str_add_char(out, to[found - from]);
        return at + 2;
    }
    if (c == '\n') {
        return at + 2;
    }
    if (c >= '0' && c <= '7') {
        return decode_octal(p, lit, at + 1, out);
    }
    if (c == 'x') {
        return decode_hex(p, lit, at + 2, 2, out);
    }
    if (!lit->bytes && c == 'u') {
        return decode_hex(p, lit, at + 2, 4, out);
    }
    if (!lit->bytes && c == 'U') {
        return decode_hex(p, lit, at + 2, 8, out);
    }
    if (!lit->bytes && c == 'N') {
        p->unsupported = "a character by name (\\N{...})";
        at += 2;
        while (at < lit->end && p->text->data[at] != '}') {
            at++;
        }
        return at;
    }
    mmi_str_add_char(out, '\\'); /* not an escape: both characters stay */
    return at + 1;
}

/* Decodes bytes [at, end) without f-string fields. */
static void decode(mmi_parser *p, const literal *lit, size_t at, size_t end,
                   mmi_str *out)
{
    const char *text = p->text->data;

    while (at < end && !mm_has_error()) {
        const char *escape = lit->raw ? NULL : memchr(text + at, '\\', end - at);
        size_t stop = escape == NULL ? end : (size_t)(escape - text);

        mmi_str_add_n(out, text + at, stop - at);
        at = stop == end ? end : decode_escape(p, lit, stop, out);
    }
}

/* ---- f-strings ---- */

static bool parse_joined(mmi_parser *p, const literal *lit, size_t *at, bool in_spec,
                         int depth, joined *out);

static void end_run(mmi_parser *p, joined *out)
{
    if (out->run.size > 0) {
        mmi_list_add(&out->parts,
                     mmi_new_constant(p, out->token, mmi_str_value(&out->run)));
    }
    mmi_str_deinit(&out->run);
}

static mmi_node *finish_joined(mmi_parser *p, joined *out)
{
    mmi_node *node = NULL;

    end_run(p, out);
    node = mmi_new_node(p, NODE_JOINED, out->token);
    mmi_nodes parts = mmi_list_take(p, &out->parts);
    if (node != NULL) {
        node->u.items = parts;
    }
    return mm_has_error() ? NULL : node;
}

/* The expression in bytes [at, end) of a literal. */
static mmi_node *parse_inner(mmi_parser *p, const literal *lit, size_t at, size_t end)
{
    mmi_tokens tokens = {0};
    mmi_parser inner = *p;
    mmi_node *node = NULL;

    if (!mmi_enter(p)) {
        return NULL;
    }
    inner.tokens = &tokens;
    inner.at = 0;
    inner.depth = p->depth + 4;
    if (mmi_lex_part(p->text, lit->token, at, end, &tokens) == MM_OK) {
        node = mmi_peek_kind(&inner) == KW_YIELD ? mmi_parse_yield(&inner)
                                                 : mmi_parse_expressions(&inner);
        if (node != NULL && mmi_accept(&inner, TOK_WALRUS)) {
            node = mmi_syntax_error(&inner, mmi_peek(&inner),
                                    "':=' in an f-string needs brackets");
        } else if (node != NULL && mmi_peek_kind(&inner) != TOK_END) {
            node = mmi_expected(&inner, "'}' after the expression");
        }
    }
    mmi_tokens_deinit(&tokens);
    mmi_leave(p);
    return node;
}

static bool is_blank(const mmi_parser *p, size_t at, size_t end)
{
    while (at < end && strchr(" \t\n\f", p->text->data[at]) != NULL) {
        at++;
    }
    return at == end;
}

/* `!r` and `:spec` of a field. */
static bool parse_tail(mmi_parser *p, const literal *lit, size_t *at, int depth,
                       mmi_node *field)
{
    const char *text = p->text->data;

    if (*at < lit->end && text[*at] == '!') {
        char c = *at + 1 < lit->end ? text[*at + 1] : '\0';

        if (c != 'r' && c != 's' && c != 'a') {
            (void)fail(p, lit->token, *at, "expected 'r', 's' or 'a' after '!'");
            return false;
        }
        field->op = (uint8_t)c;
        *at += 2;
    }
    if (*at < lit->end && text[*at] == ':') {
        joined spec = {.token = lit->token};

        *at += 1;
        (void)parse_joined(p, lit, at, true, depth + 1, &spec);
        field->u.field.spec = finish_joined(p, &spec);
    }
    if (!mm_has_error() && (*at >= lit->end || text[*at] != '}')) {
        (void)fail(p, lit->token, *at, "expected '}' to end the f-string field");
    }
    *at += 1;
    return !mm_has_error();
}

/* A field; `*at` stands behind its '{'. */
static mmi_node *parse_field(mmi_parser *p, const literal *lit, size_t *at, int depth)
{
    const char *text = p->text->data;
    size_t begin = *at;
    size_t end = mmi_field_end(p->text, begin, lit->end);
    mmi_node *node = mmi_new_node(p, NODE_FIELD, lit->token);

    if (node == NULL) {
        return NULL;
    }
    if (depth >= MAX_FIELDS) {
        return fail(p, lit->token, begin, "f-string fields are nested too deeply");
    }
    if (is_blank(p, begin, end)) {
        return fail(p, lit->token, begin, "an f-string field needs an expression");
    }
    node->u.field.value = parse_inner(p, lit, begin, end);
    if (node->u.field.value == NULL) {
        return NULL;
    }
    *at = end;
    if (end < lit->end && text[end] == '=') {
        *at = end + 1;
        while (*at < lit->end && strchr(" \t\n", text[*at]) != NULL) {
            *at += 1;
        }
        node->u.field.echo = mmi_arena_text(&p->ast->arena, text + begin, *at - begin);
    }
    return parse_tail(p, lit, at, depth, node) ? node : NULL;
}

/* Text and fields up to the end, or up to '}' in a format spec. */
static bool parse_joined(mmi_parser *p, const literal *lit, size_t *at, bool in_spec,
                         int depth, joined *out)
{
    const char *text = p->text->data;

    while (*at < lit->end && !mm_has_error()) {
        char c = text[*at];
        char next = *at + 1 < lit->end ? text[*at + 1] : '\0';

        if (c == '\\' && !lit->raw) {
            *at = decode_escape(p, lit, *at, &out->run);
        } else if ((c == '{' || c == '}') && next == c && !in_spec) {
            mmi_str_add_char(&out->run, c);
            *at += 2;
        } else if (c == '}' && in_spec) {
            break;
        } else if (c == '}') {
            (void)fail(p, lit->token, *at, "a single '}' in an f-string");
            (void)mm_error_hint("write '}}' for the character itself");
        } else if (c == '{') {
            *at += 1;
            end_run(p, out);
            mmi_list_add(&out->parts, parse_field(p, lit, at, depth));
        } else {
            mmi_str_add_char(&out->run, c);
            *at += 1;
        }
    }
    return !mm_has_error();
}

/* ---- strings ---- */

static bool check_bytes(mmi_parser *p, const literal *lit)
{
    for (size_t i = lit->at; i < lit->end; i++) {
        if ((unsigned char)p->text->data[i] >= 0x80) {
            (void)fail(p, lit->token, i, "bytes literals hold ASCII characters only");
            return false;
        }
    }
    return true;
}

/* All adjacent literals; false with an error. */
static bool parse_parts(mmi_parser *p, bool bytes, joined *out, bool *out_formatted)
{
    while (mmi_peek_kind(p) == TOK_STRING && !mm_has_error()) {
        literal lit = take_apart(p, mmi_next(p));

        if (lit.bytes != bytes) {
            (void)mmi_syntax_error(p, lit.token,
                                   "bytes and text literals side by side");
            return false;
        }
        if (lit.formatted) {
            *out_formatted = true;
            (void)parse_joined(p, &lit, &lit.at, false, 0, out);
        } else if (!bytes || check_bytes(p, &lit)) {
            decode(p, &lit, lit.at, lit.end, &out->run);
        }
    }
    return !mm_has_error();
}

static mmi_node *string_node(mmi_parser *p, joined *out, bool bytes)
{
    if (bytes && !mm_has_error()) {
        mm_value *value = mm_value_new_bytes(mmi_str_text(&out->run), out->run.size);

        mmi_str_deinit(&out->run);
        return mmi_new_constant(p, out->token, value);
    }
    return mmi_new_constant(p, out->token, mmi_str_value(&out->run));
}

mmi_node *mmi_parse_string(mmi_parser *p)
{
    const mmi_token *token = mmi_peek(p);
    joined out = {.token = token};
    bool bytes = take_apart(p, token).bytes;
    bool formatted = false;
    mmi_node *node = NULL;

    p->unsupported = NULL;
    (void)parse_parts(p, bytes, &out, &formatted);
    if (formatted) {
        node = finish_joined(p, &out);
    } else {
        (void)mmi_list_take(p, &out.parts);
        node = string_node(p, &out, bytes);
    }
    return node != NULL && p->unsupported != NULL
               ? unsupported(p, token, p->unsupported)
               : node;
}
