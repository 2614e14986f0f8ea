/* The choice of a memory format: what config, checkpoint and cache settle, a
 * measurement that leaves nothing behind, resuming bit for bit, and kernels that keep
 * reaching weights whose channels lie last. */
#include "runner_parts.h"

#include <stdlib.h>

#include "mmengine/nn.h"

/* A model with planes: convolutions, running statistics, random numbers. */
struct planes {
    bool views; /* needs planes that lie behind each other: fails in channels last */
    mm_module *spread, *conv, *norm, *drop, *mix, *out;
};

#define MM_OPT_STRUCT struct planes
static const mm_option planes_options[] = {
    {"views", "flatten by a view", MM_OPT_BOOL(views, false)},
    {0},
};
#undef MM_OPT_STRUCT

enum { SIDE = 6, CHANNELS = 8 };

static mm_status planes_init(void *data)
{
    struct planes *self = data;
    mm_module *module = mm_module_of(data);

    self->spread =
        mm_module_add(module, "spread", mm_nn_linear(2, CHANNELS * SIDE * SIDE));
    self->conv = mm_module_add(module, "conv",
                               mm_nn_conv2d(CHANNELS, CHANNELS, 3, .padding = {1, 1}));
    self->norm = mm_module_add(module, "norm", mm_nn_batch_norm2d(CHANNELS));
    self->drop = mm_module_add(module, "drop", mm_nn_dropout(0.25));
    self->mix = mm_module_add(module, "mix", mm_nn_conv2d(CHANNELS, 4, 1));
    self->out = mm_module_add(module, "out", mm_nn_linear(4 * SIDE * SIDE, 1));
    return mm_pending();
}

static mm_tensor *planes_forward(void *data, mm_tensor *x)
{
    struct planes *self = data;
    mm_dims flat = MM_DIMS(-1, 4 * SIDE * SIDE);

    x = mm_module_forward(self->spread, x);
    x = mm_reshape(x, MM_DIMS(-1, CHANNELS, SIDE, SIDE));
    x = mm_relu(mm_module_forward(self->norm, mm_module_forward(self->conv, x)));
    x = mm_module_forward(self->mix, mm_module_forward(self->drop, x));
    x = self->views ? mm_view(x, flat) : mm_reshape(x, flat);
    return mm_module_forward(self->out, x);
}

static mm_tensor *column(mm_value *batch, const char *key)
{
    return mm_value_tensor(mm_dict_get(batch, key));
}

static mm_value *planes_loss(void *data, mm_value *batch)
{
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *predicted = planes_forward(data, column(batch, "x"));

    mm_dict_put_tensor(losses, "loss",
                       mm_mse_loss(predicted, column(batch, "y"), MM_REDUCTION_MEAN));
    return losses;
}

static mm_value *planes_predict(void *data, mm_value *batch)
{
    mm_tensor *error =
        mm_sub(planes_forward(data, column(batch, "x")), column(batch, "y"));
    mm_value *list = mm_scoped(mm_value_new_list());

    for (int64_t i = 0; error != NULL && i < mm_size(error, 0); i++) {
        mm_value *item = mm_value_new_dict();

        mm_dict_put_tensor(item, "error", mm_select(error, 0, i));
        mm_list_push(list, item);
    }
    return list;
}

static mm_value *planes_train_step(void *data, mm_value *batch,
                                   mm_optim_wrapper *optim_wrapper)
{
    mm_tensor *total = NULL;
    mm_value *logs = mm_parse_losses(planes_loss(data, batch), &total);

    return mm_optim_wrapper_update_params(optim_wrapper, total) < 0 ? NULL : logs;
}

static const mm_model_ops planes_ops = {
    .module = {.forward = planes_forward},
    .loss = planes_loss,
    .predict = planes_predict,
};

static const mm_model_ops own_step_ops = {
    .module = {.forward = planes_forward},
    .loss = planes_loss,
    .predict = planes_predict,
    .train_step = planes_train_step,
};

static const mm_component planes = {
    .registry = "models",
    .name = "ToyPlanes",
    .help = "two convolutions",
    .size = sizeof(struct planes),
    .options = planes_options,
    .init = planes_init,
    MM_MODEL(&planes_ops),
};

static const mm_component own_step = {
    .registry = "models",
    .name = "ToyPlanesOwnStep",
    .help = "two convolutions and a step of their own",
    .size = sizeof(struct planes),
    .options = planes_options,
    .init = planes_init,
    MM_MODEL(&own_step_ops),
};

/* A hook that looks at the parameters while they have gradients. */

static struct {
    size_t seen, plain, last; /* parameters; those the kernels reach; channels last */
    char format[16];          /* of the runner */
} looked;

static mm_status look_at_param(void *user, const char *name, mm_tensor *param,
                               mm_module *owner)
{
    mm_leaf_memory memory = {0};
    mm_tensor_info info;
    (void)user;
    (void)name;
    (void)owner;

    if (mm_leaves_memory(&param, 1, false, &memory) < 0 ||
        mm_tensor_info_get(param, &info) < 0 || !memory.has_grad)
        return mm_pending();
    looked.seen++;
    looked.plain += memory.is_plain;
    looked.last += info.ndim == 4 && info.strides[1] == 1;
    return MM_OK;
}

static mm_status look_after_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    (void)snprintf(looked.format, sizeof(looked.format), "%s",
                   mm_runner_memory_format(runner));
    return mm_module_each_param(mm_runner_model(runner), look_at_param, NULL);
}

static const mm_hook_ops look_ops = {.after_train_iter = look_after_iter};

static const mm_component look_hook = {
    .registry = "hooks",
    .name = "LookHook",
    .help = "looks at parameters and gradients",
    .size = 1,
    MM_HOOK(&look_ops),
};

/* Set-up: an empty cache for every test. */

static char *cache;

static int set_up(void **state)
{
    static const mm_component *const table[] = {&planes, &own_step, &look_hook, NULL};
    static bool is_done;
    (void)state;

    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    if (parts_register() != 0 || (!is_done && mm_register(table) < 0))
        return -1;
    is_done = true;
    memset(&looked, 0, sizeof(looked));
    cache = parts_new_dir();
    return setenv("MMENGINE_CACHE_DIR", cache, 1);
}

static int tear_down(void **state)
{
    (void)state;
    parts_remove_dir(cache);
    return unsetenv("MMENGINE_CACHE_DIR");
}

#define PLANES                                                                         \
    "model = dict(type='ToyPlanes')\n"                                                 \
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.002, momentum=0.9))\n"       \
    "train_cfg = dict(by_epoch=True, max_epochs=2)\n"                                  \
    "custom_hooks = [dict(type='LookHook'), dict(type='RecordHook')]\n"

static mm_value *train_planes(const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt(PLANES "%s", more);
    mm_value *weights = parts_train(dir, text);

    check_ok();
    mm_free(text);
    parts_remove_dir(dir);
    return weights;
}

static void assert_format(const char *more, const char *expected)
{
    mm_value_unref(train_planes(more));
    assert_string_equal(looked.format, expected);
}

/* The only file of the cache; NULL if there is none. */
static char *kept_file(void)
{
    char *folder = mm_path_join(cache, "memory-format");
    mm_value *names = mm_file_is_dir(folder) ? mm_list_dir(folder) : NULL;
    char *path = NULL;

    if (names != NULL) {
        assert_int_equal(mm_value_len(names), 1);
        path = mm_path_join(folder, mm_value_str(mm_list_get(names, 0)));
    }
    mm_value_unref(names);
    mm_free(folder);
    return path;
}

/* Makes the cache name a format, whatever was measured. */
static void keep_format(const char *format)
{
    char *path = kept_file();
    char *text = mm_strfmt("%s\nby the test\n", format);

    assert_non_null(path);
    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_free(text);
    mm_free(path);
}

static void the_config_chooses(void **state)
{
    (void)state;
    assert_format("memory_format = 'channels_last'\n", "channels_last");
    assert_format("memory_format = 'contiguous'\n", "contiguous");
    assert_null(kept_file());
}

static void what_cannot_gain_is_not_measured(void **state)
{
    (void)state;
    assert_format("numerics = 'reference'\n", "contiguous");
    assert_format("randomness['deterministic'] = True\n", "contiguous");
    assert_int_equal(mm_torch_set_flag("deterministic", false), MM_OK);
    assert_format("model = dict(type='ToyPlanesOwnStep')\n", "contiguous");
    assert_format("model = dict(type='ToyModel')\n", "contiguous");
    assert_null(kept_file());
}

static void assert_refused(const char *more, const char *place, const char *hint)
{
    char *dir = parts_new_dir();
    mm_error error;

    assert_null(parts_train(dir, more));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, " must be '"));
    assert_non_null(strstr(error.message, place));
    assert_string_equal(error.hint, hint);
    parts_remove_dir(dir);
}

static void other_words_are_refused(void **state)
{
    (void)state;
    assert_refused("memory_format = 'channel_last'\n",
                   ":18:", "did you mean 'channels_last'?");
    assert_refused("numerics = 'referense'\n", ":18:", "did you mean 'reference'?");
    assert_refused("\nmemory_format = 3\n", ":19:", "");
}

static void a_choice_is_kept(void **state)
{
    static const char *const formats[] = {"channels_last", "contiguous"};
    (void)state;

    mm_value_unref(train_planes(""));
    assert_true(strcmp(looked.format, formats[0]) == 0 ||
                strcmp(looked.format, formats[1]) == 0);
    for (int i = 0; i < 2; i++) {
        keep_format(formats[i]);
        assert_format("", formats[i]);
    }
    keep_format("torn");
    mm_value_unref(train_planes(""));
    char *path = kept_file();
    char *text = mm_file_read(path, NULL);
    assert_memory_equal(text, looked.format, strlen(looked.format));
    mm_free(text);
    mm_free(path);
}

static void an_unwritable_cache_is_no_error(void **state)
{
    char *path = mm_path_join(cache, "file");
    (void)state;

    assert_int_equal(mm_file_write(path, "x", 1), MM_OK);
    assert_int_equal(setenv("MMENGINE_CACHE_DIR", path, 1), 0);
    mm_value_unref(train_planes(""));
    assert_true(strcmp(looked.format, "auto") != 0);
    mm_free(path);
}

/* Views of planes do not work on channels that lie last. */
static void a_model_that_fails_in_one_format_trains_in_the_other(void **state)
{
    (void)state;
    assert_format("model['views'] = True\n", "contiguous");
}

/* With dropout and running statistics a trace of the trials would show. */
static void a_measured_run_equals_a_told_one(void **state)
{
    (void)state;
    mm_value *measured = train_planes("");
    char *told = mm_strfmt("memory_format = '%s'\n", looked.format);
    mm_value *expected = train_planes(told);

    assert_true(parts_same_weights(measured, expected));
    mm_value_unref(expected);
    mm_value_unref(measured);
    mm_free(told);
}

static mm_value *copy_state(mm_module *model)
{
    mm_value *state = mm_module_state_dict(model);
    mm_value *copy = mm_value_copy(state);

    mm_value_unref(state);
    return copy;
}

static void a_measurement_leaves_no_trace(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config = parts_config(dir, PLANES);
    mm_runner *runner = mm_runner_new(config);
    mm_module *model = mm_runner_model(runner);
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_scope scope = mm_scope_open();
    mm_value *batch = NULL;
    (void)state;

    check_ok();
    assert_int_equal(mm_loader_begin(loader, 0), MM_OK);
    assert_int_equal(mm_loader_next(loader, &batch), MM_OK);
    assert_int_equal(mm_module_train(model, false), MM_OK);
    mm_tensor *weight = mm_module_find_tensor(model, "conv.weight");
    mm_tensor *grad = mm_clone(mm_detach(weight));
    assert_int_equal(mm_set_grad(weight, grad), MM_OK);
    mm_tensor *random = mm_rng_state("cpu");
    mm_value *batch_before = mm_value_copy(batch), *before = copy_state(model);

    assert_string_equal(mm_runner_memory_format(runner), "auto");
    assert_int_equal(mm_runner_choose_memory_format(runner, batch, NULL), MM_OK);
    assert_string_not_equal(mm_runner_memory_format(runner), "auto");
    mm_value *after = copy_state(model);
    assert_true(parts_same_weights(before, after));
    assert_true(parts_same_weights(batch_before, batch));
    assert_true(mm_tensor_equal(random, mm_rng_state("cpu")));
    assert_true(mm_tensor_equal(grad, mm_grad_find(weight)));
    assert_null(mm_grad_find(mm_module_find_tensor(model, "mix.weight")));
    assert_false(mm_module_is_training(model));
    mm_value_unref(after);
    mm_value_unref(before);
    mm_value_unref(batch_before);
    mm_value_unref(batch);
    mm_scope_close(scope);
    check_ok();
    mm_runner_free(runner);
    mm_config_unref(config);
    parts_remove_dir(dir);
}

static void kernels_reach_weights_with_channels_last(void **state)
{
    (void)state;
    mm_value_unref(train_planes("memory_format = 'channels_last'\n"
                                "optim_wrapper['accumulative_counts'] = 3\n"
                                "optim_wrapper['clip_grad'] = dict(max_norm=1.0)\n"));
    assert_true(looked.seen > 0);
    assert_int_equal(looked.plain, looked.seen);
    assert_true(looked.last > 0);
}

/* Resuming. */

#define ADAMW                                                                          \
    "optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1))\n"

/* A whole run against one that stops in iteration `stop_at` and goes on with `resumed`
 * in its config. */
static void assert_resume_is_exact(const char *more, const char *resumed_with,
                                   int64_t stop_at)
{
    char *dir = parts_new_dir();
    char *config = mm_strfmt(PLANES "%s", more);
    char *resumed = mm_strfmt(PLANES "%s%sresume = True\n", more, resumed_with);
    mm_value *expected = train_planes(more);

    assert_string_equal(looked.format, "channels_last");
    parts_record.stop_at = stop_at;
    mm_value_unref(parts_train(dir, config));
    check_ok();
    parts_record.stop_at = -1;
    if (strstr(more, "memory_format") == NULL)
        keep_format("contiguous"); /* nobody must ask it now */
    mm_value *got = parts_train(dir, resumed);
    check_ok();
    assert_string_equal(looked.format, "channels_last");
    assert_true(parts_same_weights(expected, got));
    mm_value_unref(got);
    mm_value_unref(expected);
    mm_free(resumed);
    mm_free(config);
    parts_remove_dir(dir);
}

static void resume_with_channels_last_is_exact(void **state)
{
    (void)state;
    assert_resume_is_exact("memory_format = 'channels_last'\n", "", 4);
    assert_resume_is_exact("memory_format = 'channels_last'\n" ADAMW, "", 4);
    assert_resume_is_exact("memory_format = 'channels_last'\n" ADAMW
                           "optim_wrapper['accumulative_counts'] = 4\n",
                           "", 5);
}

static void a_resumed_run_asks_the_checkpoint(void **state)
{
    (void)state;
    mm_value_unref(train_planes(""));
    keep_format("channels_last");
    assert_resume_is_exact("", "", 4);
    keep_format("channels_last");
    assert_resume_is_exact(ADAMW, "", 4);
}

/* Weights and momenta of one format go on in the other. */
static void formats_load_each_other(void **state)
{
    static const char *const formats[] = {"contiguous", "channels_last"};
    (void)state;

    for (int i = 0; i < 2; i++) {
        char *dir = parts_new_dir();
        char *first = mm_strfmt(
            PLANES "train_cfg['max_epochs'] = 1\nmemory_format = '%s'\n", formats[i]);
        char *second = mm_strfmt(PLANES "resume = True\nmemory_format = '%s'\n" ADAMW
                                        "optim_wrapper['accumulative_counts'] = 4\n",
                                 formats[1 - i]);
        char *alone = mm_strfmt(PLANES "train_cfg['max_epochs'] = 1\nload_from = '%s"
                                       "/epoch_1.pth'\nmemory_format = '%s'\n"
                                       "optim_wrapper['optimizer']['lr'] = 0.0\n",
                                dir, formats[1 - i]);
        mm_value *trained = parts_train(dir, first);
        check_ok();
        char *other = parts_new_dir();
        mm_value *loaded = parts_train(other, alone);
        check_ok();
        assert_true(mm_tensor_equal(mm_dict_get_tensor(trained, "conv.weight"),
                                    mm_dict_get_tensor(loaded, "conv.weight")));
        looked.seen = looked.plain = 0;
        mm_value *resumed = parts_train(dir, second);
        check_ok();
        assert_non_null(resumed);
        assert_true(looked.seen > 0);
        assert_int_equal(looked.plain, looked.seen);
        mm_value_unref(resumed);
        mm_value_unref(loaded);
        mm_value_unref(trained);
        parts_remove_dir(other);
        parts_remove_dir(dir);
        mm_free(alone);
        mm_free(second);
        mm_free(first);
    }
}

#define FORMAT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int test_memory_format(void)
{
    const struct CMUnitTest tests[] = {
        FORMAT_TEST(the_config_chooses),
        FORMAT_TEST(what_cannot_gain_is_not_measured),
        FORMAT_TEST(other_words_are_refused),
        FORMAT_TEST(a_choice_is_kept),
        FORMAT_TEST(an_unwritable_cache_is_no_error),
        FORMAT_TEST(a_model_that_fails_in_one_format_trains_in_the_other),
        FORMAT_TEST(a_measured_run_equals_a_told_one),
        FORMAT_TEST(a_measurement_leaves_no_trace),
        FORMAT_TEST(kernels_reach_weights_with_channels_last),
        FORMAT_TEST(resume_with_channels_last_is_exact),
        FORMAT_TEST(a_resumed_run_asks_the_checkpoint),
        FORMAT_TEST(formats_load_each_other),
    };

    return cmocka_run_group_tests_name("memory_format", tests, NULL, NULL);
}
