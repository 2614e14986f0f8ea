/* SaveInitialHook: writes the weights as they are before the first iteration to
 * <work_dir>/initial.pth. For comparisons; save_initial.py is its twin. */
#include <mmengine/mmengine.h>

static mm_status before_train(void *self, mm_runner *runner)
{
    char *path = mm_path_join(mm_runner_work_dir(runner), "initial.pth");
    (void)self;

    (void)mm_runner_save_checkpoint(runner, &(mm_save_args){
                                                .path = path,
                                                .no_optimizer = true,
                                                .no_param_scheduler = true,
                                            });
    mm_free(path);
    return mm_pending();
}

static const mm_hook_ops ops = {.before_train = before_train};

static const mm_component save_initial = {
    .registry = "hooks",
    .name = "SaveInitialHook",
    .help = "writes the initial weights",
    .size = 1,
    MM_HOOK(&ops),
};

static const mm_component *const table[] = {&save_initial, NULL};
MM_PLUGIN(table)
