/* `train --dry`: everything that training builds, and two steps on one batch: the first
 * pays for what is made once, the second is timed. What a run writes goes to a folder
 * that is removed. */
#include "cli/dry.h"

#include <stdio.h>
#include <string.h>

#include "cli/os_terminal.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

static void print_shape(const mm_tensor *tensor)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(tensor, &info) != MM_OK) {
        return;
    }
    (void)printf("[");
    for (int i = 0; i < info.ndim; i++) {
        (void)printf("%s%lld", i > 0 ? ", " : "", (long long)info.sizes[i]);
    }
    (void)printf("] %s %s\n", mm_dtype_name(info.dtype), info.device);
}

/* The tensors of a batch, with their paths in it; of a list only the first item. */
static void print_batch(const mm_value *value, const char *path)
{
    mm_kind kind = mm_value_kind(value);
    const mm_tensor *tensor = mm_value_find_tensor(value);
    char inner[128];

    if (tensor != NULL) {
        (void)printf("  %-24s ", path);
        print_shape(tensor);
    } else if (kind == MM_KIND_DICT) {
        for (size_t i = 0; i < mm_value_len(value); i++) {
            const char *name = mm_dict_name_at(value, i);

            (void)snprintf(inner, sizeof(inner), "%.80s%s%.40s", path,
                           path[0] != '\0' ? "." : "", name != NULL ? name : "?");
            print_batch(mm_dict_at(value, i), inner);
        }
    } else if ((kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) &&
               mm_value_len(value) > 0) {
        (void)snprintf(inner, sizeof(inner), "%.100s[0 of %zu]", path,
                       mm_value_len(value));
        print_batch(mm_list_get(value, 0), inner);
    } else if (mm_value_find_data_element(value) != NULL) {
        print_batch(mm_data_element_fields(mm_value_find_data_element(value)), path);
    }
}

static void print_losses(const mm_value *losses)
{
    for (size_t i = 0; i < mm_value_len(losses); i++) {
        const mm_value *value = mm_dict_at(losses, i);
        const mm_tensor *tensor = mm_value_find_tensor(value);
        double number = tensor != NULL ? mm_item(tensor) : mm_value_f64(value);

        (void)printf("  %-24s %.4f\n", mm_dict_name_at(losses, i), number);
    }
}

/* One step; its seconds. */
static double step(mm_module *model, mm_value *batch, mm_optim_wrapper *wrapper,
                   bool is_shown)
{
    mm_scope scope = mm_scope_open();
    double begin = cli_seconds();
    (void)mm_optim_wrapper_set_training(wrapper, true);
    mm_value *losses = mm_model_train_step(model, batch, wrapper);

    if (!mm_has_error()) {
        (void)mm_device_synchronize(mm_module_device(model));
    }
    double seconds = cli_seconds() - begin;

    if (is_shown && losses != NULL) {
        (void)printf("Losses of the first batch:\n");
        print_losses(losses);
    }
    mm_scope_close(scope);
    return seconds;
}

static void report(mm_runner *runner, mm_optim_wrapper *wrapper, mm_value *batch)
{
    mm_module *model = mm_runner_model(runner);
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    (void)printf("Model: %s, %lld parameters (%lld trained) on %s\n",
                 mm_module_type(model), (long long)mm_module_num_params(model, false),
                 (long long)mm_module_num_params(model, true), mm_module_device(model));
    (void)printf("Memory format: %s\n", mm_runner_memory_format(runner));
    (void)printf("Data: %lld batches of %lld\n", (long long)mm_loader_len(loader),
                 (long long)mm_loader_batch_size(loader));
    (void)printf("Tensors of the first batch:\n");
    print_batch(batch, "");
    (void)step(model, batch, wrapper, true);
    double seconds = mm_has_error() ? 0.0 : step(model, batch, wrapper, false);

    if (!mm_has_error()) {
        (void)printf("Time of a step: %.2f ms, %.0f samples/s\n", 1e3 * seconds,
                     (double)mm_loader_batch_size(loader) / seconds);
        (void)printf("Most memory of the process: %.0f MiB\n",
                     cli_peak_bytes() / 1048576.0);
    }
}

static mm_status try_one_batch(mm_runner *runner)
{
    mm_config *config = mm_runner_config(runner);
    mm_module *model = mm_runner_model(runner);
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_optim_wrapper *wrapper = NULL;
    mm_value *batch = NULL;

    if (!mm_has_error() && mm_module_init_weights(model) == MM_OK &&
        mm_module_train(model, true) == MM_OK) {
        wrapper = mm_optim_wrapper_build(model, mm_runner_optim_config(runner),
                                         mm_config_default_scope(config));
    }
    if (wrapper != NULL && mm_loader_begin(loader, 0) == MM_OK &&
        mm_loader_next(loader, &batch) == MM_OK &&
        mm_runner_choose_memory_format(runner, batch, wrapper) == MM_OK) {
        report(runner, wrapper, batch);
    } else if (wrapper != NULL && !mm_has_error()) {
        mm_raise(MM_EDATA, "the train dataloader has no batch");
    }
    mm_value_unref(batch);
    mm_optim_wrapper_unref(wrapper);
    return mm_pending();
}

int cli_dry_run(mm_config *config)
{
    char folder[512];

    if (!cli_temp_dir(folder, sizeof(folder))) {
        mm_raise(MM_EIO, "could not make a folder for temporary files '%s'", folder);
        return cli_report();
    }
    mm_value *path = mm_value_new_str(folder);
    mm_value *level = mm_value_new_str("WARNING"); /* the report is what counts */

    (void)mm_config_put(config, "work_dir", path);
    (void)mm_config_put(config, "log_level", level);
    mm_value_unref(path);
    mm_value_unref(level);
    mm_runner *runner = mm_runner_new(config);

    if (runner != NULL && try_one_batch(runner) == MM_OK) {
        (void)printf("Dry run passed; nothing was saved\n");
    }
    int code = cli_report();

    mm_runner_free(runner);
    cli_remove_tree(folder);
    return code;
}
