/* Weights of a checkpoint into the model, and what load_from and resume ask for at the
 * start. A run must not go on with weights that quietly stayed random: resuming and
 * testing are strict, load_from wants at least half of the model. The config's
 *
 *     load_cfg = dict(strict=..., allow_partial=..., prefix=..., revise_keys=[...])
 *
 * changes that. Source: Runner.load_checkpoint, Runner.load_or_resume,
 * mmengine/runner/checkpoint.py.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/regex.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/pth.h"
#include "runner/internal.h"
#include "runner/load_report.h"

/* --- the config's load_cfg --- */

static const char *const rule_names[] = {"strict", "allow_partial", "prefix",
                                         "revise_keys"};
enum { STRICT, ALLOW_PARTIAL, PREFIX, REVISE_KEYS, NUM_RULES };

/* [('^module\.', ''), ...] */
static bool is_pairs(const mm_value *list)
{
    mm_kind kind = mm_value_kind(list);

    for (size_t i = 0; kind == MM_KIND_LIST && i < mm_value_len(list); i++) {
        const mm_value *pair = mm_list_get(list, i);
        mm_kind inner = mm_value_kind(pair);

        if ((inner != MM_KIND_LIST && inner != MM_KIND_TUPLE) ||
            mm_value_len(pair) != 2 ||
            mm_value_kind(mm_list_get(pair, 0)) != MM_KIND_STR ||
            mm_value_kind(mm_list_get(pair, 1)) != MM_KIND_STR)
            return false;
    }
    return kind == MM_KIND_LIST;
}

static const char *const rule_kinds[] = {"a bool", "a bool", "a str",
                                         "a list of pairs (pattern, replacement)"};

static bool fits_rule(size_t rule, const mm_value *value)
{
    if (rule == REVISE_KEYS)
        return is_pairs(value);
    return mm_value_kind(value) == (rule == PREFIX ? MM_KIND_STR : MM_KIND_BOOL);
}

static mm_status check_rule(const char *name, const mm_value *value)
{
    for (size_t i = 0; i < NUM_RULES; i++) {
        if (strcmp(name, rule_names[i]) != 0)
            continue;
        return mm_value_is_none(value) || fits_rule(i, value)
                   ? MM_OK
                   : mm_raise(MM_ECONFIG, "load_cfg.%s is %s, got %s", name,
                              rule_kinds[i], mm_value_type_name(value));
    }
    (void)mm_raise(MM_ECONFIG, "load_cfg has no '%s'", name);
    return mm_error_hint_nearest(name, rule_names, NUM_RULES);
}

/* A checkpoint that cannot be opened is found before the model is built. */
static mm_status check_file(const mm_runner *runner, const char *key)
{
    const mm_value *given = mmi_section(runner, key);
    bool is_name = mm_value_kind(given) == MM_KIND_STR &&
                   strcmp(mm_value_str(given), "auto") != 0 && mm_value_is_true(given);
    char *path = is_name ? mm_pth_locate(mm_value_str(given)) : NULL;

    if (path != NULL && mm_file_is_dir(path))
        (void)mm_raise(MM_EDATA, "'%s' is a folder, not a checkpoint", path);
    else if (path != NULL && !mm_file_exists(path))
        (void)mm_raise(MM_ENOENT, "could not open checkpoint '%s': no such file", path);
    mm_free(path);
    return is_name ? mm_error_locate(mm_dict_source(runner->root, key)) : mm_pending();
}

/* load_from, resume and load_cfg. */
mm_status mmi_load_cfg_check(const mm_runner *runner)
{
    const mm_value *rules = mmi_section(runner, "load_cfg");

    if (check_file(runner, "load_from") < 0 || check_file(runner, "resume") < 0)
        return mm_pending();
    if (rules != NULL && mm_value_kind(rules) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "load_cfg is a dict, got %s",
                        mm_value_type_name(rules));
    for (size_t i = 0; rules != NULL && i < mm_value_len(rules); i++) {
        const char *name = mm_dict_name_at(rules, i);
        const mm_value *value = mm_dict_at(rules, i);

        if (check_rule(name != NULL ? name : "?", value) < 0)
            return mm_error_locate(mm_dict_source_at(rules, i));
    }
    return mm_pending();
}

/* A flag of load_cfg, or what is in force without one. */
static bool rule_flag(const mm_runner *runner, int rule, bool otherwise)
{
    const mm_value *value =
        mmi_find_in(mmi_section(runner, "load_cfg"), rule_names[rule]);

    return mm_value_is_none(value) ? otherwise : mm_value_bool(value);
}

/* --- names --- */

static mm_value *keep_prefix(const mm_value *weights, const char *prefix,
                             const char *path)
{
    mm_value *kept = mm_value_new_dict();
    size_t size = strlen(prefix);
    bool has_dot = size > 0 && prefix[size - 1] == '.';

    for (size_t i = 0; i < mm_value_len(weights) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(weights, i);

        if (strncmp(name, prefix, size) == 0 && (has_dot || name[size] == '.'))
            mm_dict_put(kept, name + size + (has_dot ? 0 : 1), mm_dict_at(weights, i));
    }
    if (!mm_has_error() && mm_value_len(kept) == 0)
        (void)mm_raise(MM_EDATA, "no name in '%s' begins with '%s%s'", path, prefix,
                       has_dot ? "" : ".");
    return kept;
}

/* All names after one re.sub(). */
static mm_value *revise(const mm_value *weights, const char *pattern,
                        const char *replacement)
{
    mmi_regex *regex = mmi_regex_new(pattern);
    mm_value *revised = mm_value_new_dict();

    for (size_t i = 0; regex != NULL && i < mm_value_len(weights) && !mm_has_error();
         i++) {
        char *name = mmi_regex_replace(regex, mm_dict_name_at(weights, i), replacement);

        if (name != NULL)
            mm_dict_put(revised, name, mm_dict_at(weights, i));
        mm_free(name);
    }
    mmi_regex_free(regex);
    return revised;
}

static void replace(mm_value **dict, mm_value *by)
{
    mm_value_unref(*dict);
    *dict = by;
}

/* Applies load_cfg's prefix and revise_keys; the default cuts "module." */
static void rename_all(const mm_runner *runner, mm_value **weights, const char *path)
{
    const mm_value *rules = mmi_section(runner, "load_cfg");
    const mm_value *prefix = mmi_find_in(rules, "prefix");
    const mm_value *pairs = mmi_find_in(rules, "revise_keys");

    if (!mm_value_is_none(prefix))
        replace(weights, keep_prefix(*weights, mm_value_str(prefix), path));
    if (mm_value_is_none(pairs) && !mm_has_error())
        replace(weights, revise(*weights, "^module\\.", ""));
    for (size_t i = 0;
         !mm_value_is_none(pairs) && i < mm_value_len(pairs) && !mm_has_error(); i++) {
        const mm_value *pair = mm_list_get(pairs, i);

        replace(weights, revise(*weights, mm_value_str(mm_list_get(pair, 0)),
                                mm_value_str(mm_list_get(pair, 1))));
    }
}

/* What a file without weights holds instead. */
static void raise_no_weights(const mm_value *checkpoint, const char *path)
{
    char keys[300] = "";
    size_t used = 0;

    for (size_t i = 0; i < mm_value_len(checkpoint) && used < 200; i++) {
        const char *name = mm_dict_name_at(checkpoint, i);

        used += (size_t)snprintf(keys + used, sizeof(keys) - used, "%s%.40s",
                                 i > 0 ? ", " : "", name != NULL ? name : "?");
    }
    (void)mm_raise(MM_EDATA, "checkpoint '%s' has no 'state_dict' and no tensors",
                   path);
    (void)mm_error_hint("it holds: %s", keys[0] != '\0' ? keys : "nothing");
}

/* The tensors in a checkpoint under the names the model may have for them; yours. */
static mm_value *weights_of(const mm_runner *runner, const mm_value *checkpoint,
                            const char *path)
{
    static const char *const keys[] = {"state_dict", "model"};
    const mm_value *found = checkpoint; /* a bare state dict */
    mm_value *weights = mm_value_new_dict();

    for (size_t i = 0; i < 2 && found == checkpoint; i++) {
        const mm_value *inner = mm_dict_find(checkpoint, keys[i]);

        found = mm_value_kind(inner) == MM_KIND_DICT ? inner : checkpoint;
    }
    for (size_t i = 0; i < mm_value_len(found) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(found, i);

        if (name != NULL && mm_value_find_tensor(mm_dict_at(found, i)) != NULL)
            mm_dict_put(weights, name, mm_dict_at(found, i));
    }
    if (!mm_has_error() && mm_value_len(weights) == 0)
        raise_no_weights(checkpoint, path);
    if (!mm_has_error())
        rename_all(runner, &weights, path);
    if (mm_has_error()) {
        mm_value_unref(weights);
        return NULL;
    }
    return weights;
}

/* --- loading --- */

/* load_from: at least half of the model must come from the file. */
static mm_status check_share(const mm_runner *runner, const mm_load_report *report,
                             const char *path)
{
    int64_t total = report->matched + (int64_t)mm_value_len(report->missing) +
                    (int64_t)mm_value_len(report->mismatched);

    if (2 * report->matched >= total || rule_flag(runner, ALLOW_PARTIAL, false))
        return mm_pending();
    return mm_raise(MM_EDATA,
                    "only %" PRId64 " of the model's %" PRId64
                    " tensors are in '%s', the others would stay random",
                    report->matched, total, path);
}

static mm_status load_weights(mm_runner *runner, const mm_value *checkpoint,
                              const char *path, bool strict)
{
    mm_load_report report = {0};
    mm_value *weights = weights_of(runner, checkpoint, path);
    bool is_strict =
        rule_flag(runner, STRICT, strict) && !rule_flag(runner, ALLOW_PARTIAL, false);

    if (weights != NULL && mm_module_load_state_dict(runner->model, weights, is_strict,
                                                     &report) == MM_OK) {
        mmi_load_report_log(&report, path);
        (void)check_share(runner, &report, path);
    }
    if (mm_pending() == MM_EDATA && weights != NULL)
        mmi_load_report_hint(runner->model, weights);
    mm_load_report_deinit(&report);
    mm_value_unref(weights);
    return mm_has_error() ? mm_error_frame("while loading weights from '%s'", path)
                          : MM_OK;
}

mm_value *mmi_open_checkpoint(mm_runner *runner, const char *name, bool strict)
{
    char *path = mm_runner_wait_for_saves(runner) < 0 ? NULL : mm_pth_locate(name);
    mm_value *checkpoint = path == NULL ? NULL : mm_checkpoint_load(path);

    if (checkpoint != NULL &&
        mmi_call_value(runner, MMI_AFTER_LOAD_CHECKPOINT, checkpoint) == MM_OK)
        (void)load_weights(runner, checkpoint, path, strict);
    mm_free(path);
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

static mm_status load_checkpoint(mm_runner *runner, const char *path, bool strict)
{
    mm_value *checkpoint = mmi_open_checkpoint(runner, path, strict);

    mm_value_unref(checkpoint);
    runner->has_loaded = true;
    return mm_pending();
}

mm_status mm_runner_load_checkpoint(mm_runner *runner, const char *path)
{
    return load_checkpoint(runner, path, false);
}

/* Does what a run left undone that died between a file and the pointer to it. */
static mm_status point_to(mm_runner *runner, const char *path)
{
    char *pointer = mm_path_join(runner->work_dir, "last_checkpoint");
    size_t size = 0;
    char *named = pointer != NULL && mm_file_exists(pointer)
                      ? mm_file_read(pointer, &size)
                      : NULL;
    bool is_named =
        named != NULL && strcmp(mm_path_basename(named), mm_path_basename(path)) == 0;

    mm_free(named);
    if (!is_named && !mm_has_error() &&
        mm_file_write(pointer, path, strlen(path)) < 0) {
        mm_error error;

        (void)mm_error_take(&error);
        mm_log(MM_LOG_WARN, "%s; going on all the same", error.message);
    }
    mm_free(pointer);
    return mm_pending();
}

static mm_status resume_latest(mm_runner *runner)
{
    char *latest = mm_find_latest_checkpoint(runner->work_dir);

    if (latest == NULL && !mm_has_error())
        mm_log(MM_LOG_INFO,
               "no checkpoint in %s yet: training starts from the beginning",
               runner->work_dir);
    if (latest != NULL) {
        mm_log(MM_LOG_INFO, "Auto resumed from the latest checkpoint %s.", latest);
        if (mm_runner_resume(runner, latest) == MM_OK)
            (void)point_to(runner, latest);
    }
    mm_free(latest);
    return mm_pending();
}

mm_status mmi_load_or_resume(mm_runner *runner, mm_mode mode)
{
    const mm_value *load_from = mmi_section(runner, "load_from");
    const mm_value *given = mmi_section(runner, "resume");
    bool resume = given != NULL && mm_value_is_true(given);

    if (runner->has_loaded)
        return mm_pending();
    if (resume && mm_value_kind(given) == MM_KIND_STR &&
        strcmp(mm_value_str(given), "auto") != 0) {
        if (load_from != NULL)
            return mm_raise(MM_ECONFIG, "'resume' names a file, so 'load_from' must "
                                        "not be given");
        load_from = given;
    }
    if (load_from == NULL)
        return resume ? resume_latest(runner) : mm_pending();
    return resume ? mm_runner_resume(runner, mm_value_str(load_from))
                  : load_checkpoint(runner, mm_value_str(load_from),
                                    mode != MM_MODE_TRAIN);
}
