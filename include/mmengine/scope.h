/** @file
 * Scopes own what is made on the way. The results of tensor operations, and values
 * handed over with mm_scoped(), belong to the thread's innermost scope and are released
 * when it closes, so `mm_relu(mm_add(mm_matmul(x, w), b))` neither leaks nor needs
 * names.
 *
 * The module call, the runner's iteration, the loader's sample and the bridge's
 * callbacks open scopes; authors of components do not. With no scope open, an operation
 * is an error (MM_ESTATE), so nothing grows in silence. Scopes nest and belong to one
 * thread.
 */
#ifndef MMENGINE_SCOPE_H
#define MMENGINE_SCOPE_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** A mark in the thread's stack of owned things. */
typedef struct mm_scope {
    size_t mark;  /**< things owned by the scopes outside */
    size_t depth; /**< scopes outside */
} mm_scope;

/** How a counted thing is released. */
typedef void (*mm_unref_fn)(void *thing);

/** Opens a scope. Works while an error is pending. Close in reverse order. */
MM_API mm_scope mm_scope_open(void);

/** Releases what the scope owns and makes the outer scope the innermost. Never fails.
 */
MM_API void mm_scope_close(mm_scope scope);

/** True if the thread has an open scope. */
MM_API bool mm_scope_is_open(void);

/**
 * Gives `thing` to the innermost scope, which will call unref(thing). Returns `thing`,
 * or NULL after releasing it: MM_ESTATE without a scope, MM_ENOMEM.
 */
MM_API void *mm_scope_own(MM_TAKES void *thing, mm_unref_fn unref);

/**
 * Closes `scope` but moves `thing`, which some scope from `scope` inwards may own, to
 * the scope outside. Adds no reference if the closing scope owned it, adds one through
 * `ref` if not. Returns `thing`. How the module call hands out what forward returns.
 */
MM_API void *mm_scope_close_with(mm_scope scope, void *thing, mm_unref_fn unref,
                                 void (*ref)(void *));

/** Gives a value to the innermost scope and returns it, now borrowed. NULL stays NULL.
 */
MM_API mm_value *mm_scoped(MM_TAKES mm_value *value);

/** Things owned by open scopes of this thread. For tests. */
MM_API size_t mm_scope_size(void);

MM_END_DECLS

#endif
