/* From records.jsonl or scalars.json to curves. The former says of each record which
 * loop it is of and at which iteration, and where a run goes on. In the latter training
 * records carry the iteration; those of validation count epochs, so they are placed at
 * the last training record before them: the files are written in the order of events.
 */
#include "visualization/plot_data.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"

/* A number at `key`, or NaN. */
static double find_number(const mm_value *record, const char *key)
{
    const mm_value *value = mm_dict_find(record, key);
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_I64 || kind == MM_KIND_F64 ? mm_value_f64(value)
                                                      : (double)NAN;
}

/* How a record is placed. */
enum record_kind { RECORD_TRAIN, RECORD_VAL, RECORD_SINGLE, RECORD_START, RECORD_NONE };

/* Of a record of records.jsonl; NULL: it is one of scalars.json. */
static const char *mode_of(const mm_value *record)
{
    const mm_value *mode = mm_dict_find(record, "mode");
    bool is_ours = mm_value_kind(mode) == MM_KIND_STR &&
                   mm_value_kind(mm_dict_find(record, "scalars")) == MM_KIND_DICT;

    return is_ours ? mm_value_str(mode) : NULL;
}

static enum record_kind kind_of_mode(const char *mode)
{
    return strcmp(mode, "train") == 0   ? RECORD_TRAIN
           : strcmp(mode, "val") == 0   ? RECORD_VAL
           : strcmp(mode, "start") == 0 ? RECORD_START
                                        : RECORD_NONE;
}

static enum record_kind kind_of(const mm_value *record)
{
    const char *mode = mode_of(record);

    if (mode != NULL) {
        return kind_of_mode(mode);
    }
    if (mm_dict_has(record, "iter")) {
        return RECORD_TRAIN;
    }
    /* The logger hook adds times; a scalar that somebody adds alone brings its step. */
    return mm_dict_has(record, "time") || mm_dict_has(record, "data_time")
               ? RECORD_VAL
               : RECORD_SINGLE;
}

/* The iteration of a record; *last_train is that of the training record before. */
static double place_of(const mm_value *record, double *last_train)
{
    double step = find_number(record, "step");
    enum record_kind kind = kind_of(record);

    if (kind == RECORD_START || kind == RECORD_NONE) {
        return (double)NAN;
    }
    if (mode_of(record) != NULL) {
        step = find_number(record, "iter");
        *last_train = kind == RECORD_TRAIN ? step : *last_train;
        return step;
    }
    if (kind == RECORD_TRAIN) {
        *last_train = isnan(step) ? find_number(record, "iter") : step;
        return *last_train;
    }
    return kind == RECORD_VAL && !isnan(*last_train) ? *last_train : step;
}

static bool is_counter(const char *key)
{
    static const char *const counters[] = {"time", "data_time", "memory", "epoch",
                                           "iter", "step",      "eta"};

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        if (strcmp(key, counters[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The key without the loop in front of it, which hierarchical logs have. */
static const char *strip_loop(const char *key, bool *is_val)
{
    if (strncmp(key, "train/", 6) == 0) {
        *is_val = false;
        return key + 6;
    }
    if (strncmp(key, "val/", 4) == 0) {
        *is_val = true;
        return key + 4;
    }
    return key;
}

const mmi_series *mmi_run_find(const mmi_run *run, const char *key, bool is_val)
{
    for (size_t i = 0; i < run->series.count; i++) {
        const mmi_series *series = &run->series.data[i];
        if (series->is_val == is_val && strcmp(series->key, key) == 0) {
            return series;
        }
    }
    return NULL;
}

static mmi_series *get_series(mmi_run *run, const char *key, bool is_val)
{
    const mmi_series *found = mmi_run_find(run, key, is_val);

    if (found != NULL) {
        return &run->series.data[found - run->series.data];
    }
    mmi_series series = {.key = mm_strdup(key), .is_val = is_val};
    if (series.key == NULL || !mmi_vec_push(&run->series, series)) {
        mm_free(series.key);
        return NULL;
    }
    return &run->series.data[run->series.count - 1];
}

static void add_record(mmi_run *run, const mm_value *record, double x)
{
    bool record_is_val = kind_of(record) == RECORD_VAL;

    record = mode_of(record) != NULL ? mm_dict_find(record, "scalars") : record;
    for (size_t i = 0; i < mm_value_len(record) && !mmi_is_pending(); i++) {
        const char *key = mm_dict_name_at(record, i);
        mm_kind kind = mm_value_kind(mm_dict_at(record, i));
        bool is_val = record_is_val;
        if (key == NULL || (kind != MM_KIND_I64 && kind != MM_KIND_F64)) {
            continue;
        }
        key = strip_loop(key, &is_val);
        mmi_series *series = is_counter(key) ? NULL : get_series(run, key, is_val);
        double y = mm_value_f64(mm_dict_at(record, i));
        if (series != NULL && isfinite(y)) {
            mmi_vec_push(&series->points, (mm_point){x, y});
        } else if (series != NULL) {
            series->num_wrong++;
        }
    }
}

mm_status mmi_run_init(mmi_run *run, const mm_value *records, const char *label)
{
    double last_train = (double)NAN;

    *run = (mmi_run){.label = mm_strdup(label)};
    for (size_t i = 0; !mmi_is_pending() && i < mm_value_len(records); i++) {
        const mm_value *record = mm_list_get(records, i);
        double x = mm_value_kind(record) == MM_KIND_DICT ? place_of(record, &last_train)
                                                         : (double)NAN;
        if (!isnan(x)) {
            add_record(run, record, x);
        }
    }
    if (mmi_is_pending()) {
        mmi_run_deinit(run);
    }
    return mm_pending();
}

void mmi_run_deinit(mmi_run *run)
{
    for (size_t i = 0; i < run->series.count; i++) {
        mm_free(run->series.data[i].key);
        mmi_vec_deinit(&run->series.data[i].points);
    }
    mmi_vec_deinit(&run->series);
    mm_free(run->label);
    run->label = NULL;
}

/* --- files --- */

static enum record_kind kind_at(const mm_value *records, size_t index)
{
    const mm_value *record = mm_list_get(records, index);

    return mm_value_kind(record) == MM_KIND_DICT ? kind_of(record) : RECORD_NONE;
}

/* Removes what a run that goes on at iteration `begin` does again: what lies behind it,
 * and a validation there that is owed still. */
static void rewind_to(mm_value *records, double begin, bool validates)
{
    double last_train = (double)NAN;

    for (size_t i = 0; i < mm_value_len(records);) {
        enum record_kind kind = kind_at(records, i);
        double place = kind == RECORD_NONE
                           ? (double)NAN
                           : place_of(mm_list_get(records, i), &last_train);

        if (place > begin || (validates && kind == RECORD_VAL && place == begin)) {
            mm_list_remove(records, i);
        } else {
            i++;
        }
    }
}

/* True if a validation at iteration `begin` follows the start at `index`. */
static bool validates_at(const mm_value *records, size_t index, double begin)
{
    for (size_t i = index + 1; i < mm_value_len(records); i++) {
        enum record_kind kind = kind_at(records, i);

        if (kind == RECORD_START || kind == RECORD_TRAIN) {
            return false;
        }
        if (kind == RECORD_VAL &&
            find_number(mm_list_get(records, i), "iter") == begin) {
            return true;
        }
    }
    return false;
}

/* Appends records; each start among them rewinds what stands before it. */
static void append_records(mm_value *all, const mm_value *later)
{
    for (size_t i = 0; i < mm_value_len(later) && !mmi_is_pending(); i++) {
        if (kind_at(later, i) == RECORD_START) {
            double begin = find_number(mm_list_get(later, i), "iter");
            rewind_to(all, begin, validates_at(later, i, begin));
        }
        mm_list_append(all, mm_list_get(later, i));
    }
}

/* The records of a file, those that were done again once. */
static mm_value *load_file(const char *path)
{
    size_t size = 0;
    char *text = mm_file_read(path, &size);
    mm_value *lines = text != NULL ? mm_json_parse_lines(text, size, path) : NULL;
    mm_value *records = lines != NULL ? mm_value_new_list() : NULL;

    if (records != NULL) {
        append_records(records, lines);
    }
    mm_value_unref(lines);
    mm_free(text);
    return records;
}

/* The records of a folder or of its vis_data; NULL if there are none. */
static char *find_scalars(const char *folder)
{
    static const char *const places[] = {"vis_data/records.jsonl", "records.jsonl",
                                         "vis_data/scalars.json", "scalars.json"};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *path = mm_path_join(folder, places[i]);
        if (path == NULL || mm_file_exists(path)) {
            return path;
        }
        mm_free(path);
    }
    return NULL;
}

/* The iteration of the first training record; NaN if there is none. */
static double first_place(const mm_value *records)
{
    double last_train = (double)NAN;

    for (size_t i = 0; i < mm_value_len(records) && isnan(last_train); i++) {
        const mm_value *record = mm_list_get(records, i);
        if (mm_value_kind(record) == MM_KIND_DICT) {
            place_of(record, &last_train);
        }
    }
    return last_train;
}

/* Appends a later folder's records; what they repeat goes. */
static void join_records(mm_value *all, const mm_value *later)
{
    double first = first_place(later);
    double last_train = (double)NAN;
    size_t kept = 0;
    bool says_where = mm_value_len(later) > 0 && kind_at(later, 0) == RECORD_START;

    if (says_where) {
        append_records(all, later);
        return;
    }
    if (isnan(first) && mm_value_len(all) > 0) {
        return; /* a test in the folder of a training is no part of its curves */
    }
    for (; !isnan(first) && kept < mm_value_len(all); kept++) {
        const mm_value *record = mm_list_get(all, kept);
        if (mm_value_kind(record) == MM_KIND_DICT &&
            place_of(record, &last_train) >= first) {
            break;
        }
    }
    while (!isnan(first) && mm_value_len(all) > kept) {
        mm_list_remove(all, mm_value_len(all) - 1);
    }
    for (size_t i = 0; i < mm_value_len(later); i++) {
        mm_list_append(all, mm_list_get(later, i));
    }
}

/* The folders of a work_dir are named by time, so their order is that of the runs. */
static mm_value *load_work_dir(const char *folder)
{
    mm_value *names = mm_list_dir(folder);
    mm_value *all = mm_value_new_list();

    for (size_t i = 0; !mmi_is_pending() && i < mm_value_len(names); i++) {
        char *inner = mm_path_join(folder, mm_value_str(mm_list_get(names, i)));
        char *path =
            inner != NULL && mm_file_is_dir(inner) ? find_scalars(inner) : NULL;
        mm_value *later = path != NULL ? load_file(path) : NULL;
        if (later != NULL) {
            join_records(all, later);
        }
        mm_value_unref(later);
        mm_free(path);
        mm_free(inner);
    }
    mm_value_unref(names);
    if (!mmi_is_pending() && mm_value_len(all) == 0) {
        mm_raise(MM_ENOENT, "no records.jsonl or scalars.json with records in '%s'",
                 folder);
        mm_error_hint("name a work_dir, one of its folders named by time, or a file");
    }
    if (mmi_is_pending()) {
        mm_value_unref(all);
        return NULL;
    }
    return all;
}

mm_value *mmi_load_records(const char *path)
{
    if (!mm_file_is_dir(path)) {
        return load_file(path);
    }
    char *file = find_scalars(path);
    mm_value *records = file != NULL       ? load_file(file)
                        : mmi_is_pending() ? NULL
                                           : load_work_dir(path);
    mm_free(file);
    return records;
}
