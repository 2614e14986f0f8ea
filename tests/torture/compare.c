/* What two runs left, compared bit for bit. Left out: times, what is derived from them,
 * and names that hold the time of the start. Checkpoints are read without libtorch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

/* ---- what is said ---- */

enum { SHOWN_AT_MOST = 12 };
static int shown; /* differences of this comparison */

static int tell(const char *path, const char *what)
{
    if (shown++ < SHOWN_AT_MOST)
        (void)printf("  differs: %s: %s\n", path, what);
    return 1;
}

/* Of long texts, the part in which they differ. */
static int tell_both(const char *path, const char *got, const char *expected)
{
    const char *x = got == NULL ? "nothing" : got;
    const char *y = expected == NULL ? "nothing" : expected;
    size_t same = 0;

    while (x[same] != '\0' && x[same] == y[same])
        same++;
    size_t skipped = same < 200 ? 0 : same - 40;

    if (shown++ < SHOWN_AT_MOST)
        (void)printf("  differs: %s: %s%.240s\n    expected %s%.240s\n", path,
                     skipped > 0 ? "..." : "", x + skipped, skipped > 0 ? "..." : "",
                     y + skipped);
    return 1;
}

const char *tt_extra_files;

static bool fits(const char *name, const char *begin, const char *end)
{
    size_t size = strlen(name);

    return size >= strlen(begin) + strlen(end) &&
           strncmp(name, begin, strlen(begin)) == 0 &&
           strcmp(name + size - strlen(end), end) == 0;
}

/* ---- checkpoints ---- */

/* Keys that may differ: dates and times. */
static bool is_time(const char *path)
{
    static const char *const ends[] = {"meta.time",        "experiment_name",
                                       "runtime_info.eta", "/time",
                                       "/data_time",       "/memory"};
    size_t size = strlen(path);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);

        if (size >= end && strcmp(path + size - end, ends[i]) == 0)
            return true;
    }
    return false;
}

static int compare_tensors(const char *path, const mm_pth_tensor *a,
                           const mm_pth_tensor *b)
{
    bool same = a->dtype == b->dtype && a->ndim == b->ndim && a->offset == b->offset &&
                a->memory_bytes == b->memory_bytes &&
                a->requires_grad == b->requires_grad;

    for (int i = 0; same && i < a->ndim; i++)
        same = a->sizes[i] == b->sizes[i] && a->strides[i] == b->strides[i];
    if (!same)
        return tell(path, "another shape or kind of tensor");
    const void *x = mm_pth_storage_data(a->storage);
    const void *y = mm_pth_storage_data(b->storage);

    if (x == NULL || y == NULL)
        return tell(path, "cannot be read");
    return memcmp(x, y, a->memory_bytes) == 0 ? 0 : tell(path, "other numbers");
}

static int compare_values(const char *path, const mm_value *a, const mm_value *b);

static int compare_dicts(const char *path, const mm_value *a, const mm_value *b)
{
    int faults = 0;

    for (size_t i = 0; i < mm_value_len(a) && i < mm_value_len(b); i++) {
        const mm_value *key = mm_dict_key_at(a, i);
        bool named = mm_value_kind(key) == MM_KIND_STR;
        char *below = named ? mm_strfmt("%s.%s", path, mm_value_str(key))
                            : mm_strfmt("%s[%zu]", path, i);

        if (!mm_value_equal(key, mm_dict_key_at(b, i)))
            faults += tell(below, "other keys, or in another order");
        else
            faults += compare_values(below, mm_dict_at(a, i), mm_dict_at(b, i));
        mm_free(below);
    }
    return faults;
}

static int compare_lists(const char *path, const mm_value *a, const mm_value *b)
{
    int faults = 0;

    for (size_t i = 0; i < mm_value_len(a) && i < mm_value_len(b); i++) {
        char *below = mm_strfmt("%s[%zu]", path, i);

        faults += compare_values(below, mm_list_get(a, i), mm_list_get(b, i));
        mm_free(below);
    }
    return faults;
}

static int compare_leaves(const char *path, const mm_value *a, const mm_value *b)
{
    char *x = mm_value_repr(a);
    char *y = mm_value_repr(b);
    bool same = x != NULL && y != NULL && strcmp(x, y) == 0;

    int faults = same ? 0 : tell_both(path, x, y);

    mm_free(x);
    mm_free(y);
    return faults;
}

static int compare_values(const char *path, const mm_value *a, const mm_value *b)
{
    const mm_pth_tensor *x = mm_pth_find_tensor(a);
    const mm_pth_tensor *y = mm_pth_find_tensor(b);
    mm_kind kind = mm_value_kind(a);

    if (is_time(path) || (tt_extra_files != NULL && fits(path, "", ".needless")))
        return 0;
    if (x != NULL && y != NULL)
        return compare_tensors(path, x, y);
    if (kind != mm_value_kind(b) || (x == NULL) != (y == NULL))
        return tell(path, "another kind of value");
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    if ((is_list || kind == MM_KIND_DICT) && mm_value_len(a) != mm_value_len(b))
        return compare_leaves(path, a, b);
    if (kind == MM_KIND_DICT)
        return compare_dicts(path, a, b);
    return is_list ? compare_lists(path, a, b) : compare_leaves(path, a, b);
}

/* `keys` NULL: everything, else these alone. */
static int compare_files(const char *ours, const char *expected,
                         const char *const *keys)
{
    mm_value *a = mm_pth_read(&(mm_pth_read_args){.path = ours});
    mm_value *b = mm_pth_read(&(mm_pth_read_args){.path = expected});
    int faults = 0;

    if (a != NULL && b != NULL && keys == NULL)
        faults = compare_values(mm_path_basename(ours), a, b);
    else if (a != NULL && b != NULL)
        for (; *keys != NULL; keys++)
            faults +=
                compare_values(*keys, mm_dict_find(a, *keys), mm_dict_find(b, *keys));
    else
        faults = tell(a == NULL ? ours : expected, mm_error_peek()->message);
    mm_value_unref(a);
    mm_value_unref(b);
    (void)mm_error_take(NULL);
    return faults;
}

int tt_compare_checkpoints(const char *ours, const char *expected)
{
    return compare_files(ours, expected, NULL);
}

int tt_compare_states(const char *ours, const char *expected)
{
    static const char *const keys[] = {"state_dict", "optimizer", "param_schedulers",
                                       NULL};

    shown = 0;
    return compare_files(ours, expected, keys);
}

/* ---- folders ---- */

const char *tt_path(const char *name, const char *file, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s/run/%s", tt_places.folder, name, file);
    return out;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

mm_value *tt_files(const char *name, const char *begin, const char *end)
{
    enum { MOST = 4096 };
    static const char *found[MOST];
    char path[1024];
    size_t count = 0;
    mm_value *sorted = mm_value_new_list();

    (void)tt_path(name, "", path, sizeof(path));
    mm_value *names = mm_file_is_dir(path) ? mm_list_dir(path) : mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(names) && count < MOST; i++) {
        const char *file = mm_value_str(mm_list_get(names, i));

        if (fits(file, begin, end))
            found[count++] = file;
    }
    qsort(found, count, sizeof(found[0]), by_text);
    for (size_t i = 0; i < count; i++)
        mm_list_push(sorted, mm_value_new_str(found[i]));
    mm_value_unref(names);
    return sorted;
}

/* True for the folder of one start: "20261123_214402". */
static bool is_start(const char *file)
{
    return strlen(file) >= 15 && strspn(file, "0123456789") == 8 && file[8] == '_';
}

/* All files but the folders of each start. */
static mm_value *stable_files(const char *name)
{
    mm_value *all = tt_files(name, "", "");
    mm_value *some = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(all); i++) {
        if (!is_start(mm_value_str(mm_list_get(all, i))))
            mm_list_append(some, mm_list_get(all, i));
    }
    mm_value_unref(all);
    return some;
}

static int compare_texts(const char *name, const char *expected, const char *file)
{
    char path[1024];
    size_t size = 0;
    char *a = mm_file_read(tt_path(name, file, path, sizeof(path)), &size);
    char *b = mm_file_read(tt_path(expected, file, path, sizeof(path)), &size);
    bool same = a != NULL && b != NULL && strcmp(a, b) == 0;

    int faults = same ? 0 : tell_both(file, a, b);

    (void)mm_error_take(NULL);
    mm_free(a);
    mm_free(b);
    return faults;
}

/* Takes those away that are allowed without being expected. */
static void drop_extra_files(mm_value *ours, mm_value *theirs)
{
    for (size_t i = mm_value_len(ours); tt_extra_files != NULL && i-- > 0;) {
        mm_value *file = mm_list_get(ours, i);
        bool expected = false;

        for (size_t j = 0; j < mm_value_len(theirs); j++)
            expected = expected || mm_value_equal(file, mm_list_get(theirs, j));
        if (!expected && fits(mm_value_str(file), tt_extra_files, ""))
            mm_list_remove(ours, i);
    }
}

int tt_compare_folders(const char *name, const char *expected)
{
    mm_value *ours = stable_files(name);
    mm_value *theirs = stable_files(expected);

    drop_extra_files(ours, theirs);
    int faults = mm_value_equal(ours, theirs)
                     ? 0
                     : compare_leaves("files of the work folder", ours, theirs);

    for (size_t i = 0; faults == 0 && i < mm_value_len(theirs); i++) {
        const char *file = mm_value_str(mm_list_get(theirs, i));
        char a[1024], b[1024];

        if (fits(file, "", ".pth"))
            faults += tt_compare_checkpoints(tt_path(name, file, a, sizeof(a)),
                                             tt_path(expected, file, b, sizeof(b)));
    }
    faults += compare_texts(name, expected, "last_checkpoint");
    mm_value_unref(ours);
    mm_value_unref(theirs);
    return faults;
}

/* At most `most` of the files that begin and end so. */
static int check_count(const char *name, const char *begin, const char *end, int most)
{
    mm_value *files = tt_files(name, begin, end);
    int count = (int)mm_value_len(files);

    if (count > most) {
        char *text = mm_value_repr(files);

        (void)printf("  %d files %s*%s, at most %d expected: %s\n", count, begin, end,
                     most, text);
        mm_free(text);
    }
    mm_value_unref(files);
    return count > most;
}

static int check_readable(const char *name)
{
    mm_value *files = tt_files(name, "", ".pth");
    int faults = 0;
    char path[1024];

    for (size_t i = 0; i < mm_value_len(files); i++) {
        const char *file = mm_value_str(mm_list_get(files, i));

        if (mm_pth_verify(tt_path(name, file, path, sizeof(path))) < 0) {
            faults += tell(file, mm_error_peek()->message);
            (void)mm_error_take(NULL);
        }
    }
    mm_value_unref(files);
    return faults;
}

/* last_checkpoint names a file that is there. */
static int check_pointer(const char *name)
{
    char path[1024], target[2048];
    size_t size = 0;

    if (!mm_file_exists(tt_path(name, "last_checkpoint", path, sizeof(path))))
        return 0;
    char *text = mm_file_read(path, &size);

    (void)snprintf(target, sizeof(target), "%s/%s/%s", tt_places.folder, name,
                   text == NULL ? "" : text);
    bool good = text != NULL && (mm_file_exists(target) || mm_file_exists(text));

    if (!good)
        (void)printf("  last_checkpoint names '%s', which is not there\n", text);
    mm_free(text);
    return good ? 0 : 1;
}

int tt_check_folder(const char *name, int max_keep)
{
    return check_readable(name) + check_pointer(name) +
           check_count(name, "", ".tmp", 2) +
           check_count(name, "epoch_", ".pth", max_keep + 1) +
           check_count(name, "iter_", ".pth", max_keep + 1) +
           check_count(name, "best_", ".pth", 2);
}

/* ---- logs ---- */

/* Adds `value` under `key`; a value that is there already must be the same. */
static int add_record(mm_value *all, const char *key, MM_TAKES mm_value *value)
{
    const mm_value *before = mm_dict_find(all, key);
    int faults = before == NULL ? 0 : compare_leaves(key, value, before);

    if (before == NULL)
        mm_dict_put(all, key, value);
    mm_value_unref(value);
    return faults;
}

static mm_value *without_times(const mm_value *record)
{
    static const char *const times[] = {"time", "data_time", "memory", "eta"};
    mm_value *copy = mm_value_copy(record);

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        (void)mm_dict_remove(copy, times[i]);
    return copy;
}

/* One line of scalars.json; a line that a kill cut off is passed over. */
static int add_scalars(mm_value *all, const char *line, size_t size)
{
    mm_value *record = mm_json_parse(line, size, NULL);

    if (record == NULL) {
        (void)mm_error_take(NULL);
        return 0;
    }
    const mm_value *iter = mm_dict_find(record, "iter");
    const mm_value *at = iter != NULL ? iter : mm_dict_find(record, "step");
    char *key = mm_strfmt("%s %" PRId64, iter != NULL ? "train" : "val",
                          at == NULL ? -1 : mm_value_i64(at));
    int faults = add_record(all, key, without_times(record));

    mm_free(key);
    mm_value_unref(record);
    return faults;
}

static bool is_timed(const char *item)
{
    static const char *const times[] = {"eta: ", "time: ", "data_time: ", "memory: "};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (strncmp(item, times[i], strlen(times[i])) == 0)
            return true;
    }
    return false;
}

/* One line of the log: "... INFO - Epoch(train) [1][ 3/10]  lr: ...  loss: ...". */
static int add_line(mm_value *all, const char *line, size_t size)
{
    const char *mark = " - INFO - ";
    char text[2048], kept[2048] = "", key[512] = "";
    size_t used = 0;

    (void)snprintf(text, sizeof(text), "%.*s", (int)size, line);
    const char *at = strstr(text, mark);

    at = at == NULL ? "" : at + strlen(mark);
    if (strstr(at, mark) != NULL) /* cut off by a kill, another start behind it */
        return 0;
    if (strncmp(at, "Epoch(", 6) != 0 && strncmp(at, "Iter(", 5) != 0)
        return 0;
    bool times_only = strstr(at, "eta: ") != NULL;
    bool is_metric = !times_only && strncmp(at, "Iter(val)", 9) == 0;

    for (const char *item = at; *item != '\0';) {
        const char *end = strstr(item, "  ");
        size_t length = end == NULL ? strlen(item) : (size_t)(end - item);

        if (key[0] == '\0')
            (void)snprintf(key, sizeof(key), "%.*s%s", (int)length, item,
                           times_only ? "" : " metrics");
        else if (length > 0 && !is_timed(item))
            used += (size_t)snprintf(kept + used, sizeof(kept) - used, "  %.*s",
                                     (int)length, item);
        item += length;
        item += strspn(item, " ");
    }
    if (strncmp(key, "Iter(train)", 11) == 0) /* a training may be made longer */
        key[strcspn(key, "/")] = '\0';
    if (is_metric) /* does not say where it stands */
        (void)snprintf(key + strlen(key), sizeof(key) - strlen(key), "%s", kept);
    return add_record(all, key, mm_value_new_str(kept));
}

static int add_file(mm_value *all, const char *path,
                    int (*add)(mm_value *all, const char *line, size_t size))
{
    size_t size = 0;
    char *text = mm_file_exists(path) ? mm_file_read(path, &size) : NULL;
    int faults = 0;

    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');

        if (end == NULL) /* cut off by a kill */
            break;
        faults += add(all, line, (size_t)(end - line));
        line = end + 1;
    }
    mm_free(text);
    return faults;
}

/* The pictures of a start, by name. */
static int add_pictures(mm_value *all, const char *folder)
{
    int faults = 0;

    if (!mm_file_exists(folder))
        return 0;
    mm_value *names = mm_list_dir(folder);

    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *path = mm_path_join(folder, name);
        size_t size = 0;
        char *bytes = fits(name, "", ".png") ? mm_file_read(path, &size) : NULL;

        if (bytes != NULL)
            faults += add_record(all, name, mm_value_new_bytes(bytes, size));
        mm_free(bytes);
        mm_free(path);
    }
    mm_value_unref(names);
    return faults;
}

/* Everything that the starts of a run logged: key -> record, line or picture. */
static mm_value *read_logs(const char *name, int *faults)
{
    mm_value *all = mm_value_new_dict();
    mm_value *files = tt_files(name, "", "");
    char path[1024], inner[2048];

    for (size_t i = 0; i < mm_value_len(files); i++) {
        const char *start = mm_value_str(mm_list_get(files, i));

        if (!is_start(start))
            continue;
        (void)tt_path(name, start, path, sizeof(path));
        (void)snprintf(inner, sizeof(inner), "%s/vis_data/scalars.json", path);
        *faults += add_file(all, inner, add_scalars);
        (void)snprintf(inner, sizeof(inner), "%s/%s.log", path, start);
        *faults += add_file(all, inner, add_line);
        (void)snprintf(inner, sizeof(inner), "%s/vis_data/vis_image", path);
        *faults += add_pictures(all, inner);
    }
    mm_value_unref(files);
    return all;
}

static int compare_logs(const char *name, const char *expected, bool all)
{
    int faults = 0;
    mm_value *ours = read_logs(name, &faults);
    mm_value *theirs = read_logs(expected, &faults);

    for (size_t i = 0; i < mm_value_len(theirs); i++) {
        const char *key = mm_dict_name_at(theirs, i);
        const mm_value *got = mm_dict_find(ours, key);

        if (got != NULL)
            faults += compare_leaves(key, got, mm_dict_at(theirs, i));
        else if (all)
            faults += tell(key, "was never logged");
    }
    for (size_t i = 0; i < mm_value_len(ours); i++) {
        if (!mm_dict_has(theirs, mm_dict_name_at(ours, i)))
            faults += tell(mm_dict_name_at(ours, i), "was logged, but not expected");
    }
    if (mm_value_len(theirs) == 0 || mm_value_len(ours) == 0)
        faults += tell(expected, "there are no logs to compare");
    mm_value_unref(ours);
    mm_value_unref(theirs);
    return faults;
}

int tt_compare_logs(const char *name, const char *expected)
{
    return compare_logs(name, expected, true);
}

int tt_compare_later_logs(const char *name, const char *expected)
{
    return compare_logs(name, expected, false);
}

int tt_compare_runs(const char *name, const char *expected)
{
    shown = 0;
    return tt_compare_folders(name, expected) + tt_compare_logs(name, expected);
}
