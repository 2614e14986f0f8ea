/* What a run writes into a checkpoint: MMEngine's keys, and one of our own
 * ("mmengine_c") that holds what an exact resume needs besides: random state, place in
 * the data, half-filled accumulation windows, hooks' state. Source:
 * Runner.save_checkpoint.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/plugin.h"
#include "runner/internal.h"

static void put_taken(mm_value *dict, const char *key, mm_value *value)
{
    if (value != NULL)
        mm_dict_take(dict, key, value);
}

static mm_value *make_meta(mm_runner *runner, const mm_save_args *args)
{
    mm_value *meta = mm_value_new_dict();
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    char *text = mm_config_pretty_text(runner->config);
    char time[16];

    (void)mmi_time_text(mmi_wall_ns(), "%Y%m%d_%H%M%S", time, sizeof(time));
    mm_dict_put_i64(meta, "epoch", args->epoch);
    mm_dict_put_i64(meta, "iter", args->iter);
    if (text != NULL)
        mm_dict_put_str(meta, "cfg", text);
    mm_dict_put_i64(meta, "seed", (int64_t)runner->seed);
    mm_dict_put_str(meta, "experiment_name", runner->experiment_name);
    mm_dict_put_str(meta, "time", time);
    mm_dict_put_str(meta, "mmengine_version", MM_VERSION);
    if (loader != NULL)
        mm_dict_put(meta, "dataset_meta",
                    mm_dataset_metainfo(mm_loader_dataset(loader)));
    mm_free(text);
    return meta;
}

static mm_value *scheduler_states(const mm_runner *runner)
{
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++)
        mm_list_push(list, mm_param_scheduler_state_dict(runner->schedulers[i]));
    return list;
}

static mm_value *make_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    mm_value *checkpoint = mm_value_new_dict();

    put_taken(checkpoint, "meta", make_meta(runner, args));
    put_taken(checkpoint, "state_dict", mm_module_state_dict(runner->model));
    put_taken(checkpoint, "message_hub", mm_hub_state(runner->hub, 0));
    if (!args->no_optimizer && runner->optim_wrapper != NULL) {
        put_taken(checkpoint, "optimizer",
                  mm_optim_wrapper_state_dict(runner->optim_wrapper));
        put_taken(checkpoint, MMI_OWN_KEY, mmi_own_state(runner));
    }
    if (!args->no_param_scheduler && runner->num_schedulers > 0)
        put_taken(checkpoint, "param_schedulers", scheduler_states(runner));
    return checkpoint;
}

mm_status mm_runner_save_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    mm_scope scope = mm_scope_open();
    mm_value *checkpoint = make_checkpoint(runner, args);

    if (!mm_has_error() &&
        mmi_call_value(runner, MMI_BEFORE_SAVE_CHECKPOINT, checkpoint) == MM_OK)
        (void)mm_checkpoint_save(args->path, checkpoint);
    mm_value_unref(checkpoint);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mmi_save_on_request(mm_runner *runner)
{
    char *name = mm_strfmt("iter_%" PRId64 ".pth", runner->at.iter);
    char *path = name == NULL ? NULL : mm_path_join(runner->work_dir, name);
    char *pointer =
        path == NULL ? NULL : mm_path_join(runner->work_dir, "last_checkpoint");

    if (pointer != NULL &&
        mm_runner_save_checkpoint(runner,
                                  &(mm_save_args){
                                      .path = path,
                                      .epoch = runner->at.epoch,
                                      .iter = runner->at.iter,
                                  }) == MM_OK &&
        mm_file_write(pointer, path, strlen(path)) == MM_OK)
        mm_log(MM_LOG_INFO, "saved %s on request", path);
    mm_free(pointer);
    mm_free(path);
    mm_free(name);
    return mm_pending();
}
