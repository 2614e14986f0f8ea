/* A model for optimizers that ask for the loss several times in a step: its train_step
 * gives the optimizer a closure instead of a loss. */
#include <mmengine/mmengine.h>

struct full_batch {
    int64_t hidden; /* option */
    mm_module *net; /* child */
};
#define MM_OPT_STRUCT struct full_batch
static const mm_option options[] = {
    {"hidden", "units of the hidden layer", MM_OPT_I64(hidden, 16, 1, INT32_MAX)},
    {0},
};

static mm_status init(void *data)
{
    struct full_batch *self = data;
    mm_module *net = mm_nn_sequential(mm_nn_linear(2, self->hidden), mm_nn_tanh(),
                                      mm_nn_linear(self->hidden, 2));

    self->net = mm_module_add(mm_module_of(self), "net", net);
    return mm_pending();
}

struct step {
    struct full_batch *model;
    mm_value *batch; /* preprocessed */
    mm_optim_wrapper *optim;
};

/* Loss and gradients where the weights are now. */
static mm_status compute(void *user, double *out_loss)
{
    const struct step *step = user;
    mm_tensor *labels = mm_dict_get_tensor(step->batch, "labels");
    mm_tensor *x = mm_dict_get_tensor(step->batch, "inputs");

    (void)mm_optim_wrapper_zero_grad(step->optim);
    mm_tensor *loss = mm_cross_entropy(mm_module_forward(step->model->net, x), labels);

    (void)mm_optim_wrapper_backward(step->optim, loss);
    *out_loss = mm_item(loss);
    return mm_pending();
}

static mm_value *train_step(void *data, mm_value *batch, mm_optim_wrapper *optim)
{
    mm_value *logs = mm_scoped(mm_value_new_dict());
    struct step step = {data, mm_model_preprocess(mm_module_of(data), batch, true),
                        optim};
    double loss = 0.0;

    if (mm_optim_wrapper_step_closure(
            optim, &(mm_loss_closure){.call = compute, .user = &step}, &loss) < 0)
        return NULL;
    mm_dict_put_f64(logs, "loss", loss); /* before the step, as ever */
    return logs;
}

static const mm_model_ops ops = {.train_step = train_step};
static const mm_component full_batch = {.registry = "models",
                                        .name = "FullBatchMLP",
                                        .help = "two layers, for LBFGS",
                                        .size = sizeof(struct full_batch),
                                        .options = options,
                                        .init = init,
                                        MM_MODEL(&ops)};
MM_PLUGIN_OF(&full_batch)
