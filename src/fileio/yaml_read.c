/* YAML texts to values: libyaml's events, PyYAML's rules. A value is built in one pass;
 * aliases share it. `<<` puts the merged entries in front and never over a key that is
 * written out. Later duplicates win. What PyYAML would build by running code is
 * refused. Every error names line and column, every entry and item knows its place. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/status.h"
#include "base/str.h"
#include "fileio/pickle.h"
#include "fileio/yaml.h"

/* Entries that `<<` may copy: enough for any real file, not for one made to explode. */
enum { MAX_MERGED = 1000000 };

/* A collection that is being built and has an anchor. */
struct open_anchor {
    const struct open_anchor *outer;
    const char *name;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the present one */
    bool has_event;
    const char *text;
    size_t size;
    const mmi_doc_input *input;
    const char *file;  /* interned, or NULL */
    mm_value *anchors; /* name to value */
    const struct open_anchor *open;
    int depth;
    size_t num_merged;
    /* libyaml counts characters; how far they were counted as bytes and lines */
    size_t chars, bytes;
    int32_t line;
    size_t line_begin;
};

/* ---- places and errors ---- */

static size_t width_of(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The place of a character or of a byte, whichever comes first. Questions mostly come
 * in order. */
static mm_source place_at(struct reader *reader, size_t chars, size_t bytes)
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

/* The place of libyaml's mark. */
static mm_source place_of(struct reader *reader, const yaml_mark_t *mark)
{
    return place_at(reader, mark->index, SIZE_MAX);
}

static void raise_at(const struct reader *reader, mm_source source, const char *why)
{
    if (reader->file == NULL) {
        (void)mm_raise(MM_EDATA, "could not parse YAML: %s at line %d, column %d", why,
                       (int)source.line, (int)source.column);
    } else {
        (void)mm_raise(MM_EDATA, "could not parse YAML: %s", why);
        (void)mm_error_locate(&source);
    }
}

/* Raises MM_EDATA at a mark; returns NULL for a shorter way out. */
MM_PRINTF(3, 4)
static void *fail(struct reader *reader, const yaml_mark_t *mark, const char *format,
                  ...)
{
    char why[400];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(why, sizeof(why), format, values);
    va_end(values);
    raise_at(reader, place_of(reader, mark), why);
    return NULL;
}

/* What libyaml found wrong. */
static mm_status fail_parse(struct reader *reader)
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
        mm_source begin = place_of(reader, &parser->context_mark);

        (void)fail(reader, &mark, "%s, %s that begins in line %d", problem,
                   parser->context, (int)begin.line);
    } else {
        (void)fail(reader, &mark, "%s", problem);
    }
    return mm_pending();
}

/* Fetches the next event. */
static bool next(struct reader *reader)
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

/* ---- tags ---- */

static const char TAG_PREFIX[] = "tag:yaml.org,2002:";

static mmi_yaml_tag tag_named(const char *name)
{
    static const struct {
        const char *name;
        mmi_yaml_tag tag;
    } table[] = {
        {"str", MMI_YAML_STR},
        {"null", MMI_YAML_NULL},
        {"bool", MMI_YAML_BOOL},
        {"int", MMI_YAML_INT},
        {"float", MMI_YAML_FLOAT},
        {"timestamp", MMI_YAML_TIMESTAMP},
        {"binary", MMI_YAML_BINARY},
        {"seq", MMI_YAML_SEQ},
        {"map", MMI_YAML_MAP},
        {"set", MMI_YAML_SET},
        {"omap", MMI_YAML_PAIRS},
        {"pairs", MMI_YAML_PAIRS},
        {"python/none", MMI_YAML_NULL},
        {"python/bool", MMI_YAML_BOOL},
        {"python/str", MMI_YAML_STR},
        {"python/unicode", MMI_YAML_STR},
        {"python/bytes", MMI_YAML_BINARY},
        {"python/int", MMI_YAML_INT},
        {"python/long", MMI_YAML_INT},
        {"python/float", MMI_YAML_FLOAT},
        {"python/list", MMI_YAML_SEQ},
        {"python/tuple", MMI_YAML_TUPLE},
        {"python/dict", MMI_YAML_MAP},
        {"python/object/apply:collections.OrderedDict", MMI_YAML_ORDERED},
        {"python/object/apply:eval", MMI_YAML_EVAL},
        {"python/object/apply:builtins.eval", MMI_YAML_EVAL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].tag;
        }
    }
    return strncmp(name, "python/name:", 12) == 0 && name[12] != '\0'
               ? MMI_YAML_NAME
               : MMI_YAML_UNKNOWN;
}

/* The tag that is written, or `none` without one. */
static mmi_yaml_tag tag_of(const yaml_char_t *written, mmi_yaml_tag none)
{
    const char *tag = (const char *)written;

    if (tag == NULL || strcmp(tag, "!") == 0) {
        return none;
    }
    return strncmp(tag, TAG_PREFIX, strlen(TAG_PREFIX)) == 0
               ? tag_named(tag + strlen(TAG_PREFIX))
               : MMI_YAML_UNKNOWN;
}

static void *refuse_tag(struct reader *reader, const char *tag, const yaml_mark_t *mark)
{
    static const char python[] = "tag:yaml.org,2002:python/";

    if (strncmp(tag, python, strlen(python)) == 0) {
        (void)fail(reader, mark, "the tag '!!python/%.100s' has no data form",
                   tag + strlen(python));
        (void)mm_error_hint("a YAML file is read as data; nothing in it is run");
    } else if (strncmp(tag, TAG_PREFIX, strlen(TAG_PREFIX)) == 0) {
        (void)fail(reader, mark, "unknown tag '!!%.100s'", tag + strlen(TAG_PREFIX));
    } else {
        (void)fail(reader, mark, "unknown tag '%.100s'", tag);
    }
    return NULL;
}

/* ---- anchors ---- */

/* False, with an error, if the anchor was used before. `name` may be NULL. */
static bool check_anchor(struct reader *reader, const char *name,
                         const yaml_mark_t *mark)
{
    bool is_taken = name != NULL && mm_dict_has(reader->anchors, name);

    for (const struct open_anchor *open = reader->open;
         name != NULL && open != NULL && !is_taken; open = open->outer) {
        is_taken = strcmp(open->name, name) == 0;
    }
    if (is_taken) {
        (void)fail(reader, mark, "the anchor '%.100s' is there twice", name);
    }
    return !is_taken && !mmi_is_pending();
}

static mm_value *read_alias(struct reader *reader)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    yaml_mark_t mark = reader->event.start_mark;
    mm_value *value = mm_dict_find(reader->anchors, name);

    for (const struct open_anchor *open = reader->open; open != NULL;
         open = open->outer) {
        if (strcmp(open->name, name) == 0) {
            return fail(reader, &mark, "'%.100s' contains itself", name);
        }
    }
    if (value == NULL) {
        return fail(reader, &mark, "there is no anchor '%.100s' for this alias", name);
    }
    return mm_value_ref(value);
}

/* ---- scalars ---- */

static mmi_yaml_tag scalar_tag(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;

    return tag_of(event->data.scalar.tag, event->data.scalar.plain_implicit
                                              ? mmi_yaml_resolve(text, size)
                                              : MMI_YAML_STR);
}

static mm_value *read_scalar(struct reader *reader, bool is_key)
{
    const yaml_event_t *event = &reader->event;
    const char *text = (const char *)event->data.scalar.value;
    const char *written = (const char *)event->data.scalar.tag;
    mmi_yaml_tag tag = scalar_tag(event);
    char why[MMI_YAML_WHY_SIZE] = "";
    mm_value *value = NULL;

    if (tag == MMI_YAML_UNKNOWN) {
        return refuse_tag(reader, written, &event->start_mark);
    }
    if (tag == MMI_YAML_NAME) { /* a class or function: its dotted name */
        if (event->data.scalar.length > 0) {
            return fail(reader, &event->start_mark,
                        "a Python name stands in the tag, '%.60s' behind it has no "
                        "meaning",
                        text);
        }
        return mm_value_new_str(strchr(written + strlen(TAG_PREFIX), ':') + 1);
    }
    if (tag == MMI_YAML_MERGE || (tag == MMI_YAML_VALUE && !is_key)) {
        (void)fail(reader, &event->start_mark,
                   "a plain '%s' is no value: it means something as a key only",
                   tag == MMI_YAML_MERGE ? "<<" : "=");
        (void)mm_error_hint("put it in quotes if it is text");
        return NULL;
    }
    value = mmi_yaml_scalar(tag == MMI_YAML_VALUE ? MMI_YAML_STR : tag, text,
                            event->data.scalar.length, why);
    return value == NULL && !mmi_is_pending()
               ? fail(reader, &event->start_mark, "%s", why)
               : value;
}

/* ---- collections ---- */

static mm_value *read_node(struct reader *reader, bool is_key);

/* Items up to the end of the sequence. */
static void read_items(struct reader *reader, mm_value *list)
{
    while (next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT) {
        mm_source source = place_of(reader, &reader->event.start_mark);
        mm_value *item = read_node(reader, false);

        if (item != NULL) {
            mm_list_push(list, item);
        }
        if (reader->file != NULL && !mmi_is_pending()) {
            mm_list_set_source(list, mm_value_len(list) - 1, source);
        }
    }
}

/* One of a list of pairs: a mapping with one entry. */
static mm_value *pair_of(struct reader *reader, const mm_value *entry,
                         const yaml_mark_t *mark)
{
    mm_value *pair = NULL;

    if (mm_value_kind(entry) != MM_KIND_DICT || mm_value_len(entry) != 1) {
        return fail(reader, mark, "expected a mapping with one entry");
    }
    pair = mm_value_new_tuple();
    mm_list_append(pair, mm_dict_key_at(entry, 0));
    mm_list_append(pair, mm_dict_at(entry, 0));
    return pair;
}

/* An omap, pairs: a list of tuples of two. */
static void read_pairs(struct reader *reader, mm_value *list)
{
    while (next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT) {
        yaml_mark_t mark = reader->event.start_mark;
        mm_source source = place_of(reader, &mark);
        mm_value *entry = read_node(reader, false);
        mm_value *pair = entry == NULL ? NULL : pair_of(reader, entry, &mark);

        if (pair != NULL) {
            mm_list_push(list, pair);
        }
        if (reader->file != NULL && !mmi_is_pending()) {
            mm_list_set_source(list, mm_value_len(list) - 1, source);
        }
        mm_value_unref(entry);
    }
}

/* The dict of an OrderedDict's arguments: [[[key, value], ...]]. */
static mm_value *ordered_of(struct reader *reader, const mm_value *args,
                            const yaml_mark_t *mark)
{
    const mm_value *pairs = mm_value_len(args) == 1 ? mm_list_get(args, 0) : NULL;
    mm_value *dict = mm_value_new_dict();
    bool good = mm_value_len(args) == 0 || mm_value_kind(pairs) == MM_KIND_LIST;

    for (size_t i = 0; good && pairs != NULL && i < mm_value_len(pairs); i++) {
        const mm_value *pair = mm_list_get(pairs, i);
        mm_kind kind = mm_value_kind(pair);
        const mm_source *source = mm_list_source(pairs, i);

        good =
            (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) && mm_value_len(pair) == 2;
        if (good) {
            mm_dict_put_key(dict, mm_list_get(pair, 0), mm_list_get(pair, 1));
            good = !mmi_is_pending();
        }
        if (good && source != NULL) {
            mm_dict_set_source_at(dict, mm_value_len(dict) - 1, *source);
        }
    }
    if (!good && !mmi_is_pending()) {
        (void)fail(reader, mark, "an OrderedDict is made of a list of pairs");
    }
    return dict;
}

/* The value of an expression in a config; the list is its only argument. */
static mm_value *eval_of(struct reader *reader, const mm_value *args,
                         const yaml_mark_t *mark)
{
    const mm_value *text = mm_value_len(args) == 1 ? mm_list_get(args, 0) : NULL;
    size_t size = 0;
    const char *expression = NULL;
    mm_value *value = NULL;
    mm_source source = place_of(reader, mark);

    if (mm_value_kind(text) != MM_KIND_STR) {
        return fail(reader, mark, "eval takes one text");
    }
    expression = mm_value_str_n(text, &size);
    value = reader->input->eval(reader->input->user, expression, size);
    if (value == NULL) {
        (void)mm_error_frame("while evaluating an expression of %s:%d:%d",
                             reader->file == NULL ? "?" : reader->file,
                             (int)source.line, (int)source.column);
    }
    return value;
}

/* The value of a list with a tag that calls something; the list is released. */
static mm_value *call_of(struct reader *reader, mmi_yaml_tag tag, mm_value *args,
                         const yaml_mark_t *mark)
{
    mm_value *made = NULL;

    if (!mmi_is_pending()) {
        made = tag == MMI_YAML_EVAL ? eval_of(reader, args, mark)
                                    : ordered_of(reader, args, mark);
    }
    mm_value_unref(args);
    return made;
}

static mm_value *read_sequence(struct reader *reader)
{
    mmi_yaml_tag tag = tag_of(reader->event.data.sequence_start.tag, MMI_YAML_SEQ);
    yaml_mark_t mark = reader->event.start_mark;
    bool calls = tag == MMI_YAML_ORDERED || tag == MMI_YAML_EVAL;
    mm_value *list = NULL;

    if (tag == MMI_YAML_UNKNOWN ||
        (tag == MMI_YAML_EVAL && reader->input->eval == NULL)) {
        return refuse_tag(reader, (const char *)reader->event.data.sequence_start.tag,
                          &mark);
    }
    if (tag != MMI_YAML_SEQ && tag != MMI_YAML_TUPLE && tag != MMI_YAML_PAIRS &&
        !calls) {
        return fail(reader, &mark, "expected a %s, found a sequence",
                    tag == MMI_YAML_MAP || tag == MMI_YAML_SET ? "mapping" : "scalar");
    }
    list = tag == MMI_YAML_TUPLE ? mm_value_new_tuple() : mm_value_new_list();
    if (tag == MMI_YAML_PAIRS) {
        read_pairs(reader, list);
    } else {
        read_items(reader, list);
    }
    return calls ? call_of(reader, tag, list, &mark) : list;
}

static bool is_mapping(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_DICT || mm_value_kind(value) == MM_KIND_SET;
}

/* Adds all entries of a mapping to a dict. */
static void add_entries(mm_value *to, const mm_value *from)
{
    bool is_set = mm_value_kind(from) == MM_KIND_SET;
    mm_value *none = is_set ? mm_value_new_none() : NULL;

    for (size_t i = 0; i < mm_value_len(from) && !mmi_is_pending(); i++) {
        mm_value *key = is_set ? mm_list_get(from, i) : mm_dict_key_at(from, i);
        const mm_source *source = is_set ? NULL : mm_dict_source_at(from, i);
        size_t count = mm_value_len(to);

        mm_dict_put_key(to, key, is_set ? none : mm_dict_at(from, i));
        if (source == NULL || mmi_is_pending()) {
            continue;
        }
        if (mm_value_len(to) > count) {
            mm_dict_set_source_at(to, count, *source);
        } else if (mm_dict_name_at(from, i) != NULL) {
            mm_dict_set_source(to, mm_dict_name_at(from, i), *source);
        }
    }
    mm_value_unref(none);
}

/* The same of a mapping that `<<` names. */
static void add_merged(struct reader *reader, mm_value *to, const mm_value *from,
                       const yaml_mark_t *mark)
{
    reader->num_merged += mm_value_len(from);
    if (reader->num_merged > MAX_MERGED) {
        (void)fail(reader, mark, "more than %d entries are merged by '<<'",
                   (int)MAX_MERGED);
    }
    add_entries(to, from);
}

/* The value of `<<`: a mapping, or a list of them of which the first counts most. */
static void merge(struct reader *reader, mm_value *to, const mm_value *from,
                  const yaml_mark_t *mark)
{
    mm_kind kind = mm_value_kind(from);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    if (is_mapping(from)) {
        add_merged(reader, to, from, mark);
    } else if (is_list) {
        for (size_t i = mm_value_len(from); i > 0 && !mmi_is_pending(); i--) {
            const mm_value *item = mm_list_get(from, i - 1);

            if (is_mapping(item)) {
                add_merged(reader, to, item, mark);
            } else {
                (void)fail(reader, mark,
                           "'<<' takes mappings, item %zu of its list is of type %s", i,
                           mm_value_type_name(item));
            }
        }
    } else if (!mmi_is_pending()) {
        (void)fail(reader, mark, "'<<' takes a mapping or a list of them, not %s",
                   mm_value_type_name(from));
    }
}

/* A mapping in the making: what `<<` brings comes first, wherever it stands. */
struct mapping {
    mm_value *own;
    mm_value *merged; /* NULL: no `<<` so far */
};

static void put_own(struct reader *reader, mm_value *dict, mm_value *key,
                    mm_value *value, mm_source source, const yaml_mark_t *mark)
{
    size_t count = mm_value_len(dict);
    size_t name_size = 0;

    mm_dict_put_key(dict, key, value);
    if (mm_pending() == MM_ETYPE) {
        (void)mm_error_take(NULL);
        (void)fail(reader, mark, "a %s cannot be a key", mm_value_type_name(key));
    }
    if (reader->file == NULL || mmi_is_pending()) {
        return;
    }
    if (mm_value_len(dict) > count) {
        mm_dict_set_source_at(dict, count, source);
    } else if (mm_value_kind(key) == MM_KIND_STR &&
               strlen(mm_value_str_n(key, &name_size)) == name_size) {
        mm_dict_set_source(dict, mm_value_str(key), source);
    }
}

static void read_entry(struct reader *reader, struct mapping *mapping)
{
    yaml_mark_t mark = reader->event.start_mark;
    mm_source source = place_of(reader, &mark);
    bool is_merge = reader->event.type == YAML_SCALAR_EVENT &&
                    scalar_tag(&reader->event) == MMI_YAML_MERGE;
    mm_value *key = is_merge ? NULL : read_node(reader, true);
    mm_value *value = next(reader) ? read_node(reader, false) : NULL;

    if (is_merge && value != NULL) {
        if (mapping->merged == NULL) {
            mapping->merged = mm_value_new_dict();
        }
        merge(reader, mapping->merged, value, &mark);
    } else if (key != NULL && value != NULL) {
        put_own(reader, mapping->own, key, value, source, &mark);
    }
    mm_value_unref(key);
    mm_value_unref(value);
}

/* The entries written out go over those that were merged. */
static mm_value *close_mapping(struct mapping *mapping)
{
    if (mapping->merged == NULL) {
        return mapping->own;
    }
    add_entries(mapping->merged, mapping->own);
    mm_value_unref(mapping->own);
    return mapping->merged;
}

static mm_value *set_of(const mm_value *dict)
{
    mm_value *set = mm_value_new_set();

    for (size_t i = 0; i < mm_value_len(dict) && !mmi_is_pending(); i++) {
        mm_set_add(set, mm_dict_key_at(dict, i));
    }
    return set;
}

static mm_value *read_mapping(struct reader *reader)
{
    mmi_yaml_tag tag = tag_of(reader->event.data.mapping_start.tag, MMI_YAML_MAP);
    yaml_mark_t mark = reader->event.start_mark;
    struct mapping mapping = {0};
    mm_value *dict = NULL;

    if (tag == MMI_YAML_UNKNOWN) {
        return refuse_tag(reader, (const char *)reader->event.data.mapping_start.tag,
                          &mark);
    }
    if (tag != MMI_YAML_MAP && tag != MMI_YAML_SET) {
        bool is_list = tag == MMI_YAML_SEQ || tag == MMI_YAML_TUPLE ||
                       tag == MMI_YAML_PAIRS || tag == MMI_YAML_ORDERED ||
                       tag == MMI_YAML_EVAL;

        return fail(reader, &mark, "expected a %s, found a mapping",
                    is_list ? "sequence" : "scalar");
    }
    mapping.own = mm_value_new_dict();
    while (next(reader) && reader->event.type != YAML_MAPPING_END_EVENT) {
        read_entry(reader, &mapping);
    }
    dict = close_mapping(&mapping);
    if (tag == MMI_YAML_SET) {
        mm_value *set = set_of(dict);

        mm_value_unref(dict);
        dict = set;
    }
    return dict;
}

static mm_value *read_collection(struct reader *reader, const char *anchor)
{
    bool is_list = reader->event.type == YAML_SEQUENCE_START_EVENT;
    struct open_anchor open = {reader->open, anchor};
    mm_value *value = NULL;

    if (reader->depth >= MMI_DOC_DEPTH) {
        return fail(reader, &reader->event.start_mark,
                    "containers are nested deeper than %d", (int)MMI_DOC_DEPTH);
    }
    if (anchor != NULL) {
        reader->open = &open;
    }
    reader->depth++;
    value = is_list ? read_sequence(reader) : read_mapping(reader);
    reader->depth--;
    reader->open = open.outer;
    return value;
}

/* The node that begins with the present event. Yours. */
static mm_value *read_node(struct reader *reader, bool is_key)
{
    const yaml_event_t *event = &reader->event;
    const char *written = NULL;
    char *anchor = NULL;
    mm_value *value = NULL;

    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(reader);
    case YAML_SCALAR_EVENT:
        written = (const char *)event->data.scalar.anchor;
        break;
    case YAML_SEQUENCE_START_EVENT:
        written = (const char *)event->data.sequence_start.anchor;
        break;
    default:
        written = (const char *)event->data.mapping_start.anchor;
        break;
    }
    if (!check_anchor(reader, written, &event->start_mark)) {
        return NULL;
    }
    anchor = mm_strdup(written == NULL ? "" : written); /* the event goes */
    value = event->type == YAML_SCALAR_EVENT
                ? read_scalar(reader, is_key)
                : read_collection(reader, written == NULL ? NULL : anchor);
    if (written != NULL && value != NULL && !mmi_is_pending()) {
        mm_dict_put(reader->anchors, anchor, value);
    }
    mm_free(anchor);
    if (mmi_is_pending()) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

/* ---- documents ---- */

/* Begins reading; the first event is the stream's start. */
static bool begin(struct reader *reader, const char *text, size_t size,
                  const mmi_doc_input *input)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    *reader = (struct reader){.text = text, .size = size, .input = input, .line = 1};
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
    return next(reader);
}

static void end(struct reader *reader)
{
    if (reader->has_event) {
        yaml_event_delete(&reader->event);
    }
    yaml_parser_delete(&reader->parser);
    mm_value_unref(reader->anchors);
}

/* The next document, yours; NULL without an error at the end of the stream. Its start
 * is noted in `mark`. */
static mm_value *read_document(struct reader *reader, yaml_mark_t *mark)
{
    mm_value *value = NULL;

    if (!next(reader) || reader->event.type == YAML_STREAM_END_EVENT) {
        return NULL;
    }
    *mark = reader->event.start_mark;
    mm_value_unref(reader->anchors);
    reader->anchors = mm_value_new_dict();
    value = next(reader) ? read_node(reader, false) : NULL;
    if (value != NULL && !next(reader)) { /* the document's end */
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

mm_value *mmi_yaml_read(const char *text, size_t size, const mmi_doc_input *input)
{
    struct reader reader;
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
            (void)fail(&reader, &mark, "expected one document, here begins another");
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
    struct reader reader;
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
