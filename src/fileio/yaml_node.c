/* Nodes of YAML to values, built in one pass; aliases share them. `<<` puts the merged
 * entries in front and never over a key that is written out. Later duplicates win. What
 * PyYAML would build by running code is refused. */
#include <string.h>

#include "base/status.h"
#include "fileio/pickle.h"
#include "fileio/yaml_reader.h"
#include "mmengine/memory.h"

/* Entries that `<<` may copy: enough for any real file, not for one made to explode. */
enum { MAX_MERGED = 1000000 };

/* ---- anchors ---- */

/* False, with an error, if the anchor was used before. `name` may be NULL. */
static bool check_anchor(struct mmi_yaml_reader *reader, const char *name,
                         const yaml_mark_t *mark)
{
    bool is_taken = name != NULL && mm_dict_has(reader->anchors, name);

    for (const struct mmi_yaml_anchor *open = reader->open;
         name != NULL && open != NULL && !is_taken; open = open->outer) {
        is_taken = strcmp(open->name, name) == 0;
    }
    if (is_taken) {
        (void)mmi_yaml_fail(reader, mark, "the anchor '%.100s' is there twice", name);
    }
    return !is_taken && !mmi_is_pending();
}

static mm_value *read_alias(struct mmi_yaml_reader *reader)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    yaml_mark_t mark = reader->event.start_mark;
    mm_value *value = mm_dict_find(reader->anchors, name);

    for (const struct mmi_yaml_anchor *open = reader->open; open != NULL;
         open = open->outer) {
        if (strcmp(open->name, name) == 0) {
            return mmi_yaml_fail(reader, &mark, "'%.100s' contains itself", name);
        }
    }
    if (value == NULL) {
        return mmi_yaml_fail(reader, &mark,
                             "there is no anchor '%.100s' for this alias", name);
    }
    return mm_value_ref(value);
}

/* ---- scalars ---- */

static mmi_yaml_tag scalar_tag(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;

    return mmi_yaml_tag_of(event->data.scalar.tag, event->data.scalar.plain_implicit
                                                       ? mmi_yaml_resolve(text, size)
                                                       : MMI_YAML_STR);
}

static mm_value *read_scalar(struct mmi_yaml_reader *reader, bool is_key)
{
    const yaml_event_t *event = &reader->event;
    const char *text = (const char *)event->data.scalar.value;
    const char *written = (const char *)event->data.scalar.tag;
    mmi_yaml_tag tag = scalar_tag(event);
    char why[MMI_YAML_WHY_SIZE] = "";
    mm_value *value = NULL;

    if (tag == MMI_YAML_UNKNOWN) {
        return mmi_yaml_refuse_tag(reader, event->data.scalar.tag, &event->start_mark);
    }
    if (tag == MMI_YAML_NAME) { /* a class or function: its dotted name */
        if (event->data.scalar.length > 0) {
            return mmi_yaml_fail(
                reader, &event->start_mark,
                "a Python name stands in the tag, '%.60s' behind it has no "
                "meaning",
                text);
        }
        return mm_value_new_str(strstr(written, "/name:") + strlen("/name:"));
    }
    if (tag == MMI_YAML_MERGE || (tag == MMI_YAML_VALUE && !is_key)) {
        (void)mmi_yaml_fail(
            reader, &event->start_mark,
            "a plain '%s' is no value: it means something as a key only",
            tag == MMI_YAML_MERGE ? "<<" : "=");
        (void)mm_error_hint("put it in quotes if it is text");
        return NULL;
    }
    value = mmi_yaml_scalar(tag == MMI_YAML_VALUE ? MMI_YAML_STR : tag, text,
                            event->data.scalar.length, why);
    return value == NULL && !mmi_is_pending()
               ? mmi_yaml_fail(reader, &event->start_mark, "%s", why)
               : value;
}

/* ---- collections ---- */

/* Items up to the end of the sequence. */
static void read_items(struct mmi_yaml_reader *reader, mm_value *list)
{
    while (mmi_yaml_next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT) {
        mm_source source = mmi_yaml_place(reader, &reader->event.start_mark);
        mm_value *item = mmi_yaml_node(reader, false);

        if (item != NULL) {
            mm_list_push(list, item);
        }
        if (reader->file != NULL && !mmi_is_pending()) {
            mm_list_set_source(list, mm_value_len(list) - 1, source);
        }
    }
}

/* One of a list of pairs: a mapping with one entry. */
static mm_value *pair_of(struct mmi_yaml_reader *reader, const mm_value *entry,
                         const yaml_mark_t *mark)
{
    mm_value *pair = NULL;

    if (mm_value_kind(entry) != MM_KIND_DICT || mm_value_len(entry) != 1) {
        return mmi_yaml_fail(reader, mark, "expected a mapping with one entry");
    }
    pair = mm_value_new_tuple();
    mm_list_append(pair, mm_dict_key_at(entry, 0));
    mm_list_append(pair, mm_dict_at(entry, 0));
    return pair;
}

/* An omap, pairs: a list of tuples of two. */
static void read_pairs(struct mmi_yaml_reader *reader, mm_value *list)
{
    while (mmi_yaml_next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT) {
        yaml_mark_t mark = reader->event.start_mark;
        mm_source source = mmi_yaml_place(reader, &mark);
        mm_value *entry = mmi_yaml_node(reader, false);
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
static mm_value *ordered_of(struct mmi_yaml_reader *reader, const mm_value *args,
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
        (void)mmi_yaml_fail(reader, mark, "an OrderedDict is made of a list of pairs");
    }
    return dict;
}

/* The value of an expression in a config; the list is its only argument. */
static mm_value *eval_of(struct mmi_yaml_reader *reader, const mm_value *args,
                         const yaml_mark_t *mark)
{
    const mm_value *text = mm_value_len(args) == 1 ? mm_list_get(args, 0) : NULL;
    size_t size = 0;
    const char *expression = NULL;
    mm_value *value = NULL;
    mm_source source = mmi_yaml_place(reader, mark);

    if (mm_value_kind(text) != MM_KIND_STR) {
        return mmi_yaml_fail(reader, mark, "eval takes one text");
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
static mm_value *call_of(struct mmi_yaml_reader *reader, mmi_yaml_tag tag,
                         mm_value *args, const yaml_mark_t *mark)
{
    mm_value *made = NULL;

    if (!mmi_is_pending()) {
        made = tag == MMI_YAML_EVAL ? eval_of(reader, args, mark)
                                    : ordered_of(reader, args, mark);
    }
    mm_value_unref(args);
    return made;
}

static mm_value *read_sequence(struct mmi_yaml_reader *reader)
{
    mmi_yaml_tag tag =
        mmi_yaml_tag_of(reader->event.data.sequence_start.tag, MMI_YAML_SEQ);
    yaml_mark_t mark = reader->event.start_mark;
    bool calls = tag == MMI_YAML_ORDERED || tag == MMI_YAML_EVAL;
    mm_value *list = NULL;

    if (tag == MMI_YAML_UNKNOWN ||
        (tag == MMI_YAML_EVAL && reader->input->eval == NULL)) {
        return mmi_yaml_refuse_tag(reader, reader->event.data.sequence_start.tag,
                                   &mark);
    }
    if (tag != MMI_YAML_SEQ && tag != MMI_YAML_TUPLE && tag != MMI_YAML_PAIRS &&
        !calls) {
        return mmi_yaml_fail(reader, &mark, "expected a %s, found a sequence",
                             tag == MMI_YAML_MAP || tag == MMI_YAML_SET ? "mapping"
                                                                        : "scalar");
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
static void add_merged(struct mmi_yaml_reader *reader, mm_value *to,
                       const mm_value *from, const yaml_mark_t *mark)
{
    reader->num_merged += mm_value_len(from);
    if (reader->num_merged > MAX_MERGED) {
        (void)mmi_yaml_fail(reader, mark, "more than %d entries are merged by '<<'",
                            (int)MAX_MERGED);
    }
    add_entries(to, from);
}

/* The value of `<<`: a mapping, or a list of them of which the first counts most. */
static void merge(struct mmi_yaml_reader *reader, mm_value *to, const mm_value *from,
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
                (void)mmi_yaml_fail(
                    reader, mark,
                    "'<<' takes mappings, item %zu of its list is of type %s", i,
                    mm_value_type_name(item));
            }
        }
    } else if (!mmi_is_pending()) {
        (void)mmi_yaml_fail(reader, mark,
                            "'<<' takes a mapping or a list of them, not %s",
                            mm_value_type_name(from));
    }
}

/* A mapping in the making: what `<<` brings comes first, wherever it stands. */
struct mapping {
    mm_value *own;
    mm_value *merged; /* NULL: no `<<` so far */
};

static void put_own(struct mmi_yaml_reader *reader, mm_value *dict, mm_value *key,
                    mm_value *value, mm_source source, const yaml_mark_t *mark)
{
    size_t count = mm_value_len(dict);
    size_t name_size = 0;

    mm_dict_put_key(dict, key, value);
    if (mm_pending() == MM_ETYPE) {
        (void)mm_error_take(NULL);
        (void)mmi_yaml_fail(reader, mark, "a %s cannot be a key",
                            mm_value_type_name(key));
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

static void read_entry(struct mmi_yaml_reader *reader, struct mapping *mapping)
{
    yaml_mark_t mark = reader->event.start_mark;
    mm_source source = mmi_yaml_place(reader, &mark);
    bool is_merge = reader->event.type == YAML_SCALAR_EVENT &&
                    scalar_tag(&reader->event) == MMI_YAML_MERGE;
    mm_value *key = is_merge ? NULL : mmi_yaml_node(reader, true);
    mm_value *value = mmi_yaml_next(reader) ? mmi_yaml_node(reader, false) : NULL;

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

static mm_value *read_mapping(struct mmi_yaml_reader *reader)
{
    mmi_yaml_tag tag =
        mmi_yaml_tag_of(reader->event.data.mapping_start.tag, MMI_YAML_MAP);
    yaml_mark_t mark = reader->event.start_mark;
    struct mapping mapping = {0};
    mm_value *dict = NULL;

    if (tag == MMI_YAML_UNKNOWN) {
        return mmi_yaml_refuse_tag(reader, reader->event.data.mapping_start.tag, &mark);
    }
    if (tag != MMI_YAML_MAP && tag != MMI_YAML_SET) {
        bool is_list = tag == MMI_YAML_SEQ || tag == MMI_YAML_TUPLE ||
                       tag == MMI_YAML_PAIRS || tag == MMI_YAML_ORDERED ||
                       tag == MMI_YAML_EVAL;

        return mmi_yaml_fail(reader, &mark, "expected a %s, found a mapping",
                             is_list ? "sequence" : "scalar");
    }
    mapping.own = mm_value_new_dict();
    while (mmi_yaml_next(reader) && reader->event.type != YAML_MAPPING_END_EVENT) {
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

static mm_value *read_collection(struct mmi_yaml_reader *reader, const char *anchor)
{
    bool is_list = reader->event.type == YAML_SEQUENCE_START_EVENT;
    struct mmi_yaml_anchor open = {reader->open, anchor};
    mm_value *value = NULL;

    if (reader->depth >= MMI_DOC_DEPTH) {
        return mmi_yaml_fail(reader, &reader->event.start_mark,
                             "containers are nested deeper than %d",
                             (int)MMI_DOC_DEPTH);
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

mm_value *mmi_yaml_node(struct mmi_yaml_reader *reader, bool is_key)
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
