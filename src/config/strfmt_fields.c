/* `text % values` and text.format(...). */
#include <string.h>

#include "config/objects.h"
#include "config/strfmt.h"
#include "mmengine/memory.h"

/* ---- % ---- */

/* Where the values of a `%` come from. */
struct percent {
    mmi_eval *ev;
    mm_value *values;
    size_t next; /* of a tuple */
    bool tuple, used_mapping;
};

/* One conversion: %(name)#0- +width.precisiontype */
struct conversion {
    const char *name;
    size_t name_size;
    bool left, zero, alternate;
    char sign;
    int64_t width, precision;
    char type;
};

static mm_value *take_value(struct percent *p)
{
    size_t count = p->tuple ? mm_value_len(p->values) : 1;

    if (p->next >= count) {
        return mmi_fail(p->ev, EXC_TYPE,
                        "the format needs more values than the %zu given", count);
    }
    p->next++;
    return mm_value_ref(p->tuple ? mm_list_get(p->values, p->next - 1) : p->values);
}

static bool take_star(struct percent *p, int64_t *out)
{
    mm_value *value = take_value(p);
    bool good = value != NULL && mmi_as_index(p->ev, value, out);

    mm_value_unref(value);
    return good;
}

static size_t read_digits(const char *text, size_t size, size_t at, int64_t *out)
{
    *out = 0;
    while (at < size && text[at] >= '0' && text[at] <= '9') {
        *out = *out > MMI_MAX_MEMORY ? *out : *out * 10 + (text[at] - '0');
        at++;
    }
    return at;
}

static size_t read_flags(const char *text, size_t size, size_t at,
                         struct conversion *out)
{
    for (; at < size; at++) {
        switch (text[at]) {
        case '-':
            out->left = true;
            break;
        case '0':
            out->zero = true;
            break;
        case '#':
            out->alternate = true;
            break;
        case '+':
            out->sign = '+';
            break;
        case ' ':
            out->sign = out->sign == '+' ? '+' : ' ';
            break;
        default:
            return at;
        }
    }
    return at;
}

/* Reads behind a '%'; returns what follows, 0 with an error. */
static size_t read_conversion(struct percent *p, const char *text, size_t size,
                              size_t at, struct conversion *out)
{
    *out = (struct conversion){.width = -1, .precision = -1};
    if (at < size && text[at] == '(') {
        const char *close = memchr(text + at, ')', size - at);

        if (close == NULL) {
            (void)mmi_fail(p->ev, EXC_VALUE, "'%%(' without ')' in a format");
            return 0;
        }
        out->name = text + at + 1;
        out->name_size = (size_t)(close - out->name);
        at = (size_t)(close - text) + 1;
    }
    at = read_flags(text, size, at, out);
    if (at < size && text[at] == '*') {
        at++;
        if (!take_star(p, &out->width)) {
            return 0;
        }
        out->left = out->left || out->width < 0;
        out->width = out->width < 0 ? -out->width : out->width;
    } else {
        at = read_digits(text, size, at, &out->width);
    }
    if (at < size && text[at] == '.') {
        at++;
        if (at < size && text[at] == '*') {
            at++;
            if (!take_star(p, &out->precision)) {
                return 0;
            }
        } else {
            at = read_digits(text, size, at, &out->precision);
        }
    }
    while (at < size && strchr("hlL", text[at]) != NULL) {
        at++;
    }
    if (at >= size) {
        (void)mmi_fail(p->ev, EXC_VALUE, "a format ends behind '%%'");
        return 0;
    }
    out->type = text[at];
    return at + 1;
}

static mm_value *value_for(struct percent *p, const struct conversion *c)
{
    mm_value *key = NULL;
    mm_value *value = NULL;

    if (c->name == NULL) {
        return take_value(p);
    }
    if (mm_value_kind(p->values) != MM_KIND_DICT) {
        return mmi_fail(p->ev, EXC_TYPE, "'%%(name)' needs a dict, not %s",
                        mm_value_type_name(p->values));
    }
    p->used_mapping = true;
    key = mm_value_new_str_n(c->name, c->name_size);
    value = key == NULL ? NULL : mm_value_ref(mmi_dict_fetch(p->ev, p->values, key));
    mm_value_unref(key);
    return value;
}

/* The int that %d prints: floats lose what is behind the point. */
static mm_value *to_int(struct percent *p, const struct conversion *c, mm_value *value)
{
    if (mmi_is_int(value)) {
        return mm_value_ref(value);
    }
    if (mm_value_kind(value) == MM_KIND_F64 && strchr("diu", c->type) != NULL) {
        return mmi_int_of_f64(p->ev, mm_value_f64(value));
    }
    return mmi_fail(p->ev, EXC_TYPE, "%%%c needs a number, not %s", c->type,
                    mm_value_type_name(value));
}

static mm_value *format_with(struct percent *p, const struct conversion *c,
                             mm_value *value, char type)
{
    mmi_str spec = {0};
    mm_value *made = NULL;

    if (c->left) {
        mmi_str_add_char(&spec, '<');
    } else if (type == 's') {
        mmi_str_add_char(&spec, '>');
    }
    if (c->sign != '\0' && type != 's') {
        mmi_str_add_char(&spec, c->sign);
    }
    if (c->alternate && type != 's') {
        mmi_str_add_char(&spec, '#');
    }
    if (c->zero && !c->left && type != 's') {
        mmi_str_add_char(&spec, '0');
    }
    if (c->width > 0) {
        mmi_str_add_i64(&spec, c->width);
    }
    if (c->precision >= 0 && strchr("doxX", type) == NULL) {
        mmi_str_add_char(&spec, '.');
        mmi_str_add_i64(&spec, c->precision);
    }
    mmi_str_add_char(&spec, type);
    if (!mm_has_error()) {
        made = mmi_format(p->ev, value, mmi_str_text(&spec), spec.size);
    }
    mmi_str_deinit(&spec);
    return made;
}

static mm_value *convert(struct percent *p, const struct conversion *c, mm_value *value)
{
    mm_value *shown = NULL;
    mm_value *made = NULL;
    char type = c->type;

    switch (type) {
    case 's':
        shown = mmi_str_of(p->ev, value);
        break;
    case 'r':
    case 'a':
        shown = mmi_repr_of(p->ev, value);
        type = 's';
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        shown = to_int(p, c, value);
        type = strchr("iu", type) != NULL ? 'd' : type;
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (!mmi_is_number(value)) {
            return mmi_fail(p->ev, EXC_TYPE, "%%%c needs a number, not %s", type,
                            mm_value_type_name(value));
        }
        shown = mm_value_ref(value);
        break;
    case 'c':
        shown = mm_value_ref(value);
        type = mm_value_kind(value) == MM_KIND_STR ? 's' : 'c';
        break;
    default:
        return mmi_fail(p->ev, EXC_VALUE, "'%%%c' is no conversion", type);
    }
    made = shown == NULL ? NULL : format_with(p, c, shown, type);
    mm_value_unref(shown);
    return made;
}

static void add_value(mmi_str *out, mm_value *text)
{
    size_t size = 0;
    const char *data = text == NULL ? NULL : mm_value_str_n(text, &size);

    if (data != NULL) {
        mmi_str_add_n(out, data, size);
    }
}

mm_value *mmi_percent(mmi_eval *ev, mm_value *format, mm_value *values)
{
    struct percent p = {
        .ev = ev, .values = values, .tuple = mm_value_kind(values) == MM_KIND_TUPLE};
    size_t size = 0;
    const char *text = mm_value_str_n(format, &size);
    mmi_str out = {0};

    for (size_t at = 0; at < size && mmi_step(ev, 1);) {
        const char *mark = memchr(text + at, '%', size - at);
        size_t stop = mark == NULL ? size : (size_t)(mark - text);
        struct conversion c = {0};

        mmi_str_add_n(&out, text + at, stop - at);
        if (mark == NULL) {
            break;
        }
        at = read_conversion(&p, text, size, stop + 1, &c);
        if (at == 0) {
            break;
        }
        if (c.type == '%') {
            mmi_str_add_char(&out, '%');
        } else {
            mm_value *value = value_for(&p, &c);
            mm_value *shown = value == NULL ? NULL : convert(&p, &c, value);

            add_value(&out, shown);
            mm_value_unref(shown);
            mm_value_unref(value);
        }
    }
    if (!mm_has_error() && !p.used_mapping && mm_value_kind(values) != MM_KIND_DICT &&
        p.next < (p.tuple ? mm_value_len(values) : 1)) {
        (void)mmi_fail(ev, EXC_TYPE, "the format uses %zu of %zu values", p.next,
                       p.tuple ? mm_value_len(values) : 1);
    }
    return mmi_str_value(&out);
}

/* ---- str.format ---- */

struct formatter {
    mmi_eval *ev;
    const mmi_args *args;
    int64_t next; /* of the automatic numbers */
    bool automatic, manual;
};

static bool format_into(struct formatter *f, const char *text, size_t size, int depth,
                        mmi_str *out);

static bool is_number_text(const char *text, size_t size)
{
    return size > 0 && size < 10 && strspn(text, "0123456789") >= size;
}

static mm_value *int_of(const char *text, size_t size)
{
    int64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return mm_value_new_i64(value);
}

static mm_value *argument(struct formatter *f, const char *name, size_t size)
{
    int64_t index = 0;
    mm_value *key = NULL;
    mm_value *value = NULL;

    if (size == 0 || is_number_text(name, size)) {
        f->automatic = f->automatic || size == 0;
        f->manual = f->manual || size > 0;
        if (f->automatic && f->manual) {
            return mmi_fail(f->ev, EXC_VALUE,
                            "a format mixes numbered and automatic fields");
        }
        if (size == 0) {
            index = f->next++;
        }
        for (size_t i = 0; i < size; i++) {
            index = index * 10 + (name[i] - '0');
        }
        value = mmi_arg(f->args, (size_t)index);
        return value != NULL
                   ? mm_value_ref(value)
                   : mmi_fail(f->ev, EXC_INDEX,
                              "format() has no argument %lld, only %zu were given",
                              (long long)index, mmi_num_args(f->args));
    }
    key = mm_value_new_str_n(name, size);
    value = f->args->named == NULL || key == NULL
                ? NULL
                : mm_dict_find_key(f->args->named, key);
    mm_value_unref(key);
    return value != NULL || mm_has_error()
               ? mm_value_ref(value)
               : mmi_fail(f->ev, EXC_KEY, "format() has no argument '%.*s'",
                          (int)(size > 100 ? 100 : size), name);
}

/* [key] or .name behind an argument. */
static mm_value *follow(struct formatter *f, mm_value *value, const char *path,
                        size_t size)
{
    size_t at = 0;

    while (at < size && value != NULL) {
        bool item = path[at] == '[';
        size_t begin = ++at;
        mm_value *next = NULL;
        mm_value *key = NULL;

        while (at < size && (item ? path[at] != ']' : strchr(".[", path[at]) == NULL)) {
            at++;
        }
        key = item && is_number_text(path + begin, at - begin)
                  ? int_of(path + begin, at - begin)
                  : mm_value_new_str_n(path + begin, at - begin);
        if (key != NULL) {
            next = item ? mmi_get_item(f->ev, value, key)
                        : mmi_get_attribute(f->ev, value, mm_value_str(key));
        }
        at += item;
        mm_value_unref(key);
        mm_value_unref(value);
        value = next;
    }
    return value;
}

static mm_value *convert_field(struct formatter *f, mm_value *value, char conversion)
{
    mm_value *text = NULL;
    mm_value *made = NULL;

    switch (conversion) {
    case '\0':
        return mm_value_ref(value);
    case 's':
        return mmi_str_of(f->ev, value);
    case 'r':
        return mmi_repr_of(f->ev, value);
    case 'a':
        text = mmi_repr_of(f->ev, value);
        made = text == NULL ? NULL : mmi_ascii_of(f->ev, text);
        mm_value_unref(text);
        return made;
    default:
        return mmi_fail(f->ev, EXC_VALUE, "'!%c' is no conversion", conversion);
    }
}

/* name!conversion:spec */
static void format_field(struct formatter *f, const char *field, size_t size, int depth,
                         mmi_str *out)
{
    size_t name = 0;
    size_t head = 0;
    char conversion = '\0';
    mmi_str spec = {0};
    mm_value *value = NULL;
    mm_value *shown = NULL;
    mm_value *text = NULL;

    while (head < size && field[head] != '!' && field[head] != ':') {
        head++;
    }
    while (name < head && field[name] != '.' && field[name] != '[') {
        name++;
    }
    value = argument(f, field, name);
    value = value == NULL ? NULL : follow(f, value, field + name, head - name);
    if (head < size && field[head] == '!') {
        conversion = head + 1 < size ? field[head + 1] : '?';
        head += 2;
    }
    if (value != NULL && head < size && field[head] == ':') {
        (void)format_into(f, field + head + 1, size - head - 1, depth + 1, &spec);
    }
    shown =
        value == NULL || mm_has_error() ? NULL : convert_field(f, value, conversion);
    text =
        shown == NULL ? NULL : mmi_format(f->ev, shown, mmi_str_text(&spec), spec.size);
    add_value(out, text);
    mmi_str_deinit(&spec);
    mm_value_unref(value);
    mm_value_unref(shown);
    mm_value_unref(text);
}

/* The '}' that ends the field at `at`, or SIZE_MAX. */
static size_t field_end(const char *text, size_t size, size_t at)
{
    int depth = 1;

    for (; at < size; at++) {
        depth += text[at] == '{';
        depth -= text[at] == '}';
        if (depth == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

static bool format_into(struct formatter *f, const char *text, size_t size, int depth,
                        mmi_str *out)
{
    if (depth > 2) {
        return mmi_fail(f->ev, EXC_VALUE, "format fields are nested too deeply") !=
               NULL;
    }
    for (size_t at = 0; at < size && mmi_step(f->ev, 1);) {
        size_t stop = at;
        size_t end = 0;

        while (stop < size && text[stop] != '{' && text[stop] != '}') {
            stop++;
        }
        mmi_str_add_n(out, text + at, stop - at);
        if (stop == size) {
            break;
        }
        if (stop + 1 < size && text[stop + 1] == text[stop]) {
            mmi_str_add_char(out, text[stop]);
            at = stop + 2;
            continue;
        }
        end = text[stop] == '{' ? field_end(text, size, stop + 1) : SIZE_MAX;
        if (end == SIZE_MAX) {
            return mmi_fail(f->ev, EXC_VALUE, "a single '%c' in a format",
                            text[stop]) != NULL;
        }
        format_field(f, text + stop + 1, end - stop - 1, depth, out);
        at = end + 1;
    }
    return !mm_has_error();
}

mm_value *mmi_str_format(mmi_eval *ev, mm_value *format, const mmi_args *args)
{
    struct formatter f = {.ev = ev, .args = args};
    size_t size = 0;
    const char *text = mm_value_str_n(format, &size);
    mmi_str out = {0};

    (void)format_into(&f, text, size, 0, &out);
    return mmi_str_value(&out);
}
