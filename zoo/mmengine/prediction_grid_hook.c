/* PredictionGridHook: one PNG with the first pictures of a validation or test run and
 * what was predicted for each, written anew after every run over the data. MMEngine has
 * no such hook. Reads what classifiers leave behind: gt_label, pred_label and
 * pred_score. */
#include <inttypes.h>
#include <string.h>

#include "mmengine/canvas.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"
#include "mmengine/ops.h"
#include "mmengine/runner.h"

/* A picture that was seen in this run; `pixels` are ours. */
struct seen {
    uint8_t *pixels;
    int64_t height, width;
    int channels;
    int64_t label, prediction; /* -1: not known */
    double score;              /* of the prediction; 0: not known */
};

struct prediction_grid_hook {
    const char *out_file; /* option: NULL: predictions.png in the work folder */
    int64_t num;          /* option: >= 1 */
    double cell_size;     /* option: pixels */
    struct seen *seen;    /* state: `num` of them, the first `count` in use */
    int64_t count;
};

#define MM_OPT_STRUCT struct prediction_grid_hook
static const mm_option options[] = {
    {"out_file", "PNG file; default: predictions.png in the work folder",
     MM_OPT_STR(out_file, NULL)},
    {"num", "pictures in the grid", MM_OPT_I64(num, 48, 1, 10000)},
    {"cell_size", "longer side of a picture, in pixels",
     MM_OPT_F64(cell_size, 112.0, 8.0, 2048.0)},
    {0},
};
#undef MM_OPT_STRUCT

static void forget(struct prediction_grid_hook *self)
{
    for (int64_t i = 0; i < self->count; i++)
        mm_free(self->seen[i].pixels);
    self->count = 0;
}

static mm_status init(void *data)
{
    struct prediction_grid_hook *self = data;

    self->seen = mm_alloc_array((size_t)self->num, sizeof *self->seen);
    return mm_pending();
}

static void deinit(void *data)
{
    struct prediction_grid_hook *self = data;

    forget(self);
    mm_free(self->seen);
}

static mm_status start(void *self, mm_runner *runner)
{
    (void)runner;
    forget(self);
    return mm_pending();
}

/* The only number of a field, -1 without the field. */
static int64_t label_of(const mm_data_element *element, const char *name)
{
    mm_value *value = element != NULL ? mm_data_element_find(element, name) : NULL;
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;

    return tensor != NULL && mm_numel(tensor) == 1 ? mm_item_i64(tensor) : -1;
}

static double score_of(const mm_data_element *element, int64_t label)
{
    mm_value *value =
        element != NULL ? mm_data_element_find(element, "pred_score") : NULL;
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;
    bool has = tensor != NULL && label >= 0 && label < mm_numel(tensor);

    return has ? mm_item(mm_select(mm_flatten(tensor, 0, -1), 0, label)) : 0.0;
}

/* Keeps input [C, H, W] as bytes [H, W, C]. Other inputs are no pictures: passed over.
 */
static mm_status keep(struct prediction_grid_hook *self, mm_tensor *input,
                      const mm_data_element *element)
{
    struct seen *seen = &self->seen[self->count];
    int64_t channels = mm_ndim(input) == 3 ? mm_size(input, 0) : 0;
    mm_tensor *image = NULL;

    if (channels != 1 && channels != 3 && channels != 4)
        return mm_pending();
    image = mm_permute(mm_to(input, .dtype = MM_DTYPE_U8, .device = "cpu"),
                       MM_DIMS(1, 2, 0));
    image = mm_contiguous(image, MM_FORMAT_CONTIGUOUS);
    *seen = (struct seen){
        .height = mm_size(image, 0),
        .width = mm_size(image, 1),
        .channels = (int)channels,
        .label = label_of(element, "gt_label"),
        .prediction = label_of(element, "pred_label"),
    };
    seen->score = score_of(element, seen->prediction);
    seen->pixels = mm_alloc((size_t)mm_numel(image));
    if (mm_pending() == MM_OK) {
        memcpy(seen->pixels, mm_data(image, MM_DTYPE_U8), (size_t)mm_numel(image));
        self->count++;
    } else {
        mm_free(seen->pixels);
    }
    return mm_pending();
}

static mm_status look(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct prediction_grid_hook *self = data;
    const mm_value *inputs = mm_tta_first(mm_dict_find(iter->batch, "inputs"));
    size_t count =
        inputs != NULL && iter->outputs != NULL ? mm_value_len(iter->outputs) : 0;
    (void)runner;

    for (size_t i = 0; i < count && self->count < self->num && !mm_has_error(); i++)
        (void)keep(self, mm_value_tensor(mm_list_get(inputs, i)),
                   mm_value_find_data_element(mm_list_get(iter->outputs, i)));
    return mm_pending();
}

/* The name of a class, or its number written to `room`; NULL for -1. */
static const char *name_of(const mm_value *classes, int64_t label,
                           char room[MM_I64_TEXT_SIZE])
{
    if (label < 0)
        return NULL;
    if (classes != NULL && (size_t)label < mm_value_len(classes))
        return mm_value_str(mm_list_get(classes, (size_t)label));
    (void)mm_i64_format(label, room);
    return room;
}

static mm_status write_grid(const struct prediction_grid_hook *self, mm_value *classes,
                            const char *path, const char *title)
{
    mm_grid_cell *cells = mm_alloc_array((size_t)self->count, sizeof *cells);
    char(*numbers)[2][MM_I64_TEXT_SIZE] =
        mm_alloc_array((size_t)self->count, sizeof *numbers);

    for (int64_t i = 0; i < self->count && !mm_has_error(); i++) {
        const struct seen *seen = &self->seen[i];

        cells[i] = (mm_grid_cell){
            .image = {seen->pixels, seen->height, seen->width, seen->channels, 0},
            .label = name_of(classes, seen->label, numbers[i][0]),
            .prediction = name_of(classes, seen->prediction, numbers[i][1]),
            .score = seen->score,
        };
    }
    (void)mm_grid_write_png(&(mm_grid_args){
        .path = path,
        .cells = cells,
        .count = (size_t)self->count,
        .cell_size = self->cell_size,
        .title = title,
    });
    mm_free(numbers);
    mm_free(cells);
    return mm_pending();
}

static mm_status finish(struct prediction_grid_hook *self, mm_runner *runner,
                        mm_mode mode)
{
    const mm_dataset *dataset = mm_loader_dataset(mm_runner_loader(runner, mode));
    mm_value *meta = mm_dataset_metainfo(dataset);
    mm_value *classes = meta != NULL ? mm_dict_find(meta, "classes") : NULL;
    char *path = self->out_file != NULL
                     ? mm_strfmt("%s", self->out_file)
                     : mm_path_join(mm_runner_work_dir(runner), "predictions.png");
    char *title = mm_strfmt("%s, %s", mm_runner_experiment_name(runner),
                            mode == MM_MODE_VAL ? "validation" : "test");

    if (self->count > 0 && path != NULL && title != NULL &&
        write_grid(self, classes, path, title) == MM_OK)
        mm_log(MM_LOG_DEBUG, "predictions of %" PRId64 " pictures are in %s",
               self->count, path);
    mm_free(title);
    mm_free(path);
    forget(self);
    return mm_pending();
}

static mm_status after_val_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)metrics;
    return finish(self, runner, MM_MODE_VAL);
}

static mm_status after_test_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)metrics;
    return finish(self, runner, MM_MODE_TEST);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_LOW,
    .before_val_epoch = start,
    .after_val_iter = look,
    .after_val_epoch = after_val_epoch,
    .before_test_epoch = start,
    .after_test_iter = look,
    .after_test_epoch = after_test_epoch,
};

const mm_component mmz_prediction_grid_hook = {
    .registry = "hooks",
    .name = "PredictionGridHook",
    .help = "writes one PNG with pictures and what was predicted for each",
    .size = sizeof(struct prediction_grid_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
