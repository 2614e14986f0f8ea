/* NumPy arrays and scalars as pickles hold them: a call of `_reconstruct` with a state
 * of version, sizes, dtype, order and bytes, or a call of `scalar` with dtype and
 * bytes. Message hubs and optimizer states of Python runs carry them. */
#include <string.h>

#include "base/status.h"
#include "fileio/pickle.h"
#include "mmengine/memory.h"

enum { MAX_EMPTY_ROWS = 1 << 20 };

static bool is_call_of(const mmi_node *node, const char *old_name, const char *new_name)
{
    return mmi_node_is(node, MMI_NODE_REDUCE, old_name) ||
           mmi_node_is(node, MMI_NODE_REDUCE, new_name);
}

/* The `index`-th item of a tuple or list, NULL if there is none. */
static mm_value *item_of(const mm_value *value, size_t index)
{
    mm_kind kind = mm_value_kind(value);
    bool has =
        (kind == MM_KIND_TUPLE || kind == MM_KIND_LIST) && index < mm_value_len(value);

    return has ? mm_list_get(value, index) : NULL;
}

/* numpy.dtype('f8', False, True) with its state (3, '<', ...). */
static bool read_dtype(const mm_value *value, mmi_numpy *out)
{
    const mmi_node *node = mmi_node_find(value);
    if (node == NULL || strcmp(node->class_name, "numpy.dtype") != 0) {
        return false;
    }
    mm_value *code = item_of(node->args, 0);
    mm_value *order = item_of(node->state, 1);
    if (mm_value_kind(code) != MM_KIND_STR) {
        return false;
    }
    const char *text = mm_value_str(code);
    bool is_known = strchr("fiub", text[0]) != NULL && text[0] != '\0' &&
                    strchr("1248", text[1]) != NULL && text[1] != '\0' &&
                    text[2] == '\0';
    if (!is_known || (text[0] == 'f' && text[1] == '1')) {
        return false;
    }
    out->kind = text[0];
    out->item_size = (size_t)(text[1] - '0');
    out->is_big_endian =
        mm_value_kind(order) == MM_KIND_STR && mm_value_str(order)[0] == '>';
    return true;
}

static bool read_bytes(const mm_value *value, mmi_numpy *out)
{
    if (mm_value_kind(value) != MM_KIND_BYTES) {
        return false;
    }
    out->data = mm_value_bytes(value, &out->data_size);
    return true;
}

/* Sizes, and whether the bytes are as many as they ask for. */
static bool read_sizes(const mm_value *value, mmi_numpy *out)
{
    size_t ndim = mm_value_kind(value) == MM_KIND_TUPLE ? mm_value_len(value) : 99;
    uint64_t bytes = out->item_size;

    if (ndim > sizeof out->sizes / sizeof out->sizes[0]) {
        return false;
    }
    out->ndim = (int)ndim;
    for (size_t i = 0; i < ndim; i++) {
        mm_value *size = mm_list_get(value, i);
        if (mm_value_kind(size) != MM_KIND_I64) {
            return false;
        }
        out->sizes[i] = mm_value_i64(size);
        if (out->sizes[i] < 0 || out->sizes[i] > INT32_MAX) {
            return false;
        }
        bytes = out->sizes[i] == 0 ? 0 : bytes;
    }
    /* an empty array may not become a huge list of empty lists */
    uint64_t rows = bytes > 0 ? bytes : 1;
    uint64_t most = bytes > 0 ? out->data_size : MAX_EMPTY_ROWS;
    for (size_t i = 0; i < ndim; i++) {
        rows *= out->sizes[i] > 0 ? (uint64_t)out->sizes[i] : 1;
        if (rows > most) {
            return false;
        }
    }
    bytes = bytes > 0 ? rows : 0;
    return bytes == out->data_size;
}

bool mmi_numpy_find(const mmi_node *node, mmi_numpy *out)
{
    mmi_numpy array = {0};
    bool found = false;

    if (is_call_of(node, "numpy.core.multiarray.scalar",
                   "numpy._core.multiarray.scalar")) {
        array.is_scalar = true;
        found = read_dtype(item_of(node->args, 0), &array) &&
                read_bytes(item_of(node->args, 1), &array) &&
                array.data_size == array.item_size;
    } else if (is_call_of(node, "numpy.core.multiarray._reconstruct",
                          "numpy._core.multiarray._reconstruct")) {
        mm_value *fortran = item_of(node->state, 3);
        array.is_fortran = fortran != NULL && mm_value_is_true(fortran);
        found = read_dtype(item_of(node->state, 2), &array) &&
                read_bytes(item_of(node->state, 4), &array) &&
                read_sizes(item_of(node->state, 1), &array);
    }
    if (is_call_of(node, "numpy.core.numeric._frombuffer",
                   "numpy._core.numeric._frombuffer")) { /* protocol 5 */
        mm_value *order = item_of(node->args, 3);
        array.is_fortran =
            mm_value_kind(order) == MM_KIND_STR && mm_value_str(order)[0] == 'F';
        found = read_dtype(item_of(node->args, 1), &array) &&
                read_bytes(item_of(node->args, 0), &array) &&
                read_sizes(item_of(node->args, 2), &array);
    }
    if (found) {
        *out = array;
    }
    return found;
}

/* The bits of an element in the low bytes. */
static uint64_t element_bits(const mmi_numpy *array, size_t index)
{
    const unsigned char *data = array->data + index * array->item_size;
    uint64_t bits = 0;

    for (size_t i = 0; i < array->item_size; i++) {
        size_t from = array->is_big_endian ? i : array->item_size - 1 - i;
        bits = bits << 8 | data[from];
    }
    return bits;
}

static double half_to_f64(uint64_t bits)
{
    uint64_t exponent = bits >> 10 & 31;
    uint64_t mantissa = bits & 0x3ff;
    uint64_t sign = bits >> 15;
    double number = 0.0;

    if (exponent == 0) {
        number = (double)mantissa / 16777216.0; /* 2^24 */
        return sign != 0 ? -number : number;
    }
    uint64_t wide = exponent == 31 ? 0x7ff : exponent - 15 + 1023;
    uint64_t out = sign << 63 | wide << 52 | mantissa << 42;
    memcpy(&number, &out, sizeof number);
    return number;
}

static int64_t element_i64(const mmi_numpy *array, size_t index)
{
    uint64_t bits = element_bits(array, index);
    unsigned shift = (unsigned)(64 - 8 * array->item_size);

    if (array->kind != 'i') {
        return (int64_t)bits;
    }
    bits <<= shift;
    return (int64_t)bits >> shift;
}

double mmi_numpy_f64(const mmi_numpy *array, size_t index)
{
    uint64_t bits = element_bits(array, index);
    double number = 0.0;

    if (array->kind == 'f' && array->item_size == 8) {
        memcpy(&number, &bits, sizeof number);
    } else if (array->kind == 'f' && array->item_size == 4) {
        uint32_t low = (uint32_t)bits;
        float narrow = 0.0F;
        memcpy(&narrow, &low, sizeof narrow);
        number = (double)narrow;
    } else if (array->kind == 'f') {
        number = half_to_f64(bits);
    } else if (array->kind == 'u') {
        number = (double)bits;
    } else {
        number = (double)element_i64(array, index);
    }
    return number;
}

static mm_value *element_value(const mmi_numpy *array, size_t index)
{
    if (array->kind == 'f') {
        return mm_value_new_f64(mmi_numpy_f64(array, index));
    }
    int64_t number = element_i64(array, index);
    if (array->kind == 'b') {
        return mm_value_new_bool(number != 0);
    }
    if (array->kind == 'u' && number < 0) {
        char digits[24];
        uint64_t rest = (uint64_t)number;
        size_t at = sizeof digits - 1;
        digits[at] = '\0';
        for (; rest > 0; rest /= 10) {
            digits[--at] = (char)('0' + rest % 10);
        }
        return mm_value_new_bigint(digits + at);
    }
    return mm_value_new_i64(number);
}

/* The nested lists of dimensions from `dim`; elements `stride` apart start at `first`.
 */
static mm_value *make_lists(const mmi_numpy *array, int dim, size_t first,
                            const size_t *strides)
{
    if (dim == array->ndim) {
        return element_value(array, first);
    }
    mm_value *list = mm_value_new_list();
    for (int64_t i = 0; list != NULL && i < array->sizes[dim]; i++) {
        size_t at = first + (size_t)i * strides[dim];
        mm_value *item = make_lists(array, dim + 1, at, strides);
        if (item == NULL) {
            mm_value_unref(list);
            return NULL;
        }
        mm_list_push(list, item);
    }
    return list;
}

mm_value *mm_pickle_find_numpy(const mm_value *value)
{
    mmi_numpy array;
    size_t strides[8] = {0};
    size_t step = 1;

    if (mmi_is_pending() || !mmi_numpy_find(mmi_node_find(value), &array)) {
        return NULL;
    }
    for (int i = 0; i < array.ndim; i++) {
        int dim = array.is_fortran ? i : array.ndim - 1 - i;
        strides[dim] = step;
        step *= (size_t)array.sizes[dim];
    }
    return make_lists(&array, 0, 0, strides);
}
