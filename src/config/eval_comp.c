/* Comprehensions and generator expressions. One machine runs both: it walks the clauses
 * and hands out the moments at which the element is to be evaluated. A generator keeps
 * the machine between items. */
#include "config/objects.h"
#include "mmengine/memory.h"

/* The running clauses of a comprehension. */
struct machine {
    mmi_node *node;
    mmi_iter *levels; /* one for each clause */
    int num_levels;   /* clauses begun */
};

static bool begin_level(mmi_eval *ev, struct machine *m, mm_value *over)
{
    const mmi_clause *clause = &m->node->u.comp.clauses[m->num_levels];

    ev->at = clause->iter;
    if (clause->is_async) {
        (void)mmi_fail(ev, EXC_FATAL, "'async for' is not supported in a config");
        return false;
    }
    if (over == NULL || !mmi_iter_init(ev, &m->levels[m->num_levels], over)) {
        return false;
    }
    m->num_levels++;
    return true;
}

/* 1: all conditions hold, 0: one does not, -1: error. */
static int check_conditions(mmi_eval *ev, const mmi_clause *clause)
{
    for (int32_t i = 0; i < clause->conditions.count; i++) {
        mm_value *value = mmi_evaluate(ev, clause->conditions.at[i]);
        bool yes = value != NULL && mmi_is_true(value);

        if (value == NULL) {
            return -1;
        }
        mm_value_unref(value);
        if (!yes) {
            return 0;
        }
    }
    return 1;
}

/* Moves to the next element. False at the end or with an error. */
static bool advance(mmi_eval *ev, struct machine *m)
{
    while (m->num_levels > 0) {
        const mmi_clause *clause = &m->node->u.comp.clauses[m->num_levels - 1];
        mm_value *item = NULL;
        int held = 0;

        ev->at = clause->iter;
        item = mmi_iter_next(ev, &m->levels[m->num_levels - 1]);
        if (item == NULL) {
            if (mm_has_error()) {
                return false;
            }
            mmi_iter_deinit(&m->levels[--m->num_levels]);
            continue;
        }
        held = mmi_assign(ev, clause->target, item) ? check_conditions(ev, clause) : -1;
        mm_value_unref(item);
        if (held < 0) {
            return false;
        }
        if (held == 0) {
            continue;
        }
        if (m->num_levels == m->node->u.comp.num_clauses) {
            return true;
        }
        mm_value *over = mmi_evaluate(ev, m->node->u.comp.clauses[m->num_levels].iter);
        bool good = begin_level(ev, m, over);

        mm_value_unref(over);
        if (!good) {
            return false;
        }
    }
    return false;
}

static void end_machine(struct machine *m)
{
    while (m->num_levels > 0) {
        mmi_iter_deinit(&m->levels[--m->num_levels]);
    }
}

static void add_element(mmi_eval *ev, mmi_node *node, mm_value *made)
{
    mm_value *first = mmi_evaluate(ev, node->u.comp.element);
    mm_value *second = NULL;

    if (first == NULL || !mmi_reserve_items(ev, 1)) {
        mm_value_unref(first);
        return;
    }
    ev->at = node->u.comp.element;
    switch (node->kind) {
    case NODE_DICT_COMP:
        second = mmi_evaluate(ev, node->u.comp.value);
        ev->at = node->u.comp.element;
        if (second != NULL && mmi_check_key(ev, first)) {
            mmi_dict_put_at(made, first, second,
                            mmi_source_at(ev, node->u.comp.element));
        }
        break;
    case NODE_SET_COMP:
        if (mmi_check_key(ev, first)) {
            mm_set_add(made, first);
        }
        break;
    default:
        mmi_list_append_at(made, first, mmi_source_at(ev, node->u.comp.element));
        break;
    }
    mm_value_unref(first);
    mm_value_unref(second);
}

/* Evaluates all elements in a scope of their own. `over` is the first iterable, which
 * belongs to the scope around. */
static mm_value *run_comp(mmi_eval *ev, mmi_node *node, mm_value *over)
{
    mmi_iter levels[20] = {{0}}; /* the parser allows no more clauses */
    struct machine m = {.node = node, .levels = levels};
    const mmi_names *names = mmi_comp_names(ev, node);
    mmi_scope *scope = names == NULL ? NULL : mmi_scope_new(ev, ev->scope, names);
    mmi_scope *outer = ev->scope;
    mm_value *made = node->kind == NODE_DICT_COMP  ? mm_value_new_dict()
                     : node->kind == NODE_SET_COMP ? mm_value_new_set()
                                                   : mm_value_new_list();

    if (scope != NULL && begin_level(ev, &m, over)) {
        ev->scope = scope;
        while (!mm_has_error() && advance(ev, &m)) {
            add_element(ev, node, made);
        }
        ev->scope = outer;
    }
    end_machine(&m);
    mmi_scope_unref(ev, scope);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* ---- generators ---- */

static void deinit_generator(void *object)
{
    mmi_iterator *self = object;
    struct machine m = {
        .node = self->node, .levels = self->levels, .num_levels = self->num_levels};

    end_machine(&m);
    mm_free(self->levels);
    mmi_scope_unref(self->ev, self->scope);
}

static mm_value *next_of_generator(mmi_eval *ev, mmi_iterator *self)
{
    struct machine m = {
        .node = self->node, .levels = self->levels, .num_levels = self->num_levels};
    mmi_scope *scope = ev->scope;
    mmi_module *module = ev->module;
    mm_value *item = NULL;

    if (self->running) {
        return mmi_fail(ev, EXC_VALUE, "the generator asks itself for an item");
    }
    self->running = true;
    ev->scope = self->scope;
    ev->module = self->module;
    if (advance(ev, &m)) {
        item = mmi_evaluate(ev, self->node->u.comp.element);
    }
    self->num_levels = m.num_levels;
    self->running = false;
    ev->scope = scope;
    ev->module = module;
    return item;
}

static mm_value *make_generator(mmi_eval *ev, mmi_node *node, mm_value *over)
{
    mmi_iterator *self = mmi_object_new(sizeof(*self), deinit_generator);
    const mmi_names *names = mmi_comp_names(ev, node);
    struct machine m = {.node = node};

    if (self == NULL) {
        return NULL;
    }
    self->name = "generator";
    self->next = next_of_generator;
    self->ev = ev;
    self->node = node;
    self->module = ev->module;
    self->scope = names == NULL ? NULL : mmi_scope_new(ev, ev->scope, names);
    self->levels =
        mm_alloc_array((size_t)node->u.comp.num_clauses, sizeof(*self->levels));
    m.levels = self->levels;
    if (self->scope != NULL && self->levels != NULL) {
        (void)begin_level(ev, &m, over);
    }
    self->num_levels = m.num_levels;
    if (mm_has_error()) {
        mmi_object_unref(self);
        return NULL;
    }
    return mmi_object_value(self, &mmi_iterator_ops);
}

mm_value *mmi_eval_comp(mmi_eval *ev, mmi_node *node)
{
    mm_value *over = mmi_evaluate(ev, node->u.comp.clauses[0].iter);
    mm_value *result = NULL;

    if (over != NULL) {
        result = node->kind == NODE_GENERATOR ? make_generator(ev, node, over)
                                              : run_comp(ev, node, over);
    }
    mm_value_unref(over);
    return result;
}
