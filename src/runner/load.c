/* Weights of a checkpoint into the model, and what load_from and resume ask for at the
 * start. Source: Runner.load_checkpoint, Runner.load_or_resume.
 */
#include <inttypes.h>
#include <string.h>

#include "mmengine/fileio.h"
#include "runner/internal.h"

/* The weights in a checkpoint, "module." cut from their names; yours. */
static mm_value *weights_of(const mm_value *checkpoint)
{
    const mm_value *weights = mm_dict_find(checkpoint, "state_dict");
    mm_value *clean = mm_value_new_dict();

    if (weights == NULL)
        weights = checkpoint; /* a bare state dict */
    for (size_t i = 0; clean != NULL && i < mm_value_len(weights) && !mm_has_error();
         i++) {
        const char *name = mm_dict_name_at(weights, i);

        if (name != NULL && strncmp(name, "module.", 7) == 0)
            name += 7;
        if (name != NULL)
            mm_dict_put(clean, name, mm_dict_at(weights, i));
    }
    return clean;
}

static void log_names(const char *what, const mm_value *names)
{
    char *text =
        names == NULL || mm_value_len(names) == 0 ? NULL : mm_value_repr(names);

    if (text != NULL)
        mm_log(MM_LOG_WARN, "%s: %s", what, text);
    mm_free(text);
}

static mm_status load_weights(mm_runner *runner, const mm_value *checkpoint,
                              const char *path, bool strict)
{
    mm_load_report report = {0};
    mm_value *weights = weights_of(checkpoint);

    if (weights != NULL &&
        mm_module_load_state_dict(runner->model, weights, strict, &report) == MM_OK) {
        mm_log(MM_LOG_INFO, "Loaded %" PRId64 " tensors from %s", report.matched, path);
        log_names("missing in the checkpoint", report.missing);
        log_names("not in the model", report.unexpected);
        log_names("of another size", report.mismatched);
        if (report.matched == 0) {
            (void)mm_raise(MM_EDATA, "no tensor of '%s' fits the model", path);
            (void)mm_error_hint(
                "the names in the file have another prefix, or it is of "
                "another model");
        }
    }
    mm_load_report_deinit(&report);
    mm_value_unref(weights);
    return mm_has_error() ? mm_error_frame("while loading weights from '%s'", path)
                          : MM_OK;
}

mm_value *mmi_open_checkpoint(mm_runner *runner, const char *path, bool strict)
{
    mm_value *checkpoint =
        mm_runner_wait_for_saves(runner) < 0 ? NULL : mm_checkpoint_load(path);

    if (checkpoint != NULL &&
        mmi_call_value(runner, MMI_AFTER_LOAD_CHECKPOINT, checkpoint) == MM_OK)
        (void)load_weights(runner, checkpoint, path, strict);
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

mm_status mm_runner_load_checkpoint(mm_runner *runner, const char *path)
{
    mm_value *checkpoint = mmi_open_checkpoint(runner, path, false);

    mm_value_unref(checkpoint);
    runner->has_loaded = true;
    return mm_pending();
}

mm_status mmi_load_or_resume(mm_runner *runner)
{
    const mm_value *load_from = mmi_section(runner, "load_from");
    const mm_value *given = mmi_section(runner, "resume");
    bool resume = given != NULL && mm_value_is_true(given);

    if (runner->has_loaded)
        return mm_pending();
    if (resume && mm_value_kind(given) == MM_KIND_STR) {
        if (load_from != NULL)
            return mm_raise(MM_ECONFIG, "'resume' names a file, so 'load_from' must "
                                        "not be given");
        load_from = given;
    }
    if (load_from != NULL)
        return resume ? mm_runner_resume(runner, mm_value_str(load_from))
                      : mm_runner_load_checkpoint(runner, mm_value_str(load_from));
    if (!resume)
        return mm_pending();
    char *latest = mm_find_latest_checkpoint(runner->work_dir);

    if (latest == NULL && !mm_has_error())
        mm_log(MM_LOG_INFO,
               "no checkpoint in %s yet: training starts from the beginning",
               runner->work_dir);
    if (latest != NULL) {
        mm_log(MM_LOG_INFO, "Auto resumed from the latest checkpoint %s.", latest);
        (void)mm_runner_resume(runner, latest);
    }
    mm_free(latest);
    return mm_pending();
}
