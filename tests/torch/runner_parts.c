/* A toy regression: y = x0 - 2 x1 over 24 points, a model of two layers with dropout,
 * so that the random state matters. */
#include "runner_parts.h"

#include "temp_folder.h"

#include <math.h>
#include <stdlib.h>

#include "mmengine/nn.h"

stage_record parts_record = {.stop_at = -1, .nan_at = -1};

/* dataset */

static int64_t points_len(void *self)
{
    (void)self;
    return 24;
}

static mm_status points_get(void *self, int64_t index, mm_sample *out)
{
    float x[2] = {(float)(index % 5) / 5.0F, (float)(index % 7) / 7.0F};
    float y = x[0] - 2.0F * x[1];
    int64_t two = 2, one = 1;
    (void)self;

    mm_sample_put(out, "x", mm_from_f32(x, 1, &two));
    mm_sample_put(out, "y", mm_from_f32(&y, 1, &one));
    return mm_sample_status(out);
}

static const mm_dataset_ops points_ops = {.len = points_len, .get = points_get};

static const mm_component points = {
    .registry = "datasets",
    .name = "ToyPoints",
    .help = "24 points of a plane",
    .size = 1,
    MM_DATASET(&points_ops),
};

/* model */

struct toy_model {
    mm_module *hidden, *drop, *out;
};

static mm_status toy_init(void *data)
{
    struct toy_model *self = data;
    mm_module *module = mm_module_of(data);

    self->hidden = mm_module_add(module, "hidden", mm_nn_linear(2, 8));
    self->drop = mm_module_add(module, "drop", mm_nn_dropout(0.25));
    self->out = mm_module_add(module, "out", mm_nn_linear(8, 1));
    return mm_pending();
}

static mm_tensor *column(mm_value *batch, const char *key)
{
    return mm_value_tensor(mm_dict_get(batch, key));
}

static mm_tensor *toy_forward(void *data, mm_tensor *x)
{
    struct toy_model *self = data;

    x = mm_relu(mm_module_forward(self->hidden, x));
    return mm_module_forward(self->out, mm_module_forward(self->drop, x));
}

static mm_value *toy_loss(void *data, mm_value *batch)
{
    mm_tensor *predicted = toy_forward(data, column(batch, "x"));
    mm_value *losses = mm_scoped(mm_value_new_dict());
    bool poison = parts_record.nan_at >= 0 && parts_record.nan_at-- == 0;

    mm_tensor *loss = mm_mse_loss(predicted, column(batch, "y"), MM_REDUCTION_MEAN);
    mm_dict_put_tensor(losses, "loss",
                       poison ? mm_mul_scalar(loss, (double)NAN) : loss);
    return losses;
}

/* What MMEngine's validation loop takes off the predictions. */
static void push_losses(mm_value *list, mm_tensor *predicted, mm_tensor *wanted)
{
    mm_data_element *element = mm_data_element_new("BaseDataElement");
    mm_value *losses = mm_value_new_dict(), *parts = mm_value_new_list();

    mm_dict_put_tensor(losses, "loss_mse",
                       mm_mse_loss(predicted, wanted, MM_REDUCTION_MEAN));
    mm_list_push(parts, mm_value_new_tensor(mm_mean(predicted)));
    mm_list_push(parts, mm_value_new_tensor(mm_mean(wanted)));
    mm_dict_take(losses, "level", parts);
    mm_data_element_put(element, "loss", losses);
    mm_value_unref(losses);
    mm_list_push(list, mm_value_new_data_element(element));
    mm_data_element_unref(element);
}

static mm_value *errors_of(mm_tensor *predicted, mm_tensor *wanted)
{
    mm_value *list = mm_scoped(mm_value_new_list());

    for (int64_t i = 0; predicted != NULL && i < mm_size(predicted, 0); i++) {
        mm_value *item = mm_value_new_dict();

        mm_dict_put_tensor(item, "error",
                           mm_sub(mm_select(predicted, 0, i), mm_select(wanted, 0, i)));
        mm_list_push(list, item);
    }
    return list;
}

static mm_value *toy_predict(void *data, mm_value *batch)
{
    mm_tensor *predicted = toy_forward(data, column(batch, "x"));
    mm_value *list = errors_of(predicted, column(batch, "y"));

    if (parts_record.gives_losses)
        push_losses(list, predicted, column(batch, "y"));
    return list;
}

static const mm_model_ops toy_ops = {
    .module = {.forward = toy_forward},
    .loss = toy_loss,
    .predict = toy_predict,
};

static const mm_component toy_model = {
    .registry = "models",
    .name = "ToyModel",
    .help = "two linear layers",
    .size = sizeof(struct toy_model),
    .init = toy_init,
    MM_MODEL(&toy_ops),
};

/* A model of two parts that are trained in turn, as a GAN's are. */
struct toy_pair {
    mm_module *first, *second;
};

static mm_status pair_init(void *data)
{
    struct toy_pair *self = data;
    mm_module *module = mm_module_of(data);

    self->first = mm_module_add(module, "first", mm_nn_linear(2, 1));
    self->second = mm_module_add(module, "second", mm_nn_linear(2, 1));
    return mm_pending();
}

static mm_tensor *pair_step(mm_module *part, mm_value *batch, mm_optim_wrapper *wrapper)
{
    mm_tensor *out =
        mm_dropout(mm_module_forward(part, column(batch, "x")), 0.25, true);
    mm_tensor *loss = mm_mse_loss(out, column(batch, "y"), MM_REDUCTION_MEAN);

    if (mm_optim_wrapper_update_params(wrapper, loss) < 0)
        return NULL;
    return mm_detach(loss);
}

static mm_value *pair_train_step(void *data, mm_value *batch, mm_optim_wrapper *wrapper)
{
    struct toy_pair *self = data;
    mm_value *logs = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(
        logs, "loss_first",
        pair_step(self->first, batch, mm_optim_wrapper_find(wrapper, "first")));
    mm_dict_put_tensor(
        logs, "loss_second",
        pair_step(self->second, batch, mm_optim_wrapper_find(wrapper, "second")));
    return mm_has_error() ? NULL : logs;
}

static mm_value *pair_predict(void *data, mm_value *batch)
{
    struct toy_pair *self = data;
    mm_tensor *out = mm_module_forward(self->first, column(batch, "x"));

    return errors_of(out, column(batch, "y"));
}

static const mm_model_ops pair_ops = {
    .predict = pair_predict,
    .train_step = pair_train_step,
};

static const mm_component toy_pair = {
    .registry = "models",
    .name = "ToyPair",
    .help = "two linear layers with an optimizer each",
    .size = sizeof(struct toy_pair),
    .init = pair_init,
    MM_MODEL(&pair_ops),
};

/* metric */

struct toy_metric {
    mm_base_metric base;
};

#define MM_OPT_STRUCT struct toy_metric
static const mm_option toy_metric_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status toy_process(void *data, mm_value *batch, mm_value *samples)
{
    struct toy_metric *self = data;
    (void)batch;

    for (size_t i = 0; i < mm_value_len(samples); i++) {
        double error = mm_item(mm_dict_get_tensor(mm_list_get(samples, i), "error"));
        mm_value *number = mm_value_new_f64(fabs(error));

        mm_metric_add(&self->base, number);
        mm_value_unref(number);
    }
    return mm_pending();
}

static mm_status toy_compute(void *data, mm_value *results, mm_value *out)
{
    double sum = 0.0;
    (void)data;

    for (size_t i = 0; i < mm_value_len(results); i++)
        sum += mm_value_f64(mm_list_get(results, i));
    mm_dict_put_f64(out, "error", sum / (double)mm_value_len(results));
    mm_dict_put_f64(out, "acc", -sum);
    return mm_pending();
}

static const mm_metric_ops toy_metric_ops = {
    .process = toy_process,
    .compute = toy_compute,
    .default_prefix = "toy",
};

static const mm_component toy_metric = {
    .registry = "metrics",
    .name = "ToyMetric",
    .help = "mean absolute error",
    .size = sizeof(struct toy_metric),
    .options = toy_metric_options,
    MM_METRIC(&toy_metric_ops),
};

/* hook */

static mm_status note(const char *stage)
{
    if (parts_record.count < MAX_STAGES)
        parts_record.names[parts_record.count++] = stage;
    return MM_OK;
}

#define PLAIN(stage)                                                                   \
    static mm_status record_##stage(void *self, mm_runner *runner)                     \
    {                                                                                  \
        (void)self;                                                                    \
        (void)runner;                                                                  \
        return note(#stage);                                                           \
    }
#define ITER(stage)                                                                    \
    static mm_status record_##stage(void *self, mm_runner *runner,                     \
                                    const mm_iter *iter)                               \
    {                                                                                  \
        (void)self;                                                                    \
        (void)runner;                                                                  \
        (void)iter;                                                                    \
        return note(#stage);                                                           \
    }
#define VALUE(stage)                                                                   \
    static mm_status record_##stage(void *self, mm_runner *runner, mm_value *value)    \
    {                                                                                  \
        (void)self;                                                                    \
        (void)runner;                                                                  \
        (void)value;                                                                   \
        return note(#stage);                                                           \
    }

PLAIN(before_run)
VALUE(after_load_checkpoint)
PLAIN(before_train)
PLAIN(before_train_epoch)
ITER(before_train_iter)
PLAIN(after_train_epoch)
PLAIN(before_val)
PLAIN(before_val_epoch)
ITER(after_val_iter)
VALUE(after_val_epoch)
PLAIN(after_val)
VALUE(before_save_checkpoint)
PLAIN(after_train)
PLAIN(before_test)
PLAIN(before_test_epoch)
ITER(before_test_iter)
ITER(after_test_iter)
VALUE(after_test_epoch)
PLAIN(after_test)
PLAIN(after_run)

static mm_status record_after_train_iter(void *self, mm_runner *runner,
                                         const mm_iter *iter)
{
    (void)self;
    (void)iter;
    if (mm_runner_iter(runner) == parts_record.stop_at)
        mm_runner_request(runner, MM_REQUEST_STOP);
    return note("after_train_iter");
}

static mm_status record_before_val_iter(void *self, mm_runner *runner,
                                        const mm_iter *iter)
{
    (void)self;
    (void)iter;
    if (parts_record.stop_at_val > 0 && --parts_record.stop_at_val == 0)
        mm_runner_request(runner, MM_REQUEST_STOP);
    return note("before_val_iter");
}

#define SLOT(stage) .stage = record_##stage

static const mm_hook_ops record_ops = {
    SLOT(before_run),        SLOT(after_load_checkpoint),
    SLOT(before_train),      SLOT(before_train_epoch),
    SLOT(before_train_iter), SLOT(after_train_iter),
    SLOT(after_train_epoch), SLOT(before_val),
    SLOT(before_val_epoch),  SLOT(before_val_iter),
    SLOT(after_val_iter),    SLOT(after_val_epoch),
    SLOT(after_val),         SLOT(before_save_checkpoint),
    SLOT(after_train),       SLOT(before_test),
    SLOT(before_test_epoch), SLOT(before_test_iter),
    SLOT(after_test_iter),   SLOT(after_test_epoch),
    SLOT(after_test),        SLOT(after_run),
};

static const mm_component record_hook = {
    .registry = "hooks",
    .name = "RecordHook",
    .help = "notes every stage",
    .size = 1,
    MM_HOOK(&record_ops),
};

int parts_register(void)
{
    static const mm_component *const table[] = {
        &points, &toy_model, &toy_pair, &toy_metric, &record_hook, NULL,
    };
    static bool done;

    if (!done && (mm_init() < 0 || mm_register(table) < 0))
        return -1;
    done = true;
    return 0;
}

char *parts_new_dir(void)
{
    char dir[512];

    assert_true(make_temp_folder(dir, sizeof(dir), "mm-runner"));
    return mm_strdup(dir);
}

static void remove_tree(const char *dir)
{
    mm_value *names = mm_list_dir(dir);

    for (size_t i = 0; i < mm_value_len(names); i++) {
        char *path = mm_path_join(dir, mm_value_str(mm_list_get(names, i)));

        if (mm_file_is_dir(path))
            remove_tree(path);
        else
            assert_int_equal(mm_file_remove(path), MM_OK);
        mm_free(path);
    }
    mm_value_unref(names);
    assert_int_equal(mm_file_remove(dir), MM_OK);
}

void parts_remove_dir(char *dir)
{
    remove_tree(dir);
    mm_free(dir);
}

static const char base_config[] =
    "model = dict(type='ToyModel')\n"
    "train_dataloader = dict(batch_size=4, num_workers=1, "
    "dataset=dict(type='ToyPoints'),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=True),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "val_dataloader = dict(batch_size=12, dataset=dict(type='ToyPoints'),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=False),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "val_evaluator = dict(type='ToyMetric')\n"
    "test_dataloader = val_dataloader\n"
    "test_evaluator = val_evaluator\n"
    "train_cfg = dict(by_epoch=True, max_epochs=4)\n"
    "val_cfg = dict()\n"
    "test_cfg = dict()\n"
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))\n"
    "param_scheduler = dict(type='MultiStepLR', milestones=[2], by_epoch=True)\n"
    "randomness = dict(seed=3)\n";

mm_config *parts_config(const char *dir, const char *more)
{
    char *text = mm_strfmt("%swork_dir = '%s'\n%s", base_config, dir, more);
    mm_config *config = mm_config_from_string(text, ".py");

    mm_free(text);
    return config;
}

static mm_value *copy_weights(mm_runner *runner)
{
    mm_scope scope = mm_scope_open();
    mm_value *weights = mm_module_state_dict(mm_runner_model(runner));
    mm_value *copies = mm_value_new_dict();

    for (size_t i = 0; weights != NULL && i < mm_value_len(weights); i++)
        mm_dict_put_tensor(copies, mm_dict_name_at(weights, i),
                           mm_clone(mm_value_tensor(mm_dict_at(weights, i))));
    mm_value_unref(weights);
    mm_scope_close(scope);
    return copies;
}

mm_value *parts_train(const char *dir, const char *more)
{
    mm_config *config = parts_config(dir, more);
    mm_runner *runner = config == NULL ? NULL : mm_runner_new(config);
    mm_value *weights = NULL;

    parts_record.count = 0;
    if (runner != NULL && mm_runner_train(runner) == MM_OK)
        weights = copy_weights(runner);
    mm_runner_free(runner);
    mm_config_unref(config);
    return weights;
}

bool parts_same_weights(const mm_value *a, const mm_value *b)
{
    if (mm_value_len(a) != mm_value_len(b))
        return false;
    for (size_t i = 0; i < mm_value_len(a); i++) {
        const char *name = mm_dict_name_at(a, i);

        if (!mm_tensor_equal(mm_dict_get_tensor(a, name), mm_dict_get_tensor(b, name)))
            return false;
    }
    return true;
}
