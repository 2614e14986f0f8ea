/* A pickle as a graph of plain nodes, before it becomes values. Nodes are numbered, so
 * cycles and sharing cost nothing and the graph is freed at once. Spans point into the
 * pickle or into memory of the graph. */
#ifndef MMI_FILEIO_PICKLE_VM_H
#define MMI_FILEIO_PICKLE_VM_H

#include "mmengine/status.h"

typedef enum mmi_pk_kind {
    MMI_PK_VOID, /* node 0: "no node" */
    MMI_PK_NONE,
    MMI_PK_BOOL,
    MMI_PK_INT,
    MMI_PK_BIGINT, /* span: two's complement, little-endian */
    MMI_PK_DIGITS, /* span: decimal text */
    MMI_PK_FLOAT,
    MMI_PK_STR,
    MMI_PK_BYTES,
    MMI_PK_LIST,
    MMI_PK_TUPLE,
    MMI_PK_SET,
    MMI_PK_DICT,    /* seq: key, value, key, value; aux: state of an OrderedDict */
    MMI_PK_ORDERED, /* the same, an OrderedDict */
    MMI_PK_GLOBAL,  /* module and name */
    MMI_PK_CALL,    /* aux: index into calls */
    MMI_PK_PERSID   /* aux: node of the id */
} mmi_pk_kind;

typedef enum mmi_pk_how { MMI_PK_REDUCE, MMI_PK_NEWOBJ, MMI_PK_NEWOBJ_EX } mmi_pk_how;

typedef struct mmi_pk_span {
    const char *data;
    size_t size;
} mmi_pk_span;

typedef struct mmi_pk_seq {
    uint32_t *items;
    uint32_t count, capacity;
} mmi_pk_seq;

typedef struct mmi_pk_node {
    mmi_pk_kind kind;
    uint32_t aux;
    union {
        bool boolean;
        int64_t integer;
        double number;
        mmi_pk_span text;
        mmi_pk_seq seq;
        struct {
            const char *data; /* module, then name, without a gap or a zero byte */
            uint32_t module_size, name_size;
        } global;
    } u;
} mmi_pk_node;

/* What a class or function was called with; 0 where there is none. */
typedef struct mmi_pk_call {
    uint32_t callee, args, kwargs, state, items, entries;
    mmi_pk_how how;
} mmi_pk_call;

typedef struct mmi_pk_graph {
    mmi_pk_node *nodes;
    uint32_t num_nodes, capacity;
    mmi_pk_call *calls;
    uint32_t num_calls, calls_capacity;
    void **owned; /* memory of decoded strings */
    uint32_t num_owned, owned_capacity;
    uint32_t root;
    size_t consumed; /* bytes up to and with STOP */
} mmi_pk_graph;

/* Runs the pickle at data[0, size). `file` may be NULL. `graph` is zero or was freed;
 * free it in any case. */
mm_status mmi_pk_run(mmi_pk_graph *graph, const void *data, size_t size,
                     const char *file);
void mmi_pk_graph_free(mmi_pk_graph *graph);

/* True if a global is `module`.`name`. */
bool mmi_pk_is_global(const mmi_pk_node *node, const char *module, const char *name);

#endif
