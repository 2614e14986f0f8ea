/* Config against checkpoint when a run is resumed: what differs, and which of the two
 * is in force.
 *
 * resume_policy='checkpoint' (default) is MMEngine's rule: learning rates, momenta,
 * weight decay and everything of the schedulers come from the file, whatever the config
 * says. With 'config' they come from the config: the optimizer keeps its moments, the
 * schedulers are stepped from their beginning to where the run stands. MMEngine has the
 * first rule only, and says nothing. */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/log.h"
#include "runner/internal.h"

enum { MAX_ROWS = 40, MAX_VALUE = 36 };

mm_status mmi_resume_policy_check(const mm_runner *runner)
{
    static const char *const words[] = {"checkpoint", "config"};

    return mmi_check_word(runner, "resume_policy", words, 2);
}

bool mmi_config_wins(const mm_runner *runner)
{
    const mm_value *policy = mmi_section(runner, "resume_policy");

    return policy != NULL && strcmp(mm_value_str(policy), "config") == 0;
}

/* The table. */

/* Keys that say where a run lives or how it was started, not what it computes. */
static bool is_irrelevant(const char *path)
{
    static const char *const keys[] = {
        "work_dir",      "resume",   "load_from",  "launcher",     "log_level",
        "resume_policy", "load_cfg", "visualizer", "vis_backends", "experiment_name",
    };
    size_t size = strcspn(path, ".");

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strlen(keys[i]) == size && strncmp(path, keys[i], size) == 0)
            return true;
    }
    return false;
}

/* True for what a checkpoint brings with it under the default policy. */
static bool is_in_checkpoint(const char *path)
{
    static const char *const prefixes[] = {
        "param_scheduler", "optim_wrapper.optimizer.", "optim_wrapper.paramwise_cfg",
        "auto_scale_lr",   "randomness.seed",
    };

    if (strcmp(path, "optim_wrapper.optimizer.type") == 0)
        return false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

/* A value's text in one line of bounded length. */
static void add_cell(mmi_str *out, const mm_value *row, const char *key)
{
    const mm_value *value = mm_dict_find(row, key);
    const char *text = value == NULL ? "(not set)" : mm_value_str(value);
    int size = (int)strcspn(text, "\n");

    if (size > MAX_VALUE)
        mmi_str_addf(out, "  %.*s...", MAX_VALUE - 3, text);
    else
        mmi_str_addf(out, "  %-*.*s", MAX_VALUE, size, text);
}

static void add_row(mmi_str *out, const mm_runner *runner, const mm_value *row,
                    int width)
{
    const char *path = mm_value_str(mm_dict_get(row, "path"));
    bool from_file = is_in_checkpoint(path) && !mmi_config_wins(runner);

    mmi_str_addf(out, "\n%-*s", width, path);
    add_cell(out, row, "old");
    add_cell(out, row, "new");
    mmi_str_addf(out, "  %s", from_file ? "checkpoint" : "config");
}

static const char *path_of(const mm_value *rows, size_t i)
{
    return mm_value_str(mm_dict_get(mm_list_get(rows, i), "path"));
}

/* The rows that matter as a table; the number of rows is the result. */
static size_t add_table(mmi_str *out, const mm_runner *runner, const mm_value *rows)
{
    size_t shown = 0;
    int width = 3;

    for (size_t i = 0; i < mm_value_len(rows); i++) {
        const char *path = path_of(rows, i);

        if (!is_irrelevant(path) && (int)strlen(path) > width)
            width = (int)strlen(path);
    }
    mmi_str_addf(out, "\n%-*s  %-*s  %-*s  in force", width, "key", MAX_VALUE,
                 "checkpoint", MAX_VALUE, "config");
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        if (is_irrelevant(path_of(rows, i)))
            continue;
        if (shown++ < MAX_ROWS)
            add_row(out, runner, mm_list_get(rows, i), width);
    }
    if (shown > MAX_ROWS)
        mmi_str_addf(out, "\n... and %zu more", shown - MAX_ROWS);
    return shown;
}

static void log_table(const mm_runner *runner, const mm_value *rows)
{
    mmi_str text = {0};
    size_t shown = add_table(&text, runner, rows);

    if (shown > 0)
        mm_log(MM_LOG_WARN,
               "the config is not the one the checkpoint was written with:%s\n"
               "resume_policy='%s' decides what is in force; the other choice is '%s'",
               mmi_str_text(&text), mmi_config_wins(runner) ? "config" : "checkpoint",
               mmi_config_wins(runner) ? "checkpoint" : "config");
    mmi_str_deinit(&text);
}

/* What the two configs say differently; NULL if the checkpoint's cannot be read. */
static mm_value *compare_configs(const mm_runner *runner, const mm_value *meta)
{
    const mm_value *text = meta == NULL ? NULL : mm_dict_find(meta, "cfg");
    mm_config *former = text == NULL || mm_value_kind(text) != MM_KIND_STR
                            ? NULL
                            : mm_config_from_string(mm_value_str(text), ".py");
    mm_value *rows =
        former == NULL ? NULL : mm_config_diff(mm_config_root(former), runner->root);

    mm_config_unref(former);
    return rows;
}

/* The i-th scheduler's state in a list, or in a dict of lists by optimizer. */
static const mm_value *scheduler_state(const mm_runner *runner, const mm_value *states,
                                       size_t i)
{
    const mmi_scheduler *item = &runner->schedulers[i];
    size_t nth = 0;

    if (item->optimizer != NULL)
        states = mm_value_kind(states) == MM_KIND_DICT
                     ? mm_dict_find(states, item->optimizer)
                     : NULL;
    for (size_t k = 0; k < i; k++)
        nth += runner->schedulers[k].optimizer == item->optimizer;
    return states != NULL && mm_value_kind(states) == MM_KIND_LIST &&
                   nth < mm_value_len(states)
               ? mm_list_get(states, nth)
               : NULL;
}

static bool has_row(const mm_value *rows, const char *path)
{
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        if (strcmp(path_of(rows, i), path) == 0)
            return true;
    }
    return false;
}

static void push_row(mm_value *rows, const char *path, const mm_value *old,
                     const mm_value *new)
{
    mm_value *row = mm_value_new_dict();
    char *old_text = mm_value_repr(old), *new_text = mm_value_repr(new);

    mm_dict_put_str(row, "path", path);
    mm_dict_put_str(row, "old", old_text == NULL ? "" : old_text);
    mm_dict_put_str(row, "new", new_text == NULL ? "" : new_text);
    mm_list_push(rows, row);
    mm_free(old_text);
    mm_free(new_text);
}

/* Where a schedule ends follows the length of the run unless the config says it, so it
 * may differ although no key of the scheduler does. */
static void add_ends(const mm_runner *runner, const mm_value *states, mm_value *rows)
{
    for (size_t i = 0; states != NULL && i < runner->num_schedulers && !mm_has_error();
         i++) {
        const mm_value *state = scheduler_state(runner, states, i);
        mm_value *fresh =
            mm_param_scheduler_state_dict(runner->schedulers[i].scheduler);
        const mm_value *old = state == NULL ? NULL : mm_dict_find(state, "end");
        const mm_value *new = fresh == NULL ? NULL : mm_dict_find(fresh, "end");
        char *path = runner->num_schedulers == 1
                         ? mm_strdup("param_scheduler.end")
                         : mm_strfmt("param_scheduler.%zu.end", i);

        if (old != NULL && new != NULL && path != NULL && !mm_value_equal(old, new) &&
            !has_row(rows, path))
            push_row(rows, path, old, new);
        mm_free(path);
        mm_value_unref(fresh);
    }
}

void mmi_log_differences(const mm_runner *runner, const mm_value *checkpoint)
{
    mm_value *rows = compare_configs(runner, mm_dict_find(checkpoint, "meta"));

    if (rows != NULL) {
        add_ends(runner, mm_dict_find(checkpoint, "param_schedulers"), rows);
        log_table(runner, rows);
    }
    if (mm_has_error()) { /* a text from elsewhere may be in no form we know */
        mm_error error;

        (void)mm_error_take(&error);
        mm_log(MM_LOG_WARN, "the checkpoint's config was not compared: %s",
               error.message);
    }
    mm_value_unref(rows);
}

/* The config's side wins. */

/* Options of one group, but for those that are state, which are of `then`. */
static mm_value *mix_group(const mm_optimizer *optimizer, const mm_value *now,
                           const mm_value *then)
{
    mm_value *mixed = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(now); i++) {
        const char *name = mm_dict_name_at(now, i);

        if (name == NULL || !mm_optimizer_is_state_option(optimizer, name))
            mm_dict_put_key(mixed, mm_dict_key_at(now, i), mm_dict_at(now, i));
    }
    for (size_t i = 0; i < mm_value_len(then); i++) {
        const char *name = mm_dict_name_at(then, i);

        if (name != NULL && mm_optimizer_is_state_option(optimizer, name))
            mm_dict_put(mixed, name, mm_dict_at(then, i));
    }
    return mixed;
}

mm_value *mmi_groups_with_state(const mm_optimizer *optimizer, const mm_value *now,
                                const mm_value *then)
{
    mm_value *groups = mm_value_new_list();
    size_t count = mm_value_len(then);

    for (size_t i = 0; i < mm_value_len(now) && !mm_has_error(); i++) {
        const mm_value *group = mm_list_get(now, i);

        mm_list_push(groups, mix_group(optimizer, group,
                                       i < count ? mm_list_get(then, i) : NULL));
    }
    return groups;
}

/* `state` of one optimizer with the options of `fresh`, which is the config's. */
static mm_value *mix(const mm_optim_wrapper *wrapper, const mm_value *state,
                     const mm_value *fresh)
{
    static const char base[] = "base_param_settings";
    mm_value *mixed = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(state) && !mm_has_error(); i++)
        mm_dict_put(mixed, mm_dict_name_at(state, i), mm_dict_at(state, i));
    if (mm_dict_has(fresh, base))
        mm_dict_put(mixed, base, mm_dict_get(fresh, base));
    mm_dict_take(mixed, "param_groups",
                 mmi_groups_with_state(mm_optim_wrapper_optimizer(wrapper),
                                       mm_dict_get(fresh, "param_groups"),
                                       mm_dict_get(state, "param_groups")));
    return mixed;
}

mm_value *mmi_with_config_options(const mm_runner *runner, const mm_value *optimizer)
{
    mm_value *fresh = mm_optim_wrapper_state_dict(runner->optim_wrapper);
    mm_value *mixed = NULL;

    if (fresh != NULL && !mm_optim_wrapper_is_dict(runner->optim_wrapper)) {
        mixed = mix(runner->optim_wrapper, optimizer, fresh);
    } else if (fresh != NULL) {
        mixed = mm_value_new_dict();
        for (size_t i = 0; i < mm_value_len(fresh) && !mm_has_error(); i++) {
            const char *name = mm_dict_name_at(fresh, i);
            const mm_value *state = mm_dict_get(optimizer, name);

            if (state != NULL)
                mm_dict_take(mixed, name,
                             mix(mm_optim_wrapper_find(runner->optim_wrapper, name),
                                 state, mm_dict_at(fresh, i)));
        }
    }
    mm_value_unref(fresh);
    return mixed;
}
