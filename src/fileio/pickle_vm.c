/* The machine that reads pickles: a stack, marks, a memo, about seventy instructions.
 * It only ever makes nodes; no instruction can reach a function or a class. Every
 * length is compared with the bytes that are left before anything is allocated, so
 * memory stays proportional to the size of the pickle. */
#include "fileio/pickle_vm.h"

#include <string.h>

#include "fileio/pickle_state.h"
#include "fileio/text.h"
#include "mmengine/memory.h"

/* One instruction; `arg` tells those apart that share a function. */
struct op {
    void (*run)(mmi_pk_vm *vm, int arg);
    int arg;
};

void mmi_pk_fail(mmi_pk_vm *vm, const char *why)
{
    if (!vm->failed) {
        vm->failed = true;
        mm_raise(MM_EDATA, "could not read pickle '%s': %s at byte %zu",
                 vm->file != NULL ? vm->file : "<memory>", why,
                 (size_t)(vm->at - vm->begin));
    }
}

/* `items` with room for one more behind `count`, moved if need be; NULL on failure. */
static void *reserve(mmi_pk_vm *vm, void *items, uint32_t *capacity, uint32_t count,
                     size_t item_size)
{
    if (vm->failed) {
        return NULL;
    }
    if (count < *capacity) {
        return items;
    }
    if (count >= UINT32_MAX / 2) {
        mmi_pk_fail(vm, "too many items");
        return NULL;
    }
    uint32_t wanted = count < 4 ? 4 : count * 2;
    void *grown = mm_realloc(items, (size_t)wanted * item_size);
    if (grown == NULL) {
        vm->failed = true;
    } else {
        *capacity = wanted;
    }
    return grown;
}

uint32_t mmi_pk_new(mmi_pk_vm *vm, mmi_pk_kind kind)
{
    mmi_pk_graph *graph = vm->graph;

    mmi_pk_node *nodes =
        reserve(vm, graph->nodes, &graph->capacity, graph->num_nodes, sizeof *nodes);
    if (nodes == NULL) {
        return 0;
    }
    graph->nodes = nodes;
    graph->nodes[graph->num_nodes] = (mmi_pk_node){.kind = kind};
    return graph->num_nodes++;
}

void mmi_pk_push(mmi_pk_vm *vm, uint32_t node)
{
    uint32_t *stack = node == 0 ? NULL
                                : reserve(vm, vm->stack, &vm->stack_capacity, vm->depth,
                                          sizeof *stack);
    if (stack != NULL) {
        vm->stack = stack;
        vm->stack[vm->depth++] = node;
    }
}

/* The stack depth below which the present frame may not go. */
static uint32_t stack_floor(const mmi_pk_vm *vm)
{
    return vm->num_marks > 0 ? vm->marks[vm->num_marks - 1] : 0;
}

uint32_t mmi_pk_top(mmi_pk_vm *vm)
{
    if (vm->failed || vm->depth <= stack_floor(vm)) {
        mmi_pk_fail(vm, "the stack is empty");
        return 0;
    }
    return vm->stack[vm->depth - 1];
}

uint32_t mmi_pk_pop(mmi_pk_vm *vm)
{
    uint32_t node = mmi_pk_top(vm);

    if (node != 0) {
        vm->depth--;
    }
    return node;
}

const unsigned char *mmi_pk_take(mmi_pk_vm *vm, uint64_t size)
{
    if (vm->failed || size > (uint64_t)(vm->end - vm->at)) {
        mmi_pk_fail(vm, "the data end too early");
        return NULL;
    }
    const unsigned char *data = vm->at;
    vm->at += size;
    return data;
}

uint64_t mmi_pk_take_number(mmi_pk_vm *vm, int size)
{
    const unsigned char *data = mmi_pk_take(vm, (uint64_t)size);
    uint64_t number = 0;

    for (int i = size; data != NULL && i > 0; i--) {
        number = number << 8 | data[i - 1];
    }
    return number;
}

mmi_pk_span mmi_pk_line(mmi_pk_vm *vm)
{
    const unsigned char *begin = vm->at;
    const unsigned char *newline = NULL;

    if (!vm->failed && vm->at < vm->end) {
        newline = memchr(begin, '\n', (size_t)(vm->end - begin));
    }
    if (newline == NULL) {
        mmi_pk_fail(vm, "a line has no end");
        return (mmi_pk_span){NULL, 0};
    }
    vm->at = newline + 1;
    return (mmi_pk_span){(const char *)begin, (size_t)(newline - begin)};
}

bool mmi_pk_may_copy(mmi_pk_vm *vm, uint64_t size)
{
    uint64_t limit = 65536 + 8 * (uint64_t)(vm->end - vm->begin);

    vm->copied += size;
    if (vm->copied > limit) {
        mmi_pk_fail(vm, "the same data are copied too often");
    }
    return !vm->failed;
}

char *mmi_pk_memory(mmi_pk_vm *vm, size_t size)
{
    mmi_pk_graph *graph = vm->graph;

    if (!mmi_pk_may_copy(vm, size)) {
        return NULL;
    }
    void **owned = reserve(vm, graph->owned, &graph->owned_capacity, graph->num_owned,
                           sizeof *owned);
    if (owned == NULL) {
        return NULL;
    }
    graph->owned = owned;
    char *memory = mm_realloc(NULL, size + 1);
    if (memory == NULL) {
        vm->failed = true;
        return NULL;
    }
    graph->owned[graph->num_owned++] = memory;
    return memory;
}

/* --- stack, marks, memo --- */

static void op_mark(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    uint32_t *marks =
        reserve(vm, vm->marks, &vm->marks_capacity, vm->num_marks, sizeof *marks);
    if (marks != NULL) {
        vm->marks = marks;
        vm->marks[vm->num_marks++] = vm->depth;
    }
}

/* Removes the last mark; items [result, depth) stood above it. */
static uint32_t pop_mark(mmi_pk_vm *vm)
{
    if (vm->failed || vm->num_marks == 0) {
        mmi_pk_fail(vm, "no mark is set");
        return vm->depth;
    }
    return vm->marks[--vm->num_marks];
}

static void op_pop(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    if (vm->num_marks > 0 && vm->depth == stack_floor(vm)) {
        vm->num_marks--; /* POP takes a mark too */
    } else {
        mmi_pk_pop(vm);
    }
}

static void op_pop_mark(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    vm->depth = pop_mark(vm);
}

static void op_dup(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_push(vm, mmi_pk_top(vm));
}

void mmi_pk_put(mmi_pk_vm *vm, uint64_t index)
{
    uint32_t node = mmi_pk_top(vm);

    /* A pickler counts its puts, and each takes a byte at least. */
    if (index > (uint64_t)(vm->end - vm->begin) || index > UINT32_MAX / 2) {
        mmi_pk_fail(vm, "a memo index is out of range");
    }
    while (!vm->failed && vm->memo_size <= index) {
        uint32_t *memo =
            reserve(vm, vm->memo, &vm->memo_capacity, vm->memo_size, sizeof *memo);
        if (memo != NULL) {
            vm->memo = memo;
            vm->memo[vm->memo_size++] = 0;
        }
    }
    if (!vm->failed) {
        vm->next_memo += vm->memo[index] == 0;
        vm->memo[index] = node;
    }
}

void mmi_pk_get(mmi_pk_vm *vm, uint64_t index)
{
    if (!vm->failed && (index >= vm->memo_size || vm->memo[index] == 0)) {
        mmi_pk_fail(vm, "the memo has no such entry");
    }
    if (!vm->failed) {
        mmi_pk_push(vm, vm->memo[index]);
    }
}

static void op_put(mmi_pk_vm *vm, int size_bytes)
{
    mmi_pk_put(vm, mmi_pk_take_number(vm, size_bytes));
}

static void op_get(mmi_pk_vm *vm, int size_bytes)
{
    mmi_pk_get(vm, mmi_pk_take_number(vm, size_bytes));
}

static void op_memoize(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_put(vm, vm->next_memo);
}

/* --- containers --- */

static void append_to(mmi_pk_vm *vm, uint32_t container, uint32_t item)
{
    mmi_pk_seq seq = vm->graph->nodes[container].u.seq;

    uint32_t *items =
        item == 0 ? NULL
                  : reserve(vm, seq.items, &seq.capacity, seq.count, sizeof *items);
    if (items != NULL) {
        seq.items = items;
        seq.items[seq.count++] = item;
        vm->graph->nodes[container].u.seq = seq;
    }
}

static void op_empty(mmi_pk_vm *vm, int kind)
{
    mmi_pk_push(vm, mmi_pk_new(vm, (mmi_pk_kind)kind));
}

/* TUPLE, LIST, DICT, FROZENSET of what stands above the mark. */
static void op_from_mark(mmi_pk_vm *vm, int kind)
{
    uint32_t first = pop_mark(vm);
    uint32_t node = mmi_pk_new(vm, (mmi_pk_kind)kind);

    if (kind == MMI_PK_DICT && (vm->depth - first) % 2 != 0) {
        mmi_pk_fail(vm, "a dict entry has no value");
    }
    for (uint32_t i = first; !vm->failed && i < vm->depth; i++) {
        append_to(vm, node, vm->stack[i]);
    }
    vm->depth = first;
    mmi_pk_push(vm, node);
}

/* TUPLE1, TUPLE2, TUPLE3. */
static void op_tuple(mmi_pk_vm *vm, int count)
{
    uint32_t items[3] = {0};

    for (int i = count - 1; i >= 0; i--) {
        items[i] = mmi_pk_pop(vm);
    }
    uint32_t node = mmi_pk_new(vm, MMI_PK_TUPLE);
    for (int i = 0; !vm->failed && i < count; i++) {
        append_to(vm, node, items[i]);
    }
    mmi_pk_push(vm, node);
}

/* The container that receives items of `target`: itself, or a call's own list or dict.
 * 0 on failure. */
static uint32_t receiver(mmi_pk_vm *vm, uint32_t target, mmi_pk_kind kind)
{
    if (vm->failed) {
        return 0;
    }
    mmi_pk_node node = vm->graph->nodes[target];
    bool fits =
        node.kind == kind || (kind == MMI_PK_DICT && node.kind == MMI_PK_ORDERED);
    if (fits) {
        return target;
    }
    if (node.kind != MMI_PK_CALL || kind == MMI_PK_SET) {
        mmi_pk_fail(vm, "items are added to something that holds none");
        return 0;
    }
    mmi_pk_call *call = &vm->graph->calls[node.aux];
    uint32_t *slot = kind == MMI_PK_LIST ? &call->items : &call->entries;
    if (*slot == 0) {
        *slot = mmi_pk_new(vm, kind);
    }
    return *slot;
}

/* APPEND, SETITEM: one item or pair above its container. */
static void op_add_one(mmi_pk_vm *vm, int kind)
{
    uint32_t value = mmi_pk_pop(vm);
    uint32_t key = kind == MMI_PK_DICT ? mmi_pk_pop(vm) : 0;
    uint32_t into = receiver(vm, mmi_pk_top(vm), (mmi_pk_kind)kind);

    if (into != 0 && key != 0) {
        append_to(vm, into, key);
    }
    if (into != 0) {
        append_to(vm, into, value);
    }
}

/* APPENDS, SETITEMS, ADDITEMS: all above the mark goes to the container below it. */
static void op_add_all(mmi_pk_vm *vm, int kind)
{
    uint32_t end = vm->depth;
    uint32_t first = pop_mark(vm);

    if (vm->failed) {
        return;
    }
    if (kind == MMI_PK_DICT && (end - first) % 2 != 0) {
        mmi_pk_fail(vm, "a dict entry has no value");
    }
    vm->depth = first;
    uint32_t into = receiver(vm, mmi_pk_top(vm), (mmi_pk_kind)kind);
    for (uint32_t i = first; into != 0 && !vm->failed && i < end; i++) {
        append_to(vm, into, vm->stack[i]);
    }
}

/* --- globals, calls, ids --- */

/* A newline or zero byte would end the name where it is written again. */
static bool has_only_name_bytes(mmi_pk_span name)
{
    return memchr(name.data, '\0', name.size) == NULL &&
           memchr(name.data, '\n', name.size) == NULL;
}

void mmi_pk_push_global(mmi_pk_vm *vm, mmi_pk_span module, mmi_pk_span name)
{
    bool fits = module.data != NULL && name.data != NULL && module.size > 0 &&
                name.size > 0 && module.size <= 4096 && name.size <= 4096 &&
                has_only_name_bytes(module) && has_only_name_bytes(name) &&
                mmi_text_is_utf8(module.data, module.size) &&
                mmi_text_is_utf8(name.data, name.size);
    if (!fits) {
        mmi_pk_fail(vm, "a class name is empty, too long or not UTF-8");
        return;
    }
    char *text = mmi_pk_memory(vm, module.size + name.size);
    uint32_t node = text != NULL ? mmi_pk_new(vm, MMI_PK_GLOBAL) : 0;
    if (node == 0) {
        return;
    }
    memcpy(text, module.data, module.size);
    memcpy(text + module.size, name.data, name.size);
    vm->graph->nodes[node].u.global.data = text;
    vm->graph->nodes[node].u.global.module_size = (uint32_t)module.size;
    vm->graph->nodes[node].u.global.name_size = (uint32_t)name.size;
    mmi_pk_push(vm, node);
}

static void op_global(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    mmi_pk_span module = mmi_pk_line(vm);
    mmi_pk_push_global(vm, module, mmi_pk_line(vm));
}

static void op_stack_global(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    uint32_t name = mmi_pk_pop(vm);
    uint32_t module = mmi_pk_pop(vm);
    const mmi_pk_node *nodes = vm->graph->nodes;

    if (vm->failed) {
        return;
    }
    if (nodes[name].kind != MMI_PK_STR || nodes[module].kind != MMI_PK_STR) {
        mmi_pk_fail(vm, "a class name is no string");
        return;
    }
    mmi_pk_push_global(vm, nodes[module].u.text, nodes[name].u.text);
}

/* INST: names as lines, arguments above the mark. */
static void op_inst(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    op_from_mark(vm, MMI_PK_TUPLE);
    uint32_t args = mmi_pk_pop(vm);
    op_global(vm, 0);
    mmi_pk_push(vm, args);
    mmi_pk_op_call(vm, MMI_PK_REDUCE);
}

/* OBJ: the class is the first thing above the mark. */
static void op_obj(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    uint32_t first = vm->num_marks > 0 ? vm->marks[vm->num_marks - 1] : 0;
    if (vm->num_marks == 0 || vm->depth <= first) {
        mmi_pk_fail(vm, "an instance has no class");
        return;
    }
    uint32_t class_node = vm->stack[first];
    memmove(vm->stack + first, vm->stack + first + 1,
            (size_t)(vm->depth - first - 1) * sizeof(uint32_t));
    vm->depth--;
    op_from_mark(vm, MMI_PK_TUPLE);
    uint32_t args = mmi_pk_pop(vm);
    mmi_pk_push(vm, class_node);
    mmi_pk_push(vm, args);
    mmi_pk_op_call(vm, MMI_PK_REDUCE);
}

static void op_build(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    uint32_t state = mmi_pk_pop(vm);
    uint32_t target = mmi_pk_top(vm);
    if (vm->failed) {
        return;
    }
    mmi_pk_node *node = &vm->graph->nodes[target];
    uint32_t *slot = node->kind == MMI_PK_ORDERED ? &node->aux
                     : node->kind == MMI_PK_CALL  ? &vm->graph->calls[node->aux].state
                                                  : NULL;
    if (slot == NULL || *slot != 0) {
        mmi_pk_fail(vm, slot == NULL ? "a state is given to plain data"
                                     : "an instance gets two states");
        return;
    }
    *slot = state;
}

static void op_persistent(mmi_pk_vm *vm, int is_line)
{
    if (is_line != 0) {
        mmi_pk_span line = mmi_pk_line(vm);

        if (line.data != NULL && !mmi_text_is_utf8(line.data, line.size)) {
            mmi_pk_fail(vm, "a string is not UTF-8");
            return;
        }
        mmi_pk_push_text(vm, MMI_PK_STR, line);
    }
    uint32_t id = mmi_pk_pop(vm);
    uint32_t node = mmi_pk_new(vm, MMI_PK_PERSID);
    if (node != 0) {
        vm->graph->nodes[node].aux = id;
    }
    mmi_pk_push(vm, node);
}

static void op_proto(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    if (mmi_pk_take_number(vm, 1) > 5) {
        mmi_pk_fail(vm, "the protocol is newer than 5");
    }
}

static void op_frame(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    if (mmi_pk_take_number(vm, 8) > (uint64_t)(vm->end - vm->at)) {
        mmi_pk_fail(vm, "a frame is longer than the data");
    }
}

static void op_stop(mmi_pk_vm *vm, int arg)
{
    (void)arg;
    vm->graph->root = mmi_pk_pop(vm);
    if (!vm->failed && (vm->depth != 0 || vm->num_marks != 0)) {
        mmi_pk_fail(vm, "values are left on the stack");
    }
    vm->stopped = true;
}

static const struct op ops[256] = {
    ['N'] = {mmi_pk_op_constant, -1},
    [0x88] = {mmi_pk_op_constant, 1},
    [0x89] = {mmi_pk_op_constant, 0},
    ['K'] = {mmi_pk_op_int, 1},
    ['M'] = {mmi_pk_op_int, 2},
    ['J'] = {mmi_pk_op_int, 4},
    ['G'] = {mmi_pk_op_float, 0},
    [0x8a] = {mmi_pk_op_long, 1},
    [0x8b] = {mmi_pk_op_long, 4},
    ['I'] = {mmi_pk_op_int_line, 0},
    ['L'] = {mmi_pk_op_long_line, 0},
    ['F'] = {mmi_pk_op_float_line, 0},
    [0x8c] = {mmi_pk_op_unicode, 1},
    ['X'] = {mmi_pk_op_unicode, 4},
    [0x8d] = {mmi_pk_op_unicode, 8},
    ['V'] = {mmi_pk_op_unicode_line, 0},
    ['U'] = {mmi_pk_op_old_string, 1},
    ['T'] = {mmi_pk_op_old_string, 4},
    ['S'] = {mmi_pk_op_string_line, 0},
    ['C'] = {mmi_pk_op_bytes, 1},
    ['B'] = {mmi_pk_op_bytes, 4},
    [0x8e] = {mmi_pk_op_bytes, 8},
    [0x96] = {mmi_pk_op_bytes, 8}, /* a bytearray: bytes that nobody changes here */
    ['('] = {op_mark, 0},
    ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_dup, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['p'] = {mmi_pk_op_put_line, 0},
    [0x94] = {op_memoize, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    ['g'] = {mmi_pk_op_get_line, 0},
    [']'] = {op_empty, MMI_PK_LIST},
    [')'] = {op_empty, MMI_PK_TUPLE},
    ['}'] = {op_empty, MMI_PK_DICT},
    [0x8f] = {op_empty, MMI_PK_SET},
    ['l'] = {op_from_mark, MMI_PK_LIST},
    ['t'] = {op_from_mark, MMI_PK_TUPLE},
    ['d'] = {op_from_mark, MMI_PK_DICT},
    [0x91] = {op_from_mark, MMI_PK_SET},
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    ['a'] = {op_add_one, MMI_PK_LIST},
    ['s'] = {op_add_one, MMI_PK_DICT},
    ['e'] = {op_add_all, MMI_PK_LIST},
    ['u'] = {op_add_all, MMI_PK_DICT},
    [0x90] = {op_add_all, MMI_PK_SET},
    ['c'] = {op_global, 0},
    [0x93] = {op_stack_global, 0},
    ['R'] = {mmi_pk_op_call, MMI_PK_REDUCE},
    [0x81] = {mmi_pk_op_call, MMI_PK_NEWOBJ},
    [0x92] = {mmi_pk_op_call, MMI_PK_NEWOBJ_EX},
    ['i'] = {op_inst, 0},
    ['o'] = {op_obj, 0},
    ['b'] = {op_build, 0},
    ['P'] = {op_persistent, 1},
    ['Q'] = {op_persistent, 0},
    [0x80] = {op_proto, 0},
    [0x95] = {op_frame, 0},
    ['.'] = {op_stop, 0},
};

mm_status mmi_pk_run(mmi_pk_graph *graph, const void *data, size_t size,
                     const char *file)
{
    mmi_pk_vm vm = {.graph = graph, .file = file, .begin = data, .at = data};

    vm.end = vm.begin + size;
    vm.failed = mm_has_error();
    *graph = (mmi_pk_graph){0};
    mmi_pk_new(&vm, MMI_PK_VOID);
    while (!vm.failed && !vm.stopped) {
        const unsigned char *code = mmi_pk_take(&vm, 1);
        if (code != NULL && ops[*code].run == NULL) {
            mmi_pk_fail(&vm, "an instruction is unknown");
        } else if (code != NULL) {
            ops[*code].run(&vm, ops[*code].arg);
        }
    }
    graph->consumed = (size_t)(vm.at - vm.begin);
    mm_free(vm.stack);
    mm_free(vm.marks);
    mm_free(vm.memo);
    return mm_pending();
}

void mmi_pk_graph_free(mmi_pk_graph *graph)
{
    for (uint32_t i = 0; i < graph->num_nodes; i++) {
        mmi_pk_kind kind = graph->nodes[i].kind;
        if (kind >= MMI_PK_LIST && kind <= MMI_PK_ORDERED) {
            mm_free(graph->nodes[i].u.seq.items);
        }
    }
    for (uint32_t i = 0; i < graph->num_owned; i++) {
        mm_free(graph->owned[i]);
    }
    mm_free(graph->nodes);
    mm_free(graph->calls);
    mm_free(graph->owned);
    *graph = (mmi_pk_graph){0};
}

bool mmi_pk_is_global(const mmi_pk_node *node, const char *module, const char *name)
{
    size_t module_size = strlen(module);

    return node->kind == MMI_PK_GLOBAL && node->u.global.module_size == module_size &&
           node->u.global.name_size == strlen(name) &&
           memcmp(node->u.global.data, module, module_size) == 0 &&
           memcmp(node->u.global.data + module_size, name, node->u.global.name_size) ==
               0;
}
