/* Text from values: str() and repr(), the format mini-language, `%` formatting and
 * str.format(). */
#include "config/strfmt.h"

#include <math.h>
#include <string.h>

#include "config/bigint.h"
#include "config/chars.h"
#include "config/objects.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"

/* ---- str and repr ---- */

mm_value *mmi_repr_of(mmi_eval *ev, mm_value *value)
{
    char *text = mm_value_repr(value);
    mm_value *made = NULL;

    if (text == NULL) {
        return NULL;
    }
    if (mmi_reserve(ev, strlen(text))) {
        made = mm_value_new_str(text);
    }
    mm_free(text);
    return made;
}

mm_value *mmi_str_of(mmi_eval *ev, mm_value *value)
{
    const mmi_exc_object *exception = NULL;

    if (mm_value_kind(value) == MM_KIND_STR) {
        return mm_value_ref(value);
    }
    if (mm_value_kind(value) == MM_KIND_OBJECT) {
        exception = MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, value);
    }
    if (exception != NULL) { /* the one argument, or the tuple of them */
        size_t count = mm_value_len(exception->args);

        return count == 0  ? mm_value_new_str("")
               : count > 1 ? mmi_repr_of(ev, exception->args)
               : exception->exc == EXC_KEY
                   ? mmi_repr_of(ev, mm_list_get(exception->args, 0))
                   : mmi_str_of(ev, mm_list_get(exception->args, 0));
    }
    return mmi_repr_of(ev, value);
}

mm_value *mmi_ascii_of(mmi_eval *ev, mm_value *text)
{
    size_t size = 0;
    const char *data = mm_value_str_n(text, &size);
    mmi_str out = {0};

    for (size_t at = 0; at < size && mmi_reserve(ev, 1);) {
        uint32_t code = 0;

        at += mmi_utf8_decode(data + at, size - at, &code);
        if (code < 0x80) {
            mmi_str_add_char(&out, (char)code);
        } else {
            mmi_str_addf(&out,
                         code < 0x100     ? "\\x%02x"
                         : code < 0x10000 ? "\\u%04x"
                                          : "\\U%08x",
                         (unsigned)code);
        }
    }
    return mmi_str_value(&out);
}

/* ---- the format mini-language ---- */

static void *bad_spec(mmi_eval *ev, const char *spec, size_t size,
                      const mm_value *value)
{
    return mmi_fail(ev, EXC_VALUE, "'%.*s' is no format for %s",
                    (int)(size > 100 ? 100 : size), spec, mm_value_type_name(value));
}

/* A number of a width or precision. */
static size_t read_count(const char *spec, size_t size, size_t at, int64_t *out)
{
    int64_t value = 0;
    size_t begin = at;

    while (at < size && spec[at] >= '0' && spec[at] <= '9') {
        value = value > MMI_MAX_MEMORY ? value : value * 10 + (spec[at] - '0');
        at++;
    }
    if (at > begin) {
        *out = value;
    }
    return at;
}

static size_t read_align(const char *spec, size_t size, mmi_spec *out)
{
    uint32_t code = 0;
    size_t step = mmi_utf8_decode(spec, size, &code);

    if (size > step && step > 0 && strchr("<>=^", spec[step]) != NULL) {
        out->fill = code;
        out->align = spec[step];
        return step + 1;
    }
    if (size > 0 && strchr("<>=^", spec[0]) != NULL) {
        out->align = spec[0];
        return 1;
    }
    return 0;
}

bool mmi_spec_parse(const char *spec, size_t size, mmi_spec *out)
{
    size_t at = 0;

    *out = (mmi_spec){.fill = ' ', .width = -1, .precision = -1};
    at = read_align(spec, size, out);
    if (at < size && strchr("+- ", spec[at]) != NULL) {
        out->sign = spec[at++];
    }
    if (at < size && spec[at] == 'z') {
        at++;
    }
    if (at < size && spec[at] == '#') {
        out->alternate = true;
        at++;
    }
    if (at < size && spec[at] == '0') {
        if (out->align == '\0') {
            out->fill = '0';
            out->align = '=';
            out->zero = true;
        }
        at++;
    }
    at = read_count(spec, size, at, &out->width);
    if (at < size && (spec[at] == ',' || spec[at] == '_')) {
        out->group = spec[at++];
    }
    if (at < size && spec[at] == '.') {
        at = read_count(spec, size, at + 1, &out->precision);
        if (out->precision < 0) {
            return false;
        }
    }
    if (at < size) {
        out->type = spec[at++];
    }
    return at == size;
}

static void add_fill(mmi_str *out, uint32_t fill, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mmi_str_add_utf8(out, fill);
    }
}

/* Pads a text to the width. `prefix` bytes (sign, 0x) stay in front of '=' filling. */
static mm_value *pad(mmi_eval *ev, const mmi_spec *spec, const char *text, size_t size,
                     size_t prefix, char fallback)
{
    size_t length = mmi_utf8_count(text, size);
    size_t missing = spec->width > (int64_t)length ? (size_t)spec->width - length : 0;
    char align = spec->align == '\0' ? fallback : spec->align;
    size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    mmi_str out = {0};

    if (!mmi_reserve(ev, missing > MMI_MAX_MEMORY ? missing : size + missing * 4)) {
        return NULL;
    }
    if (align == '=') {
        mmi_str_add_n(&out, text, prefix);
        add_fill(&out, spec->fill, missing);
        mmi_str_add_n(&out, text + prefix, size - prefix);
    } else {
        add_fill(&out, spec->fill, left);
        mmi_str_add_n(&out, text, size);
        add_fill(&out, spec->fill, missing - left);
    }
    return mmi_str_value(&out);
}

/* Puts separators into a run of digits; fills up with zeros to `width` (0: not). */
static void add_grouped(mmi_str *out, const char *digits, size_t count, char group,
                        size_t every, size_t width)
{
    mmi_str reversed = {0};
    size_t written = 0;

    if (group == '\0') {
        mmi_str_fill(out, '0', width > count ? width - count : 0);
        mmi_str_add_n(out, digits, count);
        return;
    }
    while (written < count || reversed.size < width) {
        if (written > 0 && written % every == 0) {
            mmi_str_add_char(&reversed, group); /* a digit follows: none may lead */
        }
        mmi_str_add_char(&reversed,
                         written < count ? digits[count - 1 - written] : '0');
        written++;
    }
    for (size_t i = reversed.size; i-- > 0;) {
        mmi_str_add_char(out, reversed.data[i]);
    }
    mmi_str_deinit(&reversed);
}

/* Joins sign, prefix, grouped digits and the rest, then pads. */
static mm_value *finish_number(mmi_eval *ev, const mmi_spec *spec, bool negative,
                               const char *prefix, const char *digits, size_t whole,
                               const char *rest, size_t every)
{
    mmi_str out = {0};
    mm_value *made = NULL;
    size_t head = 0;
    size_t room = 0;

    if (negative) {
        mmi_str_add_char(&out, '-');
    } else if (spec->sign == '+' || spec->sign == ' ') {
        mmi_str_add_char(&out, spec->sign);
    }
    mmi_str_add(&out, prefix);
    head = out.size;
    if (spec->zero && spec->width > 0 && mmi_reserve(ev, (size_t)spec->width)) {
        size_t used = head + strlen(rest);

        room = (size_t)spec->width > used ? (size_t)spec->width - used : 0;
    }
    add_grouped(&out, digits, whole, spec->group, every, room);
    mmi_str_add(&out, rest);
    if (!mm_has_error()) {
        made = pad(ev, spec, mmi_str_text(&out), out.size, head, '>');
    }
    mmi_str_deinit(&out);
    return made;
}

/* ---- ints ---- */

static mm_value *format_int(mmi_eval *ev, const mmi_spec *spec, mm_value *value)
{
    char type = spec->type;
    int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
    const char *prefix = !spec->alternate ? ""
                         : type == 'b'    ? "0b"
                         : type == 'o'    ? "0o"
                         : type == 'x'    ? "0x"
                         : type == 'X'    ? "0X"
                                          : "";
    mmi_big big = {0};
    char *text = mmi_big_load(&big, value) ? mmi_big_format(&big, base) : NULL;
    mm_value *made = NULL;

    if (text != NULL) {
        bool negative = text[0] == '-';
        char *digits = text + negative;

        for (char *p = digits; type == 'X' && *p != '\0'; p++) {
            *p = (char)mmi_upper((unsigned char)*p);
        }
        made = finish_number(ev, spec, negative, prefix, digits, strlen(digits), "",
                             base == 10 ? 3 : 4);
    }
    mm_free(text);
    mmi_big_deinit(&big);
    return made;
}

/* ---- floats ---- */

/* repr-like digits without a type, with '.0' kept as Python does. */
static void write_plain(double value, int64_t precision, mmi_str *out)
{
    char text[MM_F64_TEXT_SIZE];

    if (precision < 0) {
        mmi_str_add_n(out, text, mm_f64_format(value, text));
        return;
    }
    mmi_str_add_general(out, value, precision == 0 ? 1 : (int)precision, false);
    /* unlike 'g', at least one digit stands behind the point */
    if (strpbrk(mmi_str_text(out), ".en") == NULL) {
        if ((int64_t)out->size >= (precision == 0 ? 1 : precision) + 1) {
            return;
        }
        mmi_str_add(out, ".0");
    }
}

void mmi_str_add_general(mmi_str *out, double value, int digits, bool keep_zeros)
{
    size_t size = mm_f64_format_general(value, digits, NULL, 0);
    char *at = NULL;

    if (keep_zeros && value == value && fabs(value) <= 1.7976931348623157e308) {
        /* '#g': as many digits as asked for */
        int exponent = value == 0 ? 0 : (int)floor(log10(fabs(value)));
        char text[64];

        (void)mm_f64_format_exponent(value, digits - 1, text, sizeof(text));
        const char *e = strrchr(text, 'e');
        double power = 0;

        if (e != NULL && mm_f64_scan(e + 1, strlen(e + 1), &power) > 0) {
            exponent = (int)power;
        }
        if (exponent >= -4 && exponent < digits) {
            size = mm_f64_format_fixed(value, digits - 1 - exponent, NULL, 0);
            at = mmi_str_extend(out, size + 1);
            if (at != NULL) {
                (void)mm_f64_format_fixed(value, digits - 1 - exponent, at, size + 1);
                mmi_str_cut(out, out->size - 1);
            }
            mmi_str_add(out, exponent == digits - 1 ? "." : "");
        } else {
            mmi_str_add(out, text);
        }
        return;
    }
    at = mmi_str_extend(out, size + 1);
    if (at != NULL) {
        (void)mm_f64_format_general(value, digits, at, size + 1);
        mmi_str_cut(out, out->size - 1);
    }
}

static void add_with(mmi_str *out, double value, int digits,
                     size_t (*format)(double, int, char *, size_t))
{
    size_t size = format(value, digits, NULL, 0);
    char *at = mmi_str_extend(out, size + 1);

    if (at != NULL) {
        (void)format(value, digits, at, size + 1);
        mmi_str_cut(out, out->size - 1);
    }
}

/* The digits of a non-negative float by type. */
static void write_float(const mmi_spec *spec, double value, mmi_str *out)
{
    int digits = spec->precision < 0 ? 6 : (int)spec->precision;

    switch (spec->type) {
    case '\0':
        write_plain(value, spec->precision, out);
        break;
    case 'e':
    case 'E':
        add_with(out, value, digits, mm_f64_format_exponent);
        break;
    case 'g':
    case 'G':
    case 'n':
        mmi_str_add_general(out, value, digits == 0 ? 1 : digits, spec->alternate);
        break;
    case '%':
        add_with(out, value * 100, digits, mm_f64_format_fixed);
        break;
    default:
        add_with(out, value, digits, mm_f64_format_fixed);
        break;
    }
    if (spec->alternate && (spec->type == 'f' || spec->type == 'F') && digits == 0) {
        mmi_str_add_char(out, '.');
    }
    if (spec->type == '%') {
        mmi_str_add_char(out, '%');
    }
    for (size_t i = 0;
         i < out->size && strchr("EFG", spec->type) != NULL && spec->type != '\0';
         i++) {
        out->data[i] = (char)mmi_upper((unsigned char)out->data[i]);
    }
}

static mm_value *format_float(mmi_eval *ev, const mmi_spec *spec, double value)
{
    mmi_str out = {0};
    mm_value *made = NULL;
    size_t whole = 0;
    bool negative = signbit(value) != 0 && value == value;

    if (spec->precision > 10000) {
        return mmi_fail(ev, EXC_VALUE, "a precision of %lld digits is too large",
                        (long long)spec->precision);
    }
    write_float(spec, value == value ? fabs(value) : value, &out);
    if (!mm_has_error()) {
        const char *text = mmi_str_text(&out);
        char *digits = NULL;

        while (text[whole] >= '0' && text[whole] <= '9') {
            whole++;
        }
        digits = mmi_strndup(text, whole);
        if (digits != NULL) {
            made =
                finish_number(ev, spec, negative, "", digits, whole, text + whole, 3);
        }
        mm_free(digits);
    }
    mmi_str_deinit(&out);
    return made;
}

/* ---- dispatch ---- */

static mm_value *format_text(mmi_eval *ev, const mmi_spec *spec, mm_value *value)
{
    size_t size = 0;
    const char *text = mm_value_str_n(value, &size);

    if (spec->precision >= 0) {
        size = mmi_utf8_offset(text, size, (size_t)spec->precision);
    }
    return pad(ev, spec, text, size, 0, '<');
}

static bool is_one_of(char type, const char *types)
{
    return type == '\0' || strchr(types, type) != NULL;
}

static mm_value *format_number(mmi_eval *ev, const mmi_spec *spec, mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    if (kind != MM_KIND_F64 && spec->type == 'c') {
        int64_t code = mm_value_i64(value);
        mmi_str out = {0};
        mm_value *made = NULL;

        if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            return mmi_fail(ev, EXC_OVERFLOW, "%lld is no character", (long long)code);
        }
        mmi_str_add_utf8(&out, (uint32_t)code);
        made = pad(ev, spec, mmi_str_text(&out), out.size, 0, '<');
        mmi_str_deinit(&out);
        return made;
    }
    if (kind != MM_KIND_F64 && is_one_of(spec->type, "bodxXn") && spec->precision < 0) {
        return format_int(ev, spec, value);
    }
    double number = mm_value_f64(value);
    return mm_has_error() ? NULL : format_float(ev, spec, number);
}

mm_value *mmi_format(mmi_eval *ev, mm_value *value, const char *spec, size_t size)
{
    mm_kind kind = mm_value_kind(value);
    mmi_spec parsed;

    if (size == 0) {
        return mmi_str_of(ev, value);
    }
    if (!mmi_spec_parse(spec, size, &parsed)) {
        return bad_spec(ev, spec, size, value);
    }
    if (kind == MM_KIND_STR) {
        bool good = is_one_of(parsed.type, "s") && parsed.sign == '\0' &&
                    parsed.group == '\0' && !parsed.alternate;

        if (parsed.zero) { /* '05' pads a str with zeros on the right */
            parsed.align = '<';
        }
        return good && parsed.align != '=' ? format_text(ev, &parsed, value)
                                           : bad_spec(ev, spec, size, value);
    }
    if (mmi_is_number(value)) {
        const char *types = kind == MM_KIND_F64 ? "eEfFgGn%" : "bcdoxXneEfFgG%";

        if (!is_one_of(parsed.type, types) ||
            (kind != MM_KIND_F64 && parsed.precision >= 0 &&
             is_one_of(parsed.type, "bcdoxXn"))) {
            return bad_spec(ev, spec, size, value);
        }
        return format_number(ev, &parsed, value);
    }
    return mmi_fail(ev, EXC_TYPE, "%s has no formats", mm_value_type_name(value));
}
