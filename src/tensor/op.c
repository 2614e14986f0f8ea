/*
 * Calls by schema: ours, whose names are constants resolved once each, and mm_op()'s,
 * whose names are looked up in a table that only grows. Results go to the scope.
 */
#include "tensor/bridge.h"

#include <string.h>

static mmt_op *resolve(const mmt_api *torch, mmi_op *op)
{
    mmt_op *found = atomic_load_explicit(&op->resolved, memory_order_acquire);

    if (MMI_UNLIKELY(found == NULL)) {
        found = torch->op_find(op->name);
        atomic_store_explicit(&op->resolved, found, memory_order_release);
    }
    return found;
}

static mm_tensor *call_for_one(const mmt_api *torch, mmt_op *op, const mm_arg *args,
                               int num_args, const char *name)
{
    mm_tensor *made = NULL;
    mm_op_result result = {.tensors = &made, .max_tensors = -1};

    if (torch->op_call(op, args, num_args, &result) != MM_OK) {
        return NULL;
    }
    if (result.num_tensors == 0 || made == NULL) {
        mm_raise(MM_EINVAL, "%s gives no tensor", name);
        mm_error_hint("call it with mm_op_run()");
        return NULL;
    }
    return mmi_own(made);
}

mm_tensor *mmi_call(mmi_op *op, const mm_arg *args, int num_args)
{
    const mmt_api *torch = mmi_op_begin();
    mmt_op *found = torch != NULL ? resolve(torch, op) : NULL;

    return found != NULL ? call_for_one(torch, found, args, num_args, op->name) : NULL;
}

mm_tensor *mmi_call_in_place(mmi_op *op, mm_tensor *x, const mm_arg *args, int num_args)
{
    const mmt_api *torch = mmi_torch_begin();
    mmt_op *found = torch != NULL ? resolve(torch, op) : NULL;

    if (found == NULL || torch->op_call(found, args, num_args, NULL) != MM_OK) {
        return NULL;
    }
    return x;
}

/* Gives all results to the scope; on failure those that are left are released. */
static mm_status own_all(mm_tensor **made, int count)
{
    for (int i = 0; i < count; i++) {
        made[i] = mmi_own(made[i]);
    }
    return mm_pending();
}

mm_status mmi_call_list(mmi_op *op, mm_tensor **out, int max, int *out_count,
                        const mm_arg *args, int num_args)
{
    const mmt_api *torch = mmi_op_begin();
    mmt_op *found = torch != NULL ? resolve(torch, op) : NULL;
    mm_op_result result = {.tensors = out, .max_tensors = max};

    if (found == NULL || torch->op_call(found, args, num_args, &result) != MM_OK) {
        return mm_pending();
    }
    if (out_count != NULL) {
        *out_count = result.num_tensors;
    }
    return own_all(out, result.num_tensors);
}

mm_status mmi_call_many(mmi_op *op, mm_tensor ***out, int count, const mm_arg *args,
                        int num_args)
{
    enum { MOST = 8 };
    mm_tensor *made[MOST] = {NULL};

    MM_ASSERT(count <= MOST);
    mm_status status = mmi_call_list(op, made, MOST, NULL, args, num_args);
    for (int i = 0; status == MM_OK && i < count; i++) {
        if (out[i] != NULL) {
            *out[i] = made[i];
        }
    }
    return status;
}

/* ---- by name ---- */

enum { TABLE_SIZE = 4096, TABLE_FULL = 3072 };

/* Operators by name. Insert only, so readers need no lock: linear probing ends at the
 * first free slot. */
static _Atomic(mmt_op *) table[TABLE_SIZE];
static atomic_int table_count;

static size_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    }
    return (size_t)(hash ^ (hash >> 32)) % TABLE_SIZE;
}

/* Asks the bridge and remembers. Two threads may insert the same one: harmless. */
static mmt_op *find_in_bridge(const mmt_api *torch, const char *name, size_t slot)
{
    mmt_op *found = torch->op_find(name);

    if (found == NULL || atomic_fetch_add(&table_count, 1) >= TABLE_FULL) {
        return found;
    }
    for (;; slot = (slot + 1) % TABLE_SIZE) {
        mmt_op *vacant = NULL;
        if (atomic_compare_exchange_strong(&table[slot], &vacant, found)) {
            return found;
        }
    }
}

static mmt_op *find_by_name(const mmt_api *torch, const char *name)
{
    size_t slot = hash_name(name);

    for (;; slot = (slot + 1) % TABLE_SIZE) {
        mmt_op *entry = atomic_load_explicit(&table[slot], memory_order_acquire);
        if (entry == NULL) {
            return find_in_bridge(torch, name, slot);
        }
        if (strcmp(entry->name, name) == 0) {
            return entry;
        }
    }
}

mm_tensor *mm_op_with(const char *name, const mm_arg *args, int num_args)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !MMI_HAS(name)) {
        return NULL;
    }
    mmt_op *op = find_by_name(torch, name);
    return op != NULL ? call_for_one(torch, op, args, num_args, name) : NULL;
}

mm_status mm_op_run_with(const char *name, mm_op_result *result, const mm_arg *args,
                         int num_args)
{
    const mmt_api *torch = result != NULL ? mmi_op_begin() : mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(name)) {
        return mm_pending();
    }
    mmt_op *op = find_by_name(torch, name);
    if (op == NULL || torch->op_call(op, args, num_args, result) != MM_OK) {
        return mm_pending();
    }
    return result != NULL ? own_all(result->tensors, result->num_tensors) : MM_OK;
}

bool mm_op_supports(const char *name, const char *device)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(name) && MMI_HAS(device) &&
           torch->op_supports(name, device);
}

const char *mm_op_schema(const char *name)
{
    const mmt_api *torch = mmi_torch_begin();
    mmt_op *op = torch != NULL && MMI_HAS(name) ? find_by_name(torch, name) : NULL;

    return op != NULL ? torch->op_schema(op) : NULL;
}
