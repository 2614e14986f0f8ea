/* The text of a configuration file before it is parsed: reading, templates, and the way
 * back from a place in the changed text to the place in the file. */
#ifndef MM_CONFIG_TEXT_H
#define MM_CONFIG_TEXT_H

#include "mmengine/config.h"
#include "mmengine/value.h"

/* A template that was replaced. */
typedef struct mmi_edit {
    size_t at, size;         /* in the new text */
    size_t old_at, old_size; /* in the text of the file */
} mmi_edit;

/* `{{ _base_.a.b }}`: the string that stands for it until the body has run. */
typedef struct mmi_marker {
    char *text; /* the marker */
    char *path; /* "a.b" */
} mmi_marker;

/* Zero is an empty text. */
typedef struct mmi_text {
    const char *file; /* name for messages, interned */
    char *path;       /* absolute, normalised; NULL for a text that is no file */
    char *source;     /* contents of the file: UTF-8, LF, without a byte order mark */
    size_t source_size;
    char *data; /* what is parsed; equal to `source` if nothing was replaced */
    size_t size;
    mmi_edit *edits;
    size_t num_edits;
    size_t *lines; /* where the lines of `source` begin; only if there are edits */
    size_t num_lines;
    mmi_marker *markers;
    size_t num_markers;
} mmi_text;

/* Reads a file that is opened as `given`. `path` is absolute, `file` its name for
 * messages. Errors: MM_ENOENT, MM_EIO, MM_ECONFIG
 * (not UTF-8, zero bytes). */
mm_status mmi_text_read(mmi_text *text, const char *given, const char *path,
                        const char *file);

/* The same from memory. `path` may be NULL. */
mm_status mmi_text_set(mmi_text *text, const char *data, size_t size, const char *path,
                       const char *file);

/* Replaces predefined variables, environment variables (recorded in `env`, a dict) and
 * references to bases, unless `args` (may be NULL) forbids. Errors: MM_ECONFIG (a
 * variable that is not set). */
mm_status mmi_text_expand(mmi_text *text, mm_value *env, const mm_config_args *args);

/* The place in the file of an offset of `data`. */
void mmi_text_place(const mmi_text *text, size_t offset, int32_t *out_line,
                    int32_t *out_column);

void mmi_text_deinit(mmi_text *text);

#endif
