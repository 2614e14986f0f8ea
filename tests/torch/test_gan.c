/* Models with several optimizers: the DCGAN of the examples against what PyTorch gave
 * (tests/golden/training/dcgan-torch-<version>.json, made by tools/golden/dcgan.py),
 * its pictures, and what beginners get wrong. */
#include <math.h>
#include <stdlib.h>

#include "runner_parts.h"

#include "mmengine/nn.h"

/* ---- parts: a hook that notes losses, a backend that keeps pictures ---- */

enum { STEPS = 100, PICTURES_AT = 50, SIZE = 8, MAX_PIXELS = 8192 };

static struct {
    double losses[STEPS][2];
    int64_t count, stop_at;
    uint8_t pixels[MAX_PIXELS];
    int64_t height, width, channels, step, num_images;
    char name[32];
} seen;

static mm_status after_train_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    mm_hub *hub = mm_runner_hub(runner);
    (void)self;
    (void)iter;

    seen.losses[seen.count][0] = mm_hub_find_scalar(hub, "train/loss_disc", NAN);
    seen.losses[seen.count][1] = mm_hub_find_scalar(hub, "train/loss_gen", NAN);
    if (++seen.count == seen.stop_at)
        mm_runner_request(runner, MM_REQUEST_STOP);
    return mm_pending();
}

static const mm_hook_ops note_ops = {.after_train_iter = after_train_iter};

static const mm_component note = {.registry = "hooks",
                                  .name = "NoteLossesHook",
                                  .help = "notes the losses of a GAN",
                                  .size = 1,
                                  MM_HOOK(&note_ops)};

static mm_status add_image(void *self, const char *name, const mm_image *image,
                           int64_t step)
{
    size_t row = (size_t)image->width * (size_t)image->channels;
    (void)self;

    assert_true((int64_t)row * image->height <= MAX_PIXELS);
    for (int64_t y = 0; y < image->height; y++)
        memcpy(seen.pixels + (size_t)y * row,
               image->data +
                   (size_t)y * (image->row_bytes != 0 ? image->row_bytes : row),
               row);
    seen.height = image->height;
    seen.width = image->width;
    seen.channels = image->channels;
    seen.step = step;
    seen.num_images++;
    (void)snprintf(seen.name, sizeof(seen.name), "%s", name);
    return MM_OK;
}

static const mm_vis_backend_ops backend_ops = {.add_image = add_image};

#define MM_OPT_STRUCT mm_vis_backend_options
static const mm_component backend = {.registry = "visbackends",
                                     .name = "KeepImageBackend",
                                     .help = "keeps the last picture",
                                     .size = sizeof(mm_vis_backend_options),
                                     .options = mm_vis_backend_option_table,
                                     MM_VIS_BACKEND(&backend_ops)};
#undef MM_OPT_STRUCT

/* ---- a model that forgets ---- */

enum mistake {
    NO_MISTAKE,
    ON_THE_DICT,
    NO_ZERO_GRAD,
    LEFT_BY_OTHER,
    NAMED_WRONGLY,
    DETACHED,
    NO_LOGS
};
static enum mistake mistake;

struct pair {
    mm_module *first, *second;
};

static mm_status pair_init(void *data)
{
    struct pair *self = data;

    self->first = mm_module_add(mm_module_of(self), "first", mm_nn_linear(2, 2));
    self->second = mm_module_add(mm_module_of(self), "second", mm_nn_linear(2, 1));
    return mm_pending();
}

static mm_value *pair_step(void *data, mm_value *batch, mm_optim_wrapper *optim)
{
    struct pair *self = data;
    mm_optim_wrapper *first = mm_optim_wrapper_get(optim, "first");
    mm_optim_wrapper *second =
        mm_optim_wrapper_get(optim, mistake == NAMED_WRONGLY ? "secnd" : "second");
    mm_tensor *x = mm_dict_get_tensor(batch, "x");
    mm_tensor *made = mm_module_forward(self->first, x);
    mm_tensor *loss = mm_mean(mm_module_forward(self->second, mm_detach(made)));
    mm_value *logs = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(logs, "loss", mm_detach(loss));
    if (mistake == ON_THE_DICT) {
        (void)mm_optim_wrapper_update_params(optim, loss);
        return logs;
    }
    if (mistake == DETACHED) {
        (void)mm_optim_wrapper_update_params(second, mm_detach(loss));
        return logs;
    }
    (void)mm_optim_wrapper_backward(second, loss);
    (void)mm_optim_wrapper_step(second);
    if (mistake != NO_ZERO_GRAD)
        (void)mm_optim_wrapper_zero_grad(second);
    /* through both parts */
    loss = mm_mean(mm_module_forward(self->second, made));
    (void)mm_optim_wrapper_update_params(first, loss);
    if (mistake == NO_MISTAKE)
        (void)mm_optim_wrapper_zero_grad(second);
    return mistake == NO_LOGS ? NULL : logs;
}

static const mm_model_ops pair_ops = {.train_step = pair_step};

static const mm_component pair = {.registry = "models",
                                  .name = "BeginnersPair",
                                  .help = "two parts, trained with a mistake",
                                  .size = sizeof(struct pair),
                                  .init = pair_init,
                                  MM_MODEL(&pair_ops)};

/* ---- set up ---- */

static mm_value *golden;

static int set_up(void **state)
{
    static const mm_component *const table[] = {&note, &backend, &pair, NULL};
    int major = 0, minor = 0;
    (void)state;

    if (parts_register() != 0 || mm_torch_version() == NULL)
        return -1;
    if (mm_component_find("hooks", NULL, "GeneratedGridHook") == NULL &&
        mm_register(mm_zoo_components) < 0)
        return -1;
    if (mm_register(table) == MM_OK)
        (void)mm_plugin_load("../examples/plugins/dcgan.c");
    check_ok();
    (void)sscanf(mm_torch_version(), "%d.%d", &major, &minor);
    char *path = mm_strfmt("golden/training/dcgan-torch-%d.%d.json", major, minor);

    if (mm_file_exists(path))
        golden = mm_fileio_load(path, "json");
    else
        print_message("no golden file for libtorch %s: skipped\n", mm_torch_version());
    mm_free(path);
    check_ok();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mm_value_unref(golden);
    golden = NULL;
    return 0;
}

static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    seen.stop_at = STEPS;
    mistake = NO_MISTAKE;
    return 0;
}

/* The GAN of tools/golden/dcgan.py. */
static const char gan[] =
    "default_scope = 'mmpretrain'\n"
    "model = dict(type='DCGAN', image_size=8, noise_size=16, width=8,\n"
    "    data_preprocessor=dict(type='ImgDataPreprocessor', mean=[127.5],\n"
    "        std=[127.5]),\n"
    "    init_cfg=[\n"
    "        dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.02),\n"
    "        dict(type='Normal', layer='BatchNorm2d', mean=1.0, std=0.02)])\n"
    "train_dataloader = dict(batch_size=32, num_workers=0, drop_last=True,\n"
    "    dataset=dict(type='MNIST', data_root='../data/digits', split='train',\n"
    "        pipeline=[dict(type='PackInputs')]),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=True))\n"
    "train_cfg = dict(by_epoch=True, max_epochs=9)\n"
    "adam = dict(type='Adam', lr=2e-3, betas=(0.5, 0.999))\n"
    "optim_wrapper = dict(generator=dict(optimizer=adam),\n"
    "    discriminator=dict(optimizer=adam))\n"
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=1000),\n"
    "    checkpoint=dict(type='CheckpointHook', interval=100))\n"
    "custom_hooks = [dict(type='NoteLossesHook')]\n"
    "grid = dict(type='GeneratedGridHook', noise_size=(16, 1, 1), rows=2, columns=2,\n"
    "    scale=1, padding=1, by_epoch=False, interval=50)\n"
    "visualizer = dict(type='Visualizer',\n"
    "    vis_backends=[dict(type='KeepImageBackend')])\n"
    "randomness = dict(seed=17)\n";

/* Trains on one thread; an error stays pending. */
static void train(const char *config_text, const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("%swork_dir = '%s'\n%s", config_text, dir, more);
    mm_config *config = mm_config_from_string(text, ".py");
    mm_runner *runner = config == NULL ? NULL : mm_runner_new(config);
    int threads = mm_num_threads();
    mm_status status = mm_set_num_threads(1);

    if (runner != NULL && status == MM_OK)
        (void)mm_runner_train(runner);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    mm_error error;
    mm_status code = mm_error_take(&error);

    parts_remove_dir(dir);
    assert_int_equal(mm_set_num_threads(threads), MM_OK);
    if (code != MM_OK)
        mm_error_restore(&error);
}

/* ---- numbers ---- */

/* The first `count` losses; how far two right ways of computing are apart by then is
 * in the file. */
static void assert_losses(int64_t count, double least)
{
    for (int64_t i = 0; i < count; i++) {
        const mm_value *pair_of = mm_list_get(mm_dict_get(golden, "losses"), (size_t)i);
        double spread =
            mm_value_f64(mm_list_get(mm_dict_get(golden, "spread"), (size_t)i));

        for (size_t k = 0; k < 2; k++) {
            double expected = mm_value_f64(mm_list_get(pair_of, k));
            double got = seen.losses[i][k];

            if (!(fabs(got - expected) <= least + 10.0 * spread))
                fail_msg("%s loss of step %d: %.9g, PyTorch %.9g",
                         k == 0 ? "discriminator's" : "generator's", (int)i + 1, got,
                         expected);
        }
    }
}

static void hundred_losses_are_pytorchs(void **state)
{
    (void)state;
    if (golden == NULL)
        skip();
    train(gan, "numerics = 'reference'\n");
    check_ok();
    assert_int_equal(seen.count, STEPS);
    assert_losses(STEPS, 1e-4);
}

/* Our kernels: the same but for the last place of Adam's square root. */
static void fast_losses_stay_close(void **state)
{
    (void)state;
    if (golden == NULL)
        skip();
    seen.stop_at = 30;
    train(gan, "");
    check_ok();
    assert_losses(30, 2e-3);
}

/* Pixel of picture `i` of a 2 x 2 grid with borders of one pixel. */
static int pixel_at(int64_t i, int64_t y, int64_t x)
{
    int64_t row = 1 + i / 2 * (SIZE + 1) + y, column = 1 + i % 2 * (SIZE + 1) + x;

    return seen.pixels[(row * seen.width + column) * seen.channels];
}

/* Four pictures after 50 steps; the steps before and after are the same with the hook
 * as without. */
static void the_grid_shows_pytorchs_pictures(void **state)
{
    const mm_value *expected = golden == NULL ? NULL : mm_dict_get(golden, "pictures");
    int64_t side = 2 * (SIZE + 1) + 1;
    size_t at = 0;
    (void)state;

    if (golden == NULL)
        skip();
    seen.stop_at = 60;
    train(gan, "numerics = 'reference'\ncustom_hooks.append(grid)\n");
    check_ok();
    assert_losses(60, 1e-4);
    assert_string_equal(seen.name, "generated");
    assert_int_equal(seen.num_images, 1);
    assert_int_equal(seen.step, PICTURES_AT);
    assert_int_equal(seen.height, side);
    assert_int_equal(seen.width, side);
    assert_int_equal(seen.pixels[0], 128); /* the ground */
    for (int64_t i = 0; i < 4; i++) {
        for (int64_t y = 0; y < SIZE; y++) {
            for (int64_t x = 0; x < SIZE; x++) {
                int want = (int)mm_value_i64(mm_list_get(expected, at++));

                if (abs(pixel_at(i, y, x) - want) > 1)
                    fail_msg("picture %d at (%d, %d): %d, PyTorch %d", (int)i, (int)y,
                             (int)x, pixel_at(i, y, x), want);
            }
        }
    }
}

/* ---- pictures ---- */

/* A part of the model, each epoch, larger pixels. */
static void a_part_of_the_model_makes_a_grid_each_epoch(void **state)
{
    (void)state;
    train(gan, "custom_hooks.append(dict(type='GeneratedGridHook', rows=1, columns=3,\n"
               "    noise_size=(16, 1, 1), module='generator', name='part', scale=3,\n"
               "    padding=0, value_range=(-2., 2.)))\n"
               "train_dataloader['dataset']['indices'] = 64\n"
               "train_cfg = dict(by_epoch=True, max_epochs=3)\n");
    check_ok();
    assert_string_equal(seen.name, "part");
    assert_int_equal(seen.num_images, 3);
    assert_int_equal(seen.step, 3);
    assert_int_equal(seen.height, 3 * SIZE);
    assert_int_equal(seen.width, 3 * 3 * SIZE);
    for (int64_t i = 0; i < seen.height * seen.width * seen.channels; i++)
        assert_true(seen.pixels[i] >= 63 && seen.pixels[i] <= 192); /* half the range */
}

/* ---- what is told ---- */

static void assert_told(const char *config, const char *more, const char *message,
                        const char *hint)
{
    mm_error error;

    seen.count = 0;
    seen.stop_at = 2;
    train(config, more);
    if (mm_error_take(&error) == MM_OK)
        fail_msg("no error, expected '%s'", message);
    if (strstr(error.message, message) == NULL)
        fail_msg("'%s', expected '%s'", error.message, message);
    if (hint != NULL && strstr(error.hint, hint) == NULL)
        fail_msg("hint '%s', expected '%s'", error.hint, hint);
}

static void configs_that_do_not_fit_are_told(void **state)
{
    (void)state;
    assert_told(gan, "optim_wrapper['generater'] = optim_wrapper.pop('generator')\n",
                "optim_wrapper.generater: the model has no part 'generater'",
                "did you mean 'generator'?");
    assert_told(gan, "optim_wrapper = dict(discriminator=dict(optimizer=adam))\n",
                "optim_wrapper has no 'generator'", "it has 'discriminator'");
    assert_told(gan, "optim_wrapper = dict(optimizer=adam)\n",
                "asks for optim wrapper 'generator', but there is only one",
                "optim_wrapper=dict(generator=dict(optimizer=...), ...)");
    assert_told(gan, "model['image_size'] = 28\n",
                "the model makes pictures [1, 28, 28], the data have [1, 8, 8]",
                "image_size");
    assert_told(gan, "model['image_size'] = 30\n", "30 is not a multiple of 4", NULL);
    assert_told(gan, "train_dataloader['dataset']['data_root'] = 'nowhere'\n",
                "nowhere", NULL);
    assert_told(gan, "grid['noise_size'] = (17, 1, 1)\ncustom_hooks.append(grid)\n",
                "to have 16 channels, but got 17 channels", NULL);
    assert_told(gan, "grid['module'] = 'critic'\ncustom_hooks.append(grid)\n",
                "the model has no part 'critic'", NULL);
    assert_told(gan,
                "grid['module'] = 'discriminator'\ngrid['noise_size'] = (1, 8, 8)\n"
                "custom_hooks.append(grid)\n",
                "a grid needs [1, 1 or 3, H, W] of the model, got 2 dimensions", NULL);
    assert_told(gan, "grid['value_range'] = (1., -1.)\ncustom_hooks.append(grid)\n",
                "value_range needs two numbers, low and high", NULL);
}

static const char beginners[] =
    "model = dict(type='BeginnersPair')\n"
    "train_dataloader = dict(batch_size=4, dataset=dict(type='ToyPoints'),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=True),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
    "sgd = dict(type='SGD', lr=0.01)\n"
    "optim_wrapper = dict(first=dict(optimizer=sgd), second=dict(optimizer=sgd))\n";

/* Errors of a run with a mistake. */
static void assert_fails(enum mistake made, const char *more, const char *message,
                         const char *hint)
{
    mistake = made;
    assert_told(beginners, more, message, hint);
}

static void mistakes_in_a_train_step_are_told(void **state)
{
    (void)state;
    assert_fails(ON_THE_DICT, "",
                 "update_params: a dict of optim wrappers cannot say for which of them",
                 "mm_optim_wrapper_get(optim_wrapper, \"first\")");
    assert_fails(NAMED_WRONGLY, "",
                 "optim_wrapper has no 'secnd', for which the model's train_step asks",
                 "it has 'first', 'second'");
    assert_fails(DETACHED, "", "does not require grad", NULL);
    assert_fails(NO_LOGS, "", "train_step of a BeginnersPair gave nothing, not a dict",
                 NULL);
    assert_fails(NO_MISTAKE,
                 "model = dict(type='ToyModel')\n"
                 "optim_wrapper = dict(hidden=dict(optimizer=sgd),\n"
                 "    out=dict(optimizer=sgd))\n",
                 "a ToyModel has no train_step of its own, which several optimizers "
                 "need",
                 NULL);
    assert_fails(NO_MISTAKE, "optim_wrapper['critic'] = dict(optimizer=sgd)\n",
                 "optim_wrapper.critic: the model has no part 'critic'",
                 "its parts are 'first', 'second'");
}

/* Warnings of a run. */
static struct {
    char first[256];
    int count;
} warned;

static void note_warning(void *user, const mm_log_line *line)
{
    (void)user;
    if (line->level == MM_LOG_WARN && strstr(line->message, "gradients") != NULL &&
        warned.count++ == 0)
        (void)snprintf(warned.first, sizeof(warned.first), "%s", line->message);
}

static void train_with(enum mistake made)
{
    memset(&warned, 0, sizeof(warned));
    mistake = made;
    mm_log_set_sink(note_warning, NULL);
    train(beginners, "");
    mm_log_set_sink(NULL, NULL);
    check_ok();
}

static void forgotten_gradients_are_warned_of_once(void **state)
{
    (void)state;
    train_with(NO_MISTAKE);
    assert_int_equal(warned.count, 0);
    train_with(NO_ZERO_GRAD);
    assert_int_equal(warned.count, 1);
    assert_non_null(strstr(warned.first, "second: the gradients of its last step"));
    train_with(LEFT_BY_OTHER);
    assert_int_equal(warned.count, 1);
    assert_non_null(strstr(warned.first, "second: another loss has left gradients"));
}

int test_gan(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hundred_losses_are_pytorchs, begin),
        cmocka_unit_test_setup(fast_losses_stay_close, begin),
        cmocka_unit_test_setup(the_grid_shows_pytorchs_pictures, begin),
        cmocka_unit_test_setup(a_part_of_the_model_makes_a_grid_each_epoch, begin),
        cmocka_unit_test_setup(configs_that_do_not_fit_are_told, begin),
        cmocka_unit_test_setup(mistakes_in_a_train_step_are_told, begin),
        cmocka_unit_test_setup(forgotten_gradients_are_warned_of_once, begin),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
