#include "hook_parts.h"

#include "mmengine/nn.h"

hook_probe parts_probe;

const char hook_parts_config[] =
    "model = dict(type='ToyNormModel')\n"
    "train_dataloader = dict(batch_size=6, dataset=dict(type='ToyPoints'),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=False),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "val_dataloader = train_dataloader\n"
    "test_dataloader = train_dataloader\n";

/* model */

struct norm_model {
    mm_module *hidden, *norm, *out;
};

static mm_status norm_init(void *data)
{
    struct norm_model *self = data;
    mm_module *module = mm_module_of(data);

    self->hidden = mm_module_add(module, "hidden", mm_nn_linear(2, 4));
    self->norm = mm_module_add(module, "norm", mm_nn_batch_norm1d(4));
    self->out = mm_module_add(module, "out", mm_nn_linear(4, 1));
    return mm_pending();
}

static mm_tensor *norm_forward(void *data, mm_tensor *x)
{
    struct norm_model *self = data;

    x = mm_relu(mm_module_forward(self->norm, mm_module_forward(self->hidden, x)));
    return mm_module_forward(self->out, x);
}

static mm_value *norm_loss(void *data, mm_value *batch)
{
    mm_tensor *predicted = norm_forward(data, mm_dict_get_tensor(batch, "x"));
    mm_value *losses = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(
        losses, "loss",
        mm_mse_loss(predicted, mm_dict_get_tensor(batch, "y"), MM_REDUCTION_MEAN));
    return losses;
}

static mm_value *norm_predict(void *data, mm_value *batch)
{
    mm_tensor *errors = mm_sub(norm_forward(data, mm_dict_get_tensor(batch, "x")),
                               mm_dict_get_tensor(batch, "y"));
    mm_value *list = mm_scoped(mm_value_new_list());

    for (int64_t i = 0; errors != NULL && i < mm_size(errors, 0); i++) {
        mm_value *item = mm_value_new_dict();

        mm_dict_put_tensor(item, "error", mm_select(errors, 0, i));
        mm_list_push(list, item);
    }
    return list;
}

static const mm_model_ops norm_ops = {
    .module = {.forward = norm_forward},
    .loss = norm_loss,
    .predict = norm_predict,
};

static const mm_component norm_model = {
    .registry = "models",
    .name = "ToyNormModel",
    .help = "two linear layers around a batch norm",
    .size = sizeof(struct norm_model),
    .init = norm_init,
    MM_MODEL(&norm_ops),
};

/* hook */

static mm_status probe_before_val_iter(void *self, mm_runner *runner,
                                       const mm_iter *iter)
{
    (void)self;
    (void)iter;
    if (parts_probe.stop_in_val)
        mm_runner_request(runner, MM_REQUEST_STOP);
    parts_probe.stop_in_val = false;
    return MM_OK;
}

static mm_status probe_after_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    const mm_value *error = mm_dict_find(metrics, "toy/error");
    (void)self;

    if (error != NULL && parts_probe.num_errors < MAX_ERRORS)
        parts_probe.errors[parts_probe.num_errors++] = mm_value_f64(error);
    if (parts_probe.save_in_val == NULL)
        return mm_pending();
    const char *path = parts_probe.save_in_val;

    parts_probe.save_in_val = NULL;
    return mm_runner_save_checkpoint(runner, &(mm_save_args){
                                                 .path = path,
                                                 .epoch = mm_runner_epoch(runner),
                                                 .iter = mm_runner_iter(runner),
                                             });
}

static mm_status probe_after_train_iter(void *self, mm_runner *runner,
                                        const mm_iter *iter)
{
    (void)self;
    if (parts_probe.on_iter != NULL)
        parts_probe.on_iter(runner, iter);
    return mm_pending();
}

static const mm_hook_ops probe_ops = {
    .after_train_iter = probe_after_train_iter,
    .before_val_iter = probe_before_val_iter,
    .after_val_epoch = probe_after_epoch,
    .after_test_epoch = probe_after_epoch,
};

static const mm_component probe_hook = {
    .registry = "hooks",
    .name = "ProbeHook",
    .help = "notes errors and asks for things",
    .size = 1,
    MM_HOOK(&probe_ops),
};

int hook_parts_set_up(void **state)
{
    static const mm_component *const table[] = {&norm_model, &probe_hook, NULL};
    static bool done;
    (void)state;

    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    parts_probe = (hook_probe){0};
    if (parts_register() != 0 || (!done && mm_register(table) != MM_OK))
        return -1;
    done = true;
    return 0;
}

void hook_parts_run(const char *dir, const char *more)
{
    char *text = mm_strfmt("%s%s", hook_parts_config, more);

    parts_probe.num_errors = 0;
    mm_value_unref(parts_train(dir, text));
    mm_free(text);
}

mm_value *hook_parts_load(const char *dir, const char *name)
{
    char *path = mm_path_join(dir, name);
    mm_value *checkpoint = mm_checkpoint_load(path);

    check_ok();
    mm_free(path);
    return checkpoint;
}

/* Appends every "*.log" of the folders below `dir`. */
static char *append_logs(const char *dir, char *text)
{
    mm_value *names = mm_list_dir(dir);

    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *path = mm_path_join(dir, name);
        size_t size = strlen(name);

        if (mm_file_is_dir(path)) {
            text = append_logs(path, text);
        } else if (size > 4 && strcmp(name + size - 4, ".log") == 0) {
            char *content = mm_file_read(path, &size);
            char *longer = mm_strfmt("%s%s", text, content);

            mm_free(content);
            mm_free(text);
            text = longer;
        }
        mm_free(path);
    }
    mm_value_unref(names);
    return text;
}

char *hook_parts_log(const char *dir)
{
    return append_logs(dir, mm_strdup(""));
}
