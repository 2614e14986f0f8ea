/* Methods of str and bytes: the tables, what the str files share, encoding. Positions
 * count characters; searching works on bytes, which UTF-8 allows. */
#include <string.h>

#include "config/chars.h"
#include "config/methods_str.h"
#include "mmengine/memory.h"

mmi_part mmi_part_of(const mm_value *value)
{
    mmi_part out = {0};

    out.at = mm_value_str_n(value, &out.size);
    return out;
}

mm_value *mmi_part_value(mmi_part part)
{
    return mm_value_new_str_n(part.at == NULL ? "" : part.at, part.size);
}

bool mmi_read_part(mmi_eval *ev, const char *method, const mm_value *value,
                   mmi_part *out)
{
    if (mm_value_kind(value) != MM_KIND_STR) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() needs a str, not %s", method,
                       mm_value_type_name(value));
        return false;
    }
    *out = mmi_part_of(value);
    return true;
}

const char *mmi_find_part(mmi_part in, mmi_part what)
{
    if (what.size == 0) {
        return in.at;
    }
    for (const char *p = in.at; (size_t)(in.at + in.size - p) >= what.size; p++) {
        p = memchr(p, what.at[0], (size_t)(in.at + in.size - p) - what.size + 1);
        if (p == NULL) {
            return NULL;
        }
        if (memcmp(p, what.at, what.size) == 0) {
            return p;
        }
    }
    return NULL;
}

const char *mmi_find_last_part(mmi_part in, mmi_part what)
{
    for (size_t at = in.size + 1; at-- > 0;) {
        if (in.size - at >= what.size && memcmp(in.at + at, what.at, what.size) == 0) {
            return in.at + at;
        }
    }
    return NULL;
}

bool mmi_pay_text(mmi_eval *ev, size_t size)
{
    return mmi_step(ev, (int64_t)(size / 16)) && mmi_reserve(ev, size);
}

/* ---- encode, decode, format ---- */

static bool is_utf8_name(const mm_value *value)
{
    static const char *const names[] = {"utf-8", "utf8", "UTF-8", "utf_8", "ascii"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (value == NULL || strcmp(mm_value_str(value), names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static mm_value *str_encode(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);
    mmi_part name = {0};

    if (!mmi_expect_args(ev, "encode", args, 0, 2) ||
        (mmi_num_args(args) > 0 &&
         !mmi_read_part(ev, "encode", mmi_arg(args, 0), &name))) {
        return NULL;
    }
    if (!is_utf8_name(mmi_arg(args, 0))) {
        return mmi_fail(ev, EXC_FATAL, "a config can encode to UTF-8 only, not '%s'",
                        name.at);
    }
    return mm_value_new_bytes(text.at, text.size);
}

static mm_value *bytes_decode(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t size = 0;
    const char *data = mm_value_bytes(self, &size);
    mmi_part name = {0};

    if (!mmi_expect_args(ev, "decode", args, 0, 2) ||
        (mmi_num_args(args) > 0 &&
         !mmi_read_part(ev, "decode", mmi_arg(args, 0), &name))) {
        return NULL;
    }
    if (!is_utf8_name(mmi_arg(args, 0))) {
        return mmi_fail(ev, EXC_FATAL, "a config can decode from UTF-8 only, not '%s'",
                        name.at);
    }
    if (!mmi_utf8_is_valid(data, size)) {
        return mmi_fail(ev, EXC_VALUE, "these bytes are no UTF-8 text");
    }
    return mm_value_new_str_n(size == 0 ? "" : data, size);
}

static mm_value *bytes_hex(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t size = 0;
    const unsigned char *data = mm_value_bytes(self, &size);
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "hex", args, 0, 0) || !mmi_reserve(ev, size * 2)) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        mmi_str_addf(&out, "%02x", data[i]);
    }
    return mmi_str_value(&out);
}

const mmi_method mmi_bytes_methods[] = {
    {"decode", bytes_decode},
    {"hex", bytes_hex},
    {NULL, NULL},
};

const mmi_method mmi_str_methods[] = {
    {"format", mmi_str_format},
    {"strip", mmi_method_strip},
    {"lstrip", mmi_method_lstrip},
    {"rstrip", mmi_method_rstrip},
    {"join", mmi_method_join},
    {"split", mmi_method_split},
    {"rsplit", mmi_method_rsplit},
    {"splitlines", mmi_method_splitlines},
    {"replace", mmi_method_replace},
    {"startswith", mmi_method_startswith},
    {"endswith", mmi_method_endswith},
    {"upper", mmi_method_upper},
    {"lower", mmi_method_lower},
    {"casefold", mmi_method_lower},
    {"title", mmi_method_title},
    {"capitalize", mmi_method_capitalize},
    {"swapcase", mmi_method_swapcase},
    {"find", mmi_method_find},
    {"rfind", mmi_method_rfind},
    {"index", mmi_method_index},
    {"rindex", mmi_method_rindex},
    {"count", mmi_method_count},
    {"partition", mmi_method_partition},
    {"rpartition", mmi_method_rpartition},
    {"removeprefix", mmi_method_removeprefix},
    {"removesuffix", mmi_method_removesuffix},
    {"isdigit", mmi_method_isdigit},
    {"isdecimal", mmi_method_isdigit},
    {"isnumeric", mmi_method_isdigit},
    {"isalpha", mmi_method_isalpha},
    {"isalnum", mmi_method_isalnum},
    {"isspace", mmi_method_isspace},
    {"isidentifier", mmi_method_isidentifier},
    {"islower", mmi_method_islower},
    {"isupper", mmi_method_isupper},
    {"ljust", mmi_method_ljust},
    {"rjust", mmi_method_rjust},
    {"center", mmi_method_center},
    {"zfill", mmi_method_zfill},
    {"encode", str_encode},
    {NULL, NULL},
};
