/* Methods of str about its characters: case, tests, padding. */
#include <string.h>

#include "config/chars.h"
#include "config/methods_str.h"
#include "mmengine/memory.h"

/* ---- case ---- */

typedef enum case_rule {
    CASE_UPPER,
    CASE_LOWER,
    CASE_TITLE,
    CASE_FIRST,
    CASE_SWAP
} case_rule;

static uint32_t change_case(uint32_t code, case_rule rule, bool first)
{
    switch (rule) {
    case CASE_UPPER:
        return mmi_upper(code);
    case CASE_LOWER:
        return mmi_lower(code);
    case CASE_SWAP:
        return mmi_upper(code) != code ? mmi_upper(code) : mmi_lower(code);
    default:
        return first ? mmi_upper(code) : mmi_lower(code);
    }
}

static mm_value *with_case(mmi_eval *ev, mm_value *self, const mmi_args *args,
                           const char *method, case_rule rule)
{
    mmi_part text = mmi_part_of(self);
    mmi_str out = {0};
    bool first = true;

    if (!mmi_expect_args(ev, method, args, 0, 0) || !mmi_pay_text(ev, text.size)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        if (code == 0xDF && rule != CASE_LOWER &&
            (rule < CASE_TITLE || rule == CASE_SWAP || first)) {
            mmi_str_add(&out, rule == CASE_UPPER || rule == CASE_SWAP ? "SS" : "Ss");
        } else {
            mmi_str_add_utf8(&out, change_case(code, rule, first));
        }
        first = rule == CASE_TITLE && !mmi_is_alpha(code);
    }
    return mmi_str_value(&out);
}

mm_value *mmi_method_upper(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "upper", CASE_UPPER);
}

mm_value *mmi_method_lower(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "lower", CASE_LOWER);
}

mm_value *mmi_method_title(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "title", CASE_TITLE);
}

mm_value *mmi_method_capitalize(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "capitalize", CASE_FIRST);
}

mm_value *mmi_method_swapcase(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "swapcase", CASE_SWAP);
}

/* ---- tests ---- */

static bool is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool is_alnum(uint32_t code)
{
    return is_digit(code) || mmi_is_alpha(code);
}

static mm_value *all_are(mmi_eval *ev, mm_value *self, const mmi_args *args,
                         const char *method, bool (*test)(uint32_t code))
{
    mmi_part text = mmi_part_of(self);
    bool all = text.size > 0;

    if (!mmi_expect_args(ev, method, args, 0, 0) || !mmi_pay_text(ev, text.size)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size && all;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        all = test(code);
    }
    return mm_value_new_bool(all);
}

mm_value *mmi_method_isdigit(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isdigit", is_digit);
}

mm_value *mmi_method_isalpha(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isalpha", mmi_is_alpha);
}

mm_value *mmi_method_isalnum(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isalnum", is_alnum);
}

mm_value *mmi_method_isspace(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isspace", mmi_is_space);
}

mm_value *mmi_method_isidentifier(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);

    return mmi_expect_args(ev, "isidentifier", args, 0, 0)
               ? mm_value_new_bool(mmi_is_identifier(text.at, text.size))
               : NULL;
}

/* True if it has cased letters and all are lower (or upper). */
static mm_value *is_case(mmi_eval *ev, mm_value *self, const mmi_args *args, bool upper)
{
    mmi_part text = mmi_part_of(self);
    bool found = false;

    if (!mmi_expect_args(ev, upper ? "isupper" : "islower", args, 0, 0)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        if (mmi_upper(code) != code || mmi_lower(code) != code) {
            if ((upper ? mmi_lower(code) : mmi_upper(code)) == code) {
                return mm_value_new_bool(false);
            }
            found = true;
        }
    }
    return mm_value_new_bool(found);
}

mm_value *mmi_method_islower(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return is_case(ev, self, args, false);
}

mm_value *mmi_method_isupper(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return is_case(ev, self, args, true);
}

/* ---- padding ---- */

static mm_value *pad(mmi_eval *ev, mm_value *self, const mmi_args *args,
                     const char *method, int side)
{
    mmi_part text = mmi_part_of(self);
    mmi_part fill = {" ", 1};
    int64_t width = 0;
    size_t length = mmi_utf8_count(text.at, text.size);
    size_t left = 0;
    size_t right = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, method, args, 1, 2) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &width) ||
        (mmi_num_args(args) > 1 &&
         !mmi_read_part(ev, method, mmi_arg(args, 1), &fill))) {
        return NULL;
    }
    if (mmi_utf8_count(fill.at, fill.size) != 1) {
        return mmi_fail(ev, EXC_TYPE, "%s() fills with one character", method);
    }
    if (width > (int64_t)length) {
        size_t total = (size_t)width - length;

        /* center() puts the odd blank as CPython does */
        left = side < 0   ? 0
               : side > 0 ? total
                          : total / 2 + (total & (size_t)width & 1U);
        right = total - left;
        if (!mmi_reserve(ev, total > MMI_MAX_MEMORY ? total : total * fill.size)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < left; i++) {
        mmi_str_add_n(&out, fill.at, fill.size);
    }
    mmi_str_add_n(&out, text.at, text.size);
    for (size_t i = 0; i < right; i++) {
        mmi_str_add_n(&out, fill.at, fill.size);
    }
    return mmi_str_value(&out);
}

mm_value *mmi_method_ljust(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "ljust", -1);
}

mm_value *mmi_method_rjust(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "rjust", 1);
}

mm_value *mmi_method_center(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "center", 0);
}

mm_value *mmi_method_zfill(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);
    size_t length = mmi_utf8_count(text.at, text.size);
    bool sign = text.size > 0 && (text.at[0] == '-' || text.at[0] == '+');
    int64_t width = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "zfill", args, 1, 1) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &width) ||
        (width > (int64_t)length && !mmi_reserve(ev, (size_t)width))) {
        return NULL;
    }
    mmi_str_add_n(&out, text.at, sign);
    mmi_str_fill(&out, '0', width > (int64_t)length ? (size_t)width - length : 0);
    mmi_str_add_n(&out, text.at + sign, text.size - sign);
    return mmi_str_value(&out);
}
