/* UniversalVisualizer: a picture with what is known of it and what was predicted, in a
 * dark box at its top left. Letters keep the proportion to the picture that the
 * original gives them; a picture too small for legible ones is enlarged by a whole
 * factor first, where the original would draw letters of two pixels. Source:
 * mmpretrain/visualization/visualizer.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/visualizer.h"

enum {
    LEAST_SIDE = 128, /* pixels of the shorter side that letters need */
    MAX_LABELS = 64,  /* shown of one sample */
    TEXT_ROOM = 4096
};

/* Lines of text, cut at TEXT_ROOM. */
struct lines {
    char text[TEXT_ROOM];
    size_t size;
};

static void add_text(struct lines *lines, const char *text)
{
    size_t size = strlen(text);
    size_t room = sizeof lines->text - 1 - lines->size;

    size = size < room ? size : room;
    memcpy(lines->text + lines->size, text, size);
    lines->size += size;
    lines->text[lines->size] = '\0';
}

/* The name of a class, NULL if there is none. */
static const char *class_name(const mm_visualizer *visualizer, int64_t label)
{
    const mm_value *meta = mm_visualizer_dataset_meta(visualizer);
    const mm_value *classes = meta != NULL ? mm_dict_find(meta, "classes") : NULL;
    mm_kind kind = mm_value_kind(classes);
    bool has = (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) && label >= 0 &&
               (size_t)label < mm_value_len(classes);
    const mm_value *name = has ? mm_list_get(classes, (size_t)label) : NULL;

    return mm_value_kind(name) == MM_KIND_STR ? mm_value_str(name) : NULL;
}

/* A field's tensor on the host; NULL if the sample has none. */
static mm_tensor *find_tensor(const mm_value *sample, const char *name, mm_dtype dtype)
{
    const mm_value *value = sample != NULL ? mm_dict_find(sample, name) : NULL;
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;

    return tensor == NULL
               ? NULL
               : mm_contiguous(mm_to(tensor, .dtype = dtype, .device = "cpu"),
                               MM_FORMAT_CONTIGUOUS);
}

/* "Prediction: 3, 0.98 (coat)", and further labels below the first. */
static void add_labels(struct lines *lines, const char *prefix,
                       const mm_visualizer *visualizer, mm_tensor *labels,
                       mm_tensor *scores)
{
    int64_t count = labels != NULL ? mm_numel(labels) : 0;
    const int64_t *numbers = count > 0 ? mm_data(labels, MM_DTYPE_I64) : NULL;
    const float *values = scores != NULL ? mm_data(scores, MM_DTYPE_F32) : NULL;
    int64_t num_scores = values != NULL ? mm_numel(scores) : 0;

    for (int64_t i = 0; numbers != NULL && i < count && i < MAX_LABELS; i++) {
        const char *name = class_name(visualizer, numbers[i]);
        bool has_score = numbers[i] >= 0 && numbers[i] < num_scores;
        char *score =
            has_score ? mm_strfmt(", %.2f", (double)values[numbers[i]]) : NULL;
        char *line = mm_strfmt("%s%s%" PRId64 "%s%s%s%s", lines->size > 0 ? "\n" : "",
                               i == 0 ? prefix : "    ", numbers[i],
                               score != NULL ? score : "", name != NULL ? " (" : "",
                               name != NULL ? name : "", name != NULL ? ")" : "");
        if (line != NULL)
            add_text(lines, line);
        mm_free(line);
        mm_free(score);
    }
}

static mm_canvas *enlarged(const mm_image *image)
{
    int64_t shorter = image->width < image->height ? image->width : image->height;
    int64_t factor =
        shorter < LEAST_SIDE && shorter > 0 ? (LEAST_SIDE + shorter - 1) / shorter : 1;
    mm_canvas *canvas = mm_canvas_new(image->width * factor, image->height * factor,
                                      (mm_color){0, 0, 0, 255});
    mm_rect all = {0.0, 0.0, (double)(image->width * factor),
                   (double)(image->height * factor)};

    if (canvas != NULL)
        mm_canvas_put_image(canvas, image, all);
    return canvas;
}

/* The original's sizes: 7 points at 100 dots an inch for a shorter side of 224. */
static void draw_lines(mm_canvas *canvas, const struct lines *lines)
{
    mm_image picture = mm_canvas_image(canvas);
    double shorter =
        (double)(picture.width < picture.height ? picture.width : picture.height);
    double scale = fmin(fmax(shorter / 224.0, 0.3), 3.0);
    double size = fmax(scale * 7.0 * 100.0 / 72.0, 9.0);
    double margin = 0.4 * size;
    mm_point at = {5.0 * scale, 5.0 * scale};
    double height = mm_text_line_height(size);
    mm_text_style style = {.size = size, .color = {255, 255, 255, 255}};

    for (const char *c = lines->text; *c != '\0'; c++)
        height += *c == '\n' ? mm_text_line_height(size) : 0.0;
    mm_canvas_fill_rect(canvas,
                        (mm_rect){at.x - margin, at.y - margin,
                                  mm_text_width(lines->text, size) + 2.0 * margin,
                                  height + 2.0 * margin},
                        (mm_color){0, 0, 0, 128});
    mm_canvas_text(canvas, at, lines->text, &style);
}

static mm_status add_datasample(void *self, mm_visualizer *visualizer,
                                const mm_datasample_args *args)
{
    struct lines lines = {.size = 0};
    const mm_value *sample = args->sample;
    mm_canvas *canvas = enlarged(args->image);
    (void)self;

    if (!args->hide_gt)
        add_labels(&lines, "Ground truth: ", visualizer,
                   find_tensor(sample, "gt_label", MM_DTYPE_I64), NULL);
    if (!args->hide_pred)
        add_labels(&lines, "Prediction: ", visualizer,
                   find_tensor(sample, "pred_label", MM_DTYPE_I64),
                   find_tensor(sample, "pred_score", MM_DTYPE_F32));
    if (canvas != NULL && lines.size > 0)
        draw_lines(canvas, &lines);
    if (!mm_has_error()) {
        mm_image picture = mm_canvas_image(canvas);
        if (args->out_file != NULL)
            (void)mm_image_write_png(&picture, args->out_file);
        else
            (void)mm_visualizer_add_image(visualizer, args->name, &picture, args->step);
    }
    mm_canvas_free(canvas);
    return mm_pending();
}

static const mm_visualizer_ops ops = {.add_datasample = add_datasample};

const mm_component mmz_universal_visualizer = {
    .registry = "visualizers",
    .scope = "mmpretrain",
    .name = "UniversalVisualizer",
    .help = "writes known and predicted labels into the picture",
    .source = "mmpretrain/visualization/visualizer.py",
    .size = sizeof(mm_visualizer_options),
    .options = mm_visualizer_option_table,
    MM_VISUALIZER(&ops),
};
