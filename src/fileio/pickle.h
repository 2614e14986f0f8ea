/* Pickles as values: what the container formats need beyond mmengine/fileio.h. */
#ifndef MMI_FILEIO_PICKLE_H
#define MMI_FILEIO_PICKLE_H

#include "fileio/pickle_vm.h"
#include "mmengine/fileio.h"

enum {
    MMI_DOC_DEPTH = 500,       /* nesting of documents that are read or written */
    MMI_INNER_CLASS_SIZE = 256 /* bytes of "module.Outer.Inner", its zero included */
};

/* What stands behind a node value. */
typedef enum mmi_node_kind {
    MMI_NODE_CLASS,      /* a bare class or function */
    MMI_NODE_REDUCE,     /* callee(*args) */
    MMI_NODE_NEWOBJ,     /* class.__new__(class, *args) */
    MMI_NODE_NEWOBJ_EX,  /* class.__new__(class, *args, **kwargs) */
    MMI_NODE_PERSISTENT, /* args is the id */
    MMI_NODE_ORDERED     /* an OrderedDict: entries, and its attributes as state */
} mmi_node_kind;

/* Read-only after mmi_node_new(); what it holds is frozen. NULL where there is none. */
typedef struct mmi_node {
    mmi_node_kind kind;
    const char *class_name; /* "module.Name"; "" for a persistent id */
    size_t module_size;     /* bytes of class_name before its last dot */
    mm_value *callee;       /* a node; NULL for a bare class */
    mm_value *args, *kwargs, *state, *items, *entries;
} mmi_node;

extern const mm_object_ops mmi_node_object;

/* A value with a copy of `node`; its values gain a reference. */
mm_value *mmi_node_new(const mmi_node *node);
/* The node of a value, NULL if it holds none. */
const mmi_node *mmi_node_find(const mm_value *value);
/* True if it is `kind` of module.name. */
bool mmi_node_is(const mmi_node *node, mmi_node_kind kind, const char *class_name);

/* Callbacks of a format that keeps more than plain data in pickles; each optional. */
typedef struct mmi_pickle_reader {
    void *user;
    /* The value for a persistent id; NULL without an error: a node. */
    mm_value *(*persistent)(void *user, mm_value *id);
    /* The value for class_name(*args); NULL without an error: a node. */
    mm_value *(*call)(void *user, const char *class_name, mm_value *args);
    bool keep_ordered; /* OrderedDict as node, not as dict */
} mmi_pickle_reader;

/* Reads one pickle; bytes behind it may follow. `reader` and `out_consumed` may be
 * NULL.
 */
mm_value *mmi_pickle_read(const void *data, size_t size, const char *file,
                          const mmi_pickle_reader *reader, size_t *out_consumed);

/* A pickle being written, protocol 2. */
typedef struct mmi_pickle_writer mmi_pickle_writer;
/* Writes an object value with the mmi_pickle_put functions; false: it is none of its.
 */
typedef bool (*mmi_pickle_put_object)(void *user, mmi_pickle_writer *writer,
                                      const mm_value *object);

/* The bytes of `value`; yours. `put_one` may be NULL. */
void *mmi_pickle_write(const mm_value *value, mmi_pickle_put_object put_one, void *user,
                       size_t *out_size);
/* Pieces, for put_object. A failure shows in the end. */
void mmi_pickle_put_op(mmi_pickle_writer *writer, char op);
void mmi_pickle_put_int(mmi_pickle_writer *writer, int64_t value);
void mmi_pickle_put_bool(mmi_pickle_writer *writer, bool value);
void mmi_pickle_put_str(mmi_pickle_writer *writer, const char *text);
void mmi_pickle_put_bytes(mmi_pickle_writer *writer, const void *data, size_t size);
void mmi_pickle_put_class(mmi_pickle_writer *writer, const char *class_name);
void mmi_pickle_put_ints(mmi_pickle_writer *writer, const int64_t *values, int count);

/* A dtype, sizes and bytes of a NumPy array inside a pickle; false if it is none. */
typedef struct mmi_numpy {
    char kind; /* 'f', 'i', 'u', 'b' */
    size_t item_size;
    bool is_scalar, is_big_endian, is_fortran;
    int ndim;
    int64_t sizes[8];
    const unsigned char *data;
    size_t data_size;
} mmi_numpy;
bool mmi_numpy_find(const mmi_node *node, mmi_numpy *out);
/* Element `index` (in memory order) as a double. */
double mmi_numpy_f64(const mmi_numpy *array, size_t index);

#endif
