/* Reading golden files and writing scratch ones. */
#ifndef TESTS_FILEIO_HELPERS_H
#define TESTS_FILEIO_HELPERS_H

#include "scratch.h"

#include <string.h>

#include "base/os.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"

#define GOLDEN "golden/fileio/"

/* A golden file's bytes; mm_free(). */
static inline char *golden_bytes(const char *name, size_t *out_size)
{
    char *path = mm_strfmt(GOLDEN "%s", name);
    char *data = mm_file_read(path, out_size);

    check_ok();
    mm_free(path);
    return data;
}

/* Cuts the next line out of *text; NULL at the end. */
static inline char *next_line(char **text)
{
    char *line = *text;
    char *newline = strchr(line, '\n');

    if (newline == NULL) {
        return NULL;
    }
    *newline = '\0';
    *text = newline + 1;
    return line;
}

static inline void check_repr(const mm_value *value, const char *expected)
{
    char *text = mm_value_repr(value);

    check_ok();
    assert_string_equal(text, expected);
    mm_free(text);
}

#endif
