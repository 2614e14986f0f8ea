/* YAML as PyYAML understands it: what the parts of the reader and the writer share.
 * libyaml cuts the text into events; which value a scalar is, PyYAML decides, and so do
 * these files. */
#ifndef MMI_FILEIO_YAML_H
#define MMI_FILEIO_YAML_H

#include "mmengine/fileio.h"

/* PyYAML's tags, by what they make. */
typedef enum mmi_yaml_tag {
    MMI_YAML_STR,
    MMI_YAML_NULL,
    MMI_YAML_BOOL,
    MMI_YAML_INT,
    MMI_YAML_FLOAT,
    MMI_YAML_TIMESTAMP,
    MMI_YAML_BINARY,
    MMI_YAML_NAME, /* python/name:module.attribute */
    MMI_YAML_MERGE,
    MMI_YAML_VALUE, /* a plain "=" */
    MMI_YAML_SEQ,
    MMI_YAML_TUPLE,
    MMI_YAML_MAP,
    MMI_YAML_SET,
    MMI_YAML_PAIRS,   /* and omap: a list of pairs */
    MMI_YAML_EVAL,    /* python/object/apply:eval ["expression"] */
    MMI_YAML_ORDERED, /* what PyYAML writes for an OrderedDict */
    MMI_YAML_UNKNOWN
} mmi_yaml_tag;

/* Bytes of a reason that a scalar is refused for. */
enum { MMI_YAML_WHY_SIZE = 200 };

/* What a plain scalar without a tag is. */
mmi_yaml_tag mmi_yaml_resolve(const char *text, size_t size);

/* The value of a scalar; yours. NULL: an error is pending, or, if none is, the text is
 * wrong for the tag and `why` says how. */
MM_OWNED mm_value *mmi_yaml_scalar(mmi_yaml_tag tag, const char *text, size_t size,
                                   char why[MMI_YAML_WHY_SIZE]);

/* ---- dates ---- */

/* Values that are datetime.date or datetime.datetime in Python. Two of one text are one
 * object, so they can be keys. */
extern const mm_object_ops mmi_date_ops;

/* True if the text has the form of a timestamp. Without a time of day, month and day
 * need two digits if it `is_strict`, which a scalar without a tag must be. */
bool mmi_yaml_is_date(const char *text, size_t size, bool is_strict);

/* The date of a YAML timestamp; yours. NULL as above. */
MM_OWNED mm_value *mmi_date_parse(const char *text, size_t size,
                                  char why[MMI_YAML_WHY_SIZE]);

/* ---- the reader, for texts that were changed before they are parsed ---- */

typedef struct mmi_doc_input {
    const char *file; /* named in errors and sources; NULL: none */
    /* The place of an offset of the text; NULL: it is counted. */
    void (*place)(const void *user, size_t offset, int32_t *out_line,
                  int32_t *out_column);
    /* The value of a Python expression in a YAML file, yours; NULL: it is refused. */
    mm_value *(*eval)(const void *user, const char *expression, size_t size);
    const void *user;
} mmi_doc_input;

MM_OWNED mm_value *mmi_yaml_read(const char *text, size_t size,
                                 const mmi_doc_input *input);
MM_OWNED mm_value *mmi_json_read(const char *text, size_t size,
                                 const mmi_doc_input *input);

#endif
