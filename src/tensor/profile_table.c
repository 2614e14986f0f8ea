/* The table of a recording: calls summed by name, as PyTorch's key_averages().table()
 * prints them. The time of a call itself is its time without the calls within it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/status.h"
#include "base/str.h"
#include "mmengine/memory.h"
#include "tensor/profile.h"

enum { COLUMN = 12, MAX_COLUMNS = 11 };

/* All calls of a name. Times in nanoseconds. */
struct row {
    const char *name;
    const char *shapes; /* "" unless the table is grouped by them */
    int64_t count, total_ns, self_ns, bytes, self_bytes;
    uint64_t flops;
    bool is_inner; /* the first call was made within another */
    size_t place;  /* in the order of first calls */
};

struct table {
    const mm_profile *profile;
    mm_profile_table_args args;
    MMI_VEC(struct row) rows;
    int64_t self_sum_ns;
    int name_width, shapes_width;
    double flops_scale;
    const char *flops_unit; /* NULL: no column */
    mmi_str out;
};

/* --- rows --- */

static struct row *row_of(struct table *table, mmi_map *known,
                          const mm_profile_event *event)
{
    bool by_shapes = table->args.group_by_input_shape && event->shapes != NULL;
    char *key = by_shapes ? mm_strfmt("%s\n%s", event->name, event->shapes) : NULL;
    const char *used = by_shapes ? key : event->name;
    uintptr_t at = used == NULL ? 0 : (uintptr_t)mmi_map_find(known, used);

    if (at == 0 && used != NULL &&
        mmi_vec_push(&table->rows,
                     (struct row){.name = event->name,
                                  .shapes = by_shapes ? event->shapes : "",
                                  .place = table->rows.count})) {
        at = table->rows.count;
        mmi_map_put(known, used, (void *)at);
    }
    mm_free(key);
    return at == 0 || mm_has_error() ? NULL : &table->rows.data[at - 1];
}

/* What the calls within each call took; `within` has room for all. */
static void sum_children(const mm_profile *profile, const int64_t *parents,
                         int64_t *within_ns, int64_t *within_bytes)
{
    for (size_t i = 0; i < profile->events.count; i++) {
        const mm_profile_event *event = &profile->events.data[i];

        if (parents[i] >= 0) {
            within_ns[parents[i]] += event->end_ns - event->begin_ns;
            within_bytes[parents[i]] += event->bytes;
        }
    }
}

static mm_status sum_rows(struct table *table, const int64_t *parents,
                          const int64_t *within_ns, const int64_t *within_bytes)
{
    const mm_profile *profile = table->profile;
    mmi_map known = {0};

    for (size_t i = 0; i < profile->events.count && !mm_has_error(); i++) {
        const mm_profile_event *event = &profile->events.data[i];
        int64_t took = event->end_ns - event->begin_ns;
        struct row *row =
            parents[i] == MMI_PROFILE_LEFT_OUT ? NULL : row_of(table, &known, event);

        if (row == NULL) {
            continue;
        }
        row->is_inner = row->count == 0 ? parents[i] >= 0 : row->is_inner;
        row->count++;
        row->total_ns += took;
        row->self_ns += took - within_ns[i];
        row->bytes += event->bytes;
        row->self_bytes += event->bytes - within_bytes[i];
        row->flops += event->flops;
        table->self_sum_ns += took - within_ns[i];
    }
    mmi_map_deinit(&known, NULL);
    return mm_pending();
}

static mm_status make_rows(struct table *table)
{
    size_t count = table->profile->events.count + 1;
    int64_t *parents = mm_alloc_array(count, sizeof(*parents));
    int64_t *within_ns = mm_alloc_array(count, sizeof(*within_ns));
    int64_t *within_bytes = mm_alloc_array(count, sizeof(*within_bytes));

    if (!mm_has_error() && mmi_profile_parents(table->profile, table->args.only_ranges,
                                               parents) == MM_OK) {
        sum_children(table->profile, parents, within_ns, within_bytes);
        (void)sum_rows(table, parents, within_ns, within_bytes);
    }
    mm_free(parents);
    mm_free(within_ns);
    mm_free(within_bytes);
    return mm_pending();
}

/* --- order --- */

typedef double (*measure)(const struct row *row);

static double by_total(const struct row *row)
{
    return (double)row->total_ns;
}

static double by_self(const struct row *row)
{
    return (double)row->self_ns;
}

static double by_mean(const struct row *row)
{
    return (double)row->total_ns / (double)row->count;
}

static double by_count(const struct row *row)
{
    return (double)row->count;
}

static double by_bytes(const struct row *row)
{
    return (double)row->bytes;
}

static double by_self_bytes(const struct row *row)
{
    return (double)row->self_bytes;
}

static double by_flops(const struct row *row)
{
    return (double)row->flops;
}

/* Devices' times are zero here: their order is that of the first calls. */
static double by_nothing(const struct row *row)
{
    (void)row;
    return 0.0;
}

static const struct {
    const char *name;
    measure of;
} measures[] = {
    {"cpu_time", by_mean},
    {"cpu_time_total", by_total},
    {"self_cpu_time_total", by_self},
    {"count", by_count},
    {"cpu_memory_usage", by_bytes},
    {"self_cpu_memory_usage", by_self_bytes},
    {"flops", by_flops},
    {"cuda_time", by_nothing},
    {"cuda_time_total", by_nothing},
    {"self_cuda_time_total", by_nothing},
    {"cuda_memory_usage", by_nothing},
    {"self_cuda_memory_usage", by_nothing},
    {"device_time", by_nothing},
    {"device_time_total", by_nothing},
    {"self_device_time_total", by_nothing},
    {"device_memory_usage", by_nothing},
    {"self_device_memory_usage", by_nothing},
};

enum { NUM_MEASURES = sizeof(measures) / sizeof(measures[0]) };

static measure find_measure(const char *name)
{
    const char *names[NUM_MEASURES];

    for (size_t i = 0; i < NUM_MEASURES; i++) {
        names[i] = measures[i].name;
        if (strcmp(name, names[i]) == 0) {
            return measures[i].of;
        }
    }
    mm_raise(MM_EINVAL, "could not sort a profile by '%s'", name);
    mm_error_hint_nearest(name, names, NUM_MEASURES);
    return NULL;
}

/* Largest first, equal ones as they were: insertion, since rows are few and mostly in
 * order. */
static mm_status sort_rows(struct table *table)
{
    measure of = table->args.sort_by == NULL ? NULL : find_measure(table->args.sort_by);
    struct row *rows = table->rows.data;

    for (size_t i = 1; of != NULL && i < table->rows.count; i++) {
        struct row row = rows[i];
        size_t at = i;

        for (; at > 0 && of(&rows[at - 1]) < of(&row); at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = row;
    }
    return mm_pending();
}

/* --- columns --- */

static int smaller(int64_t width, int64_t most)
{
    return (int)(most >= 0 && most < width ? most : width);
}

static void measure_columns(struct table *table)
{
    int64_t name = 0, shapes = 0;
    uint64_t least_flops = 0;

    for (size_t i = 0; i < table->rows.count; i++) {
        const struct row *row = &table->rows.data[i];
        int64_t name_size = (int64_t)strlen(row->name);
        int64_t shapes_size = (int64_t)strlen(row->shapes);

        name = name_size > name ? name_size : name;
        shapes = shapes_size > shapes ? shapes_size : shapes;
        if (row->flops > 0 && (least_flops == 0 || row->flops < least_flops)) {
            least_flops = row->flops;
        }
    }
    table->name_width = smaller(name + 4, table->args.max_name_width);
    table->shapes_width = shapes <= 2 ? 0
                                      : /* nothing but "[]": no column */ smaller(
                                            shapes + 4, table->args.max_shapes_width);
    if ((table->profile->flags & MM_PROFILE_FLOPS) != 0 && least_flops > 0) {
        static const char *const units[] = {"FLOPs",  "KFLOPs", "MFLOPs",
                                            "GFLOPs", "TFLOPs", "PFLOPs"};
        int step = (int)floor(fmin(log10((double)least_flops) / 3.0, 5.0));

        table->flops_scale = pow(10.0, -3.0 * step);
        table->flops_unit = units[step];
    }
}

static bool has_memory(const struct table *table)
{
    return (table->profile->flags & MM_PROFILE_MEMORY) != 0;
}

static void put_cell(struct table *table, int width, const char *text)
{
    mmi_str_addf(&table->out, "%*s  ", width, text);
}

static void put_times(struct table *table, char fill, int times)
{
    for (int i = 0; i < times; i++) {
        mmi_str_add_char(&table->out, fill);
    }
}

/* Widths of all columns in order; how many. */
static int column_widths(const struct table *table, int *out)
{
    int count = 0;

    out[count++] = table->name_width;
    for (int i = 0; i < (has_memory(table) ? 8 : 6); i++) {
        out[count++] = COLUMN;
    }
    if (table->shapes_width > 0) {
        out[count++] = table->shapes_width;
    }
    if (table->flops_unit != NULL) {
        out[count++] = COLUMN;
    }
    return count;
}

static void put_rule(struct table *table)
{
    int widths[MAX_COLUMNS];
    int count = column_widths(table, widths);

    for (int i = 0; i < count; i++) {
        put_times(table, '-', widths[i]);
        mmi_str_add(&table->out, "  ");
    }
    mmi_str_add_char(&table->out, '\n');
}

static void put_heading_rule(struct table *table)
{
    int widths[MAX_COLUMNS];
    int count = column_widths(table, widths);
    int length = -2;

    for (int i = 0; i < count; i++) {
        length += widths[i] + 2;
    }
    put_times(table, '=', length);
    mmi_str_add_char(&table->out, '\n');
}

static void put_headings(struct table *table)
{
    char flops[24];

    if (table->args.header != NULL) {
        put_heading_rule(table);
        mmi_str_addf(&table->out, "%s\n", table->args.header);
    }
    if (table->args.top_level_events_only) {
        put_heading_rule(table);
        mmi_str_add(&table->out, "This report only display top-level ops statistics\n");
    }
    put_rule(table);
    put_cell(table, table->name_width, "Name");
    put_cell(table, COLUMN, "Self CPU %");
    put_cell(table, COLUMN, "Self CPU");
    put_cell(table, COLUMN, "CPU total %");
    put_cell(table, COLUMN, "CPU total");
    put_cell(table, COLUMN, "CPU time avg");
    if (has_memory(table)) {
        put_cell(table, COLUMN, "CPU Mem");
        put_cell(table, COLUMN, "Self CPU Mem");
    }
    put_cell(table, COLUMN, "# of Calls");
    if (table->shapes_width > 0) {
        put_cell(table, table->shapes_width, "Input Shapes");
    }
    if (table->flops_unit != NULL) {
        (void)snprintf(flops, sizeof(flops), "Total %s", table->flops_unit);
        put_cell(table, COLUMN, flops);
    }
    mmi_str_add_char(&table->out, '\n');
    put_rule(table);
}

/* --- cells --- */

static void time_text(const struct table *table, double us, char *out, size_t size)
{
    const char *unit = table->args.time_unit;

    if (unit == NULL) {
        unit = us >= 1e6 ? "s" : us >= 1e3 ? "ms" : "us";
    }
    (void)snprintf(out, size, "%.3f%s",
                   unit[0] == 's'   ? us / 1e6
                   : unit[0] == 'm' ? us / 1e3
                                    : us,
                   unit);
}

static void put_time(struct table *table, double us)
{
    char text[48];

    time_text(table, us, text, sizeof(text));
    put_cell(table, COLUMN, text);
}

static void put_share(struct table *table, int64_t ns)
{
    char text[32] = "NaN";

    if (table->self_sum_ns != 0) {
        (void)snprintf(text, sizeof(text), "%.2f%%",
                       (double)ns * 100.0 / (double)table->self_sum_ns);
    }
    put_cell(table, COLUMN, text);
}

static void put_bytes(struct table *table, int64_t bytes)
{
    double size = fabs((double)bytes);
    char text[32];

    if (size >= 1073741824.0) {
        (void)snprintf(text, sizeof(text), "%.2f GB", (double)bytes / 1073741824.0);
    } else if (size >= 1048576.0) {
        (void)snprintf(text, sizeof(text), "%.2f MB", (double)bytes / 1048576.0);
    } else if (size >= 1024.0) {
        (void)snprintf(text, sizeof(text), "%.2f KB", (double)bytes / 1024.0);
    } else {
        (void)snprintf(text, sizeof(text), "%" PRId64 " B", bytes);
    }
    put_cell(table, COLUMN, text);
}

static void put_name(struct table *table, const char *name)
{
    int64_t most = table->args.max_name_width;

    if (most >= 3 && (int64_t)strlen(name) >= most - 3) {
        char *cut = mm_strfmt("%.*s...", (int)(most - 3), name);

        put_cell(table, table->name_width, cut == NULL ? "" : cut);
        mm_free(cut);
    } else {
        put_cell(table, table->name_width, name);
    }
}

static void put_row(struct table *table, const struct row *row)
{
    char text[48];

    put_name(table, row->name);
    put_share(table, row->self_ns);
    put_time(table, (double)row->self_ns / 1e3);
    put_share(table, row->total_ns);
    put_time(table, (double)row->total_ns / 1e3);
    put_time(table, (double)row->total_ns / 1e3 / (double)row->count);
    if (has_memory(table)) {
        put_bytes(table, row->bytes);
        put_bytes(table, row->self_bytes);
    }
    (void)snprintf(text, sizeof(text), "%" PRId64, row->count);
    put_cell(table, COLUMN, text);
    if (table->shapes_width > 0) {
        mmi_str_addf(&table->out, "%*.*s  ", table->shapes_width, table->shapes_width,
                     row->shapes);
    }
    if (table->flops_unit != NULL) {
        (void)snprintf(text, sizeof(text), "%8.3f",
                       (double)row->flops * table->flops_scale);
        put_cell(table, COLUMN, row->flops > 0 ? text : "--");
    }
    mmi_str_add_char(&table->out, '\n');
}

static void put_rows(struct table *table)
{
    int64_t left = table->args.row_limit;
    char total[48];

    for (size_t i = 0; i < table->rows.count && left != 0; i++) {
        if (table->args.top_level_events_only && table->rows.data[i].is_inner) {
            continue;
        }
        left--;
        put_row(table, &table->rows.data[i]);
    }
    put_rule(table);
    time_text(table, (double)table->self_sum_ns / 1e3, total, sizeof(total));
    mmi_str_addf(&table->out, "Self CPU time total: %s\n", total);
}

static mm_status fill_args(const mm_profile_table_args *args,
                           mm_profile_table_args *out)
{
    *out = *args;
    out->row_limit = args->row_limit == 0 ? 100 : args->row_limit;
    out->max_name_width = args->max_name_width == 0 ? 55 : args->max_name_width;
    out->max_shapes_width = args->max_shapes_width == 0 ? 80 : args->max_shapes_width;
    if (args->time_unit != NULL && strcmp(args->time_unit, "s") != 0 &&
        strcmp(args->time_unit, "ms") != 0 && strcmp(args->time_unit, "us") != 0) {
        mm_raise(MM_EINVAL, "could not print times in '%s'", args->time_unit);
        return mm_error_hint("time_unit is 's', 'ms' or 'us'");
    }
    return mm_pending();
}

char *mm_profile_table(const mm_profile *profile, const mm_profile_table_args *args)
{
    struct table table = {.profile = profile};

    if (!MMI_NEED(profile) || !MMI_NEED(args))
        return NULL;
    if (fill_args(args, &table.args) == MM_OK && make_rows(&table) == MM_OK &&
        sort_rows(&table) == MM_OK && table.rows.count > 0) {
        measure_columns(&table);
        put_headings(&table);
        put_rows(&table);
    }
    mmi_vec_deinit(&table.rows);
    return mmi_str_take(&table.out);
}
