/* The YAML reader between its files: libyaml's events one by one, and the nodes that
 * are made of them. */
#ifndef MMI_FILEIO_YAML_READER_H
#define MMI_FILEIO_YAML_READER_H

#include <yaml.h>

#include "fileio/yaml.h"

/* A collection that is being built and has an anchor. */
struct mmi_yaml_anchor {
    const struct mmi_yaml_anchor *outer;
    const char *name;
};

struct mmi_yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the present one */
    bool has_event;
    const char *text;
    size_t size;
    const mmi_doc_input *input;
    const char *file;  /* interned, or NULL */
    mm_value *anchors; /* name to value */
    const struct mmi_yaml_anchor *open;
    int depth;
    size_t num_merged;
    /* libyaml counts characters; how far they were counted as bytes and lines */
    size_t chars, bytes;
    int32_t line;
    size_t line_begin;
};

/* ---- yaml_read.c ---- */

/* Fetches the next event. False: an error is pending. */
bool mmi_yaml_next(struct mmi_yaml_reader *reader);
/* The place of libyaml's mark. */
mm_source mmi_yaml_place(struct mmi_yaml_reader *reader, const yaml_mark_t *mark);
/* Raises MM_EDATA at a mark; returns NULL for a shorter way out. */
MM_PRINTF(3, 4)
void *mmi_yaml_fail(struct mmi_yaml_reader *reader, const yaml_mark_t *mark,
                    const char *format, ...);

/* ---- yaml_tag.c ---- */

/* The tag that is written, or `none` without one. */
mmi_yaml_tag mmi_yaml_tag_of(const yaml_char_t *written, mmi_yaml_tag none);
/* Raises that a tag is unknown, or would run code. NULL. */
void *mmi_yaml_refuse_tag(struct mmi_yaml_reader *reader, const yaml_char_t *written,
                          const yaml_mark_t *mark);

/* ---- yaml_node.c ---- */

/* The node that begins with the present event. Yours. */
MM_OWNED mm_value *mmi_yaml_node(struct mmi_yaml_reader *reader, bool is_key);

#endif
