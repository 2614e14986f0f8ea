/* Instructions of the pickle machine that make numbers, text and bytes. */
#include <string.h>

#include "fileio/pickle_state.h"
#include "fileio/text.h"

enum { MAX_BIGINT_BYTES = 8192 /* decimal conversion is quadratic */ };

void mmi_pk_op_constant(mmi_pk_vm *vm, int arg)
{
    uint32_t node = mmi_pk_new(vm, arg < 0 ? MMI_PK_NONE : MMI_PK_BOOL);

    if (node != 0 && arg >= 0) {
        vm->graph->nodes[node].u.boolean = arg != 0;
    }
    mmi_pk_push(vm, node);
}

/* BININT1, BININT2, BININT: `size` bytes; four are signed. */
void mmi_pk_op_int(mmi_pk_vm *vm, int size)
{
    uint64_t number = mmi_pk_take_number(vm, size);
    uint32_t node = mmi_pk_new(vm, MMI_PK_INT);

    if (node != 0) {
        int64_t value = (int64_t)number;
        if (size == 4 && value > INT32_MAX) {
            value -= INT64_C(1) << 32;
        }
        vm->graph->nodes[node].u.integer = value;
    }
    mmi_pk_push(vm, node);
}

void mmi_pk_op_float(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    const unsigned char *data = mmi_pk_take(vm, 8);
    uint32_t node = mmi_pk_new(vm, MMI_PK_FLOAT);

    if (data != NULL && node != 0) {
        uint64_t bits = 0;
        for (int i = 0; i < 8; i++) {
            bits = bits << 8 | data[i];
        }
        memcpy(&vm->graph->nodes[node].u.number, &bits, sizeof bits);
    }
    mmi_pk_push(vm, node);
}

/* LONG1, LONG4: a size, then that many bytes in two's complement. */
void mmi_pk_op_long(mmi_pk_vm *vm, int size_bytes)
{
    uint64_t size = mmi_pk_take_number(vm, size_bytes);
    if (size > MAX_BIGINT_BYTES) {
        mmi_pk_fail(vm, "an int is longer than 8192 bytes");
    }
    const unsigned char *data = mmi_pk_take(vm, size);
    uint32_t node = mmi_pk_new(vm, size <= 8 ? MMI_PK_INT : MMI_PK_BIGINT);
    if (data == NULL || node == 0) {
        return;
    }
    if (size > 8) {
        vm->graph->nodes[node].u.text = (mmi_pk_span){(const char *)data, (size_t)size};
    } else {
        uint64_t bits = size > 0 && (data[size - 1] & 0x80) != 0 ? UINT64_MAX : 0;
        for (uint64_t i = size; i > 0; i--) {
            bits = bits << 8 | data[i - 1];
        }
        memcpy(&vm->graph->nodes[node].u.integer, &bits, sizeof bits);
    }
    mmi_pk_push(vm, node);
}

void mmi_pk_push_text(mmi_pk_vm *vm, mmi_pk_kind kind, mmi_pk_span text)
{
    uint32_t node = text.data != NULL ? mmi_pk_new(vm, kind) : 0;

    if (node != 0) {
        vm->graph->nodes[node].u.text = text;
    }
    mmi_pk_push(vm, node);
}

static mmi_pk_span take_counted(mmi_pk_vm *vm, int size_bytes)
{
    uint64_t size = mmi_pk_take_number(vm, size_bytes);
    const unsigned char *data = mmi_pk_take(vm, size);

    return (mmi_pk_span){(const char *)data, (size_t)size};
}

void mmi_pk_op_unicode(mmi_pk_vm *vm, int size_bytes)
{
    mmi_pk_span text = take_counted(vm, size_bytes);

    if (text.data != NULL && !mmi_text_is_utf8(text.data, text.size)) {
        mmi_pk_fail(vm, "a string is not UTF-8");
    }
    mmi_pk_push_text(vm, MMI_PK_STR, text);
}

void mmi_pk_op_bytes(mmi_pk_vm *vm, int size_bytes)
{
    mmi_pk_push_text(vm, MMI_PK_BYTES, take_counted(vm, size_bytes));
}

/* A str of Python 2: text where it is UTF-8, else bytes. */
void mmi_pk_op_old_string(mmi_pk_vm *vm, int size_bytes)
{
    mmi_pk_span text = take_counted(vm, size_bytes);
    bool is_text = text.data != NULL && mmi_text_is_utf8(text.data, text.size);

    mmi_pk_push_text(vm, is_text ? MMI_PK_STR : MMI_PK_BYTES, text);
}
