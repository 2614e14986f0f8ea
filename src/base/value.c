/*
 * Making, counting and releasing values, and reading scalars. A value is one block that
 * begins with its count and kind. None, True, False and small ints are static: they are
 * never counted or freed, so threads that share them do not fight over their counts.
 * Releasing is iterative: containers that die are chained through their own memory, so
 * deep nesting cannot exhaust the stack. Scalars never change after they are made.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/value_impl.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"

enum { SMALL_MIN = -8, SMALL_MAX = 255 };

#define HEAD(kind_)                                                                    \
    {                                                                                  \
        1, (kind_), MMI_VALUE_IMMORTAL                                                 \
    }
#define SMALL(n)                                                                       \
    {                                                                                  \
        HEAD(MM_KIND_I64), (n)                                                         \
    }
#define SMALL4(n) SMALL(n), SMALL((n) + 1), SMALL((n) + 2), SMALL((n) + 3)
#define SMALL16(n) SMALL4(n), SMALL4((n) + 4), SMALL4((n) + 8), SMALL4((n) + 12)
#define SMALL64(n) SMALL16(n), SMALL16((n) + 16), SMALL16((n) + 32), SMALL16((n) + 48)

static struct mm_value none_value = HEAD(MM_KIND_NONE);
static mmi_value_i64 bool_values[2] = {{HEAD(MM_KIND_BOOL), 0},
                                       {HEAD(MM_KIND_BOOL), 1}};
static mmi_value_i64 small_values[] = {SMALL4(SMALL_MIN), SMALL4(SMALL_MIN + 4),
                                       SMALL64(0),        SMALL64(64),
                                       SMALL64(128),      SMALL64(192)};

void *mmi_value_alloc(size_t size, mm_kind kind)
{
    struct mm_value *value = mmi_alloc_raw(size);
    if (value != NULL) {
        atomic_init(&value->refs, 1);
        value->kind = (uint8_t)kind;
        value->flags = 0;
        mmi_count_value(1);
    }
    return value;
}

mm_value *mm_value_new_none(void)
{
    return mmi_is_pending() ? NULL : &none_value;
}

mm_value *mm_value_new_bool(bool value)
{
    return mmi_is_pending() ? NULL : &bool_values[value ? 1 : 0].head;
}

mm_value *mm_value_new_i64(int64_t value)
{
    if (value >= SMALL_MIN && value <= SMALL_MAX) {
        return mmi_is_pending() ? NULL : &small_values[value - SMALL_MIN].head;
    }
    mmi_value_i64 *made = mmi_value_alloc(sizeof *made, MM_KIND_I64);
    if (made == NULL) {
        return NULL;
    }
    made->value = value;
    return &made->head;
}

mm_value *mm_value_new_f64(double value)
{
    mmi_value_f64 *made = mmi_value_alloc(sizeof *made, MM_KIND_F64);
    if (made == NULL) {
        return NULL;
    }
    made->value = value;
    return &made->head;
}

/* A text of `size` bytes that are still to be filled in. */
static mmi_value_text *new_text(size_t size, mm_kind kind)
{
    if (size > SIZE_MAX / 2) {
        mm_raise(MM_ENOMEM, "could not allocate %zu bytes", size);
        return NULL;
    }
    mmi_value_text *made = mmi_value_alloc(sizeof *made + size + 1, kind);
    if (made != NULL) {
        made->size = size;
        atomic_init(&made->hash, 0);
        made->data[size] = '\0';
    }
    return made;
}

static mm_value *new_text_of(const void *data, size_t size, mm_kind kind)
{
    mmi_value_text *made = new_text(size, kind);
    if (made == NULL) {
        return NULL;
    }
    if (size > 0) {
        memcpy(made->data, data, size);
    }
    return &made->head;
}

mm_value *mm_value_new_str(const char *text)
{
    return MMI_NEED(text) ? new_text_of(text, strlen(text), MM_KIND_STR) : NULL;
}

mm_value *mm_value_new_str_n(const char *text, size_t size)
{
    return size == 0 || MMI_NEED(text) ? new_text_of(text, size, MM_KIND_STR) : NULL;
}

mm_value *mm_value_new_bytes(const void *data, size_t size)
{
    return size == 0 || MMI_NEED(data) ? new_text_of(data, size, MM_KIND_BYTES) : NULL;
}

mm_value *mm_value_new_strf(const char *format, ...)
{
    if (!MMI_NEED(format)) {
        return NULL;
    }
    va_list values;
    va_start(values, format);
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(NULL, 0, format, values);
    va_end(values);
    mmi_value_text *made = NULL;
    if (size < 0) {
        mm_raise(MM_EINVAL, "could not format a text with '%s'", format);
    } else if ((made = new_text((size_t)size, MM_KIND_STR)) != NULL) {
        vsnprintf(made->data, (size_t)size + 1, format, again);
    }
    va_end(again);
    return made != NULL ? &made->head : NULL;
}

/* True if the int of `size` digits fits 64 bits; `out` gets it. */
static bool fits_i64(const char *digits, size_t size, bool is_negative, int64_t *out)
{
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');
        if (sum > (limit - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

mm_value *mm_value_new_bigint(const char *digits)
{
    if (!MMI_NEED(digits)) {
        return NULL;
    }
    bool is_negative = digits[0] == '-';
    const char *first = digits + (is_negative ? 1 : 0);
    size_t size = strspn(first, "0123456789");
    if (size == 0 || first[size] != '\0') {
        mm_raise(MM_EINVAL, "could not read '%.40s' as an int", digits);
        return NULL;
    }
    while (size > 1 && *first == '0') {
        first++;
        size--;
    }
    int64_t small = 0;
    if (fits_i64(first, size, is_negative, &small)) {
        return mm_value_new_i64(small);
    }
    mmi_value_text *made = new_text(size + (is_negative ? 1 : 0), MM_KIND_BIGINT);
    if (made == NULL) {
        return NULL;
    }
    made->data[0] = '-';
    memcpy(made->data + (is_negative ? 1 : 0), first, size);
    return &made->head;
}

static mm_value *new_list(mm_kind kind)
{
    mmi_value_list *made = mmi_value_alloc(sizeof *made, kind);
    if (made == NULL) {
        return NULL;
    }
    made->count = 0;
    made->capacity = 0;
    made->items = NULL;
    made->sources = NULL;
    return &made->head;
}

mm_value *mm_value_new_list(void)
{
    return new_list(MM_KIND_LIST);
}

mm_value *mm_value_new_tuple(void)
{
    return new_list(MM_KIND_TUPLE);
}

static mm_value *new_dict(mm_kind kind)
{
    mmi_value_dict *made = mmi_value_alloc(sizeof *made, kind);
    if (made == NULL) {
        return NULL;
    }
    made->used = 0;
    made->holes = 0;
    made->capacity = MMI_INLINE_ENTRIES;
    made->index = (mmi_index){0};
    made->entries = made->first;
    made->sources = NULL;
    return &made->head;
}

mm_value *mm_value_new_set(void)
{
    return new_dict(MM_KIND_SET);
}

mm_value *mm_value_new_dict(void)
{
    return new_dict(MM_KIND_DICT);
}

mm_value *mm_value_new_object(void *object, const mm_object_ops *ops)
{
    if (!MMI_NEED(object) || !MMI_NEED(ops)) {
        return NULL;
    }
    mmi_value_object *made = mmi_value_alloc(sizeof *made, MM_KIND_OBJECT);
    if (made == NULL) {
        return NULL;
    }
    ops->ref(object);
    made->object = object;
    made->ops = ops;
    return &made->head;
}

mm_value *mm_value_ref(mm_value *value)
{
    if (value != NULL && (value->flags & MMI_VALUE_IMMORTAL) == 0) {
        atomic_fetch_add_explicit(&value->refs, 1, memory_order_relaxed);
    }
    return value;
}

/* Drops one reference. True if it was the last: the caller frees the value. */
static inline bool drop(mm_value *value)
{
    if ((value->flags & MMI_VALUE_IMMORTAL) != 0) {
        return false;
    }
    /* The only owner needs no atomic exchange: nobody else can add a reference. */
    if (atomic_load_explicit(&value->refs, memory_order_acquire) == 1) {
        return true;
    }
    return atomic_fetch_sub_explicit(&value->refs, 1, memory_order_acq_rel) == 1;
}

static inline void free_block(mm_value *value)
{
    mmi_count_value(-1);
    mm_free(value);
}

/* Drops a reference held by a dying container; what dies with it joins the chain. */
static void drop_child(mm_value *child, mm_value **chain)
{
    if (child == NULL || !drop(child)) {
        return;
    }
    if (mmi_is_sequence(child)) {
        MMI_AS(list, child)->next_dead = *chain;
        *chain = child;
    } else if (mmi_is_table(child)) {
        MMI_AS(dict, child)->next_dead = *chain;
        *chain = child;
    } else {
        if (child->kind == MM_KIND_OBJECT) {
            MMI_AS(object, child)->ops->unref(MMI_AS(object, child)->object);
        }
        free_block(child);
    }
}

static void free_list(mmi_value_list *list, mm_value **chain)
{
    for (size_t i = 0; i < list->count; i++) {
        drop_child(list->items[i], chain);
    }
    mm_free(list->items);
    mm_free(list->sources);
}

static void free_dict(mmi_value_dict *dict, mm_value **chain)
{
    for (uint32_t i = 0; i < dict->used; i++) {
        drop_child(dict->entries[i].key, chain);
        drop_child(dict->entries[i].value, chain);
    }
    if (dict->entries != dict->first) {
        mm_free(dict->entries);
    }
    mm_free(dict->index.slots);
    mm_free(dict->sources);
}

/* Frees a container that nobody refers to, and all that dies with it. */
static void free_container(mm_value *value)
{
    mm_value *dead = value;
    if (mmi_is_sequence(value)) {
        MMI_AS(list, value)->next_dead = NULL;
    } else {
        MMI_AS(dict, value)->next_dead = NULL;
    }
    while (dead != NULL) {
        mm_value *one = dead;
        if (mmi_is_sequence(one)) {
            dead = MMI_AS(list, one)->next_dead;
            free_list(MMI_AS(list, one), &dead);
        } else {
            dead = MMI_AS(dict, one)->next_dead;
            free_dict(MMI_AS(dict, one), &dead);
        }
        free_block(one);
    }
}

void mm_value_unref(mm_value *value)
{
    if (value == NULL || !drop(value)) {
        return;
    }
    if (mmi_is_container(value)) {
        free_container(value);
        return;
    }
    if (value->kind == MM_KIND_OBJECT) {
        MMI_AS(object, value)->ops->unref(MMI_AS(object, value)->object);
    }
    free_block(value);
}

mm_kind mm_value_kind(const mm_value *value)
{
    return value != NULL ? (mm_kind)value->kind : MM_KIND_NONE;
}

const char *mm_value_type_name(const mm_value *value)
{
    static const char *const names[] = {"NoneType", "bool", "int",   "int",
                                        "float",    "str",  "bytes", "list",
                                        "tuple",    "set",  "dict"};
    mm_kind kind = mm_value_kind(value);
    return kind == MM_KIND_OBJECT ? MMI_AS_CONST(object, value)->ops->name
                                  : names[kind];
}

bool mm_value_is_none(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_NONE;
}

bool mm_value_is_true(const mm_value *value)
{
    switch (mm_value_kind(value)) {
    case MM_KIND_NONE:
        return false;
    case MM_KIND_BOOL:
    case MM_KIND_I64:
        return MMI_AS_CONST(i64, value)->value != 0;
    case MM_KIND_F64:
        return MMI_AS_CONST(f64, value)->value != 0.0;
    case MM_KIND_STR:
    case MM_KIND_BYTES:
        return MMI_AS_CONST(text, value)->size != 0;
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        return MMI_AS_CONST(list, value)->count != 0;
    case MM_KIND_SET:
    case MM_KIND_DICT:
        return mmi_dict_count(MMI_AS_CONST(dict, value)) != 0;
    case MM_KIND_BIGINT:
    case MM_KIND_OBJECT:
        return true;
    }
    return false;
}

void mmi_value_wrong(const char *function, const char *wanted, const mm_value *got)
{
    mm_raise(MM_ETYPE, "%s needs %s, got %s", function, wanted,
             mm_value_type_name(got));
}

bool mmi_value_may_change(const char *function, const mm_value *value)
{
    if (MMI_UNLIKELY((value->flags & MMI_VALUE_FROZEN) != 0)) {
        mm_raise(MM_ESTATE, "%s cannot change a frozen %s", function,
                 mm_value_type_name(value));
        mm_error_hint("change a copy: mm_value_copy()");
        return false;
    }
    return true;
}

bool mmi_value_depth_ok(int depth)
{
    if (depth <= MMI_MAX_DEPTH) {
        return true;
    }
    mm_raise(MM_EINVAL, "a value is nested deeper than %d levels", (int)MMI_MAX_DEPTH);
    return false;
}

bool mm_value_bool(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return false;
    }
    if (value->kind != MM_KIND_BOOL) {
        mmi_value_wrong(__func__, "a bool", value);
        return false;
    }
    return MMI_AS_CONST(i64, value)->value != 0;
}

int64_t mm_value_i64(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return 0;
    }
    if (value->kind == MM_KIND_I64 || value->kind == MM_KIND_BOOL) {
        return MMI_AS_CONST(i64, value)->value;
    }
    if (value->kind == MM_KIND_BIGINT) {
        mm_raise(MM_ERANGE, "the int %.60s does not fit 64 bits",
                 MMI_AS_CONST(text, value)->data);
    } else {
        mmi_value_wrong(__func__, "an int", value);
    }
    return 0;
}

static double bigint_f64(const mmi_value_text *text)
{
    double result = 0.0;
    mm_f64_scan(text->data, text->size, &result);
    if (result > 1.7976931348623157e308 || result < -1.7976931348623157e308) {
        mm_raise(MM_ERANGE, "the int %.60s is too large for a float", text->data);
        return 0.0;
    }
    return result;
}

double mm_value_f64(const mm_value *value)
{
    double result = 0.0;
    if (!MMI_NEED(value)) {
        return 0.0;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_F64:
        return MMI_AS_CONST(f64, value)->value;
    case MM_KIND_BOOL:
    case MM_KIND_I64:
        return (double)MMI_AS_CONST(i64, value)->value;
    case MM_KIND_BIGINT:
        return bigint_f64(MMI_AS_CONST(text, value));
    case MM_KIND_OBJECT: {
        const mmi_value_object *object = MMI_AS_CONST(object, value);
        if (object->ops->to_f64 != NULL &&
            object->ops->to_f64(object->object, &result)) {
            return result;
        }
        break;
    }
    default:
        break;
    }
    mmi_value_wrong(__func__, "a number", value); /* keeps an error of to_f64 */
    return 0.0;
}

const char *mm_value_str_n(const mm_value *value, size_t *out_size)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    if (value->kind != MM_KIND_STR) {
        mmi_value_wrong(__func__, "a str", value);
        return NULL;
    }
    if (out_size != NULL) {
        *out_size = MMI_AS_CONST(text, value)->size;
    }
    return MMI_AS_CONST(text, value)->data;
}

const char *mm_value_str(const mm_value *value)
{
    return mm_value_str_n(value, NULL);
}

const void *mm_value_bytes(const mm_value *value, size_t *out_size)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    if (value->kind != MM_KIND_BYTES) {
        mmi_value_wrong(__func__, "bytes", value);
        return NULL;
    }
    if (out_size != NULL) {
        *out_size = MMI_AS_CONST(text, value)->size;
    }
    return MMI_AS_CONST(text, value)->data;
}

const char *mm_value_digits(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    if (value->kind != MM_KIND_BIGINT) {
        mmi_value_wrong(__func__, "a bigint", value);
        return NULL;
    }
    return MMI_AS_CONST(text, value)->data;
}

void *mm_value_find_object(const mm_value *value, const mm_object_ops *ops)
{
    if (mm_value_kind(value) != MM_KIND_OBJECT) {
        return NULL;
    }
    const mmi_value_object *object = MMI_AS_CONST(object, value);
    return ops == NULL || object->ops == ops ? object->object : NULL;
}

const mm_object_ops *mm_value_object_ops(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_OBJECT ? MMI_AS_CONST(object, value)->ops
                                                  : NULL;
}

size_t mm_value_len(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return 0;
    }
    if (mmi_is_sequence(value)) {
        return MMI_AS_CONST(list, value)->count;
    }
    if (mmi_is_table(value)) {
        return mmi_dict_count(MMI_AS_CONST(dict, value));
    }
    if (value->kind == MM_KIND_STR || value->kind == MM_KIND_BYTES) {
        return MMI_AS_CONST(text, value)->size;
    }
    mmi_value_wrong(__func__, "a container, str or bytes", value);
    return 0;
}
