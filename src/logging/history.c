/*
 * A row of numbers with counts. The kept numbers lie side by side in memory: the row
 * slides along its buffer and moves back to the beginning when it reaches the end,
 * which makes an update constant time on the average and a window a plain array.
 * Numbers that are not known yet are held beside the row, oldest first, with their
 * place in it.
 *
 * Invariants: values[begin .. begin + count) are kept; `counts` is NULL while all
 * counts are 1; `waiting` is sorted by serial; the number with serial `total - 1` is
 * the last.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/thread.h"
#include "base/vec.h"
#include "logging/history.h"

enum {
    WAITING_MOST = 1024, /* unread numbers; each may hold memory of a device */
    FIRST_CAPACITY = 16,
    STATISTICS_MOST = 64
};

struct waiting {
    uint64_t serial;
    mm_value *value;
};

struct mm_history {
    double *values;
    int64_t *counts;
    size_t begin;
    size_t count;
    size_t capacity;
    size_t max_length;
    uint64_t total; /* numbers ever added */
    bool is_integer;
    MMI_VEC(struct waiting) waiting;
};

mm_history *mm_history_new(size_t max_length)
{
    mm_history *history = mm_alloc(sizeof *history);
    if (history != NULL) {
        history->max_length = max_length != 0 ? max_length : MM_HISTORY_LENGTH;
        history->is_integer = true;
    }
    return history;
}

void mm_history_free(mm_history *history)
{
    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->waiting.count; i++) {
        mm_value_unref(history->waiting.data[i].value);
    }
    mm_free(history->waiting.data);
    mm_free(history->values);
    mm_free(history->counts);
    mm_free(history);
}

void mmi_history_swap(mm_history *a, mm_history *b)
{
    mm_history kept = *a;
    *a = *b;
    *b = kept;
}

static void slide(mm_history *history)
{
    memmove(history->values, history->values + history->begin,
            history->count * sizeof *history->values);
    if (history->counts != NULL) {
        memmove(history->counts, history->counts + history->begin,
                history->count * sizeof *history->counts);
    }
    history->begin = 0;
}

static bool grow(mm_history *history)
{
    size_t most = history->max_length + history->max_length / 4 + FIRST_CAPACITY;
    size_t capacity = history->capacity == 0 ? FIRST_CAPACITY : history->capacity * 2;
    if (capacity > most) {
        capacity = most;
    }
    double *values = mm_realloc(history->values, capacity * sizeof *values);
    if (values == NULL) {
        return false;
    }
    history->values = values;
    if (history->counts != NULL) {
        int64_t *counts = mm_realloc(history->counts, capacity * sizeof *counts);
        if (counts == NULL) {
            return false;
        }
        history->counts = counts;
    }
    history->capacity = capacity;
    return true;
}

/* From here on counts are kept; those so far were 1. */
static bool start_counts(mm_history *history)
{
    int64_t *counts = mmi_alloc_raw(history->capacity * sizeof *counts);
    if (counts == NULL) {
        return false;
    }
    for (size_t i = 0; i < history->begin + history->count; i++) {
        counts[i] = 1;
    }
    history->counts = counts;
    return true;
}

/* Room behind the row for one more number with its count. */
static bool make_room(mm_history *history, int64_t count)
{
    if (history->count == history->max_length) { /* the oldest goes */
        history->begin++;
        history->count--;
    }
    if (history->begin + history->count == history->capacity) {
        if (history->begin > history->count / 4) {
            slide(history);
        } else if (!grow(history)) {
            return false;
        }
    }
    return count == 1 || history->counts != NULL || start_counts(history);
}

static bool append(mm_history *history, double value, int64_t count)
{
    if (!make_room(history, count)) {
        return false;
    }
    size_t place = history->begin + history->count++;
    history->values[place] = value;
    if (history->counts != NULL) {
        history->counts[place] = count;
    }
    history->total++;
    return true;
}

void mm_history_update(mm_history *history, double value, int64_t count)
{
    if (MMI_NEED(history) && append(history, value, count)) {
        history->is_integer = false;
    }
}

void mm_history_update_i64(mm_history *history, int64_t value, int64_t count)
{
    if (MMI_NEED(history)) {
        append(history, (double)value, count);
    }
}

/* Reads the waiting numbers from `serial` on. False: an error is pending. */
static bool read_waiting(mm_history *history, uint64_t serial)
{
    while (history->waiting.count > 0) {
        struct waiting *last = &history->waiting.data[history->waiting.count - 1];
        uint64_t behind = history->total - last->serial; /* 1 is the last number */
        if (last->serial < serial && behind <= history->count) {
            return true;
        }
        if (behind <= history->count) {
            double value = mm_value_f64(last->value);
            if (mmi_is_pending()) {
                return false;
            }
            history->values[history->begin + history->count - behind] = value;
        }
        mm_value_unref(last->value);
        history->waiting.count--;
    }
    return true;
}

static void add_waiting(mm_history *history, mm_value *value, int64_t count)
{
    struct waiting waiting = {history->total, value};
    if (history->waiting.count >= WAITING_MOST && !read_waiting(history, 0)) {
        return;
    }
    if (!mmi_vec_push(&history->waiting, waiting)) {
        return;
    }
    if (!append(history, NAN, count)) {
        history->waiting.count--;
        return;
    }
    mm_value_ref(value);
    history->is_integer = false;
}

void mm_history_update_value(mm_history *history, mm_value *value, int64_t count)
{
    if (!MMI_NEED(history) || !MMI_NEED(value)) {
        return;
    }
    const mm_object_ops *ops = mm_value_object_ops(value);
    mm_kind kind = mm_value_kind(value);
    if (kind == MM_KIND_BOOL || kind == MM_KIND_I64) {
        mm_history_update_i64(history, mm_value_i64(value), count);
    } else if (kind == MM_KIND_F64 || kind == MM_KIND_BIGINT) {
        double number = mm_value_f64(value); /* a bigint may not fit */
        mm_history_update(history, number, count);
    } else if (ops != NULL && ops->to_f64 != NULL) {
        add_waiting(history, value, count);
    } else {
        mm_raise(MM_ETYPE, "a scalar needs a number, got %s",
                 mm_value_type_name(value));
    }
}

size_t mm_history_len(const mm_history *history)
{
    return MMI_NEED(history) ? history->count : 0;
}

bool mm_history_is_integer(const mm_history *history)
{
    return history != NULL && history->is_integer && history->count > 0;
}

/* The last `window` numbers, all of them read. `data` NULL: an error is pending, or
 * there are none. */
struct window {
    const double *data;
    const int64_t *counts; /* NULL: all 1 */
    size_t size;
};

static struct window take_window(mm_history *history, size_t size)
{
    struct window window = {0};
    if (!MMI_NEED(history)) {
        return window;
    }
    if (size == MM_WINDOW_ALL || size > history->count) {
        size = history->count;
    }
    if (size > 0 && read_waiting(history, history->total - size)) {
        size_t first = history->begin + history->count - size;
        window.data = history->values + first;
        window.counts = history->counts != NULL ? history->counts + first : NULL;
        window.size = size;
    }
    return window;
}

/* NumPy's order of summation: eight partial sums up to 128 numbers, halves beyond. */
static double sum_pairwise(const double *values, size_t size)
{
    enum { BLOCK = 128, LANES = 8 };
    if (size < LANES) {
        double sum = 0.0;
        for (size_t i = 0; i < size; i++) {
            sum += values[i];
        }
        return sum;
    }
    if (size <= BLOCK) {
        double lanes[LANES];
        memcpy(lanes, values, sizeof lanes);
        size_t i = LANES;
        for (; i < size - size % LANES; i += LANES) {
            for (size_t lane = 0; lane < LANES; lane++) {
                lanes[lane] += values[i + lane];
            }
        }
        double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                     ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
        for (; i < size; i++) {
            sum += values[i];
        }
        return sum;
    }
    size_t half = size / 2 - size / 2 % LANES;
    return sum_pairwise(values, half) + sum_pairwise(values + half, size - half);
}

double mm_history_mean(mm_history *history, size_t size)
{
    struct window window = take_window(history, size);
    if (window.size == 0) {
        return NAN;
    }
    int64_t counts = (int64_t)window.size;
    if (window.counts != NULL) {
        counts = 0;
        for (size_t i = 0; i < window.size; i++) {
            counts += window.counts[i];
        }
    }
    return sum_pairwise(window.data, window.size) / (double)counts;
}

static bool need_numbers(struct window window, const char *what)
{
    if (window.size == 0) {
        mm_raise(MM_ERANGE, "could not take the %s of an empty history", what);
    }
    return window.size > 0;
}

double mm_history_max(mm_history *history, size_t size)
{
    struct window window = take_window(history, size);
    if (!need_numbers(window, "maximum")) {
        return NAN;
    }
    double best = window.data[0];
    for (size_t i = 1; i < window.size && !isnan(best); i++) {
        best = window.data[i] > best || isnan(window.data[i]) ? window.data[i] : best;
    }
    return best;
}

double mm_history_min(mm_history *history, size_t size)
{
    struct window window = take_window(history, size);
    if (!need_numbers(window, "minimum")) {
        return NAN;
    }
    double best = window.data[0];
    for (size_t i = 1; i < window.size && !isnan(best); i++) {
        best = window.data[i] < best || isnan(window.data[i]) ? window.data[i] : best;
    }
    return best;
}

double mm_history_current(mm_history *history)
{
    struct window window = take_window(history, 1);
    return need_numbers(window, "last number") ? window.data[0] : NAN;
}

const double *mm_history_data(mm_history *history, const int64_t **out_counts,
                              size_t *out_size)
{
    struct window window = take_window(history, MM_WINDOW_ALL);
    if (window.size > 0 && out_counts != NULL && window.counts == NULL) {
        if (!start_counts(history)) {
            return NULL;
        }
        window.counts = history->counts + history->begin;
    }
    if (!mmi_is_pending()) {
        *out_size = window.size;
        if (out_counts != NULL) {
            *out_counts = window.counts;
        }
    }
    return window.data;
}

/* ---- statistics by name ---- */

static const char *const own_statistics[] = {"mean", "max", "min", "current"};

static struct {
    mmi_mutex mutex;
    struct {
        const char *name; /* interned */
        mm_statistic call;
    } rows[STATISTICS_MOST];
    size_t count;
} registry = {.mutex = MMI_MUTEX_INIT};

static mm_statistic find_statistic(const char *name)
{
    mm_statistic found = NULL;
    mmi_mutex_lock(&registry.mutex);
    for (size_t i = 0; i < registry.count; i++) {
        if (strcmp(registry.rows[i].name, name) == 0) {
            found = registry.rows[i].call;
        }
    }
    mmi_mutex_unlock(&registry.mutex);
    return found;
}

bool mm_statistic_is_known(const char *name)
{
    if (name == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof own_statistics / sizeof *own_statistics; i++) {
        if (strcmp(own_statistics[i], name) == 0) {
            return true;
        }
    }
    return find_statistic(name) != NULL;
}

mm_status mm_statistic_register(const char *name, mm_statistic statistic)
{
    if (!MMI_NEED(name) || !MMI_NEED(statistic)) {
        return mm_pending();
    }
    if (mm_statistic_is_known(name)) {
        return mm_raise(MM_EKEY, "could not register statistic '%s': the name is taken",
                        name);
    }
    const char *kept = mm_intern(name);
    if (kept == NULL) {
        return mm_pending();
    }
    mmi_mutex_lock(&registry.mutex);
    bool fits = registry.count < STATISTICS_MOST;
    if (fits) {
        registry.rows[registry.count].name = kept;
        registry.rows[registry.count].call = statistic;
        registry.count++;
    }
    mmi_mutex_unlock(&registry.mutex);
    return fits ? MM_OK
                : mm_raise(MM_ENOMEM,
                           "could not register statistic '%s': there are %d already",
                           name, (int)STATISTICS_MOST);
}

static void raise_unknown(const char *name)
{
    mmi_suggest suggest = {.word = name};
    for (size_t i = 0; i < sizeof own_statistics / sizeof *own_statistics; i++) {
        mmi_suggest_add(&suggest, own_statistics[i]);
    }
    mmi_mutex_lock(&registry.mutex);
    for (size_t i = 0; i < registry.count; i++) {
        mmi_suggest_add(&suggest, registry.rows[i].name);
    }
    mmi_mutex_unlock(&registry.mutex);
    mm_raise(MM_EKEY, "there is no statistic '%s'", name);
    mmi_suggest_hint(&suggest);
}

mm_status mm_statistic_check(const char *name)
{
    if (MMI_NEED(name) && !mm_statistic_is_known(name)) {
        raise_unknown(name);
    }
    return mm_pending();
}

static double call_registered(mm_history *history, mm_statistic call, size_t size,
                              const mm_value *options)
{
    struct window window = take_window(history, size);
    if (window.size > 0 && window.counts == NULL && start_counts(history)) {
        window.counts = history->counts + history->begin + history->count - window.size;
    }
    return mmi_is_pending() ? NAN
                            : call(window.data, window.counts, window.size, options);
}

double mm_history_statistic(mm_history *history, const char *name, size_t window,
                            const mm_value *options)
{
    if (!MMI_NEED(history) || !MMI_NEED(name)) {
        return NAN;
    }
    if (strcmp(name, "mean") == 0) {
        return mm_history_mean(history, window);
    }
    if (strcmp(name, "max") == 0) {
        return mm_history_max(history, window);
    }
    if (strcmp(name, "min") == 0) {
        return mm_history_min(history, window);
    }
    if (strcmp(name, "current") == 0) {
        return mm_history_current(history);
    }
    mm_statistic call = find_statistic(name);
    if (call == NULL) {
        raise_unknown(name);
        return NAN;
    }
    return call_registered(history, call, window, options);
}
