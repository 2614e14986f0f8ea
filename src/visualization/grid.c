/* A grid of pictures with what was predicted for each. Right and wrong are told by a
 * tick or a cross as well as by colour. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/unicode.h"
#include "mmengine/canvas.h"
#include "mmengine/memory.h"

enum {
    MARGIN = 14,
    GAP = 12,
    TEXT_SIZE = 13,
    TEXT_LINE = 17,
    TITLE_HEIGHT = 34,
    MARK_WIDTH = 16,
    MAX_CELLS = 10000
};

static const mm_color text_color = {38, 38, 38, 255};
static const mm_color pale_color = {110, 110, 110, 255};
static const mm_color right_color = {0, 130, 90, 255};
static const mm_color wrong_color = {200, 40, 30, 255};
static const mm_color frame_color = {200, 200, 200, 255};

struct grid {
    const mm_grid_args *args;
    mm_canvas *canvas;
    size_t columns, rows;
    double side;      /* of a picture */
    double width;     /* of a cell, its words may be wider than the picture */
    size_t num_lines; /* of words below each picture */
};

static bool is_right(const mm_grid_cell *cell)
{
    return cell->label != NULL && cell->prediction != NULL &&
           strcmp(cell->label, cell->prediction) == 0;
}

static bool is_wrong(const mm_grid_cell *cell)
{
    return cell->label != NULL && cell->prediction != NULL && !is_right(cell);
}

/* A tick or a cross in a box of 10 pixels. */
static void draw_mark(mm_canvas *canvas, mm_point at, bool is_tick)
{
    mm_color color = is_tick ? right_color : wrong_color;
    mm_point tick[] = {
        {at.x + 0.5, at.y + 5.5}, {at.x + 3.5, at.y + 9.0}, {at.x + 9.5, at.y + 1.5}};
    mm_point cross[][2] = {{{at.x + 1.5, at.y + 1.5}, {at.x + 8.5, at.y + 8.5}},
                           {{at.x + 8.5, at.y + 1.5}, {at.x + 1.5, at.y + 8.5}}};

    if (is_tick) {
        mm_canvas_line(canvas, tick, 3, 2.2, color);
    } else {
        mm_canvas_line(canvas, cross[0], 2, 2.2, color);
        mm_canvas_line(canvas, cross[1], 2, 2.2, color);
    }
}

#define ELLIPSIS "\xe2\x80\xa6"

/* Draws `text` and `tail`; where both are wider than `width`, `text` is cut off with an
 * ellipsis. */
static void draw_words(mm_canvas *canvas, mm_point at, const char *text,
                       const char *tail, double width, mm_color color)
{
    mm_text_style style = {.size = TEXT_SIZE, .color = color};
    mmi_str words = {0};
    size_t size = strlen(text);

    mmi_str_add(&words, text);
    mmi_str_add(&words, tail);
    while (size > 0 && mm_text_width(mmi_str_text(&words), TEXT_SIZE) > width) {
        size = mmi_utf8_cut(text, size - 1);
        mmi_str_cut(&words, size);
        mmi_str_add(&words, ELLIPSIS);
        mmi_str_add(&words, tail);
    }
    mm_canvas_text(canvas, at, mmi_str_text(&words), &style);
    mmi_str_deinit(&words);
}

static void draw_prediction(const struct grid *grid, const mm_grid_cell *cell,
                            mm_point at)
{
    mm_color color = is_right(cell)   ? right_color
                     : is_wrong(cell) ? wrong_color
                                      : text_color;
    bool has_mark = cell->label != NULL;
    double indent = has_mark ? MARK_WIDTH : 0.0;
    char score[16] = "";

    if (has_mark) {
        draw_mark(grid->canvas, (mm_point){at.x, at.y + 3.0}, is_right(cell));
    }
    if (cell->score > 0.0) {
        (void)snprintf(score, sizeof score, " %.0f%%", 100.0 * cell->score);
    }
    draw_words(grid->canvas, (mm_point){at.x + indent, at.y}, cell->prediction, score,
               grid->width - indent, color);
}

/* The picture keeps its proportions, centred in its square. */
static void draw_picture(const struct grid *grid, const mm_image *image, mm_point at)
{
    double longer =
        (double)(image->width > image->height ? image->width : image->height);
    double scale = grid->side / longer;

    if (scale > 1.0 && longer <= 64.0) { /* tiny pictures: whole blocks for pixels */
        scale = fmax(floor(scale), 1.0);
    }
    double width = fmax(floor((double)image->width * scale + 0.5), 1.0);
    double height = fmax(floor((double)image->height * scale + 0.5), 1.0);
    mm_rect rect = {floor(at.x + 0.5 * (grid->side - width)),
                    floor(at.y + 0.5 * (grid->side - height)), width, height};
    mm_rect frame = {rect.x - 1.0, rect.y - 1.0, width + 2.0, height + 2.0};
    mm_canvas_fill_rect(grid->canvas, frame, frame_color);
    mm_canvas_put_image(grid->canvas, image, rect);
}

static void draw_cell(const struct grid *grid, const mm_grid_cell *cell, mm_point at)
{
    mm_point words = {at.x, at.y + grid->side + 5.0};

    draw_picture(grid, &cell->image, at);
    if (cell->prediction != NULL) {
        draw_prediction(grid, cell, words);
        words.y += TEXT_LINE;
    }
    if (cell->label != NULL && !is_right(cell)) {
        mmi_str text = {0};
        mmi_str_addf(&text, "%s%s", cell->prediction != NULL ? "is " : "", cell->label);
        double indent = cell->prediction != NULL ? MARK_WIDTH : 0.0;
        draw_words(grid->canvas, (mm_point){words.x + indent, words.y},
                   mmi_str_text(&text), "", grid->width - indent, pale_color);
        mmi_str_deinit(&text);
    }
}

static void lay_grid(struct grid *grid)
{
    const mm_grid_args *args = grid->args;

    grid->columns =
        args->columns > 0 ? args->columns : (size_t)ceil(sqrt((double)args->count));
    grid->columns = grid->columns < args->count ? grid->columns : args->count;
    grid->rows = (args->count + grid->columns - 1) / grid->columns;
    grid->side = args->cell_size > 0.0 ? floor(args->cell_size) : 112.0;
    grid->width = fmax(grid->side, 64.0);
    for (size_t i = 0; i < args->count; i++) {
        const mm_grid_cell *cell = &args->cells[i];
        size_t lines = (cell->prediction != NULL) +
                       (size_t)(cell->label != NULL && !is_right(cell));
        grid->num_lines = lines > grid->num_lines ? lines : grid->num_lines;
    }
}

static bool are_valid(const mm_grid_args *args)
{
    if (!MMI_NEED(args) || !MMI_NEED(args->path) || !MMI_NEED(args->cells)) {
        return false;
    }
    if (args->count < 1 || args->count > MAX_CELLS) {
        mm_raise(MM_EINVAL, "a grid has 1 to %d pictures, not %zu", MAX_CELLS,
                 args->count);
        return false;
    }
    for (size_t i = 0; i < args->count; i++) {
        const mm_image *image = &args->cells[i].image;
        if (image->data == NULL || image->width < 1 || image->height < 1 ||
            image->channels < 1 || image->channels > 4) {
            mm_raise(MM_EINVAL, "picture %zu of a grid has no pixels", i);
            return false;
        }
    }
    return true;
}

mm_status mm_grid_write_png(const mm_grid_args *args)
{
    if (!are_valid(args)) {
        return mm_pending();
    }
    struct grid grid = {.args = args};
    lay_grid(&grid);
    double cell_height = grid.side + 5.0 + (double)grid.num_lines * TEXT_LINE + GAP;
    double top = MARGIN + (args->title != NULL ? TITLE_HEIGHT : 0);
    double width = 2.0 * MARGIN + (double)grid.columns * (grid.width + GAP) - GAP;
    double height = top + (double)grid.rows * cell_height - GAP + MARGIN;
    if (args->title != NULL) {
        width = fmax(width, 2.0 * MARGIN + mm_text_width(args->title, 17.0));
    }
    grid.canvas =
        mm_canvas_new((int64_t)width, (int64_t)height, (mm_color){255, 255, 255, 255});
    if (grid.canvas == NULL) {
        return mm_pending();
    }
    if (args->title != NULL) {
        mm_text_style style = {.size = 17, .color = text_color};
        mm_canvas_text(grid.canvas, (mm_point){MARGIN, MARGIN - 4}, args->title,
                       &style);
    }
    for (size_t i = 0; i < args->count; i++) {
        mm_point at = {MARGIN + (double)(i % grid.columns) * (grid.width + GAP),
                       top + (double)(i / grid.columns) * cell_height};
        draw_cell(&grid, &args->cells[i], at);
    }
    mm_canvas_write_png(grid.canvas, args->path);
    mm_canvas_free(grid.canvas);
    return mm_pending();
}
