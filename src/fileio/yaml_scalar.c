/* Scalars of YAML to values, by the rules of PyYAML's constructors: underscores fall
 * away, 0b, 0x and a leading 0 change the base, colons count in sixties. A text that a
 * tag was put on by hand is checked as Python's int() and float() would. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "fileio/text.h"
#include "fileio/yaml.h"
#include "mmengine/number.h"

/* More digits than Python turns into an int, and than we want to multiply. */
enum { MAX_DIGITS = 4300 };

/* A text on its way to a number: without underscores and sign, in small letters. */
struct number {
    mmi_str text;
    bool is_negative;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* False if nothing is left. */
static bool normalize(struct number *number, const char *text, size_t size)
{
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    while (size > 0 && is_blank(text[size - 1])) {
        size--;
    }
    if (size > 0 && (text[0] == '-' || text[0] == '+')) {
        number->is_negative = text[0] == '-';
        text++;
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '_') {
            char c = text[i];

            mmi_str_add_char(&number->text,
                             c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
        }
    }
    return number->text.size > 0;
}

/* ---- ints ---- */

/* A natural number in limbs of nine decimal digits, the lowest first. */
struct natural {
    uint32_t limbs[MAX_DIGITS / 9 + 2];
    size_t count;
};

/* number = number * factor + addend. False if it gets too large. */
static bool multiply(struct natural *number, uint32_t factor, uint32_t addend)
{
    const uint64_t base = 1000000000;
    uint64_t carry = addend;

    for (size_t i = 0; i < number->count; i++) {
        carry += (uint64_t)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)(carry % base);
        carry /= base;
    }
    while (carry > 0) {
        if (number->count == sizeof(number->limbs) / sizeof(number->limbs[0])) {
            return false;
        }
        number->limbs[number->count++] = (uint32_t)(carry % base);
        carry /= base;
    }
    return true;
}

static mm_value *natural_value(const struct natural *number, bool is_negative)
{
    mmi_str out = {0};

    mmi_str_add(&out, is_negative && number->count > 0 ? "-" : "");
    mmi_str_addf(&out, "%u",
                 number->count > 0 ? (unsigned)number->limbs[number->count - 1] : 0);
    for (size_t i = number->count; i > 1; i--) {
        mmi_str_addf(&out, "%09u", (unsigned)number->limbs[i - 2]);
    }
    mm_value *value = mm_value_new_bigint(mmi_str_text(&out));

    mmi_str_deinit(&out);
    return value;
}

/* Digits of a base. False if one is none of it or there are too many. */
static bool read_digits(const char *digits, uint32_t base, struct natural *out)
{
    if (*digits == '\0') {
        return false;
    }
    for (; *digits != '\0'; digits++) {
        int digit = mmi_hex_digit(*digits);

        if (digit < 0 || (uint32_t)digit >= base ||
            !multiply(out, base, (uint32_t)digit)) {
            return false;
        }
    }
    return true;
}

/* "1:30:20": each part counts sixty of the next. The first may have any size. */
static bool read_sixties(const char *text, struct natural *out)
{
    for (bool is_first = true;; is_first = false) {
        uint32_t part = 0;
        size_t size = strspn(text, "0123456789");

        if (size == 0 || (size > 9 && !is_first) ||
            (text[size] != ':' && text[size] != '\0')) {
            return false;
        }
        for (size_t i = 0; i < size; i++) {
            if (is_first && !multiply(out, 10, (uint32_t)(text[i] - '0'))) {
                return false;
            }
            part = is_first ? 0 : part * 10 + (uint32_t)(text[i] - '0');
        }
        if (!is_first && !multiply(out, 60, part)) {
            return false;
        }
        if (text[size] == '\0') {
            return true;
        }
        text += size + 1;
    }
}

static mm_value *int_of(const char *text, size_t size, char *why)
{
    struct number number = {0};
    struct natural natural = {.count = 0};
    bool good = normalize(&number, text, size);
    const char *digits = mmi_str_text(&number.text);
    mm_value *value = NULL;

    if (good && strlen(digits) == number.text.size && number.text.size <= MAX_DIGITS) {
        good = strncmp(digits, "0b", 2) == 0   ? read_digits(digits + 2, 2, &natural)
               : strncmp(digits, "0x", 2) == 0 ? read_digits(digits + 2, 16, &natural)
               : digits[0] == '0' && digits[1] == 'o'
                   ? read_digits(digits + 2, 8, &natural)
               : digits[0] == '0'            ? read_digits(digits, 8, &natural)
               : strchr(digits, ':') != NULL ? read_sixties(digits, &natural)
                                             : read_digits(digits, 10, &natural);
    } else {
        good = false;
    }
    if (good) {
        value = natural_value(&natural, number.is_negative);
    } else if (number.text.size > MAX_DIGITS) {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "an int of %zu digits is too large",
                       number.text.size);
    } else {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "'%.*s' is no int",
                       size > 60 ? 60 : (int)size, text);
    }
    mmi_str_deinit(&number.text);
    return value;
}

/* ---- floats ---- */

/* Each part counts sixty of the next; added up from the last, as PyYAML does. */
static bool float_sixties(const char *text, size_t size, double *out)
{
    double base = 1.0;

    *out = 0.0;
    for (size_t end = size;; base *= 60.0) {
        size_t begin = end;
        double part = 0.0;

        while (begin > 0 && text[begin - 1] != ':') {
            begin--;
        }
        if (begin == end ||
            mm_f64_scan(text + begin, end - begin, &part) != end - begin) {
            return false;
        }
        *out += part * base;
        if (begin == 0) {
            return true;
        }
        end = begin - 1;
    }
}

static bool read_float(const struct number *number, double *out)
{
    const char *text = mmi_str_text(&number->text);
    size_t size = number->text.size;

    if (strcmp(text, ".inf") == 0) {
        *out = (double)INFINITY;
        return true;
    }
    if (strcmp(text, ".nan") == 0) {
        *out = (double)NAN;
        return true;
    }
    if (strchr(text, ':') != NULL) {
        return float_sixties(text, size, out);
    }
    return text[0] != '-' && text[0] != '+' && mm_f64_scan(text, size, out) == size;
}

static mm_value *float_of(const char *text, size_t size, char *why)
{
    struct number number = {0};
    double value = 0.0;
    bool good = normalize(&number, text, size) && read_float(&number, &value);

    mmi_str_deinit(&number.text);
    if (!good) {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "'%.*s' is no float",
                       size > 60 ? 60 : (int)size, text);
        return NULL;
    }
    return mm_value_new_f64(number.is_negative ? -value : value);
}

/* ---- other scalars ---- */

static mm_value *bool_of(const char *text, size_t size, char *why)
{
    static const char *const words[] = {"yes", "true", "on", "no", "false", "off"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t at = 0;

        while (at < size && words[i][at] != '\0' && (text[at] | 32) == words[i][at]) {
            at++;
        }
        if (at == size && words[i][at] == '\0') {
            return mm_value_new_bool(i < 3);
        }
    }
    (void)snprintf(why, MMI_YAML_WHY_SIZE, "'%.*s' is no bool",
                   size > 60 ? 60 : (int)size, text);
    return NULL;
}

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Other characters are skipped, as Python's base64.decodebytes() does. */
static mm_value *bytes_of(const char *text, size_t size, char *why)
{
    mmi_str out = {0};
    uint32_t bits = 0;
    int count = 0; /* digits of the present group of four */
    int pads = 0;
    const char *fault = NULL;
    mm_value *value = NULL;

    for (size_t i = 0; i < size && fault == NULL; i++) {
        int digit = base64_digit(text[i]);

        if ((unsigned char)text[i] >= 0x80) {
            fault = "it is not ASCII";
        } else if (text[i] == '=' && count >= 2) {
            if (count + ++pads >= 4) {
                break; /* what follows is ignored */
            }
        } else if (digit >= 0) {
            pads = 0;
            bits = bits << 6 | (uint32_t)digit;
            if (++count > 1) {
                mmi_str_add_char(&out, (char)(bits >> (8 - 2 * count) & 0xff));
            }
            count %= 4;
        }
    }
    if (fault == NULL && count != 0 && count + pads < 4) {
        fault = "its padding is wrong";
    }
    if (fault != NULL) {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "binary data is no base64: %s", fault);
    } else {
        value = mm_value_new_bytes(mmi_str_text(&out), out.size);
    }
    mmi_str_deinit(&out);
    return value;
}

mm_value *mmi_yaml_scalar(mmi_yaml_tag tag, const char *text, size_t size,
                          char why[MMI_YAML_WHY_SIZE])
{
    if (mmi_is_pending()) {
        return NULL;
    }
    switch (tag) {
    case MMI_YAML_STR:
        return mm_value_new_str_n(text, size);
    case MMI_YAML_NULL:
        return mm_value_new_none();
    case MMI_YAML_BOOL:
        return bool_of(text, size, why);
    case MMI_YAML_INT:
        return int_of(text, size, why);
    case MMI_YAML_FLOAT:
        return float_of(text, size, why);
    case MMI_YAML_TIMESTAMP:
        return mmi_date_parse(text, size, why);
    case MMI_YAML_BINARY:
        return bytes_of(text, size, why);
    default:
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "expected a %s, found a scalar",
                       tag == MMI_YAML_MAP || tag == MMI_YAML_SET ? "mapping"
                                                                  : "sequence");
        return NULL;
    }
}
