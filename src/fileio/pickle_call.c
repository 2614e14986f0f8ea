/* What calling a class or function becomes: plain data for the few that only make
 * containers or bytes, a call node for everything else. Nothing is called. */
#include "fileio/pickle_state.h"
#include "mmengine/memory.h"

static void push_call(mmi_pk_vm *vm, mmi_pk_call call)
{
    mmi_pk_graph *graph = vm->graph;
    uint32_t node = mmi_pk_new(vm, MMI_PK_CALL);

    if (node == 0) {
        return;
    }
    if (graph->num_calls == graph->calls_capacity) {
        uint32_t wanted = graph->num_calls < 8 ? 8 : graph->num_calls * 2;
        mmi_pk_call *calls = mm_realloc(graph->calls, wanted * sizeof *calls);
        if (calls == NULL) {
            vm->failed = true;
            return;
        }
        graph->calls = calls;
        graph->calls_capacity = wanted;
    }
    graph->nodes[node].aux = graph->num_calls;
    graph->calls[graph->num_calls++] = call;
    mmi_pk_push(vm, node);
}

/* The only argument if it is a list or tuple, else 0. */
static uint32_t only_sequence(const mmi_pk_graph *graph, uint32_t args)
{
    const mmi_pk_seq *seq = &graph->nodes[args].u.seq;
    uint32_t item = seq->count == 1 ? seq->items[0] : 0;
    mmi_pk_kind kind = graph->nodes[item].kind;

    return kind == MMI_PK_LIST || kind == MMI_PK_TUPLE || kind == MMI_PK_SET ? item : 0;
}

/* A copy of a sequence under another kind. */
static void push_copy(mmi_pk_vm *vm, uint32_t from, mmi_pk_kind kind)
{
    uint32_t node = mmi_pk_new(vm, kind);
    if (node == 0) {
        return;
    }
    mmi_pk_seq seq = vm->graph->nodes[from].u.seq;
    if (!mmi_pk_may_copy(vm, seq.count * sizeof *seq.items)) {
        return;
    }
    uint32_t *items = mm_realloc(NULL, (seq.count + (size_t)1) * sizeof *items);
    if (items == NULL) {
        vm->failed = true;
        return;
    }
    for (uint32_t i = 0; i < seq.count; i++) {
        items[i] = seq.items[i];
    }
    vm->graph->nodes[node].u.seq = (mmi_pk_seq){items, seq.count, seq.count + 1};
    mmi_pk_push(vm, node);
}

/* OrderedDict([[k, v], ...]) as Python 2 wrote it. False: the pairs are no pairs. */
static bool push_ordered(mmi_pk_vm *vm, uint32_t pairs)
{
    mmi_pk_graph *graph = vm->graph;
    mmi_pk_seq from = graph->nodes[pairs].u.seq;

    for (uint32_t i = 0; i < from.count; i++) {
        const mmi_pk_node *pair = &graph->nodes[from.items[i]];
        if ((pair->kind != MMI_PK_LIST && pair->kind != MMI_PK_TUPLE) ||
            pair->u.seq.count != 2) {
            return false;
        }
    }
    uint32_t node = mmi_pk_new(vm, MMI_PK_ORDERED);
    bool may = node != 0 && mmi_pk_may_copy(vm, 2 * from.count * sizeof *from.items);
    uint32_t *items =
        !may ? NULL : mm_realloc(NULL, (2 * (size_t)from.count + 1) * sizeof *items);
    if (items == NULL) {
        vm->failed = true;
        return true;
    }
    for (uint32_t i = 0; i < from.count; i++) {
        const mmi_pk_seq *pair = &graph->nodes[from.items[i]].u.seq;
        items[2 * i] = pair->items[0];
        items[2 * i + 1] = pair->items[1];
    }
    graph->nodes[node].u.seq = (mmi_pk_seq){items, 2 * from.count, 2 * from.count + 1};
    mmi_pk_push(vm, node);
    return true;
}

/* _codecs.encode(text, 'latin1'): how protocol 2 writes bytes. */
static bool push_encoded(mmi_pk_vm *vm, const mmi_pk_seq *args)
{
    const mmi_pk_node *nodes = vm->graph->nodes;

    if (args->count != 2 || nodes[args->items[0]].kind != MMI_PK_STR ||
        nodes[args->items[1]].kind != MMI_PK_STR) {
        return false;
    }
    mmi_pk_span coding = nodes[args->items[1]].u.text;
    bool is_latin1 = coding.size >= 6 && (coding.data[0] | 0x20) == 'l';
    mmi_pk_span bytes = {NULL, 0};
    if (is_latin1) {
        bytes = mmi_pk_to_latin1(vm, nodes[args->items[0]].u.text);
    }
    if (bytes.data == NULL) {
        return false;
    }
    mmi_pk_push_text(vm, MMI_PK_BYTES, bytes);
    return true;
}

static bool is_builtin(const mmi_pk_node *node, const char *name)
{
    return mmi_pk_is_global(node, "builtins", name) ||
           mmi_pk_is_global(node, "__builtin__", name);
}

/* Pushes plain data for a known callee. False: it is not one of them. */
static bool push_known(mmi_pk_vm *vm, uint32_t callee, uint32_t args)
{
    const mmi_pk_graph *graph = vm->graph;
    const mmi_pk_node *node = &graph->nodes[callee];
    const mmi_pk_seq *seq = &graph->nodes[args].u.seq;
    uint32_t only = only_sequence(graph, args);

    if (mmi_pk_is_global(node, "collections", "OrderedDict")) {
        if (seq->count == 0) {
            mmi_pk_push(vm, mmi_pk_new(vm, MMI_PK_ORDERED));
            return true;
        }
        return only != 0 && push_ordered(vm, only);
    }
    if (is_builtin(node, "set") || is_builtin(node, "frozenset")) {
        if (only != 0 || seq->count == 0) {
            push_copy(vm, only != 0 ? only : args, MMI_PK_SET);
            return true;
        }
        return false;
    }
    if (mmi_pk_is_global(node, "torch", "Size") && only != 0) {
        push_copy(vm, only, MMI_PK_TUPLE);
        return true;
    }
    if (is_builtin(node, "bytes") && seq->count == 0) {
        mmi_pk_push_text(vm, MMI_PK_BYTES, (mmi_pk_span){"", 0});
        return true;
    }
    return mmi_pk_is_global(node, "_codecs", "encode") && push_encoded(vm, seq);
}

void mmi_pk_op_call(mmi_pk_vm *vm, int how)
{
    uint32_t kwargs = how == MMI_PK_NEWOBJ_EX ? mmi_pk_pop(vm) : 0;
    uint32_t args = mmi_pk_pop(vm);
    uint32_t callee = mmi_pk_pop(vm);

    if (vm->failed) {
        return;
    }
    const mmi_pk_node *nodes = vm->graph->nodes;
    bool is_call =
        nodes[args].kind == MMI_PK_TUPLE &&
        (nodes[callee].kind == MMI_PK_GLOBAL || nodes[callee].kind == MMI_PK_CALL ||
         nodes[callee].kind == MMI_PK_PERSID) &&
        (kwargs == 0 || nodes[kwargs].kind == MMI_PK_DICT);
    if (!is_call) {
        mmi_pk_fail(vm, "something that is no class or function is called");
        return;
    }
    if (kwargs != 0 && nodes[kwargs].u.seq.count == 0) {
        how = MMI_PK_NEWOBJ;
        kwargs = 0;
    }
    if (kwargs != 0 || !push_known(vm, callee, args)) {
        push_call(vm, (mmi_pk_call){.callee = callee,
                                    .args = args,
                                    .kwargs = kwargs,
                                    .how = (mmi_pk_how)how});
    }
}
