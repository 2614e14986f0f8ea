void *f(struct ops *ops) { free(ops->name); ops->free(ops); return malloc(3); }
struct ops { void (*free)(void *); };
