/*
 * Scopes: one stack of owned things per thread; a scope is a height in it. The stack's
 * memory is released with the outermost scope, so a thread that ends leaves nothing
 * behind. Invariant: `stack.depth` is 0 or some scope is open.
 */
#include "mmengine/scope.h"

#include <string.h>

#include "base/memory.h"

struct owned {
    void *thing;
    mm_unref_fn unref;
};

static MMI_FAST_THREAD_LOCAL struct owned *things;
static MMI_FAST_THREAD_LOCAL size_t num_things;
static MMI_FAST_THREAD_LOCAL size_t room;
static MMI_FAST_THREAD_LOCAL size_t depth;

mm_scope mm_scope_open(void)
{
    mm_scope scope = {num_things, depth};
    depth++;
    return scope;
}

void mm_scope_close(mm_scope scope)
{
    MM_ASSERT(scope.depth < depth);
    /* One by one: releasing a thing may run code that owns more. */
    while (num_things > scope.mark) {
        struct owned last = things[--num_things];
        last.unref(last.thing);
    }
    depth = scope.depth;
    if (depth == 0) {
        mm_free(things);
        things = NULL;
        room = 0;
    }
}

bool mm_scope_is_open(void)
{
    return depth > 0;
}

static bool make_room(void)
{
    enum { FIRST = 64 };
    size_t wanted = room == 0 ? FIRST : room * 2;
    struct owned *moved = mm_realloc(things, wanted * sizeof *things);
    if (moved == NULL) {
        return false;
    }
    things = moved;
    room = wanted;
    return true;
}

void *mm_scope_own(void *thing, mm_unref_fn unref)
{
    if (thing == NULL) {
        return NULL;
    }
    if (mmi_is_pending()) {
        unref(thing);
        return NULL;
    }
    if (depth == 0) {
        mm_raise(MM_ESTATE, "no scope is open to own a result");
        mm_error_hint("open one with mm_scope_open() around code that runs outside "
                      "of forward, hooks and transforms");
        unref(thing);
        return NULL;
    }
    if (MMI_UNLIKELY(num_things == room) && !make_room()) {
        unref(thing);
        return NULL;
    }
    things[num_things++] = (struct owned){thing, unref};
    return thing;
}

/* Takes one ownership of `thing` out of the scopes above `mark`. */
static bool disown(size_t mark, const void *thing, mm_unref_fn unref)
{
    for (size_t i = num_things; i > mark; i--) {
        if (things[i - 1].thing == thing && things[i - 1].unref == unref) {
            memmove(&things[i - 1], &things[i], (num_things - i) * sizeof *things);
            num_things--;
            return true;
        }
    }
    return false;
}

void *mm_scope_close_with(mm_scope scope, void *thing, mm_unref_fn unref,
                          void (*ref)(void *))
{
    bool is_moving = thing != NULL && !mmi_is_pending();
    if (is_moving && !disown(scope.mark, thing, unref)) {
        ref(thing);
    }
    mm_scope_close(scope);
    return is_moving ? mm_scope_own(thing, unref) : NULL;
}

static void unref_value(void *value)
{
    mm_value_unref(value);
}

mm_value *mm_scoped(mm_value *value)
{
    return mm_scope_own(value, unref_value);
}

size_t mm_scope_size(void)
{
    return num_things;
}
