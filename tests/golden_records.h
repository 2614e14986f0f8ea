/* Reads files of named number records: a line "<name> <f32|f64> <count>", then count
 * little-endian numbers. For tests: any fault fails the test at once. */
#ifndef TESTS_GOLDEN_RECORDS_H
#define TESTS_GOLDEN_RECORDS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    unsigned char *bytes;
    size_t size;
};

struct golden_record {
    const void *data; /* not aligned */
    size_t count;
    int is_f64;
};

static inline void golden_fail(const char *what, const char *name)
{
    fprintf(stderr, "golden file: %s: %s\n", what, name);
    exit(1);
}

static inline struct golden golden_open(const char *path)
{
    struct golden golden = {0};
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        golden_fail("cannot open", path);
    }
    fseek(file, 0, SEEK_END);
    golden.size = (size_t)ftell(file);
    rewind(file);
    golden.bytes = malloc(golden.size + 1);
    if (golden.bytes == NULL ||
        fread(golden.bytes, 1, golden.size, file) != golden.size) {
        golden_fail("cannot read", path);
    }
    fclose(file);
    return golden;
}

static inline void golden_close(struct golden *golden)
{
    free(golden->bytes);
    golden->bytes = NULL;
}

static inline int golden_find(const struct golden *golden, const char *wanted,
                              struct golden_record *out)
{
    size_t at = 0;

    while (at < golden->size) {
        char name[128];
        char kind[8];
        size_t count = 0;
        const unsigned char *line = golden->bytes + at;
        const unsigned char *end = memchr(line, '\n', golden->size - at);
        char text[192] = {0};

        if (end == NULL || (size_t)(end - line) >= sizeof text) {
            golden_fail("damaged near", wanted);
        }
        memcpy(text, line, (size_t)(end - line));
        if (sscanf(text, "%127s %7s %zu", name, kind, &count) != 3) {
            golden_fail("damaged line", text);
        }
        int is_f64 = strcmp(kind, "f64") == 0;

        at = (size_t)(end + 1 - golden->bytes);
        if (strcmp(name, wanted) == 0) {
            *out = (struct golden_record){golden->bytes + at, count, is_f64};
            return 1;
        }
        at += count * (is_f64 ? sizeof(double) : sizeof(float));
    }
    return 0;
}

/* A copy of a float record; free() it. `count` may be NULL. */
static inline float *golden_f32(const struct golden *golden, size_t *count,
                                const char *format, ...)
{
    char name[128];
    va_list arguments;
    struct golden_record record;

    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (!golden_find(golden, name, &record) || record.is_f64) {
        golden_fail("no f32 record", name);
    }
    float *copy = malloc(record.count * sizeof *copy + 1);

    if (copy == NULL) {
        golden_fail("no memory for", name);
    }
    memcpy(copy, record.data, record.count * sizeof *copy);
    if (count != NULL) {
        *count = record.count;
    }
    return copy;
}

/* Element `index` of a double record. */
static inline double golden_f64(const struct golden *golden, size_t index,
                                const char *format, ...)
{
    char name[128];
    va_list arguments;
    struct golden_record record;
    double value = 0.0;

    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (!golden_find(golden, name, &record) || !record.is_f64 ||
        index >= record.count) {
        golden_fail("no f64 record", name);
    }
    memcpy(&value, (const char *)record.data + index * sizeof value, sizeof value);
    return value;
}

/* Units in the last place between two floats; 0 if both are NaN. */
static inline int64_t golden_ulps(float a, float b)
{
    int32_t x = 0;
    int32_t y = 0;

    if (a != a || b != b) {
        return a != a && b != b ? 0 : INT64_MAX;
    }
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    int64_t p = x < 0 ? INT64_C(-0x80000000) - x : x;
    int64_t q = y < 0 ? INT64_C(-0x80000000) - y : y;

    return p > q ? p - q : q - p;
}

#endif
