/* Reads the values of the case files; tools/golden/base_values.py describes the code.
 */
#ifndef TESTS_BASE_CASE_VALUE_H
#define TESTS_BASE_CASE_VALUE_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mmengine/file.h"

static inline int case_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Hexadecimal digits up to ';' as bytes; yours. Moves behind the ';'. */
static inline char *case_bytes(const char **at, size_t *out_size)
{
    size_t size = strcspn(*at, ";") / 2;
    char *bytes = mm_alloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(case_digit((*at)[2 * i]) * 16 + case_digit((*at)[2 * i + 1]));
    }
    *at += 2 * size + 1;
    *out_size = size;
    return bytes;
}

static inline double case_f64(const char *hex)
{
    uint64_t bits = strtoull(hex, NULL, 16);
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline mm_value *case_value(const char **at);

static inline mm_value *case_items(const char **at, mm_value *made)
{
    size_t count = strtoul(*at, NULL, 10);
    *at += strcspn(*at, ";") + 1;
    for (size_t i = 0; i < count; i++) {
        mm_value *first = case_value(at);
        if (mm_value_kind(made) == MM_KIND_DICT) {
            mm_value *second = case_value(at);
            mm_dict_put_key(made, first, second);
            mm_value_unref(second);
        } else if (mm_value_kind(made) == MM_KIND_SET) {
            mm_set_add(made, first);
        } else {
            mm_list_append(made, first);
        }
        mm_value_unref(first);
    }
    return made;
}

/* The value at `*at`, which moves behind it; yours. */
static inline mm_value *case_value(const char **at)
{
    char code = *(*at)++;
    mm_value *made = NULL;
    size_t size = 0;
    char *bytes = NULL;
    switch (code) {
    case 'N':
        return mm_value_new_none();
    case 'T':
    case 'F':
        return mm_value_new_bool(code == 'T');
    case 'i':
        bytes = mm_strfmt("%.*s", (int)strcspn(*at, ";"), *at);
        *at += strcspn(*at, ";") + 1;
        made = mm_value_new_bigint(bytes);
        break;
    case 'f':
        made = mm_value_new_f64(case_f64(*at));
        *at += 17;
        break;
    case 's':
        bytes = case_bytes(at, &size);
        made = mm_value_new_str_n(bytes, size);
        break;
    case 'b':
        bytes = case_bytes(at, &size);
        made = mm_value_new_bytes(bytes, size);
        break;
    case 'l':
        return case_items(at, mm_value_new_list());
    case 't':
        return case_items(at, mm_value_new_tuple());
    case 'e':
        return case_items(at, mm_value_new_set());
    case 'd':
        return case_items(at, mm_value_new_dict());
    default:
        fail_msg("no such code: '%c'", code);
    }
    mm_free(bytes);
    return made;
}

/* Calls visit for each line of a case file, cut into `count` fields at tabs. The last
 * field may hold anything. Returns the number of lines. */
static inline size_t case_lines(const char *path, int count,
                                void (*visit)(char *const *fields))
{
    char *fields[8];
    char *text = mm_file_read(path, NULL);
    check_ok();
    size_t lines = 0;
    for (char *line = text; *line != '\0'; lines++) {
        char *end = line + strcspn(line, "\n");
        *end = '\0';
        for (int i = 0; i < count; i++) {
            fields[i] = line;
            char *tab = i + 1 < count ? strchr(line, '\t') : NULL;
            if (tab != NULL) {
                *tab = '\0';
                line = tab + 1;
            }
        }
        visit(fields);
        line = end + 1;
    }
    mm_free(text);
    return lines;
}

#endif
