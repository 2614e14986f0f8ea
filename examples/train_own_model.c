/* Trains a model of its own on the 8x8 digits and prints its accuracy.
 * cc train_own_model.c $(pkg-config --cflags --libs mmengine) -lmmengine_zoo */
#include <stdio.h>

#include <mmengine/mmengine.h>

static const char settings[] =
    "dataset = dict(type='mmpretrain.MNIST', data_root='data/digits')\n"
    "optimizer = dict(type='AdamW', lr=3e-3)\n";

/* One pass over the data; returns the share of right predictions. */
static double run_epoch(mm_module *net, mm_loader *loader, mm_optimizer *optimizer)
{
    double right = 0.0, all = 0.0;
    mm_value *batch;

    for (mm_status s = mm_loader_begin(loader, 0); s == MM_OK; all++) {
        if ((s = mm_loader_next(loader, &batch)) != MM_OK)
            break;
        mm_scope scope = mm_scope_open(); /* owns every result of this iteration */
        mm_tensor *pixels = mm_flatten(mm_dict_get_tensor(batch, "img"), 1, -1);
        mm_tensor *target = mm_dict_get_tensor(batch, "gt_label");
        mm_tensor *x = mm_mul_scalar(mm_cast(pixels, MM_DTYPE_F32), 1.0 / 255.0);
        mm_tensor *logits = mm_module_forward(net, x);

        mm_backward(mm_cross_entropy(logits, target));
        mm_optimizer_step(optimizer);
        mm_optimizer_zero_grad(optimizer, true);
        mm_tensor *hits = mm_eq(mm_argmax(logits, 1, false), target);
        right += mm_item(mm_mean(mm_cast(hits, MM_DTYPE_F32)));
        mm_scope_close(scope);
        mm_value_unref(batch);
    }
    return right / all;
}

int main(void)
{
    mm_status ready =
        mm_init() == MM_OK ? mm_register(mm_zoo_components) : MM_EINTERNAL;
    mm_config *config = ready == MM_OK ? mm_config_from_string(settings, ".py") : NULL;
    mm_module *net =
        mm_nn_sequential(mm_nn_linear(64, 64), mm_nn_relu(), mm_nn_linear(64, 10));
    mm_dataset *digits =
        mm_dataset_build(mm_config_get(config, "dataset"), NULL, "dataset");
    mm_loader *loader = mm_loader_new(digits, .batch_size = 32, .shuffle = true,
                                      .default_collate = true);
    mm_optimizer *optimizer =
        mm_optimizer_build(mm_config_get(config, "optimizer"), net);

    for (int epoch = 1; epoch <= 10 && !mm_has_error(); epoch++)
        printf("epoch %2d  accuracy %.4f\n", epoch, run_epoch(net, loader, optimizer));
    if (mm_has_error())
        fprintf(stderr, "%s\n", mm_error_peek()->message);
    return mm_has_error();
}
