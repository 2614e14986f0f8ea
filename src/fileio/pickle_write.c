/* Writes pickles of protocol 2 with the instructions that torch.load(weights_only=True)
 * knows. What was written once is referred to by the memo afterwards: containers and
 * objects by identity, so that sharing survives, short strings and class names by
 * content, since every sample of a long list has the same keys. */
#include <string.h>

#include "base/index.h"
#include "base/status.h"
#include "base/str.h"
#include "base/vec.h"
#include "fileio/pickle.h"
#include "mmengine/memory.h"

enum { MAX_SHARED_TEXT = 128 };

typedef enum memo_kind { MEMO_VALUE, MEMO_TEXT, MEMO_CLASS } memo_kind;

struct memo_entry {
    uint64_t hash;
    memo_kind kind;
    const void *data; /* the value itself, or the bytes of a text */
    size_t size;
};

struct mmi_pickle_writer {
    mmi_str out;
    MMI_VEC(struct memo_entry) memo; /* the place is the memo index */
    mmi_index index;
    mmi_pickle_put_object put_object;
    void *user;
    int depth;
};

static void put(mmi_pickle_writer *writer, const mm_value *value);

/* --- memo --- */

static uint64_t memo_hash(memo_kind kind, const void *data, size_t size)
{
    uintptr_t address = (uintptr_t)data;
    uint64_t hash = kind == MEMO_VALUE ? mmi_hash_bytes(&address, sizeof address)
                                       : mmi_hash_bytes(data, size);
    return hash + (uint64_t)kind * 2;
}

/* The memo index, or -1. */
static int64_t memo_find(const mmi_pickle_writer *writer, memo_kind kind,
                         const void *data, size_t size)
{
    uint64_t hash = memo_hash(kind, data, size);

    if (writer->index.slots == NULL) {
        return -1;
    }
    uint32_t slot = mmi_index_first(&writer->index, hash);
    for (; writer->index.slots[slot] != MMI_INDEX_EMPTY;
         slot = mmi_index_next(&writer->index, slot)) {
        const struct memo_entry *entry = &writer->memo.data[writer->index.slots[slot]];
        bool is_same = entry->hash == hash && entry->kind == kind &&
                       entry->size == size &&
                       (kind == MEMO_VALUE ? entry->data == data
                                           : memcmp(entry->data, data, size) == 0);
        if (is_same) {
            return writer->index.slots[slot];
        }
    }
    return -1;
}

/* Doubles the index when two thirds are full. */
static bool memo_grow(mmi_pickle_writer *writer)
{
    uint32_t slots = writer->index.slots == NULL ? 0 : writer->index.mask + 1;
    if (3 * (writer->memo.count + 1) <= 2 * (size_t)slots) {
        return true;
    }
    mmi_index grown = {0};
    if (writer->memo.count > INT32_MAX / 4 ||
        !mmi_index_init(&grown, (uint32_t)(2 * writer->memo.count + 64))) {
        mm_raise(MM_ENOMEM, "could not write pickle: too many values");
        return false;
    }
    for (size_t i = 0; i < writer->memo.count; i++) {
        mmi_index_put(&grown, writer->memo.data[i].hash, (uint32_t)i);
    }
    mm_free(writer->index.slots);
    writer->index = grown;
    return true;
}

/* Notes the topmost value of the reader's stack as `data`. */
static void memo_put(mmi_pickle_writer *writer, memo_kind kind, const void *data,
                     size_t size)
{
    uint64_t hash = memo_hash(kind, data, size);
    size_t place = writer->memo.count;

    if (!memo_grow(writer) ||
        !mmi_vec_push(&writer->memo, (struct memo_entry){hash, kind, data, size})) {
        return;
    }
    mmi_index_put(&writer->index, hash, (uint32_t)place);
    mmi_str_add_char(&writer->out, place < 256 ? 'q' : 'r');
    mmi_str_add_little(&writer->out, place, place < 256 ? 1 : 4);
}

/* Writes a reference to what is in the memo. False: it is not there. */
static bool memo_get(mmi_pickle_writer *writer, memo_kind kind, const void *data,
                     size_t size)
{
    int64_t place = memo_find(writer, kind, data, size);

    if (place < 0) {
        return false;
    }
    mmi_str_add_char(&writer->out, place < 256 ? 'h' : 'j');
    mmi_str_add_little(&writer->out, (uint64_t)place, place < 256 ? 1 : 4);
    return true;
}

/* --- scalars --- */

void mmi_pickle_put_op(mmi_pickle_writer *writer, char op)
{
    mmi_str_add_char(&writer->out, op);
}

void mmi_pickle_put_bool(mmi_pickle_writer *writer, bool value)
{
    mmi_str_add_char(&writer->out, value ? '\x88' : '\x89');
}

void mmi_pickle_put_int(mmi_pickle_writer *writer, int64_t value)
{
    if (value >= 0 && value <= UINT16_MAX) {
        mmi_str_add_char(&writer->out, value <= UINT8_MAX ? 'K' : 'M');
        mmi_str_add_little(&writer->out, (uint64_t)value, value <= UINT8_MAX ? 1 : 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        mmi_str_add_char(&writer->out, 'J');
        mmi_str_add_little(&writer->out, (uint64_t)value, 4);
    } else {
        int size = 8;
        while (size > 1 && value >= -(INT64_C(1) << (8 * size - 9)) &&
               value < INT64_C(1) << (8 * size - 9)) {
            size--;
        }
        mmi_str_add_n(&writer->out, "\x8a", 1);
        mmi_str_add_little(&writer->out, (uint64_t)size, 1);
        mmi_str_add_little(&writer->out, (uint64_t)value, size);
    }
}

/* Little-endian magnitude of decimal digits in `out`, zero at first; returns its bytes.
 */
static size_t digits_to_bytes(const char *digits, unsigned char *out)
{
    size_t size = 0;

    for (; *digits >= '0' && *digits <= '9'; digits++) {
        unsigned carry = (unsigned)(*digits - '0');
        for (size_t i = 0; i < size; i++) {
            carry += 10U * out[i];
            out[i] = (unsigned char)carry;
            carry >>= 8;
        }
        if (carry != 0) {
            out[size++] = (unsigned char)carry;
        }
    }
    return size;
}

static void put_bigint(mmi_pickle_writer *writer, const char *digits)
{
    bool is_negative = digits != NULL && digits[0] == '-';
    unsigned char *bytes = digits == NULL ? NULL : mm_alloc(strlen(digits) / 2 + 2);
    if (bytes == NULL) {
        return;
    }
    size_t size = digits_to_bytes(digits + is_negative, bytes);
    size += size == 0 || (bytes[size - 1] & 0x80) != 0; /* room for the sign */
    unsigned carry = 1;
    for (size_t i = 0; is_negative && i < size; i++) {
        carry += (unsigned)(bytes[i] ^ 0xff);
        bytes[i] = (unsigned char)carry;
        carry >>= 8;
    }
    mmi_str_add_n(&writer->out, size < 256 ? "\x8a" : "\x8b", 1);
    mmi_str_add_little(&writer->out, size, size < 256 ? 1 : 4);
    mmi_str_add_n(&writer->out, (const char *)bytes, size);
    mm_free(bytes);
}

static void put_f64(mmi_pickle_writer *writer, double value)
{
    uint64_t bits = 0;
    char bytes[9] = "G";

    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++) {
        bytes[1 + i] = (char)(unsigned char)(bits >> (56 - 8 * i));
    }
    mmi_str_add_n(&writer->out, bytes, sizeof bytes);
}

/* A string that stays out of the memo: its memory may be gone before the end. */
static void put_text(mmi_pickle_writer *writer, const char *text, size_t size)
{
    if (size > UINT32_MAX) {
        mm_raise(MM_EUNSUPPORTED, "could not write pickle: a string has %zu bytes",
                 size);
        return;
    }
    mmi_str_add_char(&writer->out, 'X');
    mmi_str_add_little(&writer->out, size, 4);
    mmi_str_add_n(&writer->out, text, size);
}

void mmi_pickle_put_str(mmi_pickle_writer *writer, const char *text)
{
    put_text(writer, text, strlen(text));
}

static void put_shared_text(mmi_pickle_writer *writer, const char *text, size_t size)
{
    bool is_shared = size <= MAX_SHARED_TEXT;

    if (text == NULL || (is_shared && memo_get(writer, MEMO_TEXT, text, size))) {
        return;
    }
    put_text(writer, text, size);
    if (is_shared) {
        memo_put(writer, MEMO_TEXT, text, size);
    }
}

static void put_global(mmi_pickle_writer *writer, const char *name, size_t module_size,
                       size_t name_size)
{
    mmi_str_add_char(&writer->out, 'c');
    mmi_str_add_n(&writer->out, name, module_size);
    mmi_str_add_char(&writer->out, '\n');
    mmi_str_add_n(&writer->out, name + module_size + 1, name_size);
    mmi_str_add_char(&writer->out, '\n');
}

/* "module.Outer.Inner": protocol 2 knows no class inside a class, so the inner ones are
 * attributes, getattr(Outer, 'Inner'). */
static void put_inner_class(mmi_pickle_writer *writer, const char *name,
                            size_t module_size)
{
    const char *rest = name + module_size + 1;
    size_t outer_size = strcspn(rest, ".");

    for (const char *at = rest; *at != '\0'; at++) {
        if (*at == '.') {
            mmi_pickle_put_class(writer, "__builtin__.getattr");
        }
    }
    put_global(writer, name, module_size, outer_size);
    for (rest += outer_size; *rest == '.'; rest += 1 + strcspn(rest + 1, ".")) {
        put_text(writer, rest + 1, strcspn(rest + 1, "."));
        mmi_str_add_n(&writer->out, "\x86R", 2);
    }
}

/* True for "module.Outer.Inner" with no empty part, of a length that is read back as a
 * class. */
static bool is_inner_class(const char *name, size_t size, size_t module_size)
{
    const char *rest = name + module_size + 1;

    return size < MMI_INNER_CLASS_SIZE && strchr(rest, '.') != NULL && rest[0] != '.' &&
           strstr(rest, "..") == NULL && name[size - 1] != '.';
}

static void put_class(mmi_pickle_writer *writer, const char *name, size_t module_size)
{
    size_t size = strlen(name);

    if (memo_get(writer, MEMO_CLASS, name, size)) {
        return;
    }
    if (is_inner_class(name, size, module_size)) {
        put_inner_class(writer, name, module_size);
    } else {
        put_global(writer, name, module_size, size - module_size - 1);
    }
    memo_put(writer, MEMO_CLASS, name, size);
}

void mmi_pickle_put_class(mmi_pickle_writer *writer, const char *class_name)
{
    const char *dot = strrchr(class_name, '.');

    MM_ASSERT(dot != NULL);
    put_class(writer, class_name, (size_t)(dot - class_name));
}

/* Bytes as protocol 2 has them: _codecs.encode of their Latin-1 text. */
void mmi_pickle_put_bytes(mmi_pickle_writer *writer, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    char *text = data != NULL ? mm_realloc(NULL, 2 * size + 1) : NULL;
    size_t length = 0;

    if (text == NULL) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] >= 0x80) {
            text[length++] = (char)(0xc0 | bytes[i] >> 6);
        }
        text[length++] =
            (char)(bytes[i] < 0x80 ? bytes[i] : (0x80 | (bytes[i] & 0x3f)));
    }
    mmi_pickle_put_class(writer, "_codecs.encode");
    put_text(writer, text, length);
    put_shared_text(writer, "latin1", strlen("latin1"));
    mmi_str_add_n(&writer->out, "\x86R", 2);
    mm_free(text);
}

/* --- containers --- */

static void put_tuple_end(mmi_pickle_writer *writer, size_t count)
{
    static const char ops[] = {')', '\x85', '\x86', '\x87'};

    mmi_str_add_char(&writer->out, count <= 3 ? ops[count] : 't');
}

void mmi_pickle_put_ints(mmi_pickle_writer *writer, const int64_t *values, int count)
{
    if (count > 3) {
        mmi_str_add_char(&writer->out, '(');
    }
    for (int i = 0; i < count; i++) {
        mmi_pickle_put_int(writer, values[i]);
    }
    put_tuple_end(writer, (size_t)count);
}

static void put_tuple(mmi_pickle_writer *writer, const mm_value *tuple)
{
    size_t count = mm_value_len(tuple);

    if (count > 3) {
        mmi_str_add_char(&writer->out, '(');
    }
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        put(writer, mm_list_get(tuple, i));
    }
    put_tuple_end(writer, count);
    if (count > 0) {
        memo_put(writer, MEMO_VALUE, tuple, 0);
    }
}

static void put_items(mmi_pickle_writer *writer, const mm_value *list)
{
    size_t count = mm_value_len(list);

    if (count == 0) {
        return;
    }
    mmi_str_add_char(&writer->out, '(');
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        put(writer, mm_list_get(list, i));
    }
    mmi_str_add_char(&writer->out, 'e');
}

static void put_entries(mmi_pickle_writer *writer, const mm_value *dict)
{
    size_t count = mm_value_len(dict);

    if (count == 0) {
        return;
    }
    mmi_str_add_char(&writer->out, '(');
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        put(writer, mm_dict_key_at(dict, i));
        put(writer, mm_dict_at(dict, i));
    }
    mmi_str_add_char(&writer->out, 'u');
}

static void put_set(mmi_pickle_writer *writer, const mm_value *set)
{
    mmi_pickle_put_class(writer, "__builtin__.set");
    mmi_str_add_char(&writer->out, ']');
    put_items(writer, set);
    mmi_str_add_n(&writer->out, "\x85R", 2);
    memo_put(writer, MEMO_VALUE, set, 0);
}

/* --- objects --- */

static void put_node(mmi_pickle_writer *writer, const mmi_node *node,
                     const mm_value *value)
{
    if (node->kind == MMI_NODE_CLASS) {
        put_class(writer, node->class_name, node->module_size);
        return;
    }
    if (node->kind == MMI_NODE_PERSISTENT) {
        put(writer, node->args);
        mmi_str_add_char(&writer->out, 'Q');
        return;
    }
    if (node->kind == MMI_NODE_ORDERED) {
        mmi_pickle_put_class(writer, "collections.OrderedDict");
        mmi_str_add_n(&writer->out, ")R", 2);
    } else {
        put(writer, node->callee);
        put(writer, node->args);
        if (node->kind == MMI_NODE_NEWOBJ_EX) {
            put(writer, node->kwargs);
        }
        mmi_str_add_char(&writer->out, node->kind == MMI_NODE_REDUCE   ? 'R'
                                       : node->kind == MMI_NODE_NEWOBJ ? '\x81'
                                                                       : '\x92');
    }
    memo_put(writer, MEMO_VALUE, value, 0);
    if (node->items != NULL) {
        put_items(writer, node->items);
    }
    if (node->entries != NULL) {
        put_entries(writer, node->entries);
    }
    if (node->state != NULL) {
        put(writer, node->state);
        mmi_str_add_char(&writer->out, 'b');
    }
}

static void put_object(mmi_pickle_writer *writer, const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);

    if (node != NULL) {
        put_node(writer, node, value);
    } else if (writer->put_object != NULL &&
               writer->put_object(writer->user, writer, value)) {
        memo_put(writer, MEMO_VALUE, value, 0);
    } else if (!mmi_is_pending()) {
        mm_raise(MM_ETYPE,
                 "could not write pickle: a value of type '%s' has no form "
                 "in it",
                 mm_value_type_name(value));
    }
}

/* Containers and objects: once in full, then by reference. */
static void put_shared(mmi_pickle_writer *writer, const mm_value *value)
{
    if (memo_get(writer, MEMO_VALUE, value, 0)) {
        return;
    }
    if (writer->depth >= MMI_DOC_DEPTH) {
        mm_raise(MM_EDATA,
                 "could not write pickle: containers are nested deeper than "
                 "%d",
                 MMI_DOC_DEPTH);
        return;
    }
    writer->depth++;
    switch (mm_value_kind(value)) {
    case MM_KIND_TUPLE:
        put_tuple(writer, value);
        break;
    case MM_KIND_LIST:
        mmi_str_add_char(&writer->out, ']');
        memo_put(writer, MEMO_VALUE, value, 0);
        put_items(writer, value);
        break;
    case MM_KIND_DICT:
        mmi_str_add_char(&writer->out, '}');
        memo_put(writer, MEMO_VALUE, value, 0);
        put_entries(writer, value);
        break;
    case MM_KIND_SET:
        put_set(writer, value);
        break;
    default:
        put_object(writer, value);
        break;
    }
    writer->depth--;
}

static void put(mmi_pickle_writer *writer, const mm_value *value)
{
    size_t size = 0;
    const void *data = NULL;

    if (mmi_is_pending()) {
        return;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_NONE:
        mmi_str_add_char(&writer->out, 'N');
        break;
    case MM_KIND_BOOL:
        mmi_pickle_put_bool(writer, mm_value_bool(value));
        break;
    case MM_KIND_I64:
        mmi_pickle_put_int(writer, mm_value_i64(value));
        break;
    case MM_KIND_BIGINT:
        put_bigint(writer, mm_value_digits(value));
        break;
    case MM_KIND_F64:
        put_f64(writer, mm_value_f64(value));
        break;
    case MM_KIND_STR:
        data = mm_value_str_n(value, &size);
        put_shared_text(writer, data, size);
        break;
    case MM_KIND_BYTES:
        data = mm_value_bytes(value, &size);
        mmi_pickle_put_bytes(writer, data, size);
        break;
    default:
        put_shared(writer, value);
        break;
    }
}

void *mmi_pickle_write(const mm_value *value, mmi_pickle_put_object put_one, void *user,
                       size_t *out_size)
{
    mmi_pickle_writer writer = {.put_object = put_one, .user = user};

    mmi_str_add_n(&writer.out, "\x80\x02", 2);
    put(&writer, value);
    mmi_str_add_char(&writer.out, '.');
    mmi_vec_deinit(&writer.memo);
    mm_free(writer.index.slots);
    size_t size = writer.out.size;
    void *data = mmi_str_take(&writer.out);
    if (data != NULL) {
        *out_size = size;
    }
    return data;
}

void *mm_pickle_format(const mm_value *value, size_t *out_size)
{
    return MMI_NEED(out_size) ? mmi_pickle_write(value, NULL, NULL, out_size) : NULL;
}
