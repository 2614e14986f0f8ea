/* The values of `--cfg-options`. Quotes at the ends fall away, `(...)` is a tuple,
 * `[...]` or a bare comma a list; scalars are tried as int, float, bool and None.
 * MMEngine removes all blanks; here those between quotes stay, and `dict(...)` is a
 * dict, read as in a config file. */
#include "config/overrides.h"

#include <string.h>

#include "base/value_convert.h"
#include "config/util.h"
#include "mmengine/config.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"

enum { MAX_NESTING = 100 };

/* A part of the text. */
struct part {
    const char *at;
    size_t size;
    bool is_quoted; /* it stands between quotes, or what it is a part of does */
};

static struct part trim(struct part part, const char *what)
{
    while (part.size > 0 && strchr(what, part.at[0]) != NULL) {
        part.at++;
        part.size--;
    }
    while (part.size > 0 && strchr(what, part.at[part.size - 1]) != NULL) {
        part.size--;
    }
    return part;
}

static bool has(struct part part, char c)
{
    return part.size > 0 && memchr(part.at, c, part.size) != NULL;
}

/* Python's int(): decimal with sign and single underscores. */
static bool is_int(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    bool digit = false;

    for (; *p != '\0'; p++) {
        bool is_digit = *p >= '0' && *p <= '9';

        if (!is_digit && (*p != '_' || !digit)) {
            return false;
        }
        digit = is_digit;
    }
    return digit;
}

static bool same_word(const char *text, const char *lower)
{
    for (; *text != '\0' && *lower != '\0'; text++, lower++) {
        if ((*text | 32) != *lower) {
            return false;
        }
    }
    return *text == *lower;
}

static mm_value *int_of(const char *text)
{
    mmi_str digits = {0};
    mm_value *value = NULL;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '_' && *p != '+') {
            mmi_str_add_char(&digits, *p);
        }
    }
    value = mm_value_new_bigint(mmi_str_text(&digits));
    mmi_str_deinit(&digits);
    return value;
}

/* Python's float(), which allows single underscores between digits. */
static bool read_float(const char *text, double *out)
{
    mmi_str clean = {0};
    bool good = *text != '\0';

    for (const char *p = text; *p != '\0'; p++) {
        bool inside =
            p > text && p[-1] >= '0' && p[-1] <= '9' && p[1] >= '0' && p[1] <= '9';

        if (*p != '_') {
            mmi_str_add_char(&clean, *p);
        } else if (!inside) {
            good = false;
        }
    }
    good = good && clean.size > 0 &&
           mm_f64_scan(clean.data, clean.size, out) == clean.size;
    mmi_str_deinit(&clean);
    return good;
}

/* The number that Python's int() or float() makes of a text, which may have tabs and
 * newlines around it. NULL without an error if there is none. */
static mm_value *number_of(const char *text)
{
    static const char blanks[] = "\t\n\v\f\r";
    struct part part = trim((struct part){.at = text, .size = strlen(text)}, blanks);
    char *inner = mmi_strndup(part.at, part.size);
    double number = 0;
    mm_value *value = NULL;

    if (inner != NULL && is_int(inner)) {
        value = int_of(inner);
    } else if (inner != NULL && read_float(inner, &number)) {
        value = mm_value_new_f64(number);
    }
    mm_free(inner);
    return value;
}

static mm_value *parse_scalar(const char *text)
{
    mm_value *number = number_of(text);

    if (number != NULL || mm_has_error()) {
        return number;
    }
    if (same_word(text, "true") || same_word(text, "false")) {
        return mm_value_new_bool((text[0] | 32) == 't');
    }
    return strcmp(text, "None") == 0 ? mm_value_new_none() : mm_value_new_str(text);
}

static mm_value *scalar_of(struct part part)
{
    mmi_str text = {0};
    mm_value *value = NULL;

    if (part.is_quoted && has(part, ' ')) {
        return mm_value_new_str_n(part.at, part.size);
    }
    for (size_t i = 0; i < part.size; i++) {
        if (part.at[i] != ' ') {
            mmi_str_add_char(&text, part.at[i]);
        }
    }
    value = mm_has_error() ? NULL : parse_scalar(mmi_str_text(&text));
    mmi_str_deinit(&text);
    return value;
}

/* The next comma outside brackets, or the end. False if brackets do not balance. */
static bool find_comma(struct part part, size_t *out)
{
    int round = 0;
    int square = 0;
    size_t found = part.size;

    for (size_t i = 0; i < part.size; i++) {
        char c = part.at[i];

        if (c == ',' && round == 0 && square == 0 && found == part.size) {
            found = i;
        }
        round += (c == '(') - (c == ')');
        square += (c == '[') - (c == ']');
    }
    *out = found;
    return round == 0 && square == 0;
}

static mm_value *parse(struct part part, int depth);

static mm_value *parse_items(struct part part, bool tuple, int depth)
{
    mm_value *made = tuple ? mm_value_new_tuple() : mm_value_new_list();

    part = trim(part, " ");
    while (part.size > 0 && !mm_has_error()) {
        size_t comma = 0;
        struct part item = part;

        if (!find_comma(part, &comma) || depth >= MAX_NESTING) {
            (void)mm_raise(MM_EINVAL, "the brackets of '%.*s' do not balance",
                           part.size > 200 ? 200 : (int)part.size, part.at);
            break;
        }
        item.size = comma;
        mm_list_push(made, parse(item, depth + 1));
        comma += comma < part.size;
        part.at += comma;
        part.size -= comma;
        part = trim(part, " ");
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"';
}

/* True for `dict(...)`, of which MMEngine makes a text, or no end of recursion. */
static bool is_dict_text(struct part part)
{
    return part.size > 5 && strncmp(part.at, "dict(", 5) == 0 &&
           part.at[part.size - 1] == ')';
}

/* The same data, whose place is that of the option. */
static mm_value *without_places(const mm_value *value, void *user)
{
    return mmi_value_is_container(value)
               ? mmi_value_convert_items(value, without_places, user)
               : mmi_value_keep(value);
}

/* A dict as a config file writes it. */
static mm_value *parse_dict(struct part part)
{
    char *text = mm_strfmt("value = %.*s\n", (int)part.size, part.at);
    mm_config *config = text != NULL ? mm_config_from_string(text, ".py") : NULL;
    mm_value *value =
        config != NULL ? without_places(mm_config_find(config, "value"), NULL) : NULL;

    mm_config_unref(config);
    mm_free(text);
    return value;
}

static mm_value *parse(struct part part, int depth)
{
    struct part inner = {0};

    part = trim(part, " ");
    bool begins = part.size > 0 && is_quote(part.at[0]);
    bool ends = part.size > 0 && is_quote(part.at[part.size - 1]);
    bool is_outer = part.is_quoted || (begins && ends);

    part = trim(part, "'\"");
    inner = trim(part, " ");
    inner.is_quoted = is_outer; /* goes on to the items */
    part.is_quoted = is_outer || begins || ends;
    if (is_dict_text(inner)) {
        return parse_dict(inner);
    }
    if (inner.size > 1) {
        char first = inner.at[0];
        char last = inner.at[inner.size - 1];

        if ((first == '(' && last == ')') || (first == '[' && last == ']')) {
            inner.at++;
            inner.size -= 2;
            return parse_items(inner, first == '(', depth);
        }
    }
    return has(inner, ',') ? parse_items(inner, false, depth) : scalar_of(part);
}

mm_value *mmi_override_parse(const char *text)
{
    struct part part = {.at = text, .size = strlen(text)};

    return parse(part, 0);
}

/* ---- dotted keys ---- */

/* The dict under `key`, made if it is not there. NULL with an error. */
static mm_value *step_into(mm_value *dict, const char *key, const char *whole)
{
    mm_value *next = mm_dict_find(dict, key);

    if (next == NULL && !mm_has_error()) {
        mm_dict_take(dict, key, mm_value_new_dict());
        next = mm_has_error() ? NULL : mm_dict_find(dict, key);
    } else if (next != NULL && mm_value_kind(next) != MM_KIND_DICT) {
        (void)mm_raise(MM_ECONFIG,
                       "could not set '%s': an earlier option sets '%s' to %s", whole,
                       key, mm_value_type_name(next));
        return NULL;
    }
    return next;
}

static void put_nested(mm_value *root, const char *dotted, mm_value *value,
                       mm_source source)
{
    mm_value *dict = root;
    const char *p = dotted;

    for (;;) {
        size_t size = strcspn(p, ".");
        char *key = mmi_strndup(p, size);

        if (key != NULL && size == 0) {
            (void)mm_raise(MM_ECONFIG, "could not set '%s': a part of the key is empty",
                           dotted);
        } else if (key != NULL && p[size] == '\0') {
            mm_dict_put(dict, key, value);
            if (!mm_has_error() && source.file != NULL) {
                mm_dict_set_source(dict, key, source);
            }
        } else if (key != NULL) {
            dict = step_into(dict, key, dotted);
        }
        mm_free(key);
        if (mm_has_error() || p[size] == '\0') {
            return;
        }
        p += size + 1;
    }
}

mm_value *mmi_override_nest(const mm_value *options)
{
    mm_value *root = mm_value_new_dict();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(options); i++) {
        const char *name = mm_dict_name_at(options, i);

        if (name == NULL) {
            (void)mm_raise(MM_ETYPE, "the keys of options must be str, not %s",
                           mm_value_type_name(mm_dict_key_at(options, i)));
            break;
        }
        put_nested(root, name, mm_dict_at(options, i), mmi_dict_source_of(options, i));
    }
    if (mm_has_error()) {
        mm_value_unref(root);
        return NULL;
    }
    return root;
}
