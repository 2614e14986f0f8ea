/* What all loops share: which one a section of the config asks for, building it, and
 * the progress display. The loops themselves are train_loops.c and eval_loops.c.
 * Source: Runner.build_train_loop and its sisters. */
#include "registry/audit.h"
#include "runner/internal.h"

void mmi_show_progress(mm_runner *runner, mm_mode mode, int64_t batch_idx)
{
    int64_t now = mmi_clock_ns();
    double seconds = (double)(now - runner->last_iter_ns) * 1e-9;
    const mmi_counters *at = &runner->at;
    mm_loader *loader = mm_runner_loader(runner, mode);
    bool epochs = mode == MM_MODE_TRAIN && at->by_epoch;

    if (runner->last_iter_ns != 0)
        runner->iter_seconds += (seconds - runner->iter_seconds) *
                                (runner->iter_seconds == 0.0 ? 1.0 : 0.1);
    runner->last_iter_ns = now;
    if (runner->show == NULL)
        return;
    mm_progress progress = {
        .mode = mode,
        .epoch = epochs ? at->epoch + 1 : 0,
        .max_epochs = epochs ? at->max_epochs : 0,
        .iter = batch_idx + 1,
        .max_iters = mode == MM_MODE_TRAIN && !at->by_epoch ? at->max_iters
                                                            : mm_loader_len(loader),
        .iter_seconds = runner->iter_seconds,
    };

    if (mode == MM_MODE_TRAIN)
        progress.eta_seconds =
            runner->iter_seconds * (double)(at->max_iters - at->iter - 1);
    else
        progress.eta_seconds =
            runner->iter_seconds * (double)(progress.max_iters - progress.iter);
    if (runner->iter_seconds > 0.0)
        progress.images_per_second =
            (double)mm_loader_batch_size(loader) / runner->iter_seconds;
    runner->show(runner->show_user, &progress);
}

/* Building. */

static const char *loop_type(const mm_value *config, mm_mode mode)
{
    mm_value *by_epoch = mm_dict_find(config, "by_epoch");

    if (mode == MM_MODE_VAL)
        return "ValLoop";
    if (mode == MM_MODE_TEST)
        return "TestLoop";
    if (by_epoch == NULL)
        return NULL;
    return mm_value_is_true(by_epoch) ? "EpochBasedTrainLoop" : "IterBasedTrainLoop";
}

static mm_status loop_args(const mm_runner *runner, mm_mode mode, mm_build_args *out)
{
    const char *path = mmi_mode_key(mode, "cfg");
    mm_value *config = mmi_section(runner, path);

    *out = (mm_build_args){0};
    if (config == NULL)
        return mm_raise(MM_ECONFIG, "'%s' is missing", path);
    if (mode == MM_MODE_TRAIN && mm_dict_has(config, "type") &&
        mm_dict_has(config, "by_epoch")) {
        (void)mm_raise(MM_ECONFIG, "train_cfg has both 'type' and 'by_epoch'");
        (void)mm_error_hint("remove one of them");
        return mmi_report_fault(mm_dict_source(config, "by_epoch"), path);
    }
    if (mode == MM_MODE_TRAIN && !mm_dict_has(config, "type") &&
        !mm_dict_has(config, "by_epoch") && !mmi_audit_skips_missing()) {
        (void)mm_raise(MM_ECONFIG, "train_cfg has neither 'type' nor 'by_epoch'");
        (void)mm_error_hint("by_epoch=True counts epochs, by_epoch=False iterations");
        return mmi_report_fault(mm_dict_source_at(config, 0), path);
    }
    *out = (mm_build_args){
        .registry = "loops",
        .config = config,
        .scope = runner->scope,
        .path = path,
        .default_type = loop_type(config, mode),
        .interface = MM_INTERFACE_LOOP,
    };
    return MM_OK;
}

mm_status mmi_loop_check(const mm_runner *runner, mm_mode mode)
{
    mm_build_args args;

    if (loop_args(runner, mode, &args) < 0 || args.config == NULL)
        return mm_pending();
    return mm_build_check(&args);
}

mm_status mmi_loop_build(mm_runner *runner, mm_mode mode)
{
    mm_build_args args;

    if (runner->loops[mode] != NULL)
        return mm_pending();
    if (loop_args(runner, mode, &args) < 0)
        return mm_pending();
    runner->loops[mode] = mm_build(&args);
    const mm_loop_ops *ops =
        mm_has_error() ? NULL : mm_instance_ops(runner->loops[mode], MM_INTERFACE_LOOP);

    if (ops == NULL || ops->start == NULL)
        return mm_pending();
    return ops->start(mm_instance_self(runner->loops[mode]), runner);
}

mm_status mmi_loop_run(mm_runner *runner, mm_mode mode)
{
    const mm_loop_ops *ops = mm_instance_ops(runner->loops[mode], MM_INTERFACE_LOOP);

    return ops->run(mm_instance_self(runner->loops[mode]), runner);
}
