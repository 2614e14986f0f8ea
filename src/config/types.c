/* Built-in types, called to convert values: int(), float(), str(), dict(), list() and
 * so on; isinstance() and type(); exception classes. */
#include <math.h>
#include <string.h>

#include "config/bigint.h"
#include "config/chars.h"
#include "config/objects.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"

/* ---- numbers ---- */

/* White space around a number does not count; underscores between digits neither. The
 * text is yours. NULL if it cannot be a number, or with an error. */
static char *clean_number(const mm_value *value)
{
    size_t size = 0;
    const char *text = mm_value_str_n(value, &size);
    char *out = NULL;
    size_t kept = 0;

    while (size > 0 && mmi_is_space((unsigned char)text[0])) {
        text++;
        size--;
    }
    while (size > 0 && mmi_is_space((unsigned char)text[size - 1])) {
        size--;
    }
    out = mm_alloc(size + 1);
    for (size_t i = 0; out != NULL && i < size; i++) {
        if (text[i] == '_') {
            bool inside = i > 0 && i + 1 < size && text[i - 1] != '_' &&
                          text[i + 1] != '_' && text[i - 1] != '.' &&
                          text[i + 1] != '.' && text[i - 1] != '-' &&
                          text[i - 1] != '+';

            if (!inside) {
                mm_free(out);
                return NULL;
            }
            continue;
        }
        out[kept++] = text[i];
    }
    return out;
}

static void *no_number(mmi_eval *ev, const char *type, const mm_value *value)
{
    return mmi_fail(ev, EXC_VALUE, "'%.100s' is no %s", mm_value_str(value), type);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

/* The base a prefix (0x, 0o, 0b) stands for, or 0. */
static int prefix_base(const char *digits)
{
    char c = digits[0] == '0' ? (char)(digits[1] | 32) : '\0';

    return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
}

static mm_value *parse_int(mmi_eval *ev, const mm_value *value, int64_t base)
{
    char *text = clean_number(value);
    char *digits = text;
    bool negative = false;
    mmi_big big = {0};
    mm_value *made = NULL;
    size_t size = 0;
    bool good = text != NULL;

    if (mm_has_error()) {
        return NULL;
    }
    if (good && (*digits == '-' || *digits == '+')) {
        negative = *digits++ == '-';
    }
    if (good && prefix_base(digits) != 0 &&
        (base == 0 || base == prefix_base(digits))) {
        base = prefix_base(digits);
        digits += 2;
    } else if (base == 0) {
        base = 10;
    }
    size = good ? strlen(digits) : 0;
    good = good && size > 0;
    for (size_t i = 0; i < size; i++) {
        good = good && digit_of(digits[i]) < base;
    }
    if (!good) {
        (void)no_number(ev, "int", value);
    } else if (mmi_step(ev, (int64_t)(size * size / 512)) &&
               mmi_big_parse(&big, digits, size, (int)base)) {
        big.negative = negative && big.count > 0;
        made = mmi_big_value(&big);
    }
    mmi_big_deinit(&big);
    mm_free(text);
    return made;
}

static mm_value *call_int(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"/value", "base"};
    mm_value *given[2] = {0};
    int64_t base = 10;

    if (!mmi_bind(ev, "int", args, names, 2, 0, given) ||
        (given[1] != NULL && !mmi_as_index(ev, given[1], &base))) {
        return NULL;
    }
    if (base != 0 && (base < 2 || base > 36)) {
        return mmi_fail(ev, EXC_VALUE, "int() cannot read numbers in base %lld",
                        (long long)base);
    }
    if (given[0] == NULL) {
        return mm_value_new_i64(0);
    }
    if (mm_value_kind(given[0]) == MM_KIND_STR) {
        return parse_int(ev, given[0], base);
    }
    if (given[1] != NULL) {
        return mmi_fail(ev, EXC_TYPE, "int() reads only a str in a base");
    }
    if (mmi_is_int(given[0])) {
        return mmi_unary(ev, OP_POS, given[0]);
    }
    return mm_value_kind(given[0]) == MM_KIND_F64
               ? mmi_int_of_f64(ev, mm_value_f64(given[0]))
               : mmi_fail(ev, EXC_TYPE, "int() needs a number or a str, not %s",
                          mm_value_type_name(given[0]));
}

static mm_value *parse_float(mmi_eval *ev, const mm_value *value)
{
    char *text = clean_number(value);
    double number = 0;
    bool good = text != NULL && text[0] != '\0' &&
                mm_f64_scan(text, strlen(text), &number) == strlen(text);

    mm_free(text);
    if (mm_has_error()) {
        return NULL;
    }
    return good ? mm_value_new_f64(number) : no_number(ev, "float", value);
}

static mm_value *call_float(mmi_eval *ev, const mmi_args *args)
{
    mm_value *value = mmi_arg(args, 0);

    if (!mmi_expect_args(ev, "float", args, 0, 1)) {
        return NULL;
    }
    if (value == NULL) {
        return mm_value_new_f64(0);
    }
    if (mm_value_kind(value) == MM_KIND_STR) {
        return parse_float(ev, value);
    }
    if (!mmi_is_number(value)) {
        return mmi_fail(ev, EXC_TYPE, "float() needs a number or a str, not %s",
                        mm_value_type_name(value));
    }
    double number = mm_value_f64(value);
    return mm_has_error() ? NULL : mm_value_new_f64(number);
}

static mm_value *call_bool(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "bool", args, 0, 1)
               ? mm_value_new_bool(mmi_num_args(args) == 1 &&
                                   mmi_is_true(mmi_arg(args, 0)))
               : NULL;
}

/* Half to even on the exact decimal value, as Python rounds. */
double mmi_round_f64(double value, int64_t digits)
{
    char text[512];
    double result = value;

    if (!isfinite(value) || digits > 323) {
        return value;
    }
    if (digits < -308) {
        return copysign(0.0, value);
    }
    if (digits >= 0) {
        size_t size = mm_f64_format_fixed(value, (int)digits, text, sizeof(text));

        if (size < sizeof(text)) {
            (void)mm_f64_scan(text, size, &result);
        }
        return result;
    }
    /* tens, hundreds: as many significant digits as stand before that place */
    double magnitude = fabs(value);
    (void)mm_f64_format_exponent(magnitude, 20, text, sizeof(text));
    const char *e = strrchr(text, 'e');
    double power = 0;
    (void)mm_f64_scan(e + 1, strlen(e + 1), &power);
    int64_t significant = (int64_t)power + 1 + digits; /* digits is negative */
    if (significant < 0) {
        return copysign(0.0, value);
    }
    if (significant == 0) { /* less or more than half of the first unit */
        double unit = pow(10.0, (double)-digits);

        return copysign(magnitude > unit / 2 ? unit : 0.0, value);
    }
    size_t size =
        mm_f64_format_exponent(value, (int)significant - 1, text, sizeof(text));
    (void)mm_f64_scan(text, size, &result);
    return result;
}

/* ---- text and containers ---- */

static mm_value *call_str(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"object", "encoding", "errors"};
    mm_value *given[3] = {0};

    if (!mmi_bind(ev, "str", args, names, 3, 0, given)) {
        return NULL;
    }
    if (given[0] == NULL) {
        return mm_value_new_str("");
    }
    if (given[1] != NULL && mm_value_kind(given[0]) == MM_KIND_BYTES) {
        mmi_args none = {0};
        const mmi_method *decode = mmi_find_method(ev, given[0], "decode");

        return decode->call(ev, given[0], &none);
    }
    return mmi_str_of(ev, given[0]);
}

static mm_value *call_bytes(mmi_eval *ev, const mmi_args *args)
{
    mm_value *value = mmi_arg(args, 0);
    mmi_str out = {0};
    mm_value *items = NULL;
    mm_value *made = NULL;

    if (!mmi_expect_args(ev, "bytes", args, 0, 2)) {
        return NULL;
    }
    if (value == NULL || mm_value_kind(value) == MM_KIND_BYTES) {
        return value == NULL ? mm_value_new_bytes("", 0) : mm_value_ref(value);
    }
    if (mm_value_kind(value) == MM_KIND_STR) {
        size_t size = 0;
        const char *text = mm_value_str_n(value, &size);

        return mmi_num_args(args) == 2
                   ? mm_value_new_bytes(text, size)
                   : mmi_fail(ev, EXC_TYPE, "bytes() of a str needs an encoding");
    }
    if (mmi_is_int(value)) {
        int64_t count = 0;

        if (!mmi_as_index(ev, value, &count) || count < 0) {
            return mmi_fail(ev, EXC_VALUE, "bytes() cannot have a negative length");
        }
        if (mmi_reserve(ev, (size_t)count)) {
            mmi_str_fill(&out, '\0', (size_t)count);
        }
    } else {
        items = mmi_to_list(ev, value);
    }
    for (size_t i = 0; items != NULL && i < mm_value_len(items) && !mm_has_error();
         i++) {
        int64_t byte = 0;

        if (mmi_as_index(ev, mm_list_get(items, i), &byte) &&
            (byte < 0 || byte > 255)) {
            (void)mmi_fail(ev, EXC_VALUE, "%lld is no byte", (long long)byte);
        }
        mmi_str_add_char(&out, (char)byte);
    }
    mm_value_unref(items);
    made = mm_value_new_bytes(mmi_str_text(&out), out.size);
    mmi_str_deinit(&out);
    return made;
}

static mm_value *call_list(mmi_eval *ev, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "list", args, 0, 1)) {
        return NULL;
    }
    return mmi_num_args(args) == 0 ? mm_value_new_list()
                                   : mmi_to_list(ev, mmi_arg(args, 0));
}

static mm_value *call_tuple(mmi_eval *ev, const mmi_args *args)
{
    mm_value *made = NULL;

    if (!mmi_expect_args(ev, "tuple", args, 0, 1)) {
        return NULL;
    }
    if (mm_value_kind(mmi_arg(args, 0)) == MM_KIND_TUPLE) {
        return mm_value_ref(mmi_arg(args, 0));
    }
    made = mm_value_new_tuple();
    if (mmi_num_args(args) == 1 && !mmi_extend(ev, made, mmi_arg(args, 0))) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *call_set(mmi_eval *ev, const mmi_args *args)
{
    mm_value *made = NULL;
    mm_value *none = NULL;

    if (!mmi_expect_args(ev, "set", args, 0, 1)) {
        return NULL;
    }
    made = mm_value_new_set();
    none =
        made == NULL ? NULL : mmi_find_method(ev, made, "update")->call(ev, made, args);
    if (none == NULL) {
        mm_value_unref(made);
        return NULL;
    }
    mm_value_unref(none);
    return made;
}

static mm_value *call_dict(mmi_eval *ev, const mmi_args *args)
{
    mm_value *made = NULL;

    if (mmi_num_args(args) > 1) {
        return mmi_fail(ev, EXC_TYPE,
                        "dict() takes at most 1 positional argument, got %zu",
                        mmi_num_args(args));
    }
    if (mmi_num_args(args) == 0) { /* dict(k=v): the arguments are the dict */
        return args->named != NULL ? mm_value_ref(args->named) : mm_value_new_dict();
    }
    made = mm_value_new_dict();
    if (!mmi_dict_update(ev, made, mmi_arg(args, 0)) ||
        (args->named != NULL && !mmi_dict_update(ev, made, args->named))) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *call_range(mmi_eval *ev, const mmi_args *args)
{
    int64_t bounds[3] = {0, 0, 1};
    size_t count = mmi_num_args(args);

    if (!mmi_expect_args(ev, "range", args, 1, 3)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (mm_value_kind(mmi_arg(args, i)) == MM_KIND_BIGINT) {
            return mmi_fail(ev, EXC_FATAL,
                            "a range of ints beyond 64 bits is not "
                            "supported");
        }
        if (!mmi_as_index(ev, mmi_arg(args, i), &bounds[count == 1 ? 1 : i])) {
            return NULL;
        }
    }
    if (bounds[2] == 0) {
        return mmi_fail(ev, EXC_VALUE, "the step of a range cannot be 0");
    }
    return mmi_new_range(bounds[0], bounds[1], bounds[2]);
}

/* ---- type() and isinstance() ---- */

static mm_value *call_type_of(mmi_eval *ev, const mmi_args *args)
{
    mm_value *value = mmi_arg(args, 0);
    const mmi_exc_object *exception = NULL;

    if (!mmi_expect_args(ev, "type", args, 1, 1)) {
        return NULL;
    }
    if (mm_value_kind(value) == MM_KIND_OBJECT) {
        exception = MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, value);
        if (exception != NULL) {
            return mmi_new_exc_type(exception->exc);
        }
    }
    return mmi_new_type(mmi_is_config_dict(ev, value) ? "ConfigDict"
                                                      : mm_value_type_name(value),
                        mm_value_kind(value), NULL);
}

/* 1, 0, -1 */
static int is_instance(mmi_eval *ev, const mm_value *value, const mm_value *of)
{
    const mmi_type_object *type = NULL;
    const mmi_exc_object *exception = NULL;
    mm_kind kind = mm_value_kind(value);

    if (mm_value_kind(of) == MM_KIND_TUPLE) {
        for (size_t i = 0; i < mm_value_len(of); i++) {
            int found = is_instance(ev, value, mm_list_get(of, i));

            if (found != 0) {
                return found;
            }
        }
        return 0;
    }
    type = mm_value_kind(of) == MM_KIND_OBJECT
               ? MMI_OBJECT(mmi_type_object, &mmi_type_ops, of)
               : NULL;
    if (type == NULL) {
        (void)mmi_fail(ev, EXC_TYPE, "isinstance() needs a type, not %s",
                       mm_value_type_name(of));
        return -1;
    }
    if (type->exc != EXC_NONE) {
        exception = kind == MM_KIND_OBJECT
                        ? MMI_OBJECT(mmi_exc_object, &mmi_exc_ops, value)
                        : NULL;
        return exception != NULL && mmi_exc_is(exception->exc, type->exc);
    }
    if (strcmp(type->name, "object") == 0) {
        return 1;
    }
    if (type->kind == MM_KIND_I64) {
        return mmi_is_int(value);
    }
    return type->kind == kind && (kind != MM_KIND_OBJECT ||
                                  strcmp(type->name, mm_value_type_name(value)) == 0);
}

static mm_value *call_isinstance(mmi_eval *ev, const mmi_args *args)
{
    int found = mmi_expect_args(ev, "isinstance", args, 2, 2)
                    ? is_instance(ev, mmi_arg(args, 0), mmi_arg(args, 1))
                    : -1;

    return found < 0 ? NULL : mm_value_new_bool(found == 1);
}

static const mmi_builtin_def isinstance_def = {"isinstance", call_isinstance, false};

/* ---- attributes of types ---- */

mm_value *mmi_fromkeys(mmi_eval *ev, const mmi_args *args)
{
    mm_value *made = NULL;
    mm_value *keys = NULL;
    mm_value *none = mm_value_new_none();

    if (!mmi_expect_args(ev, "fromkeys", args, 1, 2)) {
        return NULL;
    }
    made = mm_value_new_dict();
    keys = mmi_to_list(ev, mmi_arg(args, 0));
    for (size_t i = 0; keys != NULL && i < mm_value_len(keys) && !mm_has_error(); i++) {
        (void)mmi_dict_store(ev, made, mm_list_get(keys, i),
                             mmi_num_args(args) == 2 ? mmi_arg(args, 1) : none,
                             mmi_source_at(ev, ev->at));
    }
    mm_value_unref(keys);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static const mmi_builtin_def fromkeys_def = {"fromkeys", mmi_fromkeys, false};

static const mmi_builtin_def chain_def = {"from_iterable", mmi_chain_from_iterable,
                                          false};

mm_value *mmi_type_attribute(mmi_eval *ev, const mmi_type_object *type,
                             const char *name)
{
    static const struct {
        mm_kind kind;
        const mmi_method *methods;
    } tables[] = {
        {MM_KIND_STR, mmi_str_methods},   {MM_KIND_LIST, mmi_list_methods},
        {MM_KIND_DICT, mmi_dict_methods}, {MM_KIND_TUPLE, mmi_tuple_methods},
        {MM_KIND_SET, mmi_set_methods},   {MM_KIND_BYTES, mmi_bytes_methods},
        {MM_KIND_I64, mmi_int_methods},   {MM_KIND_F64, mmi_float_methods},
    };

    (void)ev;
    if (type->kind == MM_KIND_DICT && strcmp(name, "fromkeys") == 0) {
        return mmi_new_builtin(&fromkeys_def);
    }
    if (strcmp(type->name, "chain") == 0 && strcmp(name, "from_iterable") == 0) {
        return mmi_new_builtin(&chain_def);
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const mmi_method *method = tables[i].methods;

        for (; tables[i].kind == type->kind && method->name != NULL; method++) {
            if (strcmp(method->name, name) == 0) {
                return mmi_new_bound(NULL, method);
            }
        }
    }
    return NULL;
}

/* ---- tables ---- */

typedef struct type_def {
    const char *name;
    mm_kind kind;
    mm_value *(*call)(mmi_eval *ev, const mmi_args *args);
} type_def;

static const type_def types[] = {
    {"bool", MM_KIND_BOOL, call_bool},      {"bytes", MM_KIND_BYTES, call_bytes},
    {"dict", MM_KIND_DICT, call_dict},      {"float", MM_KIND_F64, call_float},
    {"frozenset", MM_KIND_SET, call_set},   {"int", MM_KIND_I64, call_int},
    {"list", MM_KIND_LIST, call_list},      {"object", MM_KIND_OBJECT, NULL},
    {"range", MM_KIND_OBJECT, call_range},  {"set", MM_KIND_SET, call_set},
    {"str", MM_KIND_STR, call_str},         {"tuple", MM_KIND_TUPLE, call_tuple},
    {"type", MM_KIND_OBJECT, call_type_of},
};

/* A dict keeps its order here. */
mm_value *mmi_new_ordered_dict_type(void)
{
    return mmi_new_type("OrderedDict", MM_KIND_DICT, call_dict);
}

mm_value *mmi_builtin_type(mmi_eval *ev, const char *name)
{
    (void)ev;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return mmi_new_type(types[i].name, types[i].kind, types[i].call);
        }
    }
    if (strcmp(name, "isinstance") == 0) {
        return mmi_new_builtin(&isinstance_def);
    }
    if (strcmp(name, "Ellipsis") == 0) {
        return mmi_new_ellipsis();
    }
    for (int exc = EXC_BASE_EXCEPTION;
         name[0] >= 'A' && name[0] <= 'Z' && exc < NUM_EXC; exc++) {
        if (strcmp(mmi_exc_name((mmi_exc)exc), name) == 0) {
            return mmi_new_exc_type((mmi_exc)exc);
        }
    }
    if (strcmp(name, "IOError") == 0 || strcmp(name, "EnvironmentError") == 0) {
        return mmi_new_exc_type(EXC_OS);
    }
    return NULL;
}

void mmi_builtin_type_each(void (*visit)(void *user, const char *name), void *user)
{
    visit(user, "isinstance");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        visit(user, types[i].name);
    }
    for (int exc = EXC_BASE_EXCEPTION; exc < NUM_EXC; exc++) {
        visit(user, mmi_exc_name((mmi_exc)exc));
    }
}
