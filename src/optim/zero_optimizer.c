/* MMEngine's ZeroRedundancyOptimizer divides an optimizer's state among processes. With
 * one process nothing is divided: it is the optimizer it names, to the bit and in its
 * checkpoints. Source: mmengine/optim/optimizer/zero_optimizer.py. */
#include <string.h>

#include "optim/builtin.h"
#include "optim/optimizer.h"

struct zero {
    const char *optimizer_type;
    mm_value *process_group;
    bool parameters_as_bucket_view;
    bool overlap_with_ddp;
    mm_value *options;      /* all other options */
    mm_instance *optimizer; /* owned */
};

/* The config of the optimizer that is named, with its places; yours. */
static mm_value *inner_config(const struct zero *self)
{
    const mm_value *given = mm_instance_config(mm_instance_of(self));
    const mm_source *place = NULL;
    mm_value *config = mm_value_new_dict();
    /* the class of that name in torch.optim */
    const char *type = strcmp(self->optimizer_type, "Adafactor") == 0
                           ? "TorchAdafactor"
                           : self->optimizer_type;

    mm_dict_put_str(config, "type", type);
    if (given != NULL && (place = mm_dict_source(given, "optimizer_type")) != NULL)
        mm_dict_set_source(config, "type", *place);
    for (size_t i = 0; self->options != NULL && i < mm_value_len(self->options); i++) {
        const char *name = mm_dict_name_at(self->options, i);

        mm_dict_put(config, name, mm_dict_at(self->options, i));
        place = given != NULL ? mm_dict_source(given, name) : NULL;
        if (place != NULL)
            mm_dict_set_source(config, name, *place);
    }
    return config;
}

static mm_status zero_init(void *data)
{
    struct zero *self = data;
    mm_value *config = inner_config(self);

    self->optimizer = mm_build(&(mm_build_args){
        .registry = "optimizers",
        .config = config,
        .path = "optimizer",
        .interface = MM_INTERFACE_OPTIMIZER,
    });
    mm_value_unref(config);
    return mm_pending();
}

static void zero_deinit(void *data)
{
    mm_instance_unref(((struct zero *)data)->optimizer);
}

static mm_instance *zero_stands_for(void *data)
{
    return ((struct zero *)data)->optimizer;
}

static const mm_optimizer_ops ops = {
    .stands_for = zero_stands_for,
    .stands_why = "there is one process, nothing is divided",
};

#define MM_OPT_STRUCT struct zero
static const mm_option options[] = {
    {"optimizer_type", "the optimizer, a class of torch.optim",
     MM_OPT_STR_REQUIRED(optimizer_type)},
    {"process_group", "accepted for PyTorch's sake: there is one process",
     MM_OPT_VALUE(process_group)},
    {"parameters_as_bucket_view", "accepted for PyTorch's sake",
     MM_OPT_BOOL(parameters_as_bucket_view, false)},
    {"overlap_with_ddp", "accepted for PyTorch's sake",
     MM_OPT_BOOL(overlap_with_ddp, false)},
    {"", "options of the optimizer: lr, ...", MM_OPT_REST(options)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_zero_optimizer = {
    .registry = "optimizers",
    .name = "ZeroRedundancyOptimizer",
    .help = "another optimizer, its state divided among processes",
    .source = "mmengine/optim/optimizer/zero_optimizer.py",
    .size = sizeof(struct zero),
    .options = options,
    .init = zero_init,
    .deinit = zero_deinit,
    MM_OPTIMIZER(&ops),
};
