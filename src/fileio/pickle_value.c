/* From the graph of a pickle to values. Sharing is kept: one node becomes one value.
 * Three bounds keep hostile graphs harmless: nesting, cycles (values are counted, a
 * cycle would never be freed), and the size of the tree when sharing is unfolded, since
 * later walks over the value see the tree and not the graph. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "fileio/pickle.h"
#include "mmengine/memory.h"

enum { MAX_UNFOLDED = 1 << 26 };

/* One entry per node. */
struct made {
    mm_value *value;   /* NULL: not made yet */
    uint32_t unfolded; /* values in its tree, saturating */
    bool is_open;      /* being made: met again, it contains itself */
};

struct maker {
    const mmi_pk_graph *graph;
    const mmi_pickle_reader *reader;
    struct made *made;
    const char *file;
    int depth;
};

static mm_value *make(struct maker *maker, uint32_t index);

static mm_value *refuse(const struct maker *maker, const char *why)
{
    mm_raise(MM_EDATA, "could not read pickle '%s': %s",
             maker->file != NULL ? maker->file : "<memory>", why);
    return NULL;
}

/* The decimal digits of a little-endian two's complement number; mm_free(). */
static char *bigint_digits(const unsigned char *data, size_t size)
{
    bool is_negative = (data[size - 1] & 0x80) != 0;
    uint32_t *limbs = mm_alloc_array(size / 4 + 1, sizeof *limbs);
    size_t room = size * 5 / 2 + 16; /* log10(256) = 2.41 */
    char *text = mm_alloc(room);
    if (limbs == NULL || text == NULL) {
        mm_free(limbs);
        mm_free(text);
        return NULL;
    }
    unsigned carry = 1;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = is_negative ? (unsigned)(data[i] ^ 0xff) + carry : data[i];
        carry = byte >> 8;
        limbs[i / 4] |= (uint32_t)(byte & 0xff) << (8 * (i % 4));
    }
    size_t num_limbs = size / 4 + 1;
    size_t at = room - 1;
    while (num_limbs > 0) {
        uint64_t rest = 0;
        for (size_t i = num_limbs; i > 0; i--) {
            uint64_t part = rest << 32 | limbs[i - 1];
            limbs[i - 1] = (uint32_t)(part / 1000000000);
            rest = part % 1000000000;
        }
        while (num_limbs > 0 && limbs[num_limbs - 1] == 0) {
            num_limbs--;
        }
        for (int i = 0; i < 9 && (i == 0 || rest > 0 || num_limbs > 0); i++) {
            text[--at] = (char)('0' + rest % 10);
            rest /= 10;
        }
    }
    if (is_negative) {
        text[--at] = '-';
    }
    memmove(text, text + at, room - at);
    mm_free(limbs);
    return text;
}

static mm_value *make_bigint(mmi_pk_span span)
{
    char *digits = bigint_digits((const unsigned char *)span.data, span.size);
    mm_value *value = digits != NULL ? mm_value_new_bigint(digits) : NULL;

    mm_free(digits);
    return value;
}

static mm_value *make_digits(mmi_pk_span span)
{
    size_t skip = span.size > 0 && span.data[0] == '+';
    char *digits = mmi_strndup(span.data + skip, span.size - skip);
    mm_value *value = digits != NULL ? mm_value_new_bigint(digits) : NULL;

    mm_free(digits);
    return value;
}

/* Fills a list, tuple or set. */
static mm_value *make_sequence(struct maker *maker, const mmi_pk_node *node)
{
    mm_value *value = node->kind == MMI_PK_LIST    ? mm_value_new_list()
                      : node->kind == MMI_PK_TUPLE ? mm_value_new_tuple()
                                                   : mm_value_new_set();

    for (uint32_t i = 0; value != NULL && i < node->u.seq.count; i++) {
        mm_value *item = make(maker, node->u.seq.items[i]);
        if (item != NULL && node->kind == MMI_PK_SET) {
            mm_set_add(value, item);
        } else if (item != NULL) {
            mm_list_append(value, item);
        }
        if (mmi_is_pending()) {
            mm_value_unref(value);
            return NULL;
        }
    }
    return value;
}

static mm_value *make_dict(struct maker *maker, const mmi_pk_node *node)
{
    mm_value *dict = mm_value_new_dict();

    for (uint32_t i = 0; dict != NULL && i + 1 < node->u.seq.count; i += 2) {
        mm_value *key = make(maker, node->u.seq.items[i]);
        mm_value *value = make(maker, node->u.seq.items[i + 1]);
        if (key != NULL && value != NULL) {
            mm_dict_put_key(dict, key, value);
        }
        if (mmi_is_pending()) {
            mm_value_unref(dict);
            return NULL;
        }
    }
    return dict;
}

static mm_value *make_ordered(struct maker *maker, const mmi_pk_node *node)
{
    mm_value *dict = make_dict(maker, node);

    if (dict == NULL || !maker->reader->keep_ordered) {
        return dict;
    }
    mm_value *state = make(maker, node->aux);
    mm_value *ordered = NULL;
    if (!mmi_is_pending()) {
        ordered = mmi_node_new(&(mmi_node){.kind = MMI_NODE_ORDERED,
                                           .class_name = "collections.OrderedDict",
                                           .module_size = strlen("collections"),
                                           .state = state,
                                           .entries = dict});
    }
    mm_value_unref(dict);
    return ordered;
}

/* "module.Name" of a global; mm_free(). */
static char *global_name(const mmi_pk_node *node)
{
    return mm_strfmt("%.*s.%.*s", (int)node->u.global.module_size, node->u.global.data,
                     (int)node->u.global.name_size,
                     node->u.global.data + node->u.global.module_size);
}

static mm_value *make_global(const mmi_pk_node *node)
{
    char *name = global_name(node);
    mm_value *value = NULL;

    if (name != NULL) {
        value = mmi_node_new(&(mmi_node){.kind = MMI_NODE_CLASS,
                                         .class_name = name,
                                         .module_size = node->u.global.module_size});
    }
    mm_free(name);
    return value;
}

/* getattr(class, 'Inner'), as the older protocols name a class inside a class: the
 * class "module.Class.Inner", as the newer ones do. NULL without an error: it is
 * something else, or a name so long that copies of it could fill the memory. */
static mm_value *make_inner_class(const mmi_node *callee, const mm_value *args)
{
    bool is_getattr = strcmp(callee->class_name, "__builtin__.getattr") == 0 ||
                      strcmp(callee->class_name, "builtins.getattr") == 0;
    const mmi_node *outer =
        is_getattr && mm_value_kind(args) == MM_KIND_TUPLE && mm_value_len(args) == 2
            ? mmi_node_find(mm_list_get(args, 0))
            : NULL;
    char name[MMI_INNER_CLASS_SIZE];

    if (outer == NULL || outer->kind != MMI_NODE_CLASS ||
        mm_value_kind(mm_list_get(args, 1)) != MM_KIND_STR) {
        return NULL;
    }
    size_t inner_size = 0;
    size_t size = strlen(outer->class_name);
    const char *inner = mm_value_str_n(mm_list_get(args, 1), &inner_size);
    bool fits = inner_size > 0 && inner_size < MMI_INNER_CLASS_SIZE &&
                size < MMI_INNER_CLASS_SIZE &&
                size + 1 + inner_size < MMI_INNER_CLASS_SIZE &&
                strpbrk(inner, ".\n") == NULL && strlen(inner) == inner_size;
    if (!fits) {
        return NULL;
    }
    memcpy(name, outer->class_name, size);
    name[size] = '.';
    memcpy(name + size + 1, inner, inner_size + 1);
    return mmi_node_new(&(mmi_node){
        .kind = MMI_NODE_CLASS, .class_name = name, .module_size = outer->module_size});
}

static mm_value *make_call(struct maker *maker, const mmi_pk_node *node)
{
    static const mmi_node_kind kinds[] = {MMI_NODE_REDUCE, MMI_NODE_NEWOBJ,
                                          MMI_NODE_NEWOBJ_EX};
    const mmi_pickle_reader *reader = maker->reader;
    const mmi_pk_call *call = &maker->graph->calls[node->aux];
    mmi_node made = {.kind = kinds[call->how]};

    made.callee = make(maker, call->callee);
    made.args = make(maker, call->args);
    made.kwargs = make(maker, call->kwargs);
    made.state = make(maker, call->state);
    made.items = make(maker, call->items);
    made.entries = make(maker, call->entries);
    const mmi_node *callee = mmi_is_pending() ? NULL : mmi_node_find(made.callee);
    if (mmi_is_pending()) {
        return NULL;
    }
    if (callee == NULL) {
        return refuse(maker, "something that is no class or function is called");
    }
    bool is_plain = made.kind == MMI_NODE_REDUCE && callee->kind == MMI_NODE_CLASS &&
                    made.state == NULL && made.items == NULL && made.entries == NULL;
    if (is_plain && reader->call != NULL) {
        mm_value *known = reader->call(reader->user, callee->class_name, made.args);
        if (known != NULL || mmi_is_pending()) {
            return known;
        }
    }
    mm_value *inner = is_plain ? make_inner_class(callee, made.args) : NULL;
    if (inner != NULL || mmi_is_pending()) {
        return inner;
    }
    made.class_name = callee->class_name;
    made.module_size = callee->module_size;
    return mmi_node_new(&made);
}

static mm_value *make_persistent(struct maker *maker, const mmi_pk_node *node)
{
    const mmi_pickle_reader *reader = maker->reader;
    mm_value *id = make(maker, node->aux);

    if (id == NULL) {
        return NULL;
    }
    if (reader->persistent != NULL) {
        mm_value *known = reader->persistent(reader->user, id);
        if (known != NULL || mmi_is_pending()) {
            return known;
        }
    }
    return mmi_node_new(
        &(mmi_node){.kind = MMI_NODE_PERSISTENT, .class_name = "", .args = id});
}

static mm_value *make_new(struct maker *maker, const mmi_pk_node *node)
{
    switch (node->kind) {
    case MMI_PK_VOID:
        return refuse(maker, "a value is missing");
    case MMI_PK_NONE:
        return mm_value_new_none();
    case MMI_PK_BOOL:
        return mm_value_new_bool(node->u.boolean);
    case MMI_PK_INT:
        return mm_value_new_i64(node->u.integer);
    case MMI_PK_BIGINT:
        return make_bigint(node->u.text);
    case MMI_PK_DIGITS:
        return make_digits(node->u.text);
    case MMI_PK_FLOAT:
        return mm_value_new_f64(node->u.number);
    case MMI_PK_STR:
        return mm_value_new_str_n(node->u.text.data, node->u.text.size);
    case MMI_PK_BYTES:
        return mm_value_new_bytes(node->u.text.data, node->u.text.size);
    case MMI_PK_LIST:
    case MMI_PK_TUPLE:
    case MMI_PK_SET:
        return make_sequence(maker, node);
    case MMI_PK_DICT:
        return make_dict(maker, node);
    case MMI_PK_ORDERED:
        return make_ordered(maker, node);
    case MMI_PK_GLOBAL:
        return make_global(node);
    case MMI_PK_CALL:
        return make_call(maker, node);
    case MMI_PK_PERSID:
        return make_persistent(maker, node);
    }
    return refuse(maker, "a value is of no known kind");
}

/* Adds the size of a child's tree. */
static void unfold(struct maker *maker, uint64_t *total, uint32_t child)
{
    *total += maker->made[child].unfolded;
}

/* Values in the tree of a node whose children are made. */
static uint32_t unfolded_size(struct maker *maker, const mmi_pk_node *node)
{
    uint64_t total = 1;

    if (node->kind >= MMI_PK_LIST && node->kind <= MMI_PK_ORDERED) {
        for (uint32_t i = 0; i < node->u.seq.count && total < UINT32_MAX; i++) {
            unfold(maker, &total, node->u.seq.items[i]);
        }
    }
    if (node->kind == MMI_PK_ORDERED || node->kind == MMI_PK_PERSID) {
        unfold(maker, &total, node->aux);
    } else if (node->kind == MMI_PK_CALL) {
        const mmi_pk_call *call = &maker->graph->calls[node->aux];
        unfold(maker, &total, call->args);
        unfold(maker, &total, call->kwargs);
        unfold(maker, &total, call->state);
        unfold(maker, &total, call->items);
        unfold(maker, &total, call->entries);
    }
    return total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
}

/* The value of a node, borrowed from maker->made; NULL for node 0 and on error. */
static mm_value *make(struct maker *maker, uint32_t index)
{
    struct made *made = &maker->made[index];
    const mmi_pk_node *node = &maker->graph->nodes[index];

    if (index == 0 || mmi_is_pending()) {
        return NULL;
    }
    if (made->value != NULL) {
        return made->value;
    }
    if (made->is_open) {
        return refuse(maker, "a container contains itself");
    }
    if (maker->depth >= MMI_DOC_DEPTH) {
        return refuse(maker, "containers are nested deeper than 500");
    }
    made->is_open = true;
    maker->depth++;
    made->value = make_new(maker, node);
    maker->depth--;
    made->is_open = false;
    if (made->value != NULL) {
        uint64_t limit = 4 * (uint64_t)maker->graph->num_nodes;
        made->unfolded = unfolded_size(maker, node);
        if (made->unfolded > (limit > MAX_UNFOLDED ? limit : MAX_UNFOLDED)) {
            return refuse(maker, "shared containers unfold to too many values");
        }
    }
    return made->value;
}

mm_value *mmi_pickle_read(const void *data, size_t size, const char *file,
                          const mmi_pickle_reader *reader, size_t *out_consumed)
{
    static const mmi_pickle_reader plain = {0};
    mmi_pk_graph graph = {0};
    mm_value *root = NULL;
    struct maker maker = {.graph = &graph, .file = file};

    maker.reader = reader != NULL ? reader : &plain;
    if (mmi_pk_run(&graph, data, size, file) == MM_OK) {
        maker.made = mm_alloc_array(graph.num_nodes, sizeof *maker.made);
    }
    if (maker.made != NULL) {
        root = mm_value_ref(make(&maker, graph.root));
        for (uint32_t i = 0; i < graph.num_nodes; i++) {
            mm_value_unref(maker.made[i].value);
        }
    }
    mm_free(maker.made);
    if (mmi_is_pending()) {
        mm_value_unref(root);
        root = NULL;
    } else if (out_consumed != NULL) {
        *out_consumed = graph.consumed;
    }
    mmi_pk_graph_free(&graph);
    return root;
}

mm_value *mm_pickle_parse(const void *data, size_t size, const char *file)
{
    if (!MMI_NEED(data)) {
        return NULL;
    }
    return mmi_pickle_read(data, size, file, NULL, NULL);
}
