/* TortureGAN: a generator and a critic of points, each with its own optimizer. Noise
 * and dropout draw from the default generator. */
#include <mmengine/mmengine.h>

struct gan {
    mm_module *generator, *discriminator; /* children */
};

static mm_status init(void *data)
{
    struct gan *gan = data;
    mm_module *made = mm_nn_sequential(mm_nn_linear(2, 16), mm_nn_relu(),
                                       mm_nn_dropout(0.1), mm_nn_linear(16, 2));
    mm_module *judge =
        mm_nn_sequential(mm_nn_linear(2, 16), mm_nn_relu(), mm_nn_linear(16, 1));

    gan->generator = mm_module_add(mm_module_of(gan), "generator", made);
    gan->discriminator = mm_module_add(mm_module_of(gan), "discriminator", judge);
    return mm_pending();
}

/* Loss of the points' scores if they were all real (1) or all made (0). */
static mm_tensor *judge(struct gan *gan, mm_tensor *points, bool real)
{
    mm_tensor *scores = mm_module_forward(gan->discriminator, points);
    mm_tensor *target = real ? mm_ones_like(scores) : mm_zeros_like(scores);

    return mm_bce_with_logits(scores, target);
}

static mm_value *train_step(void *data, mm_value *batch, mm_optim_wrapper *optim)
{
    struct gan *gan = data;
    mm_optim_wrapper *of_critic = mm_optim_wrapper_find(optim, "discriminator");
    mm_tensor *real = mm_dict_get_tensor(batch, "inputs");
    mm_tensor *made = mm_module_forward(gan->generator, mm_randn(MM_DIMS(32, 2)));
    mm_tensor *loss_real = judge(gan, real, true);
    mm_tensor *loss_made = judge(gan, mm_detach(made), false);
    mm_tensor *critic = mm_add(loss_real, loss_made);

    if (mm_optim_wrapper_update_params(of_critic, critic) < 0)
        return NULL;
    mm_tensor *fooled = judge(gan, made, true);

    if (mm_optim_wrapper_update_params(mm_optim_wrapper_find(optim, "generator"),
                                       fooled) < 0 ||
        mm_optim_wrapper_zero_grad(of_critic) < 0) /* of the generator's backward */
        return NULL;
    mm_value *logs = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(logs, "loss_critic", mm_detach(critic));
    mm_dict_put_tensor(logs, "loss_generator", mm_detach(fooled));
    return logs;
}

static const mm_model_ops ops = {.train_step = train_step};

static const mm_component gan = {
    .registry = "models",
    .name = "TortureGAN",
    .help = "points made and judged",
    .size = sizeof(struct gan),
    .init = init,
    MM_MODEL(&ops),
};
MM_PLUGIN_OF(&gan)
