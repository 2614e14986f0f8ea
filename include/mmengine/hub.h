/** @file
 * The message hub: where parts of a run leave what others want to know. *Scalars* are
 * histories of numbers (losses, learning rates, times); *information* is the latest
 * value under a name (epoch, iter, best score). Keys keep the order of their first
 * appearance, which is the order of the tags in log lines and scalar files.
 *
 * A number may arrive before it is known: a loss on a device is an mm_value object with
 * `to_f64`, and is read only when a statistic or a file needs it, so that training does
 * not wait for the device at each iteration. Such a tensor must be detached from its
 * graph.
 *
 * A hub belongs to one runner and one thread. Source: mmengine/logging/message_hub.py
 * and history_buffer.py.
 */
#ifndef MMENGINE_HUB_H
#define MMENGINE_HUB_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

enum {
    MM_HISTORY_LENGTH = 1000000, /**< numbers that a history keeps by default */
    MM_WINDOW_ALL = 0            /**< as a window: all numbers that are kept */
};

/** @name History: a row of numbers, each with the count it stands for @{ */

/** An empty history that keeps the last `max_length` numbers; 0: MM_HISTORY_LENGTH. */
MM_API mm_history *mm_history_new(size_t max_length);
/** NULL is fine. */
MM_API void mm_history_free(mm_history *history);

/**
 * Adds a number. `count` is what it was summed over: a mean divides by the counts, so
 * `value` has to be multiplied by `count` already. Constant time.
 */
MM_API void mm_history_update(mm_history *history, double value, int64_t count);
/**
 * The same for an int. A history of ints alone stays one of ints, which is shown
 * without decimals; one float makes all of it floats.
 */
MM_API void mm_history_update_i64(mm_history *history, int64_t value, int64_t count);
/**
 * Adds a number, or an object with `to_f64` that is read when it is first needed.
 * Errors: MM_ETYPE for anything else.
 */
MM_API void mm_history_update_value(mm_history *history, mm_value *value,
                                    int64_t count);

/** Numbers that are kept. */
MM_API size_t mm_history_len(const mm_history *history);
/** True if all numbers are ints. Of an empty history: false. */
MM_API bool mm_history_is_integer(const mm_history *history);

/**
 * Statistics of the last `window` numbers (MM_WINDOW_ALL: of all). Where they are empty
 * a mean is NaN and the others are MM_ERANGE. NaN among the numbers makes the result
 * NaN. Sums are rounded as NumPy rounds them, so means equal MMEngine's to the last
 * bit.
 */
MM_API double mm_history_mean(mm_history *history, size_t window);
MM_API double mm_history_max(mm_history *history, size_t window);
MM_API double mm_history_min(mm_history *history, size_t window);
/** The last number. Errors: MM_ERANGE if there is none. */
MM_API double mm_history_current(mm_history *history);

/**
 * The kept numbers and their counts, oldest first, `*out_size` of each; borrowed until
 * the next update. `out_counts` may be NULL. NULL if there are none.
 */
MM_API const double *mm_history_data(mm_history *history, const int64_t **out_counts,
                                     size_t *out_size);

/**
 * A statistic of the log processor's `method_name`: gets the numbers of the window and
 * their counts, oldest first, and the entry's other keys as a dict or NULL.
 */
typedef double (*mm_statistic)(const double *values, const int64_t *counts, size_t size,
                               const mm_value *options);
/**
 * Registers a statistic for the whole process, before a runner exists. The name is
 * copied. Errors: MM_EKEY if it is taken ("mean", "max", "min" and "current" are).
 */
MM_API mm_status mm_statistic_register(const char *name,
                                       mm_statistic statistic) MM_MUST_USE;
/** True if mm_history_statistic() knows it. */
MM_API bool mm_statistic_is_known(const char *name);
/** The same as a status: MM_EKEY with the nearest names. */
MM_API mm_status mm_statistic_check(const char *name) MM_MUST_USE;
/** A statistic by name. `options` may be NULL. Errors: MM_EKEY with the nearest names.
 */
MM_API double mm_history_statistic(mm_history *history, const char *name, size_t window,
                                   const mm_value *options);
/** @} */

/** @name The hub @{ */

/** An empty hub. `name` is copied. */
MM_API mm_hub *mm_hub_new(const char *name);
/** NULL is fine. */
MM_API void mm_hub_free(mm_hub *hub);
MM_API const char *mm_hub_name(const mm_hub *hub);

/** Adds a number with count 1 to the history `key`, making it if needed. */
MM_API void mm_hub_update_scalar(mm_hub *hub, const char *key, double value);
/** The same for an int, see mm_history_update_i64(). */
MM_API void mm_hub_update_scalar_i64(mm_hub *hub, const char *key, int64_t value);
/**
 * The same with everything: a number or an object with `to_f64`, its count, and whether
 * the key belongs in checkpoints. Errors: MM_ESTATE if `resumed` is not what it was
 * before for this key.
 */
MM_API void mm_hub_update_scalar_with(mm_hub *hub, const char *key, mm_value *value,
                                      int64_t count, bool resumed);
/** One call for each entry of a dict of values or of `{value, count}`. */
MM_API void mm_hub_update_scalars(mm_hub *hub, const mm_value *scalars, bool resumed);

/** The history `key`, made if needed, borrowed: the quick way to update it often. */
MM_API mm_history *mm_hub_scalar(mm_hub *hub, const char *key);
/** The same; NULL without an error if there is none. */
MM_API mm_history *mm_hub_find_history(const mm_hub *hub, const char *key);
/** The same; MM_EKEY with the nearest names. */
MM_API mm_history *mm_hub_get_history(const mm_hub *hub, const char *key);
/** The last number of a history, or `fallback` if there is none. */
MM_API double mm_hub_find_scalar(const mm_hub *hub, const char *key, double fallback);

/** Histories, and the i-th of them in the order they were made. */
MM_API size_t mm_hub_num_scalars(const mm_hub *hub);
MM_API const char *mm_hub_scalar_key(const mm_hub *hub, size_t index);
MM_API mm_history *mm_hub_scalar_at(const mm_hub *hub, size_t index);

/** Sets the information `key`, which belongs in checkpoints. */
MM_API void mm_hub_update_info(mm_hub *hub, const char *key, mm_value *value);
MM_API void mm_hub_update_info_bool(mm_hub *hub, const char *key, bool value);
MM_API void mm_hub_update_info_i64(mm_hub *hub, const char *key, int64_t value);
MM_API void mm_hub_update_info_f64(mm_hub *hub, const char *key, double value);
MM_API void mm_hub_update_info_str(mm_hub *hub, const char *key, const char *value);
/** The same, saying whether it belongs in checkpoints. Errors: as of scalars. */
MM_API void mm_hub_update_info_with(mm_hub *hub, const char *key, mm_value *value,
                                    bool resumed);
/** One call for each entry of a dict. */
MM_API void mm_hub_update_infos(mm_hub *hub, const mm_value *infos, bool resumed);
/** The information `key`, or NULL without an error. */
MM_API mm_value *mm_hub_find_info(const mm_hub *hub, const char *key);
/** The same; MM_EKEY with the nearest names. */
MM_API mm_value *mm_hub_get_info(const mm_hub *hub, const char *key);
/** Removes it. True if it was there. */
MM_API bool mm_hub_remove_info(mm_hub *hub, const char *key);
/** All information, an ordered dict; borrowed, not to be changed. */
MM_API const mm_value *mm_hub_infos(const mm_hub *hub);

/**
 * What belongs in a checkpoint: `{log_scalars, runtime_info, resumed_keys}`. Of each
 * history at most the last `max_history` numbers are saved, as plain lists: 0 leaves
 * the histories out, which keeps checkpoints from growing with the run (MMEngine saves
 * them whole); SIZE_MAX saves all. Values are copies. The result is yours.
 */
MM_API MM_OWNED mm_value *mm_hub_state(mm_hub *hub, size_t max_history);
/**
 * Puts a state over what is there, as MMEngine does: keys of the state replace, others
 * stay. Histories in a form of Python's are skipped with one log line. Errors: MM_EDATA
 * if it is no hub state.
 */
MM_API mm_status mm_hub_load_state(mm_hub *hub, const mm_value *state) MM_MUST_USE;
/** @} */

MM_END_DECLS

#endif
