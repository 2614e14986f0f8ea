/* The evaluator's state: limits, errors with their place and class, key paths, and the
 * end, where reference cycles are broken. */
#include "config/eval.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"

/* ---- sets of values by address ---- */

static size_t slot_of(const mmi_value_set *set, const mm_value *value)
{
    uint64_t hash = (uint64_t)(uintptr_t)value * 0x9E3779B97F4A7C15U;
    size_t slot = (size_t)(hash >> 20) & (set->room - 1);

    while (set->slots[slot] != NULL && set->slots[slot] != value) {
        slot = (slot + 1) & (set->room - 1);
    }
    return slot;
}

bool mmi_value_set_has(const mmi_value_set *set, const mm_value *value)
{
    return set->count > 0 && set->slots[slot_of(set, value)] == value;
}

static bool grow_set(mmi_value_set *set)
{
    mmi_value_set grown = {.room = set->room == 0 ? 32 : set->room * 2};

    grown.slots = mm_alloc_array(grown.room, sizeof(mm_value *));
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->room; i++) {
        if (set->slots[i] != NULL) {
            grown.slots[slot_of(&grown, set->slots[i])] = set->slots[i];
        }
    }
    grown.count = set->count;
    mm_free(set->slots);
    *set = grown;
    return true;
}

void mmi_value_set_add(mmi_value_set *set, mm_value *value)
{
    size_t slot = 0;

    if (value == NULL || ((set->count + 1) * 2 > set->room && !grow_set(set))) {
        return;
    }
    slot = slot_of(set, value);
    if (set->slots[slot] == NULL) {
        set->slots[slot] = mm_value_ref(value);
        set->count++;
    }
}

void mmi_value_set_deinit(mmi_value_set *set)
{
    for (size_t i = 0; i < set->room; i++) {
        mm_value_unref(set->slots[i]);
    }
    mm_free(set->slots);
    *set = (mmi_value_set){0};
}

/* ---- exception classes ---- */

typedef struct exc_class {
    const char *name;
    mmi_exc parent;
} exc_class;

static const exc_class classes[NUM_EXC] = {
    [EXC_NONE] = {"error", EXC_NONE},
    [EXC_FATAL] = {"error", EXC_NONE},
    [EXC_BASE_EXCEPTION] = {"BaseException", EXC_NONE},
    [EXC_EXCEPTION] = {"Exception", EXC_BASE_EXCEPTION},
    [EXC_ARITHMETIC] = {"ArithmeticError", EXC_EXCEPTION},
    [EXC_ASSERTION] = {"AssertionError", EXC_EXCEPTION},
    [EXC_ATTRIBUTE] = {"AttributeError", EXC_EXCEPTION},
    [EXC_BUFFER] = {"BufferError", EXC_EXCEPTION},
    [EXC_EOF] = {"EOFError", EXC_EXCEPTION},
    [EXC_FILE_EXISTS] = {"FileExistsError", EXC_OS},
    [EXC_FILE_NOT_FOUND] = {"FileNotFoundError", EXC_OS},
    [EXC_FLOATING_POINT] = {"FloatingPointError", EXC_ARITHMETIC},
    [EXC_IMPORT] = {"ImportError", EXC_EXCEPTION},
    [EXC_INDEX] = {"IndexError", EXC_LOOKUP},
    [EXC_KEY] = {"KeyError", EXC_LOOKUP},
    [EXC_KEYBOARD_INTERRUPT] = {"KeyboardInterrupt", EXC_BASE_EXCEPTION},
    [EXC_LOOKUP] = {"LookupError", EXC_EXCEPTION},
    [EXC_MODULE_NOT_FOUND] = {"ModuleNotFoundError", EXC_IMPORT},
    [EXC_NAME] = {"NameError", EXC_EXCEPTION},
    [EXC_NOT_IMPLEMENTED] = {"NotImplementedError", EXC_RUNTIME},
    [EXC_OS] = {"OSError", EXC_EXCEPTION},
    [EXC_OVERFLOW] = {"OverflowError", EXC_ARITHMETIC},
    [EXC_RECURSION] = {"RecursionError", EXC_RUNTIME},
    [EXC_RUNTIME] = {"RuntimeError", EXC_EXCEPTION},
    [EXC_STOP_ITERATION] = {"StopIteration", EXC_EXCEPTION},
    [EXC_SYNTAX] = {"SyntaxError", EXC_EXCEPTION},
    [EXC_SYSTEM_EXIT] = {"SystemExit", EXC_BASE_EXCEPTION},
    [EXC_TYPE] = {"TypeError", EXC_EXCEPTION},
    [EXC_UNBOUND_LOCAL] = {"UnboundLocalError", EXC_NAME},
    [EXC_VALUE] = {"ValueError", EXC_EXCEPTION},
    [EXC_WARNING] = {"Warning", EXC_EXCEPTION},
    [EXC_ZERO_DIVISION] = {"ZeroDivisionError", EXC_ARITHMETIC},
};

const char *mmi_exc_name(mmi_exc exc)
{
    return classes[exc].name;
}

mmi_exc mmi_exc_parent(mmi_exc exc)
{
    return classes[exc].parent;
}

bool mmi_exc_is(mmi_exc exc, mmi_exc ancestor)
{
    while (exc != ancestor && exc != EXC_NONE) {
        exc = classes[exc].parent;
    }
    return exc != EXC_NONE;
}

/* ---- errors ---- */

mm_source mmi_source_of(const mmi_eval *ev, int32_t line, int32_t column)
{
    return (mm_source){.file = ev->module->ast.file, .line = line, .column = column};
}

mm_source mmi_source_at(const mmi_eval *ev, const mmi_node *node)
{
    return node == NULL ? (mm_source){0} : mmi_source_of(ev, node->line, node->column);
}

void *mmi_fail(mmi_eval *ev, mmi_exc exc, const char *format, ...)
{
    char text[1200];
    mm_source source = mmi_source_at(ev, ev->at);
    va_list values;

    if (mm_has_error()) {
        return NULL;
    }
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    ev->exc = exc;
    (void)mm_raise(MM_ECONFIG, "%s", text);
    (void)mm_error_locate(&source);
    return NULL;
}

mmi_exc mmi_pending_exc(const mmi_eval *ev)
{
    if (ev->exc != EXC_NONE) {
        return ev->exc;
    }
    switch (mm_pending()) {
    case MM_ETYPE:
        return EXC_TYPE;
    case MM_EKEY:
        return EXC_KEY;
    case MM_ERANGE:
        return EXC_INDEX;
    case MM_EINVAL:
        return EXC_VALUE;
    case MM_ENOENT:
        return EXC_FILE_NOT_FOUND;
    case MM_EIO:
        return EXC_OS;
    default:
        return EXC_FATAL;
    }
}

bool mmi_step(mmi_eval *ev, int64_t steps)
{
    if (steps > ev->max_steps || (ev->steps += steps) > ev->max_steps) {
        (void)mmi_fail(ev, EXC_FATAL,
                       "the config takes more than %lld steps to evaluate",
                       (long long)ev->max_steps);
        return false;
    }
    return !mm_has_error();
}

bool mmi_reserve(mmi_eval *ev, size_t bytes)
{
    if (bytes > ev->max_memory || (ev->memory += bytes) > ev->max_memory) {
        (void)mmi_fail(ev, EXC_FATAL,
                       "the config needs more than %zu bytes to evaluate",
                       ev->max_memory);
        return false;
    }
    return !mm_has_error();
}

bool mmi_reserve_items(mmi_eval *ev, size_t count)
{
    enum { CONTAINER = 96, ITEM = 40 }; /* what they take, with places and slack */

    return mmi_reserve(
        ev, count > SIZE_MAX / ITEM - CONTAINER ? SIZE_MAX : CONTAINER + count * ITEM);
}

void mmi_note_change(mmi_eval *ev, mm_value *container)
{
    mmi_value_set_add(&ev->changed, container);
}

void mmi_path_prepend(mmi_eval *ev, const char *key)
{
    size_t size = strlen(key);
    size_t old = strlen(ev->path);

    if (size + old + 2 > sizeof(ev->path)) {
        return;
    }
    memmove(ev->path + size + 1, ev->path, old + 1);
    memcpy(ev->path, key, size);
    ev->path[size] = old == 0 ? '\0' : '.';
}

void mmi_path_report(mmi_eval *ev, const char *name)
{
    if (ev->path[0] != '\0') {
        mmi_path_prepend(ev, name);
        (void)mm_error_frame("while evaluating %s", ev->path);
        ev->path[0] = '\0';
    }
}

/* ---- begin and end ---- */

void mmi_eval_init(mmi_eval *ev, const mm_config_limits *limits)
{
    mm_config_limits given = {0};

    if (limits != NULL) {
        given = *limits;
    }
    memset(ev, 0, sizeof(*ev));
    ev->max_steps = given.max_steps > 0 ? given.max_steps : MMI_MAX_STEPS;
    ev->max_depth = given.max_depth > 0 && given.max_depth < MMI_MAX_DEPTH_EVAL
                        ? (int)given.max_depth
                        : MMI_MAX_DEPTH_EVAL;
    ev->max_memory = given.max_bytes <= 0 ? MMI_MAX_MEMORY
                     : (uint64_t)given.max_bytes > SIZE_MAX / 4
                         ? SIZE_MAX / 4
                         : (size_t)given.max_bytes;
}

/* Lets go of what a container holds. Values are overwritten, not removed: that costs
 * the same for each. */
static void empty(mm_value *container)
{
    mm_value *none = mm_value_new_none();
    size_t count = mm_value_len(container);

    for (size_t i = 0; i < count; i++) {
        if (mm_value_kind(container) == MM_KIND_LIST) {
            mm_list_put(container, i, none);
        } else if (mm_value_kind(container) == MM_KIND_DICT) {
            mm_dict_put_key(container, mm_dict_key_at(container, i), none);
        }
    }
}

/* Whatever was changed may be part of a cycle; finished values are copies. */
static void break_cycles(mmi_eval *ev)
{
    for (mmi_scope *scope = ev->scopes; scope != NULL; scope = scope->next) {
        scope->refs++; /* none goes away during the walk */
    }
    for (size_t i = 0; i < ev->changed.room; i++) {
        if (ev->changed.slots[i] != NULL) {
            empty(ev->changed.slots[i]);
        }
    }
    for (mmi_scope *scope = ev->scopes; scope != NULL; scope = scope->next) {
        empty(scope->vars);
    }
    for (mmi_module *module = ev->modules; module != NULL; module = module->next) {
        if (module->globals != NULL) {
            empty(module->globals);
        }
    }
    for (mmi_scope *scope = ev->scopes; scope != NULL;) {
        mmi_scope *next = scope->next;

        mmi_scope_unref(ev, scope);
        scope = next;
    }
}

void mmi_eval_deinit(mmi_eval *ev)
{
    mm_error pending;
    bool has_pending = mm_has_error();

    if (has_pending) { /* emptying containers needs calls that may fail */
        (void)mm_error_take(&pending);
    }
    break_cycles(ev);
    mm_value_unref(ev->raised);
    mm_value_unref(ev->handled);
    mm_value_unref(ev->environ);
    mmi_value_set_deinit(&ev->changed);
    mmi_value_set_deinit(&ev->config_dicts);
    while (ev->modules != NULL) {
        mmi_module *next = ev->modules->next;

        mm_value_unref(ev->modules->globals);
        mm_value_unref(ev->modules->bases);
        mmi_ast_deinit(&ev->modules->ast);
        mmi_text_deinit(&ev->modules->text);
        mm_free(ev->modules);
        ev->modules = next;
    }
    if (has_pending) {
        (void)mm_error_restore(&pending);
    }
}
