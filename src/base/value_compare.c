/*
 * Python's == and hash(). Numbers of all kinds compare by their exact value, and their
 * hashes are residues modulo 2^61 - 1, so that equal numbers of different kinds have
 * one hash. Items of containers are the same if they are identical or equal, which is
 * how Python treats NaN.
 */
#include <math.h>
#include <string.h>

#include "base/value_impl.h"
#include "mmengine/number.h"

#define HASH_MODULUS ((UINT64_C(1) << 61) - 1)

static bool is_number(const mm_value *value)
{
    return value->kind >= MM_KIND_BOOL && value->kind <= MM_KIND_F64;
}

static bool i64_equals_f64(int64_t a, double b)
{
    /* 2^63 is a double; within it the conversion to int is exact for integral b. */
    return b >= -9223372036854775808.0 && b < 9223372036854775808.0 &&
           (double)(int64_t)b == b && (int64_t)b == a;
}

/* The number's digits are `text`, without sign or leading zeros. */
static bool digits_equal_f64(const char *text, size_t size, double b)
{
    enum { MOST_DIGITS = 310 }; /* the largest float has 309 */
    char digits[MOST_DIGITS + 8];
    if (size > MOST_DIGITS || !isfinite(b) || b < 1.0) {
        return false;
    }
    size_t needed = mm_f64_format_fixed(b, 0, digits, sizeof digits);
    double read = 0.0; /* the nearest float, then the text of all its digits */
    return needed == size && mm_f64_scan(text, size, &read) == size && read == b &&
           memcmp(text, digits, size) == 0;
}

static bool bigint_equals_f64(const mmi_value_text *a, double b)
{
    bool is_negative = a->data[0] == '-';
    if (is_negative != (b < 0.0)) {
        return false;
    }
    return is_negative ? digits_equal_f64(a->data + 1, a->size - 1, -b)
                       : digits_equal_f64(a->data, a->size, b);
}

static bool text_equal(const mmi_value_text *a, const mmi_value_text *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static bool numbers_equal(const mm_value *a, const mm_value *b)
{
    if (a->kind > b->kind) {
        const mm_value *other = a;
        a = b;
        b = other;
    }
    bool a_is_int = a->kind == MM_KIND_BOOL || a->kind == MM_KIND_I64;
    switch (b->kind) {
    case MM_KIND_BIGINT: /* a bigint never fits 64 bits */
        return a->kind == MM_KIND_BIGINT &&
               text_equal(MMI_AS_CONST(text, a), MMI_AS_CONST(text, b));
    case MM_KIND_F64: {
        double float_b = MMI_AS_CONST(f64, b)->value;
        if (a_is_int) {
            return i64_equals_f64(MMI_AS_CONST(i64, a)->value, float_b);
        }
        return a->kind == MM_KIND_F64
                   ? MMI_AS_CONST(f64, a)->value == float_b
                   : bigint_equals_f64(MMI_AS_CONST(text, a), float_b);
    }
    default:
        return MMI_AS_CONST(i64, a)->value == MMI_AS_CONST(i64, b)->value;
    }
}

static bool value_equal(const mm_value *a, const mm_value *b, int depth);

bool mmi_value_same(const mm_value *a, const mm_value *b, int depth)
{
    return a == b || value_equal(a, b, depth);
}

static bool lists_equal(const mmi_value_list *a, const mmi_value_list *b, int depth)
{
    if (a->count != b->count || !mmi_value_depth_ok(depth)) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!mmi_value_same(a->items[i], b->items[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool tables_equal(const mmi_value_dict *a, const mmi_value_dict *b, int depth)
{
    if (mmi_dict_count(a) != mmi_dict_count(b) || !mmi_value_depth_ok(depth)) {
        return false;
    }
    for (uint32_t i = 0; i < a->used; i++) {
        const mmi_entry *one = &a->entries[i];
        if (one->key == NULL) {
            continue;
        }
        const mmi_entry *other = mmi_dict_lookup(b, one->key, one->hash);
        if (other == NULL || (one->value != NULL &&
                              !mmi_value_same(one->value, other->value, depth + 1))) {
            return false;
        }
    }
    return true;
}

static bool objects_equal(const mmi_value_object *a, const mmi_value_object *b)
{
    if (a->ops != b->ops) {
        return false;
    }
    return a->object == b->object ||
           (a->ops->equal != NULL && a->ops->equal(a->object, b->object));
}

static bool value_equal(const mm_value *a, const mm_value *b, int depth)
{
    if (is_number(a) && is_number(b)) {
        return numbers_equal(a, b);
    }
    if (a->kind != b->kind) {
        return false;
    }
    switch ((mm_kind)a->kind) {
    case MM_KIND_STR:
    case MM_KIND_BYTES:
        return text_equal(MMI_AS_CONST(text, a), MMI_AS_CONST(text, b));
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        return lists_equal(MMI_AS_CONST(list, a), MMI_AS_CONST(list, b), depth);
    case MM_KIND_SET:
    case MM_KIND_DICT:
        return tables_equal(MMI_AS_CONST(dict, a), MMI_AS_CONST(dict, b), depth);
    case MM_KIND_OBJECT:
        return objects_equal(MMI_AS_CONST(object, a), MMI_AS_CONST(object, b));
    default:
        return true; /* None */
    }
}

bool mm_value_equal(const mm_value *a, const mm_value *b)
{
    return MMI_NEED(a) && MMI_NEED(b) && value_equal(a, b, 0);
}

/* value modulo 2^61 - 1 */
static uint64_t reduce(uint64_t value)
{
    value = (value & HASH_MODULUS) + (value >> 61);
    return value >= HASH_MODULUS ? value - HASH_MODULUS : value;
}

/* value * 2^bits modulo 2^61 - 1, for a reduced value and 0 <= bits < 61 */
static uint64_t rotate(uint64_t value, unsigned bits)
{
    return bits == 0
               ? value
               : reduce(((value << bits) & HASH_MODULUS) | (value >> (61 - bits)));
}

static uint64_t with_sign(uint64_t residue, bool is_negative)
{
    return is_negative ? 0 - residue : residue;
}

static uint64_t i64_hash(int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return with_sign(reduce(magnitude), value < 0);
}

static uint64_t bigint_hash(const mmi_value_text *text)
{
    bool is_negative = text->data[0] == '-';
    uint64_t sum = 0;
    for (size_t i = is_negative ? 1 : 0; i < text->size; i++) {
        /* sum * 10 = sum * 8 + sum * 2 */
        uint64_t ten = reduce(rotate(sum, 3) + rotate(sum, 1));
        sum = reduce(ten + (uint64_t)(text->data[i] - '0'));
    }
    return with_sign(sum, is_negative);
}

static uint64_t f64_hash(const mm_value *value)
{
    double number = MMI_AS_CONST(f64, value)->value;
    if (isnan(number)) {
        return (uint64_t)(uintptr_t)value >> 4; /* by identity, as Python */
    }
    if (isinf(number)) {
        return with_sign(314159, number < 0);
    }
    int exponent = 0;
    double fraction = frexp(fabs(number), &exponent);
    /* number = mantissa * 2^shift exactly */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    int shift = (exponent - 53) % 61;
    uint64_t residue =
        rotate(reduce(mantissa), (unsigned)(shift < 0 ? shift + 61 : shift));
    return with_sign(residue, number < 0);
}

static uint64_t text_hash(const mm_value *value)
{
    mmi_value_text *text = MMI_AS(text, value);
    uint64_t hash = atomic_load_explicit(&text->hash, memory_order_relaxed);
    if (hash == 0) {
        hash = mmi_hash_bytes(text->data, text->size);
        atomic_store_explicit(&text->hash, hash, memory_order_relaxed);
    }
    return hash;
}

static bool find_hash(const mm_value *value, int depth, uint64_t *out);

static bool tuple_hash(const mmi_value_list *tuple, int depth, uint64_t *out)
{
    uint64_t hash = 0x27D4EB2F165667C5u + tuple->count;
    for (size_t i = 0; i < tuple->count; i++) {
        uint64_t item = 0;
        if (depth > MMI_MAX_DEPTH || !find_hash(tuple->items[i], depth + 1, &item)) {
            return false;
        }
        hash = (hash ^ item) * 0x9E3779B185EBCA87u;
        hash ^= hash >> 31;
    }
    *out = hash;
    return true;
}

static bool find_hash(const mm_value *value, int depth, uint64_t *out)
{
    uint64_t hash = 0;
    switch ((mm_kind)value->kind) {
    case MM_KIND_NONE:
        hash = 0x6E6F6E65;
        break;
    case MM_KIND_BOOL:
    case MM_KIND_I64:
        hash = i64_hash(MMI_AS_CONST(i64, value)->value);
        break;
    case MM_KIND_BIGINT:
        hash = bigint_hash(MMI_AS_CONST(text, value));
        break;
    case MM_KIND_F64:
        hash = f64_hash(value);
        break;
    case MM_KIND_STR:
    case MM_KIND_BYTES:
        hash = text_hash(value);
        break;
    case MM_KIND_TUPLE:
        if (!tuple_hash(MMI_AS_CONST(list, value), depth, &hash)) {
            return false;
        }
        break;
    case MM_KIND_OBJECT:
        if (MMI_AS_CONST(object, value)->ops->equal != NULL) {
            return false; /* as a Python class with __eq__ and no __hash__ */
        }
        hash = (uint64_t)(uintptr_t)MMI_AS_CONST(object, value)->object >> 4;
        break;
    case MM_KIND_LIST:
    case MM_KIND_SET:
    case MM_KIND_DICT:
        return false;
    }
    *out = hash != 0 ? hash : 1;
    return true;
}

bool mmi_value_find_hash(const mm_value *value, uint64_t *out)
{
    return find_hash(value, 0, out);
}

uint64_t mm_value_hash(const mm_value *value)
{
    uint64_t hash = 0;
    if (!MMI_NEED(value)) {
        return 0;
    }
    if (!find_hash(value, 0, &hash)) {
        mm_raise(MM_ETYPE, "a value of type '%s' cannot be a key: it is not hashable",
                 mm_value_type_name(value));
        return 0;
    }
    return hash;
}
