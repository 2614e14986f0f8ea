#include <stdio.h>
#include <mmengine/mmengine.h>
/* One pass over the data; the share of right predictions. */
static double run_epoch(mm_module *net, mm_loader *loader, mm_optimizer *optimizer)
{
    double right = 0.0, batches = 0.0;
    mm_value *batch;
    (void)mm_loader_begin(loader, 0);
    for (; mm_loader_next(loader, &batch) == MM_OK; mm_value_unref(batch), batches++) {
        mm_scope scope = mm_scope_open(); /* owns all results of this iteration */
        mm_tensor *image = mm_cast(mm_dict_get_tensor(batch, "img"), MM_DTYPE_F32);
        mm_tensor *target = mm_dict_get_tensor(batch, "gt_label");
        mm_tensor *logits = mm_module_forward(net, mm_flatten(image, 1, -1));
        mm_tensor *hits = mm_eq(mm_argmax(logits, 1, false), target);
        right += mm_item(mm_mean(mm_cast(hits, MM_DTYPE_F32)));
        (void)mm_backward(mm_cross_entropy(logits, target));
        (void)mm_optimizer_step(optimizer);
        (void)mm_optimizer_zero_grad(optimizer, true);
        mm_scope_close(scope);
    }
    return right / batches;
}

int main(void)
{
    (void)(mm_init() == MM_OK && mm_register(mm_zoo_components) == MM_OK);
    mm_config *config = mm_config_from_string("optimizer = dict(type='AdamW', lr=3e-3)\n"
        "digits = dict(type='mmpretrain.MNIST', data_root='data/digits')\n", ".py");
    mm_module *net = mm_nn_sequential(mm_nn_linear(64, 64), mm_nn_relu(), mm_nn_linear(64, 10));
    mm_dataset *digits = mm_dataset_build(mm_config_get(config, "digits"), NULL, "digits");
    mm_loader *loader = mm_loader_new(digits, .batch_size = 32, .shuffle = true, .default_collate = true);
    mm_optimizer *optimizer = mm_optimizer_build(mm_config_get(config, "optimizer"), net);
    for (int epoch = 1; epoch <= 10 && !mm_has_error(); epoch++)
        printf("epoch %2d: %.1f %% right\n", epoch, 100.0 * run_epoch(net, loader, optimizer));
    if (mm_has_error()) /* the first thing that went wrong; calls after it did nothing */
        fprintf(stderr, "%s\n", mm_error_peek()->message);
    mm_optimizer_unref(optimizer), mm_module_unref(net), mm_loader_free(loader);
    mm_dataset_unref(digits), mm_config_unref(config);
    return mm_has_error();
}
