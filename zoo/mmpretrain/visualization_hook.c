/* VisualizationHook: draws predictions of validation and test samples, every
 * `interval`-th one. Off unless `enable` is set, as in nearly every config that names
 * it. Source: mmpretrain/engine/hooks/visualization_hook.py. */
#include <inttypes.h>
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/runner.h"

struct visualization_hook {
    bool enable;
    int64_t interval;
    bool show;
    const char *out_dir;
    mm_value *rest; /* accepted: passed to the visualizer by the original */
};

#define MM_OPT_STRUCT struct visualization_hook
static const mm_option options[] = {
    {"enable", "draw at all", MM_OPT_BOOL(enable, false)},
    {"interval", "samples between two pictures",
     MM_OPT_I64(interval, 5000, 1, INT64_MAX)},
    {"show", "accepted: there is no window here", MM_OPT_BOOL(show, false)},
    {"out_dir", "folder for pictures; default: the visualizer's backends",
     MM_OPT_STR(out_dir, NULL)},
    {"", "", MM_OPT_REST(rest)},
    {0},
};
#undef MM_OPT_STRUCT

/* Draws one sample: input [C, H, W] and its prediction. */
static mm_status draw(const struct visualization_hook *self, mm_runner *runner,
                      mm_tensor *input, mm_value *prediction, int64_t number,
                      int64_t step)
{
    mm_tensor *image =
        mm_contiguous(mm_permute(mm_cast(input, MM_DTYPE_U8), MM_DIMS(1, 2, 0)),
                      MM_FORMAT_CONTIGUOUS);
    char *name = mm_strfmt("sample_%" PRId64, number);
    char *file = self->out_dir == NULL || name == NULL
                     ? NULL
                     : mm_strfmt("%s/%s_%" PRId64 ".png", self->out_dir, name, step);
    mm_data_element *element = mm_value_find_data_element(prediction);

    if (image != NULL && name != NULL && mm_ndim(input) == 3) {
        mm_image picture = {
            .data = mm_data(image, MM_DTYPE_U8),
            .height = mm_size(image, 0),
            .width = mm_size(image, 1),
            .channels = (int)mm_size(image, 2),
        };

        (void)mm_visualizer_add_datasample(
            mm_runner_visualizer(runner),
            &(mm_datasample_args){
                .name = name,
                .image = &picture,
                .sample = element == NULL ? NULL : mm_data_element_fields(element),
                .step = step,
                .out_file = file,
            });
    }
    mm_free(file);
    mm_free(name);
    return mm_pending();
}

/* The samples of this batch whose number is a multiple of the interval. */
static mm_status draw_batch(const struct visualization_hook *self, mm_runner *runner,
                            const mm_iter *iter, mm_mode mode)
{
    int64_t size = mm_loader_batch_size(mm_runner_loader(runner, mode));
    int64_t first = iter->batch_idx * size;
    const mm_value *inputs = mm_tta_first(mm_dict_find(iter->batch, "inputs"));
    size_t count = self->enable && inputs != NULL ? mm_value_len(iter->outputs) : 0;

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        int64_t number = first + (int64_t)i;

        if (number % self->interval == 0)
            (void)draw(self, runner, mm_value_tensor(mm_list_get(inputs, i)),
                       mm_list_get(iter->outputs, i), number, mm_runner_iter(runner));
    }
    return mm_pending();
}

static mm_status after_val_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    return draw_batch(self, runner, iter, MM_MODE_VAL);
}

static mm_status after_test_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    return draw_batch(self, runner, iter, MM_MODE_TEST);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .after_val_iter = after_val_iter,
    .after_test_iter = after_test_iter,
};

const mm_component mmz_visualization_hook = {
    .registry = "hooks",
    .scope = "mmpretrain",
    .name = "VisualizationHook",
    .help = "draws predictions of validation and test samples",
    .source = "mmpretrain/engine/hooks/visualization_hook.py",
    .size = sizeof(struct visualization_hook),
    .options = options,
    MM_HOOK(&ops),
};
