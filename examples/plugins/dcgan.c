/* DCGAN: a generator makes pictures of noise, a discriminator learns to tell them from
 * real ones, each with an optimizer of its own (Radford et al. 2015). A model with
 * several optimizers has its own train_step and calls each wrapper by its name. */
#include <mmengine/mmengine.h>

struct dcgan {
    mm_instance *data_preprocessor; /* options */
    int64_t image_size, image_channels;
    int64_t noise_size;
    int64_t width;
    mm_module *generator, *discriminator; /* children */
};

#define MM_OPT_STRUCT struct dcgan
static const mm_option options[] = {
    {"data_preprocessor", "brings pictures to the range -1 to 1",
     MM_OPT_BUILD_AS(data_preprocessor, "models", "ImgDataPreprocessor")},
    {"image_size", "height and width of pictures, a multiple of 4",
     MM_OPT_I64(image_size, 28, 8, 1024)},
    {"image_channels", "1: grey, 3: colours", MM_OPT_I64(image_channels, 1, 1, 4)},
    {"noise_size", "random numbers that a picture is made of",
     MM_OPT_I64(noise_size, 100, 1, 1 << 20)},
    {"width", "channels of the layers next to the picture",
     MM_OPT_I64(width, 64, 1, 1 << 16)},
    {0},
};
#undef MM_OPT_STRUCT

/* Noise [N, noise_size, 1, 1] -> pictures [N, channels, size, size], -1 to 1. */
static mm_module *new_generator(const struct dcgan *self)
{
    int64_t w = self->width;

    return mm_nn_sequential(mm_nn_conv_transpose2d(self->noise_size, 2 * w,
                                                   self->image_size / 4,
                                                   .no_bias = true),
                            mm_nn_batch_norm2d(2 * w), mm_nn_relu(),
                            mm_nn_conv_transpose2d(2 * w, w, 4, .stride = {2, 2},
                                                   .padding = {1, 1}, .no_bias = true),
                            mm_nn_batch_norm2d(w), mm_nn_relu(),
                            mm_nn_conv_transpose2d(w, self->image_channels, 4,
                                                   .stride = {2, 2}, .padding = {1, 1}),
                            mm_nn_tanh());
}

/* Pictures -> one score each [N, 1]: above 0 stands for real. */
static mm_module *new_discriminator(const struct dcgan *self)
{
    int64_t w = self->width;

    return mm_nn_sequential(
        mm_nn_conv2d(self->image_channels, w, 4, .stride = {2, 2}, .padding = {1, 1}),
        mm_nn_leaky_relu(0.2),
        mm_nn_conv2d(w, 2 * w, 4, .stride = {2, 2}, .padding = {1, 1}, .no_bias = true),
        mm_nn_batch_norm2d(2 * w), mm_nn_leaky_relu(0.2),
        mm_nn_conv2d(2 * w, 1, self->image_size / 4), mm_nn_flatten());
}

static mm_status init(void *data)
{
    struct dcgan *self = data;
    mm_module *model = mm_module_of(self);

    if (self->image_size % 4 != 0)
        return mm_raise(MM_EINVAL, "image_size %lld is not a multiple of 4",
                        (long long)self->image_size);
    if (self->data_preprocessor != NULL)
        mm_module_add_instance(model, MM_DATA_PREPROCESSOR, self->data_preprocessor);
    self->generator = mm_module_add(model, "generator", new_generator(self));
    self->discriminator =
        mm_module_add(model, "discriminator", new_discriminator(self));
    return mm_pending();
}

/* The model's call: noise to pictures, which is what hooks ask for. */
static mm_tensor *forward(void *data, mm_tensor *noise)
{
    const struct dcgan *self = data;

    return mm_module_forward(self->generator, noise);
}

/* Loss of scores [N, 1] if all pictures were real, or all were made. */
static mm_tensor *loss_of(mm_tensor *scores, bool real)
{
    mm_tensor *target = real ? mm_ones_like(scores) : mm_zeros_like(scores);

    return mm_bce_with_logits(scores, target);
}

/* How real the pictures seem, 0 to 1, for the log. */
static void log_score(mm_value *logs, const char *name, mm_tensor *scores)
{
    mm_dict_put_tensor(logs, name, mm_mean(mm_sigmoid(mm_detach(scores))));
}

/* The discriminator's turn. `made` is detached: nothing reaches the generator. */
static mm_status step_discriminator(struct dcgan *self, mm_optim_wrapper *optim,
                                    mm_tensor *real, mm_tensor *made, mm_value *logs)
{
    mm_tensor *loss = NULL;

    if (mm_optim_wrapper_enter(optim) == MM_OK) { /* mixed precision, if configured */
        mm_tensor *of_real = mm_module_forward(self->discriminator, real);
        mm_tensor *of_made = mm_module_forward(self->discriminator, mm_detach(made));
        mm_tensor *loss_real = loss_of(of_real, true);
        mm_tensor *loss_made = loss_of(of_made, false);

        loss = mm_add(loss_real, loss_made);
        mm_dict_put_tensor(logs, "loss_disc", mm_detach(loss));
        log_score(logs, "score_real", of_real);
        log_score(logs, "score_fake", of_made);
    }
    mm_optim_wrapper_leave(optim);
    return mm_optim_wrapper_update_params(optim, loss); /* backward, step, zero_grad */
}

/* The generator's turn: its pictures are to be taken for real ones. The loss goes
 * through the discriminator, which must not collect gradients of it. */
static mm_status step_generator(struct dcgan *self, mm_optim_wrapper *optim,
                                mm_tensor *made, mm_value *logs)
{
    mm_tensor *loss = NULL;

    (void)mm_module_requires_grad(self->discriminator, false);
    if (mm_optim_wrapper_enter(optim) == MM_OK) {
        loss = loss_of(mm_module_forward(self->discriminator, made), true);
        mm_dict_put_tensor(logs, "loss_gen", mm_detach(loss));
    }
    mm_optim_wrapper_leave(optim);
    (void)mm_optim_wrapper_update_params(optim, loss);
    return mm_module_requires_grad(self->discriminator, true);
}

/* Pictures of the right size, or an error. */
static mm_tensor *real_pictures(const struct dcgan *self, mm_value *batch)
{
    mm_value *data = mm_model_preprocess(mm_module_of(self), batch, true);
    mm_tensor *real = mm_dict_get_tensor(data, "inputs");
    long long size = self->image_size, channels = self->image_channels;

    if (real == NULL)
        return NULL;
    if (mm_ndim(real) == 4 && mm_size(real, 1) == channels &&
        mm_size(real, 2) == size && mm_size(real, 3) == size)
        return real;
    (void)mm_raise(MM_ESHAPE,
                   "the model makes pictures [%lld, %lld, %lld], the data "
                   "have [%lld, %lld, %lld]",
                   channels, size, size, (long long)mm_size(real, 1),
                   (long long)mm_size(real, 2), (long long)mm_size(real, 3));
    (void)mm_error_hint("set the model's image_size and image_channels, or resize");
    return NULL;
}

/* One step of each. What is returned is logged. */
static mm_value *train_step(void *data, mm_value *batch, mm_optim_wrapper *optim)
{
    struct dcgan *self = data;
    mm_optim_wrapper *of_generator = mm_optim_wrapper_get(optim, "generator");
    mm_optim_wrapper *of_discriminator = mm_optim_wrapper_get(optim, "discriminator");
    mm_value *logs = mm_scoped(mm_value_new_dict());
    mm_tensor *real = real_pictures(self, batch);
    mm_tensor *made = NULL;

    if (real == NULL)
        return NULL;
    mm_tensor *noise = mm_randn(MM_DIMS(mm_size(real, 0), self->noise_size, 1, 1),
                                .device = mm_module_device(mm_module_of(self)));

    if (mm_optim_wrapper_enter(of_generator) == MM_OK)
        made = mm_module_forward(self->generator, noise);
    mm_optim_wrapper_leave(of_generator);
    if (step_discriminator(self, of_discriminator, real, made, logs) < 0 ||
        step_generator(self, of_generator, made, logs) < 0)
        return NULL;
    return logs;
}

static const mm_model_ops ops = {.module = {.forward = forward},
                                 .train_step = train_step};

static const mm_component dcgan = {
    .registry = "models",
    .name = "DCGAN",
    .help = "pictures from noise; wants the optimizers generator and discriminator",
    .size = sizeof(struct dcgan),
    .options = options,
    .init = init,
    MM_MODEL(&ops),
};
MM_PLUGIN_OF(&dcgan)
