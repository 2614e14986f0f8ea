/* What a plain scalar of YAML 1.1 is: the rules of PyYAML's resolver, which are regular
 * expressions there and small scanners here. The order of the questions matters. */
#include <string.h>

#include "fileio/yaml.h"

/* The rest of a scalar. */
struct scan {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take(struct scan *scan, char c)
{
    if (scan->at < scan->end && *scan->at == c) {
        scan->at++;
        return true;
    }
    return false;
}

static bool take_sign(struct scan *scan)
{
    return take(scan, '-') || take(scan, '+');
}

/* Takes all characters that stand in `set`; returns how many. */
static size_t take_all(struct scan *scan, const char *set)
{
    const char *begin = scan->at;

    while (scan->at < scan->end && *scan->at != '\0' &&
           strchr(set, *scan->at) != NULL) {
        scan->at++;
    }
    return (size_t)(scan->at - begin);
}

static size_t take_digits(struct scan *scan)
{
    return take_all(scan, "0123456789");
}

static bool at_digit(const struct scan *scan)
{
    return scan->at < scan->end && is_digit(*scan->at);
}

/* Takes (:[0-5]?[0-9])+ and nothing if there is none. True if there was one. */
static bool take_sixties(struct scan *scan)
{
    bool found = false;

    for (;;) {
        struct scan ahead = *scan;

        if (!take(&ahead, ':') || !at_digit(&ahead)) {
            return found;
        }
        if (*ahead.at++ <= '5' && at_digit(&ahead)) {
            ahead.at++;
        }
        *scan = ahead;
        found = true;
    }
}

static bool is_word(const struct scan *scan, const char *const *words)
{
    size_t size = (size_t)(scan->end - scan->at);

    for (; *words != NULL; words++) {
        if (strlen(*words) == size && memcmp(*words, scan->at, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_bool(struct scan scan)
{
    static const char *const words[] = {
        "yes",   "Yes",   "YES", "no", "No", "NO",  "true", "True", "TRUE", "false",
        "False", "FALSE", "on",  "On", "ON", "off", "Off",  "OFF",  NULL};

    return is_word(&scan, words);
}

static bool is_null(struct scan scan)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

    return is_word(&scan, words);
}

/* An exponent needs its sign; none at all is fine. True if the text ends behind it. */
static bool ends_with_exponent(struct scan scan)
{
    if (scan.at == scan.end) {
        return true;
    }
    if (!take(&scan, 'e') && !take(&scan, 'E')) {
        return false;
    }
    return take_sign(&scan) && take_digits(&scan) > 0 && scan.at == scan.end;
}

static bool is_float(struct scan scan)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    bool has_sign = take_sign(&scan);

    if (is_word(&scan, infinities) || (!has_sign && is_word(&scan, nans))) {
        return true;
    }
    if (take(&scan, '.')) { /* .5 has no sign */
        if (has_sign || !at_digit(&scan)) {
            return false;
        }
        (void)take_all(&scan, "0123456789_");
        return ends_with_exponent(scan);
    }
    if (!at_digit(&scan)) {
        return false;
    }
    (void)take_all(&scan, "0123456789_");
    bool has_sixties = take_sixties(&scan);

    if (!take(&scan, '.')) {
        return false;
    }
    (void)take_all(&scan, "0123456789_");
    return has_sixties ? scan.at == scan.end : ends_with_exponent(scan);
}

static bool is_int(struct scan scan)
{
    (void)take_sign(&scan);
    if (!at_digit(&scan)) {
        return false;
    }
    if (take(&scan, '0')) {
        const char *digits = "01234567_";
        bool may_be_empty = true;

        if (take(&scan, 'b')) {
            digits = "01_";
            may_be_empty = false;
        } else if (take(&scan, 'x')) {
            digits = "0123456789abcdefABCDEF_";
            may_be_empty = false;
        }
        return (take_all(&scan, digits) > 0 || may_be_empty) && scan.at == scan.end;
    }
    (void)take_all(&scan, "0123456789_");
    (void)take_sixties(&scan);
    return scan.at == scan.end;
}

/* Takes between `low` and `high` digits. */
static bool take_some(struct scan *scan, int low, int high)
{
    int count = 0;

    while (count < high && at_digit(scan)) {
        scan->at++;
        count++;
    }
    return count >= low;
}

/* A time of day behind a date, with its zone. */
static bool is_time(struct scan scan)
{
    if (!take(&scan, 'T') && !take(&scan, 't') && take_all(&scan, " \t") == 0) {
        return false;
    }
    if (!take_some(&scan, 1, 2) || !take(&scan, ':') || !take_some(&scan, 2, 2) ||
        !take(&scan, ':') || !take_some(&scan, 2, 2)) {
        return false;
    }
    if (take(&scan, '.')) {
        (void)take_digits(&scan);
    }
    if (scan.at == scan.end) {
        return true;
    }
    (void)take_all(&scan, " \t");
    if (take(&scan, 'Z')) {
        return scan.at == scan.end;
    }
    if (!take_sign(&scan) || !take_some(&scan, 1, 2)) {
        return false;
    }
    return scan.at == scan.end ||
           (take(&scan, ':') && take_some(&scan, 2, 2) && scan.at == scan.end);
}

bool mmi_yaml_is_date(const char *text, size_t size, bool is_strict)
{
    struct scan scan = {text, text + size};

    if (!take_some(&scan, 4, 4) || !take(&scan, '-') || !take_some(&scan, 1, 2) ||
        !take(&scan, '-') || !take_some(&scan, 1, 2)) {
        return false;
    }
    return scan.at == scan.end ? size == 10 || !is_strict : is_time(scan);
}

mmi_yaml_tag mmi_yaml_resolve(const char *text, size_t size)
{
    struct scan scan = {text, text + size};
    char first = size > 0 ? text[0] : '\0';

    if (size == 0 || strchr("~nN", first) != NULL) {
        if (is_null(scan)) {
            return MMI_YAML_NULL;
        }
    }
    if (is_digit(first) || first == '-' || first == '+' || first == '.') {
        return is_float(scan)                       ? MMI_YAML_FLOAT
               : is_int(scan)                       ? MMI_YAML_INT
               : mmi_yaml_is_date(text, size, true) ? MMI_YAML_TIMESTAMP
                                                    : MMI_YAML_STR;
    }
    if (is_bool(scan)) {
        return MMI_YAML_BOOL;
    }
    if (size == 2 && memcmp(text, "<<", 2) == 0) {
        return MMI_YAML_MERGE;
    }
    return size == 1 && first == '=' ? MMI_YAML_VALUE : MMI_YAML_STR;
}
