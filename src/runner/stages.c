/* Hooks and their stages. Hooks are kept in calling order: by priority, and in order of
 * registration among equals. From them one array per stage is made, so that calling a
 * stage touches only the hooks that have it. Source: mmengine/hooks/hook.py,
 * Runner.register_hook. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/profile.h"
#include "registry/audit.h"
#include "runner/internal.h"

/* What a stage passes besides the runner. */
typedef enum stage_kind { STAGE_PLAIN, STAGE_ITER, STAGE_VALUE } stage_kind;

typedef mm_status (*plain_fn)(void *, mm_runner *);
typedef mm_status (*iter_fn)(void *, mm_runner *, const mm_iter *);
typedef mm_status (*value_fn)(void *, mm_runner *, mm_value *);

#define STAGE(id, field, kind_) [id] = {#field, offsetof(mm_hook_ops, field), kind_}

static const struct {
    const char *name;
    size_t offset;
    stage_kind kind;
} stage_table[MMI_NUM_STAGES] = {
    STAGE(MMI_BEFORE_RUN, before_run, STAGE_PLAIN),
    STAGE(MMI_AFTER_LOAD_CHECKPOINT, after_load_checkpoint, STAGE_VALUE),
    STAGE(MMI_BEFORE_TRAIN, before_train, STAGE_PLAIN),
    STAGE(MMI_BEFORE_TRAIN_EPOCH, before_train_epoch, STAGE_PLAIN),
    STAGE(MMI_BEFORE_TRAIN_ITER, before_train_iter, STAGE_ITER),
    STAGE(MMI_AFTER_TRAIN_ITER, after_train_iter, STAGE_ITER),
    STAGE(MMI_AFTER_TRAIN_EPOCH, after_train_epoch, STAGE_PLAIN),
    STAGE(MMI_BEFORE_VAL, before_val, STAGE_PLAIN),
    STAGE(MMI_BEFORE_VAL_EPOCH, before_val_epoch, STAGE_PLAIN),
    STAGE(MMI_BEFORE_VAL_ITER, before_val_iter, STAGE_ITER),
    STAGE(MMI_AFTER_VAL_ITER, after_val_iter, STAGE_ITER),
    STAGE(MMI_AFTER_VAL_EPOCH, after_val_epoch, STAGE_VALUE),
    STAGE(MMI_AFTER_VAL, after_val, STAGE_PLAIN),
    STAGE(MMI_BEFORE_SAVE_CHECKPOINT, before_save_checkpoint, STAGE_VALUE),
    STAGE(MMI_AFTER_TRAIN, after_train, STAGE_PLAIN),
    STAGE(MMI_BEFORE_TEST, before_test, STAGE_PLAIN),
    STAGE(MMI_BEFORE_TEST_EPOCH, before_test_epoch, STAGE_PLAIN),
    STAGE(MMI_BEFORE_TEST_ITER, before_test_iter, STAGE_ITER),
    STAGE(MMI_AFTER_TEST_ITER, after_test_iter, STAGE_ITER),
    STAGE(MMI_AFTER_TEST_EPOCH, after_test_epoch, STAGE_VALUE),
    STAGE(MMI_AFTER_TEST, after_test, STAGE_PLAIN),
    STAGE(MMI_AFTER_RUN, after_run, STAGE_PLAIN),
};

/* MMEngine's default hooks, in its order: name in default_hooks and type. */
static const struct {
    const char *name;
    const char *type;
} default_hooks[] = {
    {"runtime_info", "RuntimeInfoHook"},       {"timer", "IterTimerHook"},
    {"sampler_seed", "DistSamplerSeedHook"},   {"logger", "LoggerHook"},
    {"param_scheduler", "ParamSchedulerHook"}, {"checkpoint", "CheckpointHook"},
};

enum { NUM_DEFAULT_HOOKS = sizeof(default_hooks) / sizeof(default_hooks[0]) };

static const struct {
    const char *name;
    int value;
} priorities[] = {
    {"HIGHEST", MM_PRIORITY_HIGHEST}, {"VERY_HIGH", MM_PRIORITY_VERY_HIGH},
    {"HIGH", MM_PRIORITY_HIGH},       {"ABOVE_NORMAL", MM_PRIORITY_ABOVE_NORMAL},
    {"NORMAL", MM_PRIORITY_NORMAL},   {"BELOW_NORMAL", MM_PRIORITY_BELOW_NORMAL},
    {"LOW", MM_PRIORITY_LOW},         {"VERY_LOW", MM_PRIORITY_VERY_LOW},
    {"LOWEST", MM_PRIORITY_LOWEST},
};

enum { NUM_PRIORITIES = sizeof(priorities) / sizeof(priorities[0]) };

/* The function of a hook for a stage, or NULL. All slots are function pointers. */
static void (*stage_function(const mm_hook_ops *ops, size_t stage))(void)
{
    void (*function)(void) = NULL;

    memcpy(&function, (const char *)ops + stage_table[stage].offset, sizeof(function));
    return function;
}

static void free_stages(mm_runner *runner)
{
    for (size_t i = 0; i < MMI_NUM_STAGES; i++) {
        mm_free(runner->stages[i].calls);
        runner->stages[i] = (mmi_stage){0};
    }
}

/* Makes the array of one stage from the hooks, which are in order. */
static void fill_stage(mm_runner *runner, size_t id)
{
    mmi_stage *stage = &runner->stages[id];

    stage->calls = mm_alloc_array(runner->num_hooks + 1, sizeof(mmi_call));
    for (size_t i = 0; i < runner->num_hooks && !mm_has_error(); i++) {
        const mmi_hook *hook = &runner->hooks[i];
        void (*function)(void) = stage_function(hook->ops, id);

        if (function != NULL)
            stage->calls[stage->count++] = (mmi_call){
                .self = mm_instance_self(hook->instance),
                .function = function,
                .hook = mm_instance_component(hook->instance)->name,
            };
    }
}

static void sort_stages(mm_runner *runner)
{
    if (runner->sorted)
        return;
    free_stages(runner);
    for (size_t i = 0; i < MMI_NUM_STAGES; i++)
        fill_stage(runner, i);
    runner->sorted = true;
}

/* Notes how long a hook took, as "LoggerHook.after_train_iter". */
static void end_range(int64_t begin, const mmi_call *call, mmi_stage_id stage)
{
    char name[128];

    if (begin == 0)
        return;
    (void)snprintf(name, sizeof(name), "%s.%s", call->hook, stage_table[stage].name);
    mm_profile_end(begin, name);
}

static mm_status call_failed(const mmi_call *call, mmi_stage_id stage)
{
    return mm_error_frame("in %s of hook %s", stage_table[stage].name, call->hook);
}

static void enter(mm_runner *runner, mmi_stage_id stage)
{
    sort_stages(runner);
    if (runner->stage_depth++ == 0)
        runner->stage = stage;
}

/* Checkpoints asked for are made when the last hook of the outermost stage has run. */
static mm_status leave(mm_runner *runner)
{
    if (runner->stage_depth == 1) {
        (void)mmi_saves_stage_end(runner);
        runner->stage = MMI_NO_STAGE;
    }
    runner->stage_depth--;
    return mm_pending();
}

mm_status mmi_call_stage(mm_runner *runner, mmi_stage_id stage)
{
    mm_scope scope = mm_scope_open();

    enter(runner, stage);
    MM_ASSERT(stage_table[stage].kind == STAGE_PLAIN);
    for (size_t i = 0; i < runner->stages[stage].count && !mm_has_error(); i++) {
        const mmi_call *call = &runner->stages[stage].calls[i];
        int64_t begin = mm_profile_begin();
        mm_status status = ((plain_fn)call->function)(call->self, runner);

        end_range(begin, call, stage);
        if (status < 0 || mm_has_error())
            (void)call_failed(call, stage);
    }
    mm_scope_close(scope);
    return leave(runner);
}

mm_status mmi_call_iter(mm_runner *runner, mmi_stage_id stage, const mm_iter *iter)
{
    enter(runner, stage);
    for (size_t i = 0; i < runner->stages[stage].count && !mm_has_error(); i++) {
        const mmi_call *call = &runner->stages[stage].calls[i];
        int64_t begin = mm_profile_begin();
        mm_status status = ((iter_fn)call->function)(call->self, runner, iter);

        end_range(begin, call, stage);
        if (status < 0 || mm_has_error())
            (void)call_failed(call, stage);
    }
    return leave(runner);
}

mm_status mmi_call_value(mm_runner *runner, mmi_stage_id stage, mm_value *value)
{
    mm_scope scope = mm_scope_open();

    enter(runner, stage);
    MM_ASSERT(stage_table[stage].kind == STAGE_VALUE);
    for (size_t i = 0; i < runner->stages[stage].count && !mm_has_error(); i++) {
        const mmi_call *call = &runner->stages[stage].calls[i];
        int64_t begin = mm_profile_begin();
        mm_status status = ((value_fn)call->function)(call->self, runner, value);

        end_range(begin, call, stage);
        if (status < 0 || mm_has_error())
            (void)call_failed(call, stage);
    }
    mm_scope_close(scope);
    return leave(runner);
}

/* A stage that only plugins' hooks know. */
static mm_status call_custom(mm_runner *runner, const char *stage, mm_value *args)
{
    for (size_t i = 0; i < runner->num_hooks && !mm_has_error(); i++) {
        const mmi_hook *hook = &runner->hooks[i];

        if (hook->ops->custom != NULL)
            (void)hook->ops->custom(mm_instance_self(hook->instance), runner, stage,
                                    args);
        if (mm_has_error())
            (void)mm_error_frame("in %s of hook %s", stage,
                                 mm_instance_component(hook->instance)->name);
    }
    return mm_pending();
}

mm_status mm_runner_call_hook(mm_runner *runner, const char *stage, mm_value *args)
{
    size_t id = 0;

    while (id < MMI_NUM_STAGES && strcmp(stage, stage_table[id].name) != 0)
        id++;
    if (id == MMI_NUM_STAGES)
        return call_custom(runner, stage, args);
    if (stage_table[id].kind == STAGE_ITER)
        return mm_raise(MM_ESTATE,
                        "stage %s belongs to an iteration: mm_runner_train_iter() "
                        "calls it",
                        stage);
    if (id == MMI_AFTER_TRAIN_EPOCH)
        runner->at.place = MMI_PLACE_AFTER_EPOCH;
    return stage_table[id].kind == STAGE_VALUE
               ? mmi_call_value(runner, (mmi_stage_id)id, args)
               : mmi_call_stage(runner, (mmi_stage_id)id);
}

const mmi_hook *mmi_hooks_at(mm_runner *runner, size_t index)
{
    return index < runner->num_hooks ? &runner->hooks[index] : NULL;
}

/* Registering. */

mm_status mm_runner_register_hook(mm_runner *runner, mm_instance *hook, int priority)
{
    const mm_hook_ops *ops = mm_instance_ops(hook, MM_INTERFACE_HOOK);

    if (ops == NULL)
        return mm_pending();
    if (priority < 0)
        priority = ops->priority == 0 ? MM_PRIORITY_NORMAL : ops->priority;
    mmi_hook *hooks =
        mm_realloc(runner->hooks, (runner->num_hooks + 1) * sizeof(*hooks));
    if (hooks == NULL)
        return mm_pending();
    size_t at = runner->num_hooks;

    runner->hooks = hooks;
    while (at > 0 && hooks[at - 1].priority > priority) {
        hooks[at] = hooks[at - 1];
        at--;
    }
    hooks[at] = (mmi_hook){
        .instance = mm_instance_ref(hook),
        .ops = ops,
        .priority = priority,
    };
    runner->num_hooks++;
    runner->sorted = false;
    return MM_OK;
}

static bool same_word(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char upper = *a >= 'a' && *a <= 'z' ? (char)(*a - 'a' + 'A') : *a;

        if (upper != *b)
            return false;
    }
    return *a == *b;
}

/* The number of a priority in a config: an int from 0 to 100, or a name. */
static int parse_priority(const mm_value *value)
{
    if (mm_value_kind(value) == MM_KIND_I64) {
        int64_t number = mm_value_i64(value);

        if (number >= 0 && number <= 100)
            return (int)number;
        (void)mm_raise(MM_ECONFIG, "a hook's priority must be from 0 to 100, not %lld",
                       (long long)number);
        return -1;
    }
    const char *name = mm_value_str(value);
    for (size_t i = 0; name != NULL && i < NUM_PRIORITIES; i++) {
        if (same_word(name, priorities[i].name))
            return priorities[i].value;
    }
    (void)mm_raise(MM_ECONFIG, "unknown priority '%s'", name == NULL ? "" : name);
    (void)mm_error_hint("a number from 0 to 100, or HIGHEST, VERY_HIGH, HIGH, "
                        "ABOVE_NORMAL, NORMAL, BELOW_NORMAL, LOW, VERY_LOW, LOWEST");
    return -1;
}

static mm_build_args hook_args(const mm_runner *runner, mm_value *config,
                               const char *path, const char *type)
{
    return (mm_build_args){
        .registry = "hooks",
        .config = config,
        .scope = runner->scope,
        .path = path,
        .default_type = type,
        .interface = MM_INTERFACE_HOOK,
    };
}

/* Does something with each hook config: builds and registers, or only checks. */
typedef mm_status (*hook_action)(mm_runner *runner, mm_value *config, const char *path,
                                 const char *type);

static mm_status register_one(mm_runner *runner, mm_value *config, const char *path,
                              const char *type)
{
    mm_build_args args = hook_args(runner, config, path, type);
    mm_instance *hook = mm_build(&args);
    mm_value *priority = hook == NULL ? NULL : mm_dict_find(config, "priority");
    int number = mm_value_is_none(priority) ? -1 : parse_priority(priority);

    if (!mm_has_error())
        (void)mm_runner_register_hook(runner, hook, number);
    mm_instance_unref(hook);
    return mm_has_error() ? mm_error_locate(mm_dict_source(config, "priority")) : MM_OK;
}

static mm_status check_one(mm_runner *runner, mm_value *config, const char *path,
                           const char *type)
{
    mm_build_args args = hook_args(runner, config, path, type);
    mm_value *priority = mm_dict_find(config, "priority");

    if (!mm_value_is_none(priority) && parse_priority(priority) < 0)
        (void)mmi_report_fault(mm_dict_source(config, "priority"), path);
    return mm_build_check(&args);
}

static const char *default_type_of(const char *name)
{
    for (size_t i = 0; i < NUM_DEFAULT_HOOKS; i++) {
        if (strcmp(name, default_hooks[i].name) == 0)
            return default_hooks[i].type;
    }
    return NULL;
}

static mm_status with_path(mm_runner *runner, hook_action action, mm_value *config,
                           const char *section, const char *key, const char *type)
{
    char *path = mm_strfmt("%s.%s", section, key);

    if (path != NULL)
        (void)action(runner, config, path, type);
    mm_free(path);
    return mm_pending();
}

/* The six default hooks, replaced, switched off (None) or joined by `default_hooks`. */
static mm_status each_default_hook(mm_runner *runner, hook_action action)
{
    mm_value *given = mmi_section(runner, "default_hooks");
    mm_value *none = mm_value_new_dict();
    mm_value *every_epoch = mm_value_new_dict();

    mm_dict_put_i64(every_epoch, "interval", 1);
    for (size_t i = 0; i < NUM_DEFAULT_HOOKS && !mm_has_error(); i++) {
        const char *name = default_hooks[i].name;
        mm_value *config = given == NULL ? NULL : mm_dict_find(given, name);

        if (config == NULL)
            config = strcmp(name, "checkpoint") == 0 ? every_epoch : none;
        else if (mm_value_is_none(config))
            continue;
        (void)with_path(runner, action, config, "default_hooks", name,
                        default_hooks[i].type);
    }
    for (size_t i = 0; given != NULL && !mm_has_error() && i < mm_value_len(given);
         i++) {
        const char *name = mm_dict_name_at(given, i);
        mm_value *config = mm_dict_at(given, i);

        if (name != NULL && default_type_of(name) == NULL && !mm_value_is_none(config))
            (void)with_path(runner, action, config, "default_hooks", name, NULL);
    }
    mm_value_unref(every_epoch);
    mm_value_unref(none);
    return mm_pending();
}

static mm_status each_custom_hook(mm_runner *runner, hook_action action)
{
    mm_value *given = mmi_section(runner, "custom_hooks");

    for (size_t i = 0; given != NULL && !mm_has_error() && i < mm_value_len(given);
         i++) {
        char *path = mm_strfmt("custom_hooks[%zu]", i);

        if (path != NULL)
            (void)action(runner, mm_list_get(given, i), path, NULL);
        mm_free(path);
    }
    return mm_pending();
}

mm_status mmi_hooks_register_all(mm_runner *runner)
{
    if (each_default_hook(runner, register_one) < 0)
        return mm_pending();
    return each_custom_hook(runner, register_one);
}

mm_status mmi_hooks_check(const mm_runner *runner)
{
    mm_runner *checked = (mm_runner *)(uintptr_t)runner; /* check_one changes nothing */

    if (each_default_hook(checked, check_one) < 0)
        return mm_pending();
    return each_custom_hook(checked, check_one);
}

void mmi_hooks_free(mm_runner *runner)
{
    free_stages(runner);
    for (size_t i = 0; i < runner->num_hooks; i++)
        mm_instance_unref(runner->hooks[i].instance);
    mm_free(runner->hooks);
    runner->hooks = NULL;
    runner->num_hooks = 0;
}

/* The table that is logged at start. */

static void print_priority(int priority, char *out, size_t size)
{
    for (size_t i = 0; i < NUM_PRIORITIES; i++) {
        if (priorities[i].value == priority) {
            (void)snprintf(out, size, "%-12s", priorities[i].name);
            return;
        }
    }
    (void)snprintf(out, size, "%-12d", priority);
}

static void print_stage(const mm_runner *runner, size_t stage, mmi_str *out)
{
    bool first = true;

    for (size_t i = 0; i < runner->num_hooks; i++) {
        const mmi_hook *hook = &runner->hooks[i];
        char priority[16];

        if (stage_function(hook->ops, stage) == NULL)
            continue;
        if (first)
            mmi_str_addf(out, "%s%s:\n", out->size > 0 ? "\n" : "",
                         stage_table[stage].name);
        first = false;
        print_priority(hook->priority, priority, sizeof(priority));
        mmi_str_addf(out, "(%s) %-35s\n", priority,
                     mm_instance_component(hook->instance)->name);
    }
    if (!first)
        mmi_str_addf(out, " -------------------- ");
}

char *mm_runner_hooks_info(const mm_runner *runner)
{
    mmi_str text = {0};

    for (size_t i = 0; i < MMI_NUM_STAGES; i++)
        print_stage(runner, i, &text);
    return mmi_str_take(&text);
}

bool mm_every_n_epochs(const mm_runner *runner, int64_t n, int64_t start)
{
    int64_t count = mm_runner_epoch(runner) + 1 - start;

    return n > 0 && count >= 0 && count % n == 0;
}

bool mm_every_n_train_iters(const mm_runner *runner, int64_t n, int64_t start)
{
    int64_t count = mm_runner_iter(runner) + 1 - start;

    return n > 0 && count >= 0 && count % n == 0;
}
