/* YAML texts to values: libyaml's events, PyYAML's rules. Here are the stream and its
 * documents, places and errors. Every error names line and column, every entry and item
 * knows its place. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "fileio/yaml_reader.h"

/* ---- places and errors ---- */

static size_t width_of(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The place of a character or of a byte, whichever comes first. Questions mostly come
 * in order. */
static mm_source place_at(struct mmi_yaml_reader *reader, size_t chars, size_t bytes)
{
    mm_source source = {.file = reader->file};

    if (chars < reader->chars || bytes < reader->bytes) {
        reader->chars = reader->bytes = reader->line_begin = 0;
        reader->line = 1;
    }
    while (reader->chars < chars && reader->bytes < bytes &&
           reader->bytes < reader->size) {
        unsigned char c = (unsigned char)reader->text[reader->bytes];

        reader->bytes += width_of(c);
        reader->chars++;
        if (c == '\n') {
            reader->line++;
            reader->line_begin = reader->bytes;
        }
    }
    source.line = reader->line;
    source.column = (int32_t)(reader->bytes - reader->line_begin) + 1;
    if (reader->input->place != NULL) {
        reader->input->place(reader->input->user, reader->bytes, &source.line,
                             &source.column);
    }
    return source;
}

mm_source mmi_yaml_place(struct mmi_yaml_reader *reader, const yaml_mark_t *mark)
{
    return place_at(reader, mark->index, SIZE_MAX);
}

static void raise_at(const struct mmi_yaml_reader *reader, mm_source source,
                     const char *why)
{
    if (reader->file == NULL) {
        (void)mm_raise(MM_EDATA, "could not parse YAML: %s at line %d, column %d", why,
                       (int)source.line, (int)source.column);
    } else {
        (void)mm_raise(MM_EDATA, "could not parse YAML: %s", why);
        (void)mm_error_locate(&source);
    }
}

void *mmi_yaml_fail(struct mmi_yaml_reader *reader, const yaml_mark_t *mark,
                    const char *format, ...)
{
    char why[400];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(why, sizeof(why), format, values);
    va_end(values);
    raise_at(reader, mmi_yaml_place(reader, mark), why);
    return NULL;
}

/* What libyaml found wrong. */
static mm_status fail_parse(struct mmi_yaml_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "it is damaged";
    yaml_mark_t mark = parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        return mm_raise(MM_ENOMEM, "out of memory while parsing YAML");
    }
    if (parser->error == YAML_READER_ERROR) {
        raise_at(reader, place_at(reader, SIZE_MAX, parser->problem_offset), problem);
    } else if (parser->context != NULL) {
        mm_source begin = mmi_yaml_place(reader, &parser->context_mark);

        (void)mmi_yaml_fail(reader, &mark, "%s, %s that begins in line %d", problem,
                            parser->context, (int)begin.line);
    } else {
        (void)mmi_yaml_fail(reader, &mark, "%s", problem);
    }
    return mm_pending();
}

bool mmi_yaml_next(struct mmi_yaml_reader *reader)
{
    if (reader->has_event) {
        yaml_event_delete(&reader->event);
        reader->has_event = false;
    }
    if (mmi_is_pending()) {
        return false;
    }
    if (yaml_parser_parse(&reader->parser, &reader->event) == 0) {
        (void)fail_parse(reader);
        return false;
    }
    reader->has_event = true;
    return true;
}

/* ---- documents ---- */

/* Begins reading; the first event is the stream's start. */
static bool begin(struct mmi_yaml_reader *reader, const char *text, size_t size,
                  const mmi_doc_input *input)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    *reader =
        (struct mmi_yaml_reader){.text = text, .size = size, .input = input, .line = 1};
    if (input->file != NULL) {
        reader->file = mm_intern(input->file);
    }
    if (mmi_is_pending()) {
        return false;
    }
    if (yaml_parser_initialize(&reader->parser) == 0) {
        (void)mm_raise(MM_ENOMEM, "out of memory while parsing YAML");
        return false;
    }
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, size);
    return mmi_yaml_next(reader);
}

static void end(struct mmi_yaml_reader *reader)
{
    if (reader->has_event) {
        yaml_event_delete(&reader->event);
    }
    yaml_parser_delete(&reader->parser);
    mm_value_unref(reader->anchors);
}

/* The next document, yours; NULL without an error at the end of the stream. Its start
 * is noted in `mark`. */
static mm_value *read_document(struct mmi_yaml_reader *reader, yaml_mark_t *mark)
{
    mm_value *value = NULL;

    if (!mmi_yaml_next(reader) || reader->event.type == YAML_STREAM_END_EVENT) {
        return NULL;
    }
    *mark = reader->event.start_mark;
    mm_value_unref(reader->anchors);
    reader->anchors = mm_value_new_dict();
    value = mmi_yaml_next(reader) ? mmi_yaml_node(reader, false) : NULL;
    if (value != NULL && !mmi_yaml_next(reader)) { /* the document's end */
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

mm_value *mmi_yaml_read(const char *text, size_t size, const mmi_doc_input *input)
{
    struct mmi_yaml_reader reader;
    yaml_mark_t mark = {0};
    mm_value *value = NULL;

    if (mmi_is_pending()) {
        return NULL;
    }
    if (begin(&reader, text, size, input)) {
        value = read_document(&reader, &mark);
    }
    if (value == NULL && !mmi_is_pending()) {
        value = mm_value_new_none(); /* an empty stream */
    } else if (value != NULL) {
        mm_value *more = read_document(&reader, &mark);

        if (more != NULL) {
            (void)mmi_yaml_fail(&reader, &mark,
                                "expected one document, here begins another");
        }
        mm_value_unref(more);
    }
    end(&reader);
    if (mmi_is_pending()) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

mm_value *mm_yaml_parse(const char *text, size_t size, const char *file)
{
    mmi_doc_input input = {.file = file};

    return size == 0 || MMI_NEED(text) ? mmi_yaml_read(text, size, &input) : NULL;
}

mm_value *mm_yaml_parse_all(const char *text, size_t size, const char *file)
{
    mmi_doc_input input = {.file = file};
    struct mmi_yaml_reader reader;
    yaml_mark_t mark = {0};
    mm_value *list = size == 0 || MMI_NEED(text) ? mm_value_new_list() : NULL;
    mm_value *value = NULL;

    if (list == NULL) {
        return NULL;
    }
    if (begin(&reader, text, size, &input)) {
        while ((value = read_document(&reader, &mark)) != NULL) {
            mm_list_push(list, value);
        }
    }
    end(&reader);
    if (mmi_is_pending()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}
