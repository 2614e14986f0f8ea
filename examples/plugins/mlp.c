/* A model: two layers for points, trained with cross entropy. */
#include <mmengine/mmengine.h>

struct mlp {
    int64_t hidden; /* option */
    mm_module *net; /* child */
};
#define MM_OPT_STRUCT struct mlp
static const mm_option options[] = {
    {"hidden", "units of the hidden layer", MM_OPT_I64(hidden, 32, 1, INT32_MAX)},
    {0},
};

static mm_status init(void *data)
{
    struct mlp *mlp = data;
    mm_module *net = mm_nn_sequential(mm_nn_linear(2, mlp->hidden), mm_nn_relu(),
                                      mm_nn_linear(mlp->hidden, 2));
    mlp->net = mm_module_add(mm_module_of(mlp), "net", net); /* "net.0.weight", ... */
    return mm_pending();
}

static mm_value *loss(void *data, mm_value *batch) /* entries named loss: minimised */
{
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *x = mm_dict_get_tensor(batch, "inputs");
    mm_tensor *logits = mm_module_forward(((struct mlp *)data)->net, x);
    mm_tensor *labels = mm_dict_get_tensor(batch, "labels");
    mm_dict_put_tensor(losses, "loss", mm_cross_entropy(logits, labels));
    return losses;
}
static const mm_model_ops ops = {.loss = loss};
static const mm_component mlp = {.registry = "models",
                                 .name = "PluginMLP",
                                 .help = "two layers",
                                 .size = sizeof(struct mlp),
                                 .options = options,
                                 .init = init,
                                 MM_MODEL(&ops)};
MM_PLUGIN_OF(&mlp)
