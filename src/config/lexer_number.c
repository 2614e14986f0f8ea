/* Where numbers end. */
#include <string.h>

#include "config/chars.h"
#include "config/lexer.h"
#include "config/lexer_scan.h"

static bool is_digit_of(char c, int base)
{
    if (c >= '0' && c <= '9') {
        return c - '0' < base;
    }
    return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

/* Behind digits with single underscores between them; `p` itself if there are none. */
static const char *skip_digits(const char *p, const char *end, int base)
{
    while (p < end && is_digit_of(*p, base)) {
        p++;
        if (end - p > 1 && *p == '_' && is_digit_of(p[1], base)) {
            p++;
        }
    }
    return p;
}

static const char *skip_exponent(const char *p, const char *end)
{
    const char *digits = p + 1;

    if (p == end || (*p != 'e' && *p != 'E')) {
        return p;
    }
    if (digits < end && (*digits == '+' || *digits == '-')) {
        digits++;
    }
    return digits < end && is_digit_of(*digits, 10) ? skip_digits(digits, end, 10) : p;
}

/* Behind an int with a base prefix; NULL if `p` is none or has no digits. */
static const char *skip_based(const char *p, const char *end)
{
    int base = 0;
    const char *digits = p + 2;

    if (end - p < 2 || p[0] != '0') {
        return NULL;
    }
    base = p[1] == 'x' || p[1] == 'X'   ? 16
           : p[1] == 'o' || p[1] == 'O' ? 8
           : p[1] == 'b' || p[1] == 'B' ? 2
                                        : 0;
    if (base == 0) {
        return NULL;
    }
    if (digits < end && *digits == '_') {
        digits++;
    }
    p = skip_digits(digits, end, base);
    return p > digits ? p : NULL;
}

/* True if a keyword that may follow a number directly begins at `p`: `1if x else 2`. */
static bool is_glued_keyword(const char *p, const char *end)
{
    const char *name = p;

    while (p < end && mmi_is_name_part((unsigned char)*p)) {
        p++;
    }
    switch (mmi_find_keyword(name, (size_t)(p - name))) {
    case KW_AND:
    case KW_ELSE:
    case KW_FOR:
    case KW_IF:
    case KW_IN:
    case KW_IS:
    case KW_NOT:
    case KW_OR:
        return true;
    default:
        return false;
    }
}

/* True if a letter, digit or underscore stands at `p`. */
static bool is_name_at(const char *p, const char *end)
{
    uint32_t code = 0;

    return mmi_utf8_decode(p, (size_t)(end - p), &code) > 0 && mmi_is_name_part(code);
}

const char *mmi_number_end(const char *start, const char *end)
{
    const char *p = skip_based(start, end);

    if (p != NULL) {
        return p;
    }
    p = skip_digits(start, end, 10);
    if (p < end && *p == '.') {
        p = skip_digits(p + 1, end, 10);
    }
    p = skip_exponent(p, end);
    return p < end && (*p == 'j' || *p == 'J') ? p + 1 : p;
}

const char *mmi_number_tail(const char *p, const char *end)
{
    if (!is_name_at(p, end) || is_glued_keyword(p, end)) {
        return p;
    }
    while (p < end &&
           ((unsigned char)*p >= 0x80 || mmi_is_name_part((unsigned char)*p))) {
        p++;
    }
    return p;
}
