/* Optimizer steps over parameters with the sizes of ResNet-50 and ViT-B/16, the same
 * cases as in peer.py. Each is measured in pairs with an in-place pass over as much
 * memory, so that a busy machine slows both: the bandwidth of that pass is what the
 * bytes of a step are held against. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { PAIRS = 5, LINE = 64 };

static void add_param(struct params *params, mm_dims sizes)
{
    mm_tensor *param = mm_randn(sizes);

    params->all[params->count++] = param;
    params->elements += mm_numel(param);
}

/* A convolution and its normalisation. */
static void add_conv(struct params *params, int64_t out, int64_t in, int64_t k)
{
    add_param(params, MM_DIMS(out, in, k, k));
    add_param(params, MM_DIMS(out));
    add_param(params, MM_DIMS(out));
}

void bench_add_resnet50(struct params *params)
{
    static const int blocks[] = {3, 4, 6, 3};
    int64_t in = 64;

    add_conv(params, 64, 3, 7);
    for (int stage = 0; stage < 4; stage++) {
        int64_t planes = (int64_t)64 << stage;

        for (int block = 0; block < blocks[stage]; block++) {
            add_conv(params, planes, in, 1);
            add_conv(params, planes, planes, 3);
            add_conv(params, 4 * planes, planes, 1);
            if (block == 0)
                add_conv(params, 4 * planes, in, 1);
            in = 4 * planes;
        }
    }
    add_param(params, MM_DIMS(1000, 2048));
    add_param(params, MM_DIMS(1000));
}

static void add_linear(struct params *params, int64_t out, int64_t in)
{
    add_param(params, MM_DIMS(out, in));
    add_param(params, MM_DIMS(out));
}

static void add_norm(struct params *params, int64_t width)
{
    add_param(params, MM_DIMS(width));
    add_param(params, MM_DIMS(width));
}

void bench_add_vit(struct params *params)
{
    enum { WIDTH = 768, LAYERS = 12 };

    add_param(params, MM_DIMS(1, 1, WIDTH));
    add_param(params, MM_DIMS(1, 197, WIDTH));
    add_param(params, MM_DIMS(WIDTH, 3, 16, 16));
    add_param(params, MM_DIMS(WIDTH));
    for (int layer = 0; layer < LAYERS; layer++) {
        add_norm(params, WIDTH);
        add_linear(params, 3 * WIDTH, WIDTH);
        add_linear(params, WIDTH, WIDTH);
        add_norm(params, WIDTH);
        add_linear(params, 4 * WIDTH, WIDTH);
        add_linear(params, WIDTH, 4 * WIDTH);
    }
    add_norm(params, WIDTH);
    add_linear(params, 1000, WIDTH);
}

/* A model that is nothing but parameters. */

struct weights {
    const char *like; /* option: "resnet50" or "vit" */
    struct params params;
};

static mm_status weights_init(void *data)
{
    struct weights *self = data;
    mm_scope scope = mm_scope_open();

    if (strcmp(self->like, "vit") == 0)
        bench_add_vit(&self->params);
    else
        bench_add_resnet50(&self->params);
    for (int i = 0; i < self->params.count && !mm_has_error(); i++) {
        char *name = mm_strfmt("p%d", i);

        self->params.all[i] =
            mm_module_add_param(mm_module_of(data), name, self->params.all[i]);
        mm_free(name);
    }
    mm_scope_close(scope);
    return mm_pending();
}

static const mm_model_ops weights_ops = {.module = {0}};

#define MM_OPT_STRUCT struct weights
static const mm_option weights_options[] = {
    {"like", "whose sizes", MM_OPT_STR(like, "resnet50")},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component bench_weights = {
    .registry = "models",
    .name = "BenchWeights",
    .help = "as many parameters as ResNet-50 or ViT-B/16 has",
    .size = sizeof(struct weights),
    .options = weights_options,
    .init = weights_init,
    MM_MODEL(&weights_ops),
};

/* What is stepped. */

static const struct recipe {
    const char *name;
    const char *wrapper; /* text of its config */
    bool averages;
} recipes[] = {
    {"sgd",
     "w = dict(optimizer=dict(type='SGD', lr=1e-6, momentum=0.9, weight_decay=1e-4))\n",
     false},
    {"adamw", "w = dict(optimizer=dict(type='AdamW', lr=1e-6))\n", false},
    {"adamw_clip_ema",
     "w = dict(optimizer=dict(type='AdamW', lr=1e-6), clip_grad=dict(max_norm=1.0))\n",
     true},
};

struct bench_case {
    char name[LINE];
    const struct recipe *recipe;
    mm_instance *instance;
    mm_module *model, *average;
    mm_optim_wrapper *wrapper;
    mm_tensor *stream;
    int64_t elements;
};

static void close_case(struct bench_case *it)
{
    mm_optim_wrapper_unref(it->wrapper);
    mm_module_unref(it->average);
    mm_instance_unref(it->instance);
    mm_tensor_unref(it->stream);
    *it = (struct bench_case){.recipe = NULL};
}

static void build_model(struct bench_case *it, const char *like)
{
    char *text = mm_strfmt("m = dict(type='BenchWeights', like='%s')\n", like);
    mm_value *config = bench_config_entry(text, "m");

    it->instance = mm_build(&(mm_build_args){.registry = "models", .config = config});
    it->model = mm_module_of_instance(it->instance);
    mm_value_unref(config);
    mm_free(text);
}

static void make_grads(struct bench_case *it)
{
    struct params *params = &((struct weights *)mm_instance_self(it->instance))->params;

    it->elements = params->elements;
    for (int i = 0; i < params->count && !mm_has_error(); i++) {
        (void)mm_set_grad(params->all[i],
                          mm_randn_like(mm_detach(params->all[i]), NULL));
    }
    it->stream = mm_keep(mm_zeros(MM_DIMS(params->elements)));
}

static void build_average(struct bench_case *it)
{
    mm_value *config =
        bench_config_entry("a = dict(type='ExponentialMovingAverage')\n", "a");

    it->average = mm_averaged_model_build(config, it->model, NULL, "bench");
    (void)mm_averaged_model_update(it->average, it->model); /* the first one copies */
    mm_value_unref(config);
}

static void build_wrapper(struct bench_case *it)
{
    mm_value *wrapper = bench_config_entry(it->recipe->wrapper, "w");

    it->wrapper = mm_optim_wrapper_build(it->model, wrapper, NULL);
    mm_value_unref(wrapper);
    if (it->recipe->averages)
        build_average(it);
}

static mm_status open_case(struct bench_case *it, const char *name)
{
    mm_scope scope = mm_scope_open();
    const char *dot = strchr(name, '.');
    char like[LINE] = "";

    (void)snprintf(like, sizeof(like), "%.*s", dot == NULL ? 0 : (int)(dot - name),
                   name);
    (void)snprintf(it->name, sizeof(it->name), "%s", name);
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        if (dot != NULL && strcmp(recipes[i].name, dot + 1) == 0)
            it->recipe = &recipes[i];
    }
    if (it->recipe == NULL)
        (void)mm_raise(MM_EKEY, "there is no case '%s'", name);
    else
        build_model(it, like);
    if (!mm_has_error())
        make_grads(it);

    if (!mm_has_error())
        build_wrapper(it);
    mm_scope_close(scope);
    return mm_pending();
}

static void step(struct bench_case *it)
{
    if (it->recipe->averages)
        (void)mm_averaged_model_follow(it->average, it->model, it->wrapper);
    (void)mm_optim_wrapper_step(it->wrapper);
    if (it->recipe->averages)
        (void)mm_averaged_model_update(it->average, it->model);
}

/* The least time of a step and the highest bandwidth of the pass beside it. */
static void measure(struct bench_case *it, mm_value *out)
{
    double best = 1e9, bandwidth = 0.0;

    step(it); /* states, page faults, frequency */
    for (int i = 0; i < PAIRS && !mm_has_error(); i++) {
        double begin = bench_now();

        (void)mm_mul_scalar_(it->stream, 1.0000001);
        double middle = bench_now();

        step(it);
        double seconds = bench_now() - middle;
        double rate = 8.0 * (double)it->elements / (middle - begin);

        bandwidth = rate > bandwidth ? rate : bandwidth;
        best = seconds < best ? seconds : best;
    }
    mm_dict_put_f64(out, "seconds", best);
    mm_dict_put_f64(out, "bandwidth", bandwidth);
    mm_dict_put_i64(out, "elements", it->elements);
}

static void answer(struct bench_case *it)
{
    mm_value *out = mm_value_new_dict();
    mm_scope scope = mm_scope_open();

    measure(it, out);
    char *text = mm_json_format(out, NULL);

    if (text != NULL)
        printf("%s\n", text);
    (void)fflush(stdout);
    mm_free(text);
    mm_scope_close(scope);
    mm_value_unref(out);
}

void bench_optim(void)
{
    struct bench_case it = {.recipe = NULL};
    char line[LINE];

    while (!mm_has_error() && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, it.name) != 0) {
            close_case(&it);
            if (open_case(&it, line) < 0)
                break;
        }
        answer(&it);
    }
    close_case(&it);
}
