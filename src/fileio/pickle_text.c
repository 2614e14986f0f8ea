/* Instructions of pickle protocol 0, whose operands are lines of text, and the string
 * codings they and Python 2 used. */
#include <string.h>

#include "fileio/pickle_state.h"
#include "fileio/text.h"
#include "mmengine/number.h"

enum { MAX_NUMBER_LINE = 20000 };

static bool is_number_line(mmi_pk_vm *vm, mmi_pk_span line)
{
    size_t digits = line.size > 0 && (line.data[0] == '-' || line.data[0] == '+');

    for (size_t i = digits; i < line.size; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') {
            digits = line.size;
            break;
        }
    }
    if (line.data == NULL || digits >= line.size || line.size > MAX_NUMBER_LINE) {
        mmi_pk_fail(vm, "a line is no int");
        return false;
    }
    return true;
}

/* INT: an int, or "00" and "01", which are the booleans. */
void mmi_pk_op_int_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span line = mmi_pk_line(vm);

    if (!is_number_line(vm, line)) {
        return;
    }
    if (line.size == 2 && line.data[0] == '0' && (line.data[1] & ~1) == '0') {
        uint32_t node = mmi_pk_new(vm, MMI_PK_BOOL);
        if (node != 0) {
            vm->graph->nodes[node].u.boolean = line.data[1] == '1';
        }
        mmi_pk_push(vm, node);
    } else {
        mmi_pk_push_text(vm, MMI_PK_DIGITS, line);
    }
}

/* LONG: the same with an L behind it. */
void mmi_pk_op_long_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span line = mmi_pk_line(vm);

    if (line.size > 0 && line.data[line.size - 1] == 'L') {
        line.size--;
    }
    if (is_number_line(vm, line)) {
        mmi_pk_push_text(vm, MMI_PK_DIGITS, line);
    }
}

void mmi_pk_op_float_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span line = mmi_pk_line(vm);
    double number = 0.0;
    size_t used = 0;

    if (line.data == NULL) {
        return;
    }
    used = mm_f64_scan(line.data, line.size, &number);
    if (used == 0 || used != line.size) {
        mmi_pk_fail(vm, "a line is no float");
        return;
    }
    uint32_t node = mmi_pk_new(vm, MMI_PK_FLOAT);
    if (node != 0) {
        vm->graph->nodes[node].u.number = number;
    }
    mmi_pk_push(vm, node);
}

static uint64_t line_index(mmi_pk_vm *vm)
{
    mmi_pk_span line = mmi_pk_line(vm);
    uint64_t index = 0;

    if (line.data == NULL || !is_number_line(vm, line) || line.size > 10 ||
        line.data[0] == '-') {
        mmi_pk_fail(vm, "a memo index is out of range");
        return 0;
    }
    for (size_t i = line.data[0] == '+'; i < line.size; i++) {
        index = index * 10 + (uint64_t)(line.data[i] - '0');
    }
    return index;
}

void mmi_pk_op_put_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_put(vm, line_index(vm));
}

void mmi_pk_op_get_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_get(vm, line_index(vm));
}

/* `count` hex digits at `text`, or -1. */
static int64_t hex_number(const char *text, size_t left, int count)
{
    int64_t number = 0;

    if (left < (size_t)count) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        int digit = mmi_hex_digit(text[i]);
        if (digit < 0) {
            return -1;
        }
        number = number * 16 + digit;
    }
    return number;
}

/* One escape of a Python string literal behind its backslash. Returns the characters
 * read, 0 for a wrong one; *out_code is -1 where the escape stands for nothing. */
static size_t string_escape(const char *text, size_t left, int64_t *out_code)
{
    static const char names[] = "abfnrtv\\'\"";
    static const char codes[] = "\a\b\f\n\r\t\v\\'\"";
    const char *found = left > 0 && text[0] != '\0' ? strchr(names, text[0]) : NULL;

    if (found != NULL) {
        *out_code = (unsigned char)codes[found - names];
        return 1;
    }
    if (left > 0 && text[0] == 'x') {
        *out_code = hex_number(text + 1, left - 1, 2);
        return *out_code >= 0 ? 3 : 0;
    }
    size_t used = 0;
    int64_t code = 0;
    while (used < 3 && used < left && text[used] >= '0' && text[used] <= '7') {
        code = code * 8 + (text[used++] - '0');
    }
    *out_code = code & 0xff;
    return used;
}

/* STRING: a quoted literal of bytes; text where all of them are below 128. */
void mmi_pk_op_string_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span line = mmi_pk_line(vm);
    bool is_quoted = line.data != NULL && line.size >= 2 &&
                     (line.data[0] == '\'' || line.data[0] == '"') &&
                     line.data[line.size - 1] == line.data[0];
    if (!is_quoted) {
        mmi_pk_fail(vm, "a string has no quotes");
        return;
    }
    char *out = mmi_pk_memory(vm, line.size);
    size_t size = 0;
    bool is_ascii = true;
    for (size_t i = 1; out != NULL && i + 1 < line.size;) {
        int64_t code = (unsigned char)line.data[i++];
        if (code == '\\') {
            size_t used = string_escape(line.data + i, line.size - 1 - i, &code);
            if (used == 0) {
                mmi_pk_fail(vm, "a string has a wrong escape");
                return;
            }
            i += used;
        }
        is_ascii = is_ascii && code < 0x80;
        out[size++] = (char)(unsigned char)code;
    }
    mmi_pk_push_text(vm, is_ascii ? MMI_PK_STR : MMI_PK_BYTES,
                     (mmi_pk_span){out, size});
}

/* UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX. */
void mmi_pk_op_unicode_line(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span line = mmi_pk_line(vm);
    char *out = line.data != NULL ? mmi_pk_memory(vm, 2 * line.size) : NULL;
    size_t size = 0;

    for (size_t i = 0; out != NULL && i < line.size;) {
        int64_t code = (unsigned char)line.data[i++];
        char kind = code == '\\' && i < line.size ? line.data[i] : '\0';
        if (kind == 'u' || kind == 'U') {
            int digits = kind == 'u' ? 4 : 8;
            code = hex_number(line.data + i + 1, line.size - i - 1, digits);
            if (code < 0 || code > 0x10ffff) {
                mmi_pk_fail(vm, "a string has a wrong escape");
                return;
            }
            i += 1 + (size_t)digits;
        }
        size += mmi_text_encode((uint32_t)code, out + size);
    }
    mmi_pk_push_text(vm, MMI_PK_STR, (mmi_pk_span){out, size});
}

mmi_pk_span mmi_pk_to_latin1(mmi_pk_vm *vm, mmi_pk_span text)
{
    char *out = mmi_pk_memory(vm, text.size);
    size_t size = 0;

    for (size_t i = 0; out != NULL && i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x80) { /* UTF-8 of U+0080 to U+00FF is C2 or C3 and one more */
            if (c > 0xc3 || i + 1 >= text.size) {
                return (mmi_pk_span){NULL, 0};
            }
            c = (unsigned char)((c & 3) << 6 | (text.data[++i] & 0x3f));
        }
        out[size++] = (char)c;
    }
    return (mmi_pk_span){out, size};
}
