/* GeneratedGridHook: what a generator makes of the same noise, as one picture after
 * each epoch, so that a look at them in order shows how training went. MMEngine has no
 * such hook. The noise is drawn from a generator of its own and the modules run in
 * evaluation mode, without gradients: training goes on as if nobody had looked. */
#include <inttypes.h>
#include <string.h>

#include "mmengine/canvas.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/runner.h"
#include "mmengine/visualizer.h"

struct generated_grid_hook {
    mm_i64s noise_size; /* options */
    const char *module;
    const char *name;
    int64_t rows, columns;
    int64_t seed;
    int64_t interval;
    bool by_epoch;
    mm_f64s value_range;
    int64_t scale, padding;
};

#define MM_OPT_STRUCT struct generated_grid_hook
static const mm_option options[] = {
    {"noise_size", "sizes of the noise that makes one picture",
     MM_OPT_I64S(noise_size, "(100, 1, 1)")},
    {"module", "part of the model that makes pictures; default: the model's own call",
     MM_OPT_STR(module, "")},
    {"name", "what the pictures are called", MM_OPT_STR(name, "generated")},
    {"rows", "pictures from top to bottom", MM_OPT_I64(rows, 8, 1, 100)},
    {"columns", "pictures from left to right", MM_OPT_I64(columns, 8, 1, 100)},
    {"seed", "of the noise", MM_OPT_I64(seed, 0, 0, INT64_MAX)},
    {"interval", "epochs or iterations between two grids",
     MM_OPT_I64(interval, 1, 1, INT64_MAX)},
    {"by_epoch", "count epochs, not iterations", MM_OPT_BOOL(by_epoch, true)},
    {"value_range", "values that stand for black and white",
     MM_OPT_F64S(value_range, "(-1.0, 1.0)")},
    {"scale", "pixels of the grid for each pixel of a picture, in height and width",
     MM_OPT_I64(scale, 2, 1, 64)},
    {"padding", "pixels of the grid between pictures", MM_OPT_I64(padding, 2, 0, 64)},
    {0},
};
#undef MM_OPT_STRUCT

enum { MAX_NOISE_DIMS = 7 };

static mm_status init(void *data)
{
    const struct generated_grid_hook *self = data;

    if (self->noise_size.count == 0 || self->noise_size.count > MAX_NOISE_DIMS)
        return mm_raise(MM_ECONFIG,
                        "noise_size needs 1 to %d sizes, such as (100, 1, 1), got %zu",
                        (int)MAX_NOISE_DIMS, self->noise_size.count);
    for (size_t i = 0; i < self->noise_size.count; i++) {
        if (self->noise_size.data[i] < 1)
            return mm_raise(MM_ECONFIG, "noise_size has %" PRId64 ", sizes are above 0",
                            self->noise_size.data[i]);
    }
    if (self->value_range.count != 2 ||
        !(self->value_range.data[0] < self->value_range.data[1]))
        return mm_raise(MM_ECONFIG, "value_range needs two numbers, low and high");
    return MM_OK;
}

/* The part of the model that makes pictures. */
static mm_module *find_module(const struct generated_grid_hook *self, mm_runner *runner)
{
    mm_module *module = mm_module_find(mm_runner_model(runner), self->module);

    if (module == NULL && !mm_has_error())
        (void)mm_raise(MM_ECONFIG, "GeneratedGridHook: the model has no part '%s'",
                       self->module);
    return module;
}

/* The same numbers each time: [count, sizes of one]. */
static mm_tensor *draw_noise(const struct generated_grid_hook *self, int64_t count)
{
    int64_t sizes[MAX_NOISE_DIMS + 1] = {count};
    mm_rng *rng = mm_rng_new((uint64_t)self->seed);

    for (size_t i = 0; i < self->noise_size.count; i++)
        sizes[i + 1] = self->noise_size.data[i];
    mm_tensor *noise =
        mm_randn(MM_DIMS_N(sizes, self->noise_size.count + 1), .rng = rng);

    mm_rng_unref(rng);
    return noise;
}

/* Pictures as bytes [N, H, W, C] in host memory. */
static mm_tensor *to_bytes(const struct generated_grid_hook *self, mm_tensor *made,
                           int64_t count)
{
    double low = self->value_range.data[0], high = self->value_range.data[1];

    if (made == NULL)
        return NULL;
    if (mm_ndim(made) != 4 || mm_size(made, 0) != count ||
        (mm_size(made, 1) != 1 && mm_size(made, 1) != 3)) {
        (void)mm_raise(MM_ESHAPE,
                       "a grid needs [%" PRId64 ", 1 or 3, H, W] of the model, got %d "
                       "dimensions, the first of %" PRId64,
                       count, mm_ndim(made), mm_ndim(made) > 0 ? mm_size(made, 0) : 1);
        return NULL;
    }
    made = mm_to(made, .dtype = MM_DTYPE_F32, .device = "cpu");
    made = mm_mul_scalar(mm_sub_scalar(made, low), 255.0 / (high - low));
    made = mm_clamp(mm_round(made), MM_N(0.0), MM_N(255.0));
    made = mm_permute(mm_cast(made, MM_DTYPE_U8), MM_DIMS(0, 2, 3, 1));
    return mm_contiguous(made, MM_FORMAT_CONTIGUOUS);
}

static mm_tensor *run(const struct generated_grid_hook *self, mm_module *module,
                      int64_t count)
{
    bool was_training = mm_module_is_training(module);
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *bytes = NULL;

    if (mm_module_train(module, false) == MM_OK) {
        mm_tensor *noise = draw_noise(self, count);

        noise = mm_to(noise, .device = mm_module_device(module));
        bytes = to_bytes(self, mm_module_forward(module, noise), count);
    }
    (void)mm_module_train(module, was_training);
    (void)mm_grad_mode_set(recorded);
    return bytes;
}

/* `count` pictures. Modules that draw random numbers themselves do not move the
 * streams that training draws from. */
static mm_tensor *make_pictures(const struct generated_grid_hook *self,
                                mm_runner *runner, int64_t count)
{
    mm_module *module = find_module(self, runner);
    const char *device = module == NULL ? "cpu" : mm_module_device(module);
    bool has_device = strcmp(device, "cpu") != 0;
    mm_tensor *host_state = mm_rng_state("cpu");
    mm_tensor *device_state = has_device ? mm_rng_state(device) : NULL;
    mm_tensor *bytes = mm_has_error() ? NULL : run(self, module, count);

    if (bytes == NULL)
        return NULL;
    (void)mm_rng_set_state("cpu", host_state);
    if (has_device)
        (void)mm_rng_set_state(device, device_state);
    return bytes;
}

/* A noise that does not fit is found now, not after an epoch. */
static mm_status before_train(void *self, mm_runner *runner)
{
    mm_scope scope = mm_scope_open();

    (void)make_pictures(self, runner, 1);
    mm_scope_close(scope);
    return mm_has_error() ? mm_error_frame("while GeneratedGridHook tried the model")
                          : MM_OK;
}

/* The pictures on a grey ground; yours. */
static mm_canvas *lay_out(const struct generated_grid_hook *self, mm_tensor *bytes)
{
    int64_t height = mm_size(bytes, 1), width = mm_size(bytes, 2);
    int64_t across = width * self->scale + self->padding;
    int64_t down = height * self->scale + self->padding;
    int channels = (int)mm_size(bytes, 3);
    const uint8_t *data = mm_data(bytes, MM_DTYPE_U8);
    mm_canvas *canvas = mm_canvas_new(across * self->columns + self->padding,
                                      down * self->rows + self->padding,
                                      (mm_color){128, 128, 128, 255});

    for (int64_t i = 0; i < self->rows * self->columns && !mm_has_error(); i++) {
        mm_image image = {.data = data + i * height * width * channels,
                          .height = height,
                          .width = width,
                          .channels = channels};
        mm_rect rect = {
            .x = (double)(i % self->columns * across + self->padding),
            .y = (double)(i / self->columns * down + self->padding),
            .width = (double)(width * self->scale),
            .height = (double)(height * self->scale),
        };

        mm_canvas_put_image(canvas, &image, rect);
    }
    return canvas;
}

static mm_status add_grid(const struct generated_grid_hook *self, mm_runner *runner,
                          int64_t step)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *bytes = make_pictures(self, runner, self->rows * self->columns);
    mm_canvas *canvas = bytes == NULL ? NULL : lay_out(self, bytes);

    if (canvas != NULL && !mm_has_error()) {
        mm_image grid = mm_canvas_image(canvas);

        (void)mm_visualizer_add_image(mm_runner_visualizer(runner), self->name, &grid,
                                      step);
    }
    mm_canvas_free(canvas);
    mm_scope_close(scope);
    return mm_has_error() ? mm_error_frame("while GeneratedGridHook made pictures")
                          : MM_OK;
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    const struct generated_grid_hook *self = data;

    if (!self->by_epoch || !mm_every_n_epochs(runner, self->interval, 0))
        return MM_OK;
    return add_grid(self, runner, mm_runner_epoch(runner) + 1);
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    const struct generated_grid_hook *self = data;
    (void)iter;

    if (self->by_epoch || !mm_every_n_train_iters(runner, self->interval, 0))
        return MM_OK;
    return add_grid(self, runner, mm_runner_iter(runner) + 1);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_train = before_train,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
};

const mm_component mmz_generated_grid_hook = {
    .registry = "hooks",
    .name = "GeneratedGridHook",
    .help = "shows what a generator makes of the same noise, after each epoch",
    .size = sizeof(struct generated_grid_hook),
    .options = options,
    .init = init,
    MM_HOOK(&ops),
};
