/* Python's functools and itertools. Iterators that end are made whole at once: a config
 * cannot tell, and the limits see their size. */
#include <string.h>

#include "config/std.h"
#include "mmengine/memory.h"

/* ---- functools ---- */

static void deinit_partial(void *self)
{
    mmi_partial_object *object = self;

    mm_value_unref(object->callee);
    mm_value_unref(object->list);
    mm_value_unref(object->named);
}

static mm_value *call_partial(mmi_eval *ev, const mmi_args *args)
{
    mmi_partial_object *object = NULL;

    if (mmi_num_args(args) == 0) {
        return mmi_fail(ev, EXC_TYPE, "partial() needs something to call");
    }
    object = mmi_object_new(sizeof(*object), deinit_partial);
    if (object == NULL) {
        return NULL;
    }
    object->callee = mm_value_ref(mmi_arg(args, 0));
    object->list = mm_value_new_list();
    for (size_t i = 1; i < mmi_num_args(args) && !mm_has_error(); i++) {
        mm_list_append(object->list, mmi_arg(args, i));
    }
    object->named =
        args->named == NULL ? mm_value_new_dict() : mm_value_ref(args->named);
    return mmi_object_value(object, &mmi_partial_ops);
}

mm_value *mmi_call_partial(mmi_eval *ev, const mmi_partial_object *self,
                           const mmi_args *args)
{
    mmi_args all = {.list = mm_value_new_tuple(), .named = mm_value_new_dict()};
    mm_value *result = NULL;
    bool good = mmi_extend(ev, all.list, self->list) &&
                (args->list == NULL || mmi_extend(ev, all.list, args->list)) &&
                mmi_dict_update(ev, all.named, self->named) &&
                (args->named == NULL || mmi_dict_update(ev, all.named, args->named));

    if (good) {
        result = mmi_eval_apply(ev, self->callee, &all);
    }
    mm_value_unref(all.list);
    mm_value_unref(all.named);
    return result;
}

static mm_value *call_two(mmi_eval *ev, mm_value *callee, mm_value *a, mm_value *b)
{
    mmi_args args = {.list = mm_value_new_tuple()};
    mm_value *result = NULL;

    mm_list_append(args.list, a);
    mm_list_append(args.list, b);
    if (!mm_has_error()) {
        result = mmi_eval_apply(ev, callee, &args);
    }
    mm_value_unref(args.list);
    return result;
}

static mm_value *call_reduce(mmi_eval *ev, const mmi_args *args)
{
    mm_value *items = mmi_expect_args(ev, "reduce", args, 2, 3)
                          ? mmi_to_list(ev, mmi_arg(args, 1))
                          : NULL;
    mm_value *result = NULL;
    size_t i = 0;

    if (items == NULL) {
        return NULL;
    }
    if (mmi_num_args(args) == 3) {
        result = mm_value_ref(mmi_arg(args, 2));
    } else if (mm_value_len(items) > 0) {
        result = mm_value_ref(mm_list_get(items, i++));
    } else {
        (void)mmi_fail(ev, EXC_TYPE, "reduce() of nothing needs an initial value");
    }
    for (; i < mm_value_len(items) && result != NULL; i++) {
        mm_value *next = call_two(ev, mmi_arg(args, 0), result, mm_list_get(items, i));

        mm_value_unref(result);
        result = next;
    }
    mm_value_unref(items);
    return result;
}

static mm_value *make_partial(void)
{
    return mmi_new_type("partial", MM_KIND_OBJECT, call_partial);
}

static const mmi_std_entry functools_entries[] = {
    CONSTANT("partial", make_partial),
    FUNCTION("reduce", call_reduce),
};

const mmi_std_def mmi_std_functools = MODULE("functools", functools_entries);

/* ---- itertools ---- */

/* An iterator over a list, which it takes. */
static mm_value *iterator_of(mmi_eval *ev, mm_value *list)
{
    mm_value *made = list == NULL || mm_has_error() ? NULL : mmi_iterate(ev, list);

    mm_value_unref(list);
    return made;
}

static mm_value *chain_all(mmi_eval *ev, const mm_value *iterables)
{
    mm_value *all = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(iterables) && !mm_has_error(); i++) {
        (void)mmi_extend(ev, all, mm_list_get(iterables, i));
    }
    return iterator_of(ev, all);
}

static mm_value *call_chain(mmi_eval *ev, const mmi_args *args)
{
    return args->list == NULL ? iterator_of(ev, mm_value_new_list())
                              : chain_all(ev, args->list);
}

mm_value *mmi_chain_from_iterable(mmi_eval *ev, const mmi_args *args)
{
    mm_value *iterables = mmi_expect_args(ev, "from_iterable", args, 1, 1)
                              ? mmi_to_list(ev, mmi_arg(args, 0))
                              : NULL;
    mm_value *made = iterables == NULL ? NULL : chain_all(ev, iterables);

    mm_value_unref(iterables);
    return made;
}

/* A tuple of the items that `picks` names. */
static void add_pick(mmi_eval *ev, mm_value *out, mm_value *pools, const size_t *picks)
{
    mm_value *tuple = mm_value_new_tuple();

    if (mmi_step(ev, 1) && mmi_reserve_items(ev, mm_value_len(pools) + 1)) {
        for (size_t i = 0; i < mm_value_len(pools); i++) {
            mm_list_append(tuple, mm_list_get(mm_list_get(pools, i), picks[i]));
        }
        mm_list_append(out, tuple);
    }
    mm_value_unref(tuple);
}

/* The lists that product() draws from. */
static mm_value *pools_of(mmi_eval *ev, const mmi_args *args)
{
    mm_value *pools = mm_value_new_list();
    mm_value *repeat = args->named == NULL ? NULL : mm_dict_find(args->named, "repeat");
    int64_t times = 1;

    if (repeat != NULL && (!mmi_as_index(ev, repeat, &times) || times < 0)) {
        times = 0;
    }
    for (int64_t n = 0; n < times && mmi_step(ev, 1); n++) {
        for (size_t i = 0; i < mmi_num_args(args) && mmi_reserve_items(ev, 1); i++) {
            mm_value *pool = mmi_to_list(ev, mmi_arg(args, i));

            if (pool != NULL) {
                mm_list_push(pools, pool);
            }
        }
    }
    return pools;
}

static mm_value *call_product(mmi_eval *ev, const mmi_args *args)
{
    mm_value *pools = pools_of(ev, args);
    mm_value *out = mm_value_new_list();
    size_t count = mm_value_len(pools);
    size_t *picks = mm_alloc_array(count + 1, sizeof(*picks));
    bool more = picks != NULL && !mm_has_error();

    for (size_t i = 0; i < count; i++) {
        more = more && mm_value_len(mm_list_get(pools, i)) > 0;
    }
    while (more && !mm_has_error()) {
        size_t i = count;

        add_pick(ev, out, pools, picks);
        while (i > 0 && ++picks[i - 1] == mm_value_len(mm_list_get(pools, i - 1))) {
            picks[--i] = 0;
        }
        more = i > 0;
    }
    mm_free(picks);
    mm_value_unref(pools);
    return iterator_of(ev, out);
}

enum { MAX_PICKS = 200 };

/* combinations() and permutations(): `size` places of `items`. */
struct picks {
    mm_value *items, *out;
    size_t at[MAX_PICKS];
    size_t size;
    bool rising; /* combinations: places in order */
};

static bool is_free(const struct picks *picks, size_t count, size_t place)
{
    for (size_t i = 0; i < count; i++) {
        if (picks->at[i] == place) {
            return false;
        }
    }
    return true;
}

static void add_picked(mmi_eval *ev, struct picks *picks)
{
    mm_value *tuple = mm_value_new_tuple();

    for (size_t i = 0; i < picks->size && mmi_reserve_items(ev, 1); i++) {
        mm_list_append(tuple, mm_list_get(picks->items, picks->at[i]));
    }
    mm_list_push(picks->out, tuple);
}

/* All ways to fill the places from `count` on. */
static void pick_from(mmi_eval *ev, struct picks *picks, size_t count)
{
    size_t first = picks->rising && count > 0 ? picks->at[count - 1] + 1 : 0;

    if (count == picks->size) {
        add_picked(ev, picks);
        return;
    }
    for (size_t i = first; i < mm_value_len(picks->items) && mmi_step(ev, 1); i++) {
        if (picks->rising || is_free(picks, count, i)) {
            picks->at[count] = i;
            pick_from(ev, picks, count + 1);
        }
    }
}

static mm_value *pick(mmi_eval *ev, const mmi_args *args, const char *name, bool rising)
{
    struct picks picks = {.rising = rising};
    int64_t size = 0;

    if (!mmi_expect_args(ev, name, args, rising ? 2 : 1, 2)) {
        return NULL;
    }
    picks.items = mmi_to_list(ev, mmi_arg(args, 0));
    size = picks.items == NULL ? 0 : (int64_t)mm_value_len(picks.items);
    if (picks.items == NULL ||
        (mmi_num_args(args) == 2 && !mmi_as_index(ev, mmi_arg(args, 1), &size))) {
        mm_value_unref(picks.items);
        return NULL;
    }
    picks.out = mm_value_new_list();
    picks.size = (size_t)size;
    if (size < 0 || size > MAX_PICKS) {
        (void)mmi_fail(ev, EXC_VALUE, "%s() of %lld items is not possible", name,
                       (long long)size);
    } else {
        pick_from(ev, &picks, 0);
    }
    mm_value_unref(picks.items);
    return iterator_of(ev, picks.out);
}

static mm_value *call_combinations(mmi_eval *ev, const mmi_args *args)
{
    return pick(ev, args, "combinations", true);
}

static mm_value *call_permutations(mmi_eval *ev, const mmi_args *args)
{
    return pick(ev, args, "permutations", false);
}

static mm_value *call_repeat(mmi_eval *ev, const mmi_args *args)
{
    mm_value *list = NULL;
    mm_value *out = NULL;

    if (!mmi_expect_args(ev, "repeat", args, 2, 2)) {
        return NULL;
    }
    list = mm_value_new_list();
    mm_list_append(list, mmi_arg(args, 0));
    out = mm_has_error() ? NULL : mmi_repeat(ev, list, mmi_arg(args, 1));
    mm_value_unref(list);
    return iterator_of(ev, out);
}

static mm_value *call_accumulate(mmi_eval *ev, const mmi_args *args)
{
    mm_value *items = mmi_expect_args(ev, "accumulate", args, 1, 2)
                          ? mmi_to_list(ev, mmi_arg(args, 0))
                          : NULL;
    mm_value *out = mm_value_new_list();
    mm_value *total = NULL;

    for (size_t i = 0; i < mm_value_len(items) && !mm_has_error(); i++) {
        mm_value *item = mm_list_get(items, i);
        mm_value *next = total == NULL ? mm_value_ref(item)
                         : mmi_num_args(args) == 2
                             ? call_two(ev, mmi_arg(args, 1), total, item)
                             : mmi_binary(ev, OP_ADD, total, item);

        mm_value_unref(total);
        total = next;
        mm_list_append(out, total);
    }
    mm_value_unref(total);
    mm_value_unref(items);
    return iterator_of(ev, out);
}

#define MAKE(name)                                                                     \
    static mm_value *make_##name(void)                                                 \
    {                                                                                  \
        return mmi_new_type(#name, MM_KIND_OBJECT, call_##name);                       \
    }

MAKE(accumulate)
MAKE(chain)
MAKE(combinations)
MAKE(permutations)
MAKE(product)
MAKE(repeat)

static const mmi_std_entry itertools_entries[] = {
    CONSTANT("accumulate", make_accumulate),
    CONSTANT("chain", make_chain),
    CONSTANT("combinations", make_combinations),
    CONSTANT("permutations", make_permutations),
    CONSTANT("product", make_product),
    CONSTANT("repeat", make_repeat),
};

const mmi_std_def mmi_std_itertools = MODULE("itertools", itertools_entries);
