/* JSON as Python's json module reads it: RFC 8259 and NaN, Infinity, -Infinity; ints of
 * any size; a number with a point or an exponent is a float; the last of equal keys
 * wins; lone surrogates may be escaped. Every error names line and column. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/unicode.h"
#include "fileio/pickle.h"
#include "fileio/text.h"
#include "fileio/yaml.h"
#include "mmengine/number.h"

struct reader {
    const char *at, *end;
    const char *line_begin;
    int32_t line;
    const char *file;           /* interned, or NULL */
    const mmi_doc_input *input; /* may be NULL */
    const char *begin;
    bool keep_sources;
    int depth;
    mmi_str scratch; /* strings with escapes */
};

static mm_value *read_value(struct reader *reader);

static mm_source place(const struct reader *reader)
{
    mm_source source = {.file = reader->file,
                        .line = reader->line,
                        .column = (int32_t)(reader->at - reader->line_begin) + 1};

    if (reader->input != NULL && reader->input->place != NULL) {
        reader->input->place(reader->input->user, (size_t)(reader->at - reader->begin),
                             &source.line, &source.column);
    }
    return source;
}

/* Raises MM_EDATA at the present place; returns NULL for a shorter way out. */
static void *fail(struct reader *reader, const char *why)
{
    mm_source source = place(reader);

    if (reader->file == NULL) {
        mm_raise(MM_EDATA, "could not parse JSON: %s at line %d, column %d", why,
                 (int)source.line, (int)source.column);
    } else {
        mm_raise(MM_EDATA, "could not parse JSON: %s", why);
        mm_error_locate(&source);
    }
    return NULL;
}

static void skip_space(struct reader *reader)
{
    for (; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        if (c == '\n') {
            reader->line++;
            reader->line_begin = reader->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static bool take_char(struct reader *reader, char c)
{
    if (reader->at < reader->end && *reader->at == c) {
        reader->at++;
        return true;
    }
    return false;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(reader->end - reader->at) < size ||
        memcmp(reader->at, word, size) != 0) {
        return false;
    }
    reader->at += size;
    return true;
}

/* Four hex digits behind "\u"; -1 on failure. */
static int32_t read_hex4(struct reader *reader)
{
    int32_t code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = reader->at < reader->end ? mmi_hex_digit(*reader->at) : -1;
        if (digit < 0) {
            fail(reader, "expected four hex digits after \\u");
            return -1;
        }
        code = code * 16 + digit;
        reader->at++;
    }
    return code;
}

/* What follows a backslash goes to the scratch text. */
static void read_escape(struct reader *reader)
{
    static const char names[] = "\"\\/bfnrt";
    static const char codes[] = "\"\\/\b\f\n\r\t";
    char c = reader->at < reader->end ? *reader->at : '\0';
    const char *found = c != '\0' ? strchr(names, c) : NULL;

    if (found != NULL) {
        reader->at++;
        mmi_str_add_char(&reader->scratch, codes[found - names]);
        return;
    }
    if (c != 'u') {
        fail(reader, "unknown escape in a string");
        return;
    }
    reader->at++;
    int32_t code = read_hex4(reader);
    if (code >= 0xd800 && code < 0xdc00 && reader->end - reader->at >= 6 &&
        reader->at[0] == '\\' && reader->at[1] == 'u') {
        const char *before = reader->at;
        reader->at += 2;
        int32_t low = read_hex4(reader);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else {
            reader->at = before; /* two characters of their own */
        }
    }
    if (code >= 0) {
        char bytes[4];
        size_t size = mmi_text_encode((uint32_t)code, bytes);
        mmi_str_add_n(&reader->scratch, bytes, size);
    }
}

/* The text between quotes, borrowed until the next string; the opening quote is read.
 * NULL on failure. */
static const char *read_text(struct reader *reader, size_t *out_size)
{
    const char *run = reader->at;

    mmi_str_clear(&reader->scratch);
    while (!mmi_is_pending()) {
        if (reader->at == reader->end) {
            return fail(reader, "a string has no end");
        }
        unsigned char c = (unsigned char)*reader->at;
        if (c == '"') {
            break;
        }
        if (c < 0x20) {
            return fail(reader, "a control character in a string");
        }
        reader->at++;
        if (c == '\\') {
            if (!mmi_utf8_is_valid(run, (size_t)(reader->at - 1 - run))) {
                return fail(reader, "a string is not UTF-8");
            }
            mmi_str_add_n(&reader->scratch, run, (size_t)(reader->at - 1 - run));
            read_escape(reader);
            run = reader->at;
        }
    }
    const char *text = run;
    *out_size = (size_t)(reader->at - run);
    if (!mmi_utf8_is_valid(run, *out_size)) {
        return fail(reader, "a string is not UTF-8");
    }
    if (reader->scratch.size > 0) {
        mmi_str_add_n(&reader->scratch, run, *out_size);
        text = mmi_str_text(&reader->scratch);
        *out_size = reader->scratch.size;
    }
    reader->at++;
    return mmi_is_pending() ? NULL : text;
}

static mm_value *read_string(struct reader *reader)
{
    size_t size = 0;
    const char *text = read_text(reader, &size);

    return text != NULL ? mm_value_new_str_n(text, size) : NULL;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* An int of any size; `size` bytes at the present place. */
static mm_value *read_int(struct reader *reader, size_t size)
{
    int64_t number = 0;

    if (size > 18) {
        char *digits = mmi_strndup(reader->at, size);
        mm_value *value = digits != NULL ? mm_value_new_bigint(digits) : NULL;
        mm_free(digits);
        return value;
    }
    bool is_negative = reader->at[0] == '-';
    for (size_t i = is_negative; i < size; i++) {
        number = number * 10 + (reader->at[i] - '0');
    }
    return mm_value_new_i64(is_negative ? -number : number);
}

static mm_value *read_number(struct reader *reader)
{
    const char *digits = reader->at + (*reader->at == '-');
    const char *at = skip_digits(digits, reader->end);
    bool is_float = false;

    if (at == digits) {
        return fail(reader, "expected a value");
    }
    if (*digits == '0') {
        at = digits + 1; /* no digits behind a leading zero */
    }
    if (at + 1 < reader->end && *at == '.' && at[1] >= '0' && at[1] <= '9') {
        at = skip_digits(at + 1, reader->end);
        is_float = true;
    }
    if (at < reader->end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + 1;
        exponent += exponent < reader->end && (*exponent == '+' || *exponent == '-');
        const char *behind = skip_digits(exponent, reader->end);
        if (behind > exponent) {
            at = behind;
            is_float = true;
        }
    }
    size_t size = (size_t)(at - reader->at);
    mm_value *value = NULL;
    if (is_float) {
        double number = 0.0;
        mm_f64_scan(reader->at, size, &number);
        value = mm_value_new_f64(number);
    } else {
        value = read_int(reader, size);
    }
    reader->at = at;
    return value;
}

static mm_value *read_list(struct reader *reader)
{
    mm_value *list = mm_value_new_list();

    skip_space(reader);
    if (list == NULL || take_char(reader, ']')) {
        return list;
    }
    for (;;) {
        skip_space(reader);
        mm_source source = place(reader);
        mm_value *item = read_value(reader);
        if (item != NULL) {
            mm_list_push(list, item);
        }
        if (reader->keep_sources && !mmi_is_pending()) {
            mm_list_set_source(list, mm_value_len(list) - 1, source);
        }
        skip_space(reader);
        if (mmi_is_pending() || take_char(reader, ']')) {
            break;
        }
        if (!take_char(reader, ',')) {
            fail(reader, "expected ',' or ']'");
            break;
        }
    }
    if (mmi_is_pending()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

static void read_entry(struct reader *reader, mm_value *dict)
{
    mm_source source = place(reader);

    if (!take_char(reader, '"')) {
        fail(reader, "expected a key in quotes");
        return;
    }
    mm_value *key = read_string(reader);
    skip_space(reader);
    if (key != NULL && !take_char(reader, ':')) {
        fail(reader, "expected ':'");
    }
    mm_value *value = mmi_is_pending() ? NULL : read_value(reader);
    if (value != NULL) {
        size_t size = 0;
        const char *name = mm_value_str_n(key, &size);
        mm_dict_put_key(dict, key, value);
        if (reader->keep_sources && name != NULL && strlen(name) == size) {
            mm_dict_set_source(dict, name, source);
        }
    }
    mm_value_unref(value);
    mm_value_unref(key);
}

static mm_value *read_dict(struct reader *reader)
{
    mm_value *dict = mm_value_new_dict();

    skip_space(reader);
    if (dict == NULL || take_char(reader, '}')) {
        return dict;
    }
    for (;;) {
        skip_space(reader);
        read_entry(reader, dict);
        skip_space(reader);
        if (mmi_is_pending() || take_char(reader, '}')) {
            break;
        }
        if (!take_char(reader, ',')) {
            fail(reader, "expected ',' or '}'");
            break;
        }
    }
    if (mmi_is_pending()) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}

static mm_value *read_container(struct reader *reader)
{
    if (reader->depth >= MMI_DOC_DEPTH) {
        return fail(reader, "containers are nested deeper than 500");
    }
    reader->depth++;
    mm_value *value = *reader->at++ == '{' ? read_dict(reader) : read_list(reader);
    reader->depth--;
    return value;
}

static mm_value *read_value(struct reader *reader)
{
    skip_space(reader);
    if (mmi_is_pending() || reader->at == reader->end) {
        return fail(reader, "expected a value");
    }
    switch (*reader->at) {
    case '{':
    case '[':
        return read_container(reader);
    case '"':
        reader->at++;
        return read_string(reader);
    case 't':
        return take_word(reader, "true") ? mm_value_new_bool(true)
                                         : fail(reader, "expected a value");
    case 'f':
        return take_word(reader, "false") ? mm_value_new_bool(false)
                                          : fail(reader, "expected a value");
    case 'n':
        return take_word(reader, "null") ? mm_value_new_none()
                                         : fail(reader, "expected a value");
    case 'N':
        return take_word(reader, "NaN") ? mm_value_new_f64((double)NAN)
                                        : fail(reader, "expected a value");
    case 'I':
        return take_word(reader, "Infinity") ? mm_value_new_f64((double)INFINITY)
                                             : fail(reader, "expected a value");
    default:
        return take_word(reader, "-Infinity") ? mm_value_new_f64(-(double)INFINITY)
                                              : read_number(reader);
    }
}

/* The one document in the text of `reader`. */
static mm_value *read_document(struct reader *reader)
{
    mm_value *value = read_value(reader);

    skip_space(reader);
    if (value != NULL && reader->at < reader->end) {
        fail(reader, "text behind the end of the document");
        mm_value_unref(value);
        value = NULL;
    }
    mmi_str_deinit(&reader->scratch);
    return value;
}

mm_value *mmi_json_read(const char *text, size_t size, const mmi_doc_input *input)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    struct reader reader = {.at = text, .line_begin = text, .line = 1};
    reader.begin = text;
    reader.end = text + size;
    reader.input = input;
    reader.file = input->file != NULL ? mm_intern(input->file) : NULL;
    reader.keep_sources = input->file != NULL;
    return read_document(&reader);
}

mm_value *mm_json_parse(const char *text, size_t size, const char *file)
{
    mmi_doc_input input = {.file = file};

    return size == 0 || MMI_NEED(text) ? mmi_json_read(text, size, &input) : NULL;
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr(" \t\r", text[i]) == NULL || text[i] == '\0') {
            return false;
        }
    }
    return true;
}

mm_value *mm_json_parse_lines(const char *text, size_t size, const char *file)
{
    mm_value *list = size == 0 || MMI_NEED(text) ? mm_value_new_list() : NULL;
    const char *name = file != NULL ? mm_intern(file) : NULL;
    const char *end = text + size;
    int32_t line = 1;

    for (const char *at = text; list != NULL && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        struct reader reader = {.at = at, .line_begin = at, .line = line, .file = name};
        reader.end = line_end;
        if (!is_blank(at, (size_t)(line_end - at))) {
            mm_value *value = read_document(&reader);
            if (value != NULL) {
                mm_list_push(list, value);
            } else if (newline == NULL && mm_pending() == MM_EDATA) {
                mm_error_take(NULL); /* the torn end of a killed writer */
            }
        }
        if (mmi_is_pending()) {
            mm_value_unref(list);
            return NULL;
        }
        at = line_end + 1;
    }
    return list;
}
