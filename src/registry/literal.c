/* Reads the defaults that option tables write as config text. A small part of the
 * config language on purpose: numbers, strings, None, True, False, lists and tuples. */
#include "registry/registry.h"

#include <string.h>

#include "mmengine/number.h"

enum { MAX_DEPTH = 8 };

struct cursor {
    const char *at;
    const char *text; /* the whole, for messages */
    int depth;
};

static mm_value *parse_value(struct cursor *cursor);

static mm_value *raise_syntax(const struct cursor *cursor)
{
    mm_raise(MM_EINVAL, "could not read the default '%s' at '%s'", cursor->text,
             cursor->at);
    return NULL;
}

static void skip_blanks(struct cursor *cursor)
{
    cursor->at += strspn(cursor->at, " ");
}

static mm_value *parse_string(struct cursor *cursor)
{
    const char *begin = cursor->at + 1;
    const char *end = strchr(begin, *cursor->at);

    if (end == NULL || memchr(begin, '\\', (size_t)(end - begin)) != NULL) {
        return raise_syntax(cursor);
    }
    cursor->at = end + 1;
    return mm_value_new_str_n(begin, (size_t)(end - begin));
}

/* Digits without a point or exponent are an int, everything else is a float. */
static mm_value *parse_number(struct cursor *cursor)
{
    size_t digits = strspn(cursor->at, "+-0123456789");
    double number = 0.0;
    size_t size = mm_f64_scan(cursor->at, strlen(cursor->at), &number);
    char text[MM_I64_TEXT_SIZE];

    if (size == 0 || (size == digits && size >= sizeof(text))) {
        return raise_syntax(cursor);
    }
    if (size != digits) {
        cursor->at += size;
        return mm_value_new_f64(number);
    }
    int64_t integer = 0;

    memcpy(text, cursor->at, size);
    text[size] = '\0';
    cursor->at += size;
    return mm_i64_parse(text, &integer) == MM_OK ? mm_value_new_i64(integer) : NULL;
}

/* "(1, 2)", "[1, 2]", "(1,)"; "(1)" is 1. */
static mm_value *parse_sequence(struct cursor *cursor)
{
    bool is_tuple = *cursor->at == '(';
    char close = is_tuple ? ')' : ']';
    bool has_comma = false;

    if (++cursor->depth > MAX_DEPTH) {
        return raise_syntax(cursor);
    }
    mm_value *list = is_tuple ? mm_value_new_tuple() : mm_value_new_list();

    cursor->at++;
    skip_blanks(cursor);
    while (!mm_has_error() && *cursor->at != close) {
        mm_list_push(list, parse_value(cursor));
        skip_blanks(cursor);
        if (*cursor->at == ',') {
            has_comma = true;
            cursor->at++;
            skip_blanks(cursor);
        } else if (*cursor->at != close) {
            raise_syntax(cursor);
        }
    }
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    cursor->at++;
    cursor->depth--;
    if (is_tuple && !has_comma && mm_value_len(list) == 1) {
        mm_value *only = mm_value_ref(mm_list_get(list, 0));

        mm_value_unref(list);
        return only;
    }
    return list;
}

static bool accept_word(struct cursor *cursor, const char *word)
{
    size_t size = strlen(word);

    if (strncmp(cursor->at, word, size) != 0) {
        return false;
    }
    cursor->at += size;
    return true;
}

static mm_value *parse_value(struct cursor *cursor)
{
    skip_blanks(cursor);
    if (*cursor->at == '(' || *cursor->at == '[') {
        return parse_sequence(cursor);
    }
    if (*cursor->at == '\'' || *cursor->at == '"') {
        return parse_string(cursor);
    }
    if (accept_word(cursor, "None")) {
        return mm_value_new_none();
    }
    if (accept_word(cursor, "True")) {
        return mm_value_new_bool(true);
    }
    if (accept_word(cursor, "False")) {
        return mm_value_new_bool(false);
    }
    return parse_number(cursor);
}

mm_value *mmi_literal_parse(const char *text)
{
    struct cursor cursor = {text, text, 0};
    mm_value *value = parse_value(&cursor);

    skip_blanks(&cursor);
    if (value != NULL && *cursor.at != '\0') {
        mm_value_unref(value);
        return raise_syntax(&cursor);
    }
    return value;
}
