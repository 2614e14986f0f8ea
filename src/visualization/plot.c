/* Plots: runs in, a page of small charts out. One run's chart holds all curves of a
 * kind (the parts of a loss); with several runs each name gets a chart of its own and
 * the colour tells the run. */
#include "mmengine/plot.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"
#include "visualization/plot.h"

enum {
    MARGIN = 16,
    TITLE_HEIGHT = 30,
    LEGEND_HEIGHT = 22,
    LEGEND_LINE = 22, /* length of the sample of a line */
    LEGEND_GAP = 18,
    MAX_PANELS = 24,
    PNG_SCALE = 2
};

static const mm_color text_color = {38, 38, 38, 255};

/* --- charts --- */

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);

    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

/* The chart of a key: its title, place and look; mm_free(panel.title). */
static mmi_panel panel_of(const char *key, bool is_alone)
{
    bool is_lr =
        strcmp(key, "lr") == 0 || ends_with(key, "/lr") || ends_with(key, "_lr");
    bool is_loss = strstr(key, "loss") != NULL;
    bool is_norm = strstr(key, "grad_norm") != NULL;
    const char *slash = strchr(key, '/');
    size_t size = is_alone || slash == NULL ? strlen(key) : (size_t)(slash - key);
    mmi_panel panel = {.rank = is_loss   ? 0
                               : is_lr   ? 2
                               : is_norm ? 3
                                         : 1,
                       .is_smooth = is_loss || is_norm,
                       .may_be_log = is_loss || is_lr || is_norm};

    panel.title = is_lr && !is_alone     ? mm_strdup("learning rate")
                  : is_loss && !is_alone ? mm_strdup("loss")
                                         : mm_strfmt("%.*s", (int)size, key);
    return panel;
}

/* True if a key is `asked` or below it: what stands before a '/'. */
static bool is_below(const char *key, const char *asked)
{
    size_t size = strlen(asked);

    return strncmp(key, asked, size) == 0 && (key[size] == '\0' || key[size] == '/');
}

static mmi_panel *get_panel(mmi_panels *panels, const mm_plot *plot, const char *key,
                            bool is_alone)
{
    mmi_panel panel = panel_of(key, is_alone);

    for (size_t i = plot->num_keys; i > 0;
         i--) { /* in the order of what is asked for */
        panel.rank = is_below(key, plot->keys[i - 1]) ? (int)i - 1 : panel.rank;
    }

    for (size_t i = 0; panel.title != NULL && i < panels->items.count; i++) {
        if (strcmp(panels->items.data[i].title, panel.title) == 0) {
            mm_free(panel.title);
            return &panels->items.data[i];
        }
    }
    if (panel.title == NULL || panels->items.count == MAX_PANELS ||
        !mmi_vec_push(&panels->items, panel)) {
        mm_free(panel.title);
        return NULL;
    }
    size_t at = panels->items.count - 1; /* stays behind those of its rank */
    while (at > 0 && panels->items.data[at - 1].rank > panel.rank) {
        panels->items.data[at] = panels->items.data[at - 1];
        at--;
    }
    panels->items.data[at] = panel;
    return &panels->items.data[at];
}

static bool is_wanted(const mm_plot *plot, const char *key)
{
    for (size_t i = 0; i < plot->num_keys; i++) {
        if (is_below(key, plot->keys[i])) {
            return true;
        }
    }
    return plot->num_keys == 0;
}

static void add_curve(mmi_panels *panels, const mm_plot *plot, size_t run_number,
                      const mmi_series *series)
{
    bool is_alone = plot->runs.items.count > 1;
    const mmi_run *run = &plot->runs.items.data[run_number];
    mmi_panel *panel = get_panel(panels, plot, series->key, is_alone);
    if (panel == NULL) {
        return;
    }
    /* The same name in both loops: say which. */
    bool is_double = mmi_run_find(run, series->key, !series->is_val) != NULL;
    mmi_curve curve = {.series = series,
                       .color = is_alone ? run_number : panel->curves.count};
    curve.name = mm_strfmt("%s%s", is_double && series->is_val ? "val " : "",
                           is_alone ? run->label : series->key);
    if (curve.name == NULL || !mmi_vec_push(&panel->curves, curve)) {
        mm_free(curve.name);
    }
}

mm_status mmi_panels_init(mmi_panels *panels, const mm_plot *plot)
{
    *panels = (mmi_panels){0};
    for (size_t i = 0; i < plot->runs.items.count; i++) {
        const mmi_run *run = &plot->runs.items.data[i];
        for (size_t j = 0; j < run->series.count && !mmi_is_pending(); j++) {
            const mmi_series *series = &run->series.data[j];
            bool has_values = series->points.count > 0 || series->num_wrong > 0;
            if (has_values && is_wanted(plot, series->key)) {
                add_curve(panels, plot, i, series);
            }
        }
    }
    for (size_t i = 0; i < panels->items.count; i++) {
        panels->items.data[i].axis = plot->axis != NULL ? plot->axis : "iteration";
    }
    return mm_pending();
}

void mmi_panels_deinit(mmi_panels *panels)
{
    for (size_t i = 0; i < panels->items.count; i++) {
        mmi_panel *panel = &panels->items.data[i];
        for (size_t j = 0; j < panel->curves.count; j++) {
            mm_free(panel->curves.data[j].name);
        }
        mmi_vec_deinit(&panel->curves);
        mm_free(panel->title);
    }
    mmi_vec_deinit(&panels->items);
}

/* --- the page --- */

struct page {
    const mm_plot *plot;
    const mmi_panels *panels;
    size_t columns, rows;
    double width, height, top; /* top: of the charts */
    bool has_legend;           /* of runs, for all charts */
};

/* Places the names of runs from left to right, in lines; draws them if `surface`.
 * Returns the lines. */
static size_t lay_legend(const struct page *page, mmi_surface *surface, double top)
{
    double x = MARGIN;
    size_t line = 0;
    mm_text_style style = {.size = 12, .color = text_color, .y_align = MM_ALIGN_CENTER};

    for (size_t i = 0; i < page->plot->runs.items.count; i++) {
        const char *label = page->plot->runs.items.data[i].label;
        double width = LEGEND_LINE + 6 + mmi_plot_label_width(label, style.size);
        if (x > MARGIN && x + width > page->width - MARGIN) {
            x = MARGIN;
            line++;
        }
        double y = top + (double)line * LEGEND_HEIGHT + 0.5 * LEGEND_HEIGHT;
        if (surface != NULL) {
            mm_point ends[] = {{x, y}, {x + LEGEND_LINE, y}};
            mmi_stroke stroke = mmi_plot_stroke(i);
            stroke.width = 2.5;
            surface->line(surface, ends, 2, &stroke);
            surface->text(surface, (mm_point){x + LEGEND_LINE + 6, y}, label, &style);
        }
        x += width + LEGEND_GAP;
    }
    return line + 1;
}

static void lay_page(struct page *page)
{
    size_t count = page->panels->items.count;

    page->columns = count <= 1 ? 1 : count <= 4 ? 2 : 3;
    page->rows = (count + page->columns - 1) / page->columns;
    page->width = (double)page->columns * MMI_PANEL_WIDTH + 2 * MARGIN;
    page->has_legend = page->plot->runs.items.count > 1;
    page->top = MARGIN + (page->plot->title != NULL ? TITLE_HEIGHT : 0);
    if (page->has_legend) {
        page->top += (double)lay_legend(page, NULL, 0.0) * LEGEND_HEIGHT + 4;
    }
    page->height = page->top + (double)page->rows * MMI_PANEL_HEIGHT + MARGIN;
}

static void draw_page(const struct page *page, mmi_surface *surface)
{
    mm_text_style style = {.size = 17, .color = text_color};
    double y = MARGIN;

    if (page->plot->title != NULL) {
        surface->text(surface, (mm_point){MARGIN, y - 2}, page->plot->title, &style);
        y += TITLE_HEIGHT;
    }
    if (page->has_legend) {
        lay_legend(page, surface, y);
    }
    for (size_t i = 0; i < page->panels->items.count; i++) {
        mm_point corner = {MARGIN + (double)(i % page->columns) * MMI_PANEL_WIDTH,
                           page->top + (double)(i / page->columns) * MMI_PANEL_HEIGHT};
        mmi_panel_draw(&page->panels->items.data[i], surface, corner,
                       !page->has_legend);
    }
}

static mmi_surface *new_surface(const struct page *page, const char *path)
{
    const char *extension = mm_path_extension(path);

    if (strcmp(extension, ".svg") == 0) {
        return mmi_surface_new_svg(page->width, page->height);
    }
    if (strcmp(extension, ".png") == 0) {
        return mmi_surface_new_png(page->width, page->height, PNG_SCALE);
    }
    mm_raise(MM_EINVAL,
             "no plot can be written to '%s': the extension must be .svg or "
             ".png",
             path);
    return NULL;
}

static mm_status make_folder(const char *path)
{
    char *folder = mm_path_dirname(path);
    mm_status status =
        folder == NULL || folder[0] == '\0' ? mm_pending() : mm_make_dirs(folder);

    mm_free(folder);
    return status;
}

mm_status mm_plot_write(const mm_plot *plot, const char *path)
{
    mmi_panels panels = {0};

    if (!MMI_NEED(plot) || !MMI_NEED(path)) {
        return mm_pending();
    }
    if (mmi_panels_init(&panels, plot) == MM_OK && panels.items.count == 0) {
        mm_raise(MM_ESTATE, "nothing to plot: the runs have no curves%s",
                 plot->num_keys > 0 ? " of these names" : "");
    }
    struct page page = {.plot = plot, .panels = &panels};
    mmi_surface *surface = NULL;
    if (!mmi_is_pending()) {
        lay_page(&page);
        surface = new_surface(&page, path);
    }
    if (surface != NULL) {
        draw_page(&page, surface);
        if (make_folder(path) == MM_OK) {
            surface->write(surface, path);
        }
        surface->free(surface);
    }
    mmi_panels_deinit(&panels);
    return mm_pending();
}

/* --- runs --- */

mm_plot *mm_plot_new(const char *title)
{
    mm_plot *plot = mm_alloc(sizeof *plot);

    if (plot != NULL && title != NULL) {
        plot->title = mm_strdup(title);
    }
    if (mmi_is_pending()) {
        mm_plot_free(plot);
        return NULL;
    }
    return plot;
}

static void free_keys(mm_plot *plot)
{
    for (size_t i = 0; i < plot->num_keys; i++) {
        mm_free(plot->keys[i]);
    }
    mm_free(plot->keys);
    plot->keys = NULL;
    plot->num_keys = 0;
}

void mm_plot_free(mm_plot *plot)
{
    if (plot == NULL) {
        return;
    }
    for (size_t i = 0; i < plot->runs.items.count; i++) {
        mmi_run_deinit(&plot->runs.items.data[i]);
    }
    mmi_vec_deinit(&plot->runs.items);
    free_keys(plot);
    mm_free(plot->title);
    mm_free(plot->axis);
    mm_free(plot);
}

mm_status mm_plot_set_keys(mm_plot *plot, const char *const *keys, size_t count)
{
    if (!MMI_NEED(plot)) {
        return mm_pending();
    }
    free_keys(plot);
    plot->keys = keys != NULL ? mm_alloc_array(count + 1, sizeof *plot->keys) : NULL;
    for (size_t i = 0; plot->keys != NULL && i < count; i++) {
        plot->keys[i] = mm_strdup(keys[i]);
        if (plot->keys[i] == NULL) {
            free_keys(plot);
            break;
        }
        plot->num_keys = i + 1;
    }
    return mm_pending();
}

mm_status mm_plot_set_axis(mm_plot *plot, const char *name)
{
    char *copy = MMI_NEED(plot) && MMI_NEED(name) ? mm_strdup(name) : NULL;

    if (copy != NULL) {
        mm_free(plot->axis);
        plot->axis = copy;
    }
    return mm_pending();
}

size_t mm_plot_num_runs(const mm_plot *plot)
{
    return plot != NULL ? plot->runs.items.count : 0;
}

mm_status mm_plot_add_records(mm_plot *plot, const mm_value *records, const char *label)
{
    mmi_run run;

    if (!MMI_NEED(plot) || !MMI_NEED(records) || !MMI_NEED(label)) {
        return mm_pending();
    }
    if (mm_value_kind(records) != MM_KIND_LIST) {
        return mm_raise(MM_ETYPE, "records must be a list, got '%s'",
                        mm_value_type_name(records));
    }
    if (mmi_run_init(&run, records, label) == MM_OK &&
        !mmi_vec_push(&plot->runs.items, run)) {
        mmi_run_deinit(&run);
    }
    return mm_pending();
}

/* The last part of a path that says something; mm_free(). */
static char *label_of(const char *path)
{
    static const char *const dull[] = {"scalars.json", "vis_data"};
    char *rest = mm_path_normalize(path);

    for (size_t i = 0; rest != NULL && i < 2; i++) {
        if (strcmp(mm_path_basename(rest), dull[i]) == 0 && strchr(rest, '/') != NULL) {
            char *above = mm_path_dirname(rest);
            mm_free(rest);
            rest = above;
        }
    }
    char *label = rest != NULL ? mm_strdup(mm_path_basename(rest)) : NULL;
    mm_free(rest);
    return label;
}

mm_status mm_plot_add_run(mm_plot *plot, const char *path, const char *label)
{
    if (!MMI_NEED(plot) || !MMI_NEED(path)) {
        return mm_pending();
    }
    mm_value *records = mmi_load_records(path);
    char *own = records != NULL && label == NULL ? label_of(path) : NULL;
    if (records != NULL && !mmi_is_pending()) {
        mm_plot_add_records(plot, records, own != NULL ? own : label);
    }
    mm_free(own);
    mm_value_unref(records);
    return mm_pending();
}
