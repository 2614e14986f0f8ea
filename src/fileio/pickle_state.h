/* The running machine, shared by the files that implement its instructions. */
#ifndef MMI_FILEIO_PICKLE_STATE_H
#define MMI_FILEIO_PICKLE_STATE_H

#include "fileio/pickle_vm.h"

typedef struct mmi_pk_vm {
    mmi_pk_graph *graph;
    const unsigned char *begin, *at, *end;
    const char *file;
    uint32_t *stack;
    uint32_t depth, stack_capacity;
    uint32_t *marks; /* stack depths */
    uint32_t num_marks, marks_capacity;
    uint32_t *memo; /* 0: not set */
    uint32_t memo_size, memo_capacity;
    uint32_t next_memo; /* for MEMOIZE */
    uint64_t
        copied; /* bytes that were copied; bounded, since the memo can repeat them */
    bool failed, stopped;
} mmi_pk_vm;

/* Raises MM_EDATA with the place and stops the machine. */
void mmi_pk_fail(mmi_pk_vm *vm, const char *why);
/* A new node, 0 on failure. */
uint32_t mmi_pk_new(mmi_pk_vm *vm, mmi_pk_kind kind);
void mmi_pk_push(mmi_pk_vm *vm, uint32_t node);
/* Topmost node above the last mark, 0 (and failed) if there is none. */
uint32_t mmi_pk_pop(mmi_pk_vm *vm);
uint32_t mmi_pk_top(mmi_pk_vm *vm);
/* `size` bytes of input or NULL. */
const unsigned char *mmi_pk_take(mmi_pk_vm *vm, uint64_t size);
/* A little-endian number of `size` bytes; 0 on failure. */
uint64_t mmi_pk_take_number(mmi_pk_vm *vm, int size);
/* A line without its newline; span.data NULL on failure. */
mmi_pk_span mmi_pk_line(mmi_pk_vm *vm);
void mmi_pk_push_text(mmi_pk_vm *vm, mmi_pk_kind kind, mmi_pk_span text);
/* `size` bytes (not zeroed) that live as long as the graph, NULL on failure. */
char *mmi_pk_memory(mmi_pk_vm *vm, size_t size);
/* Counts a copy; false if copies exceed what a pickler can ask for. */
bool mmi_pk_may_copy(mmi_pk_vm *vm, uint64_t size);
void mmi_pk_put(mmi_pk_vm *vm, uint64_t index);
void mmi_pk_get(mmi_pk_vm *vm, uint64_t index);
void mmi_pk_push_global(mmi_pk_vm *vm, mmi_pk_span module, mmi_pk_span name);

/* The bytes of UTF-8 text whose code points are all below 256; data NULL if not so. */
mmi_pk_span mmi_pk_to_latin1(mmi_pk_vm *vm, mmi_pk_span text);

/* Numbers, text and bytes; the argument is a count of bytes, or a constant. */
void mmi_pk_op_constant(mmi_pk_vm *vm, int arg); /* -1: None */
void mmi_pk_op_int(mmi_pk_vm *vm, int size);
void mmi_pk_op_float(mmi_pk_vm *vm, int arg);
void mmi_pk_op_long(mmi_pk_vm *vm, int size_bytes);
void mmi_pk_op_unicode(mmi_pk_vm *vm, int size_bytes);
void mmi_pk_op_old_string(mmi_pk_vm *vm, int size_bytes);
void mmi_pk_op_bytes(mmi_pk_vm *vm, int size_bytes);

/* Instructions of protocol 0: numbers, strings and memo indices as lines of text. */
void mmi_pk_op_int_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_long_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_float_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_string_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_unicode_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_put_line(mmi_pk_vm *vm, int arg);
void mmi_pk_op_get_line(mmi_pk_vm *vm, int arg);

/* REDUCE, NEWOBJ, NEWOBJ_EX: args lie on the stack above the callee. */
void mmi_pk_op_call(mmi_pk_vm *vm, int how);
#endif
