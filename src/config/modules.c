/* The standard modules that configs use: math, os, os.path, copy, and a few names of
 * sys, time and platform. Each is a table; nothing is imported. Other modules of
 * Python's library can be imported, but using them is an error that names them. */
#include <math.h>
#include <string.h>

#include "base/os.h"
#include "config/bigint.h"
#include "config/objects.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

/* A name in a module: a function, or a constant made on demand. */
typedef struct std_entry {
    mmi_builtin_def function; /* its name is the entry's */
    mm_value *(*constant)(void);
} std_entry;

struct mmi_std_def {
    const char *name;
    const std_entry *entries;
    size_t count;
};

/* ---- math ---- */

static bool read_f64(mmi_eval *ev, const char *name, const mmi_args *args, size_t index,
                     double *out)
{
    mm_value *value = mmi_arg(args, index);

    if (!mmi_is_number(value)) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() needs a number, not %s", name,
                       mm_value_type_name(value));
        return false;
    }
    *out = mm_value_f64(value);
    return !mm_has_error();
}

/* Checks a result as Python's math module does: new NaNs are domain errors. */
static mm_value *checked(mmi_eval *ev, const char *name, double x, double result)
{
    if (isnan(result) && !isnan(x)) {
        return mmi_fail(ev, EXC_VALUE, "%s() is not defined there", name);
    }
    if (isinf(result) && isfinite(x)) {
        return mmi_fail(ev, EXC_OVERFLOW, "the result of %s() is too large", name);
    }
    return mm_value_new_f64(result);
}

static mm_value *math_one(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double))
{
    double x = 0;

    if (!mmi_expect_args(ev, name, args, 1, 1) || !read_f64(ev, name, args, 0, &x)) {
        return NULL;
    }
    return checked(ev, name, x, function(x));
}

#define MATH_ONE(name)                                                                 \
    static mm_value *math_##name(mmi_eval *ev, const mmi_args *args)                   \
    {                                                                                  \
        return math_one(ev, #name, args, name);                                        \
    }

MATH_ONE(exp)
MATH_ONE(expm1)
MATH_ONE(log1p)
MATH_ONE(sqrt)
MATH_ONE(sin)
MATH_ONE(cos)
MATH_ONE(tan)
MATH_ONE(asin)
MATH_ONE(acos)
MATH_ONE(atan)
MATH_ONE(sinh)
MATH_ONE(cosh)
MATH_ONE(tanh)
MATH_ONE(fabs)
MATH_ONE(erf)

static mm_value *math_two(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double, double))
{
    double x = 0;
    double y = 0;

    if (!mmi_expect_args(ev, name, args, 2, 2) || !read_f64(ev, name, args, 0, &x) ||
        !read_f64(ev, name, args, 1, &y)) {
        return NULL;
    }
    return checked(ev, name, isfinite(x) ? y : x, function(x, y));
}

#define MATH_TWO(name)                                                                 \
    static mm_value *math_##name(mmi_eval *ev, const mmi_args *args)                   \
    {                                                                                  \
        return math_two(ev, #name, args, name);                                        \
    }

MATH_TWO(pow)
MATH_TWO(atan2)
MATH_TWO(fmod)
MATH_TWO(copysign)

/* The logarithm of a positive number; ints may be larger than any float. */
static mm_value *logarithm(mmi_eval *ev, const char *name, mm_value *value,
                           double (*function)(double))
{
    double x = 0;

    if (mm_value_kind(value) == MM_KIND_BIGINT && mm_value_digits(value)[0] != '-') {
        size_t digits = strlen(mm_value_digits(value));
        char head[24] = {0};
        int64_t first = 0;

        memcpy(head, mm_value_digits(value), 18);
        for (int i = 0; i < 18; i++) {
            first = first * 10 + (head[i] - '0');
        }
        return mm_value_new_f64(function((double)first) +
                                (double)(digits - 18) * function(10.0));
    }
    if (!mmi_is_number(value)) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs a number, not %s", name,
                        mm_value_type_name(value));
    }
    x = mm_value_f64(value);
    if (mm_has_error() || x <= 0) {
        return mmi_fail(ev, EXC_VALUE, "%s() is defined for positive numbers only",
                        name);
    }
    return mm_value_new_f64(function(x));
}

static mm_value *math_log(mmi_eval *ev, const mmi_args *args)
{
    mm_value *up = NULL;
    mm_value *down = NULL;
    mm_value *result = NULL;

    if (!mmi_expect_args(ev, "log", args, 1, 2)) {
        return NULL;
    }
    up = logarithm(ev, "log", mmi_arg(args, 0), log);
    if (up == NULL || mmi_num_args(args) == 1) {
        return up;
    }
    down = logarithm(ev, "log", mmi_arg(args, 1), log);
    result = down == NULL ? NULL : mmi_binary_number(ev, OP_DIV, up, down);
    mm_value_unref(up);
    mm_value_unref(down);
    return result;
}

static mm_value *math_log2(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "log2", args, 1, 1)
               ? logarithm(ev, "log2", mmi_arg(args, 0), log2)
               : NULL;
}

static mm_value *math_log10(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "log10", args, 1, 1)
               ? logarithm(ev, "log10", mmi_arg(args, 0), log10)
               : NULL;
}

/* floor(), ceil(), trunc(): ints. */
static mm_value *to_whole(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double))
{
    double x = 0;

    if (!mmi_expect_args(ev, name, args, 1, 1)) {
        return NULL;
    }
    if (mmi_is_int(mmi_arg(args, 0))) {
        return mmi_unary(ev, OP_POS, mmi_arg(args, 0));
    }
    return read_f64(ev, name, args, 0, &x) ? mmi_int_of_f64(ev, function(x)) : NULL;
}

static mm_value *math_floor(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "floor", args, floor);
}

static mm_value *math_ceil(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "ceil", args, ceil);
}

static mm_value *math_trunc(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "trunc", args, trunc);
}

static mm_value *math_isnan(mmi_eval *ev, const mmi_args *args)
{
    double x = 0;

    return mmi_expect_args(ev, "isnan", args, 1, 1) &&
                   read_f64(ev, "isnan", args, 0, &x)
               ? mm_value_new_bool(isnan(x))
               : NULL;
}

static mm_value *math_isinf(mmi_eval *ev, const mmi_args *args)
{
    double x = 0;

    return mmi_expect_args(ev, "isinf", args, 1, 1) &&
                   read_f64(ev, "isinf", args, 0, &x)
               ? mm_value_new_bool(isinf(x))
               : NULL;
}

static mm_value *math_isfinite(mmi_eval *ev, const mmi_args *args)
{
    double x = 0;

    return mmi_expect_args(ev, "isfinite", args, 1, 1) &&
                   read_f64(ev, "isfinite", args, 0, &x)
               ? mm_value_new_bool(isfinite(x))
               : NULL;
}

static mm_value *math_radians(mmi_eval *ev, const mmi_args *args)
{
    double x = 0;

    return mmi_expect_args(ev, "radians", args, 1, 1) &&
                   read_f64(ev, "radians", args, 0, &x)
               ? mm_value_new_f64(x * (3.141592653589793 / 180.0))
               : NULL;
}

static mm_value *math_degrees(mmi_eval *ev, const mmi_args *args)
{
    double x = 0;

    return mmi_expect_args(ev, "degrees", args, 1, 1) &&
                   read_f64(ev, "degrees", args, 0, &x)
               ? mm_value_new_f64(x * (180.0 / 3.141592653589793))
               : NULL;
}

static mm_value *math_hypot(mmi_eval *ev, const mmi_args *args)
{
    double sum = 0;

    for (size_t i = 0; i < mmi_num_args(args); i++) {
        double x = 0;

        if (!read_f64(ev, "hypot", args, i, &x)) {
            return NULL;
        }
        sum = hypot(sum, x);
    }
    return mm_value_new_f64(sum);
}

static mm_value *math_gcd(mmi_eval *ev, const mmi_args *args)
{
    mm_value *a = mm_value_new_i64(0);

    for (size_t i = 0; i < mmi_num_args(args) && a != NULL; i++) {
        mm_value *b = mm_value_ref(mmi_arg(args, i));

        if (!mmi_is_int(b)) {
            (void)mmi_fail(ev, EXC_TYPE, "gcd() needs ints, not %s",
                           mm_value_type_name(b));
        }
        while (!mm_has_error() && mmi_is_true(b)) {
            mm_value *rest = mmi_binary_number(ev, OP_MOD, a, b);

            mm_value_unref(a);
            a = b;
            b = rest;
        }
        mm_value_unref(b);
        if (mm_has_error()) {
            mm_value_unref(a);
            return NULL;
        }
    }
    if (a != NULL && mm_value_kind(a) == MM_KIND_I64 && mm_value_i64(a) < 0) {
        mm_value *positive = mmi_unary(ev, OP_NEG, a);

        mm_value_unref(a);
        a = positive;
    }
    return a;
}

static mm_value *math_factorial(mmi_eval *ev, const mmi_args *args)
{
    mm_value *product = mm_value_new_i64(1);
    int64_t count = 0;

    if (!mmi_expect_args(ev, "factorial", args, 1, 1) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &count)) {
        return NULL;
    }
    if (count < 0) {
        return mmi_fail(ev, EXC_VALUE, "factorial() of a negative number");
    }
    for (int64_t i = 2; i <= count && product != NULL && mmi_step(ev, 1); i++) {
        mm_value *factor = mm_value_new_i64(i);
        mm_value *next = mmi_binary_number(ev, OP_MUL, product, factor);

        mm_value_unref(factor);
        mm_value_unref(product);
        product = next;
    }
    return product;
}

static mm_value *math_prod(mmi_eval *ev, const mmi_args *args)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;
    mm_value *product = mm_value_new_i64(1);

    if (!mmi_expect_args(ev, "prod", args, 1, 1) ||
        !mmi_iter_init(ev, &iter, mmi_arg(args, 0))) {
        return NULL;
    }
    while (product != NULL && (item = mmi_iter_next(ev, &iter)) != NULL) {
        mm_value *next = mmi_binary(ev, OP_MUL, product, item);

        mm_value_unref(item);
        mm_value_unref(product);
        product = next;
    }
    mmi_iter_deinit(&iter);
    return product;
}

static mm_value *make_pi(void)
{
    return mm_value_new_f64(3.141592653589793);
}

static mm_value *make_e(void)
{
    return mm_value_new_f64(2.718281828459045);
}

static mm_value *make_tau(void)
{
    return mm_value_new_f64(6.283185307179586);
}

static mm_value *make_inf(void)
{
    return mm_value_new_f64((double)INFINITY);
}

static mm_value *make_nan(void)
{
    return mm_value_new_f64((double)NAN);
}

#define FUNCTION(name, call)                                                           \
    {                                                                                  \
        {(name), (call), false}, NULL                                                  \
    }
#define PLAIN(name, call)                                                              \
    {                                                                                  \
        {(name), (call), true}, NULL                                                   \
    }
#define CONSTANT(name, make)                                                           \
    {                                                                                  \
        {(name), NULL, false}, (make)                                                  \
    }

static const std_entry math_entries[] = {
    FUNCTION("acos", math_acos),
    FUNCTION("asin", math_asin),
    FUNCTION("atan", math_atan),
    FUNCTION("atan2", math_atan2),
    FUNCTION("ceil", math_ceil),
    FUNCTION("copysign", math_copysign),
    FUNCTION("cos", math_cos),
    FUNCTION("cosh", math_cosh),
    FUNCTION("degrees", math_degrees),
    FUNCTION("erf", math_erf),
    FUNCTION("exp", math_exp),
    FUNCTION("expm1", math_expm1),
    FUNCTION("fabs", math_fabs),
    FUNCTION("factorial", math_factorial),
    FUNCTION("floor", math_floor),
    FUNCTION("fmod", math_fmod),
    FUNCTION("gcd", math_gcd),
    FUNCTION("hypot", math_hypot),
    FUNCTION("isfinite", math_isfinite),
    FUNCTION("isinf", math_isinf),
    FUNCTION("isnan", math_isnan),
    FUNCTION("log", math_log),
    FUNCTION("log10", math_log10),
    FUNCTION("log1p", math_log1p),
    FUNCTION("log2", math_log2),
    FUNCTION("pow", math_pow),
    FUNCTION("prod", math_prod),
    FUNCTION("radians", math_radians),
    FUNCTION("sin", math_sin),
    FUNCTION("sinh", math_sinh),
    FUNCTION("sqrt", math_sqrt),
    FUNCTION("tan", math_tan),
    FUNCTION("tanh", math_tanh),
    FUNCTION("trunc", math_trunc),
    CONSTANT("pi", make_pi),
    CONSTANT("e", make_e),
    CONSTANT("tau", make_tau),
    CONSTANT("inf", make_inf),
    CONSTANT("nan", make_nan),
};

/* ---- os and os.path ---- */

/* A path argument. NULL with an error. */
static const char *read_path(mmi_eval *ev, const char *name, const mmi_args *args,
                             size_t index)
{
    mm_value *value = mmi_arg(args, index);

    if (mm_value_kind(value) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs a str, not %s", name,
                        mm_value_type_name(value));
    }
    return mm_value_str(value);
}

static const char *one_path(mmi_eval *ev, const char *name, const mmi_args *args)
{
    return mmi_expect_args(ev, name, args, 1, 1) ? read_path(ev, name, args, 0) : NULL;
}

/* A str of text that is ours. */
static mm_value *take_text(char *text)
{
    mm_value *value = text == NULL ? NULL : mm_value_new_str(text);

    mm_free(text);
    return value;
}

static mm_value *path_join(mmi_eval *ev, const mmi_args *args)
{
    mmi_str out = {0};

    if (mmi_num_args(args) == 0) {
        return mmi_fail(ev, EXC_TYPE, "join() needs at least 1 argument");
    }
    for (size_t i = 0; i < mmi_num_args(args); i++) {
        const char *part = read_path(ev, "join", args, i);

        if (part == NULL) {
            break;
        }
        if (part[0] == '/') {
            mmi_str_clear(&out);
        } else if (i > 0 && out.size > 0 && out.data[out.size - 1] != '/') {
            mmi_str_add_char(&out, '/');
        }
        mmi_str_add(&out, part);
    }
    return mmi_str_value(&out);
}

static mm_value *path_dirname(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "dirname", args);

    return path == NULL ? NULL : take_text(mm_path_dirname(path));
}

static mm_value *path_basename(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "basename", args);

    return path == NULL ? NULL : mm_value_new_str(mm_path_basename(path));
}

static mm_value *new_pair(const char *first, size_t size, const char *second)
{
    mm_value *pair = mm_value_new_tuple();

    mm_list_push(pair, mm_value_new_str_n(first, size));
    mm_list_push(pair, mm_value_new_str(second));
    return pair;
}

static mm_value *path_splitext(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "splitext", args);
    const char *extension = path == NULL ? NULL : mm_path_extension(path);

    return path == NULL ? NULL : new_pair(path, (size_t)(extension - path), extension);
}

static mm_value *path_split(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "split", args);
    char *head = path == NULL ? NULL : mm_path_dirname(path);
    mm_value *pair =
        head == NULL ? NULL : new_pair(head, strlen(head), mm_path_basename(path));

    mm_free(head);
    return pair;
}

static mm_value *path_isabs(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isabs", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_path_is_absolute(path));
}

static mm_value *path_exists(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "exists", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_file_exists(path));
}

static mm_value *path_isdir(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isdir", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_file_is_dir(path));
}

static mm_value *path_isfile(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isfile", args);
    mmi_stat stat = {0};

    return path == NULL
               ? NULL
               : mm_value_new_bool(mmi_os_find_stat(path, &stat) && stat.is_file);
}

static mm_value *path_normpath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "normpath", args);

    return path == NULL ? NULL : take_text(mm_path_normalize(path));
}

static char *absolute(const char *path)
{
    char *cwd = mmi_os_cwd();
    char *joined = cwd == NULL ? NULL : mm_path_join(cwd, path);
    char *normal = joined == NULL ? NULL : mm_path_normalize(joined);

    mm_free(cwd);
    mm_free(joined);
    return normal;
}

static mm_value *path_abspath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "abspath", args);

    return path == NULL ? NULL : take_text(absolute(path));
}

/* A path that is not there stays as it is, made absolute. */
static mm_value *path_realpath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "realpath", args);
    mmi_stat stat = {0};

    if (path == NULL) {
        return NULL;
    }
    return take_text(mmi_os_find_stat(path, &stat) ? mmi_os_realpath(path)
                                                   : absolute(path));
}

static mm_value *path_expanduser(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "expanduser", args);
    const char *home = mmi_os_env("HOME");

    if (path == NULL) {
        return NULL;
    }
    return path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home != NULL
               ? mm_value_new_strf("%s%s", home, path + 1)
               : mm_value_new_str(path);
}

static mm_value *os_getcwd(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "getcwd", args, 0, 0) ? take_text(mmi_os_cwd()) : NULL;
}

static mm_value *os_getenv(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"key", "default"};
    mm_value *given[2] = {0};
    const char *value = NULL;

    if (!mmi_bind(ev, "get", args, names, 2, 1, given)) {
        return NULL;
    }
    if (mm_value_kind(given[0]) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE,
                        "the name of an environment variable must be a str, "
                        "not %s",
                        mm_value_type_name(given[0]));
    }
    value = mmi_os_env(mm_value_str(given[0]));
    return value != NULL      ? mm_value_new_str(value)
           : given[1] != NULL ? mm_value_ref(given[1])
                              : mm_value_new_none();
}

static mm_value *os_cpu_count(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "cpu_count", args, 0, 0)
               ? mm_value_new_i64(mmi_os_num_cpus())
               : NULL;
}

static mm_value *make_separator(void)
{
    return mm_value_new_str("/");
}

static mm_value *make_line_end(void)
{
    return mm_value_new_str("\n");
}

static mm_value *make_posix(void)
{
    return mm_value_new_str("posix");
}

static mm_value *make_path(void);
static mm_value *make_environ(void);

static const std_entry os_entries[] = {
    CONSTANT("path", make_path),     CONSTANT("environ", make_environ),
    CONSTANT("sep", make_separator), CONSTANT("linesep", make_line_end),
    CONSTANT("name", make_posix),    PLAIN("getenv", os_getenv),
    FUNCTION("getcwd", os_getcwd),   FUNCTION("cpu_count", os_cpu_count),
};

static const std_entry path_entries[] = {
    PLAIN("join", path_join),
    PLAIN("dirname", path_dirname),
    PLAIN("basename", path_basename),
    PLAIN("splitext", path_splitext),
    PLAIN("split", path_split),
    PLAIN("isabs", path_isabs),
    PLAIN("exists", path_exists),
    PLAIN("isdir", path_isdir),
    PLAIN("isfile", path_isfile),
    PLAIN("normpath", path_normpath),
    PLAIN("abspath", path_abspath),
    PLAIN("realpath", path_realpath),
    PLAIN("expanduser", path_expanduser),
    CONSTANT("sep", make_separator),
};

static const std_entry environ_entries[] = {
    PLAIN("get", os_getenv),
};

/* ---- copy ---- */

static mm_value *copy_copy(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "copy", args, 1, 1)
               ? mmi_shallow_copy(ev, mmi_arg(args, 0))
               : NULL;
}

static mm_value *copy_deepcopy(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "deepcopy", args, 1, 2)
               ? mmi_deep_copy(ev, mmi_arg(args, 0))
               : NULL;
}

static const std_entry copy_entries[] = {
    PLAIN("copy", copy_copy),
    PLAIN("deepcopy", copy_deepcopy),
};

/* ---- the table of modules ---- */

#define MODULE(name, entries)                                                          \
    {                                                                                  \
        (name), (entries), sizeof(entries) / sizeof((entries)[0])                      \
    }

enum { MODULE_MATH, MODULE_OS, MODULE_PATH, MODULE_COPY, MODULE_ENVIRON, NUM_MODULES };

static const mmi_std_def modules[NUM_MODULES] = {
    [MODULE_MATH] = MODULE("math", math_entries),
    [MODULE_OS] = MODULE("os", os_entries),
    [MODULE_PATH] = MODULE("os.path", path_entries),
    [MODULE_COPY] = MODULE("copy", copy_entries),
    [MODULE_ENVIRON] = MODULE("os.environ", environ_entries),
};

static mm_value *make_path(void)
{
    return mmi_new_std(&modules[MODULE_PATH], NULL);
}

static mm_value *make_environ(void)
{
    return mmi_new_std(&modules[MODULE_ENVIRON], NULL);
}

bool mmi_is_environ(const mm_value *value)
{
    const mmi_std_object *object = mm_value_kind(value) == MM_KIND_OBJECT
                                       ? MMI_OBJECT(mmi_std_object, &mmi_std_ops, value)
                                       : NULL;

    return object != NULL && object->def == &modules[MODULE_ENVIRON];
}

mm_value *mmi_environ_find(mmi_eval *ev, mm_value *name)
{
    const char *value = NULL;

    if (mm_value_kind(name) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE,
                        "the name of an environment variable must be a str, "
                        "not %s",
                        mm_value_type_name(name));
    }
    value = mmi_os_env(mm_value_str(name));
    return value == NULL ? NULL : mm_value_new_str(value);
}

mm_value *mmi_std_module(mmi_eval *ev, const char *name)
{
    (void)ev;
    for (size_t i = 0; i < MODULE_ENVIRON; i++) {
        if (strcmp(modules[i].name, name) == 0) {
            return mmi_new_std(&modules[i], NULL);
        }
    }
    return NULL;
}

mm_value *mmi_std_get(mmi_eval *ev, const mmi_std_def *def, const char *name)
{
    (void)ev;
    for (size_t i = 0; i < def->count; i++) {
        const std_entry *entry = &def->entries[i];

        if (strcmp(entry->function.name, name) == 0) {
            return entry->constant != NULL ? entry->constant()
                                           : mmi_new_builtin(&entry->function);
        }
    }
    return NULL;
}

const char *mmi_std_name(const mmi_std_def *def)
{
    return def->name;
}

void mmi_std_each(const mmi_std_def *def, void (*visit)(void *user, const char *name),
                  void *user)
{
    for (size_t i = 0; i < def->count; i++) {
        visit(user, def->entries[i].function.name);
    }
}
