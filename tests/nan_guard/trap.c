/* A model with a module that makes numbers infinite for one sample: `net.1` squares
 * what a huge input became in `net.0`. Batch norm and dropout behind it make buffers
 * and the random state matter. */
#include <math.h>
#include <mmengine/mmengine.h>

/* --- 24 points; sample 13 is huge in one epoch --- */

struct points {
    int64_t bad_epoch; /* option */
};

#define MM_OPT_STRUCT struct points
static const mm_option point_options[] = {
    {"bad_epoch", "epoch in which sample 13 is huge; -1: none, -2: all",
     MM_OPT_I64(bad_epoch, -1, -2, 1000)},
    {0},
};
#undef MM_OPT_STRUCT

static int64_t points_len(void *self)
{
    (void)self;
    return 24;
}

static mm_status points_get(void *data, int64_t index, mm_sample *out)
{
    const struct points *points = data;
    bool is_bad = index == 13 && (points->bad_epoch == -2 ||
                                  points->bad_epoch == mm_sample_epoch(out));
    float x[2] = {(float)(index % 5) / 5.0F, (float)(index % 7) / 7.0F};
    float y = x[0] - 2.0F * x[1];
    int64_t two = 2, one = 1;

    x[0] = is_bad ? 1e30F : x[0];
    mm_sample_put(out, "x", mm_from_f32(x, 1, &two));
    mm_sample_put(out, "y", mm_from_f32(&y, 1, &one));
    return mm_sample_status(out);
}

static const mm_dataset_ops points_ops = {.len = points_len, .get = points_get};
static const mm_component points = {
    .registry = "datasets",
    .name = "TrapPoints",
    .help = "24 points of a plane, one of them huge",
    .size = sizeof(struct points),
    .options = point_options,
    MM_DATASET(&points_ops),
};

/* --- x^2 --- */

static mm_tensor *square_forward(void *self, mm_tensor *x)
{
    (void)self;
    return mm_mul(x, x);
}

static const mm_module_ops square_ops = {.forward = square_forward};
static const mm_component square = {
    .registry = "models",
    .name = "Square",
    .help = "squares its input",
    .size = 1,
    MM_MODULE(&square_ops),
};

/* --- the model --- */

struct trap {
    bool outside; /* options */
    double scale;
    mm_module *net;
};

#define MM_OPT_STRUCT struct trap
static const mm_option trap_options[] = {
    {"outside", "the loss itself squares a huge input", MM_OPT_BOOL(outside, false)},
    {"scale", "of the loss", MM_OPT_F64(scale, 1.0, 0.0, INFINITY)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status trap_init(void *data)
{
    struct trap *trap = data;
    mm_module *net = mm_nn_sequential(
        mm_nn_linear(2, 8), trap->outside ? mm_nn_sigmoid() : mm_module_new(&square),
        mm_nn_batch_norm1d(8), mm_nn_dropout(0.25), mm_nn_linear(8, 1));

    trap->net = mm_module_add(mm_module_of(data), "net", net);
    return mm_pending();
}

static mm_value *trap_loss(void *data, mm_value *batch)
{
    const struct trap *trap = data;
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *x = mm_dict_get_tensor(batch, "x");
    mm_tensor *y = mm_module_forward(trap->net, x);

    mm_dict_put_tensor(
        losses, "loss_y",
        mm_mul_scalar(mm_mse_loss(y, mm_dict_get_tensor(batch, "y"), MM_REDUCTION_MEAN),
                      trap->scale));
    mm_dict_put_tensor(losses, "loss_size",
                       trap->outside ? mm_mean(mm_mul(mm_mul(x, x), y))
                                     : mm_mul_scalar(mm_mean(mm_mul(y, y)), 1e-3));
    return losses;
}

static const mm_model_ops trap_ops = {.loss = trap_loss};
static const mm_component trap = {
    .registry = "models",
    .name = "TrapModel",
    .help = "two layers with a square between them",
    .size = sizeof(struct trap),
    .options = trap_options,
    .init = trap_init,
    MM_MODEL(&trap_ops),
};

static const mm_component *const table[] = {&points, &square, &trap, NULL};
MM_PLUGIN(table)
