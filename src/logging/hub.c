/*
 * The message hub: one ordered map of keys, each with its history, if it is a scalar,
 * and whether it belongs in checkpoints; and one dict of information. Histories never
 * move, so a pointer to one stays good for the hub's life.
 */
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/suggest.h"
#include "base/vec.h"
#include "logging/history.h"
#include "mmengine/hub.h"
#include "mmengine/log.h"

enum resumed { RESUMED_UNKNOWN, RESUMED_NO, RESUMED_YES };

struct hub_key {
    const char *name;    /* of the map's entry */
    mm_history *history; /* NULL: information only */
    enum resumed resumed;
};

struct mm_hub {
    char *name;
    mmi_map keys;                      /* struct hub_key, in order of appearance */
    MMI_VEC(struct hub_key *) scalars; /* those with a history, in order */
    mm_value *infos;
};

static void free_key(void *key)
{
    mm_history_free(((struct hub_key *)key)->history);
    mm_free(key);
}

mm_hub *mm_hub_new(const char *name)
{
    if (!MMI_NEED(name)) {
        return NULL;
    }
    mm_hub *hub = mm_alloc(sizeof *hub);
    if (hub == NULL) {
        return NULL;
    }
    hub->name = mm_strdup(name);
    hub->infos = mm_value_new_dict();
    if (mmi_is_pending()) {
        mm_hub_free(hub);
        return NULL;
    }
    return hub;
}

void mm_hub_free(mm_hub *hub)
{
    if (hub != NULL) {
        mmi_map_deinit(&hub->keys, free_key);
        mm_free(hub->scalars.data);
        mm_value_unref(hub->infos);
        mm_free(hub->name);
        mm_free(hub);
    }
}

const char *mm_hub_name(const mm_hub *hub)
{
    return MMI_NEED(hub) ? hub->name : NULL;
}

/* The key, made if needed. NULL: an error is pending. */
static struct hub_key *make_key(mm_hub *hub, const char *name)
{
    if (!MMI_NEED(hub) || !MMI_NEED(name)) {
        return NULL;
    }
    struct hub_key *key = mmi_map_find(&hub->keys, name);
    if (MMI_LIKELY(key != NULL)) {
        return key;
    }
    key = mm_alloc(sizeof *key);
    if (key == NULL) {
        return NULL;
    }
    mmi_map_put(&hub->keys, name, key);
    if (mmi_is_pending()) {
        mm_free(key);
        return NULL;
    }
    key->name = hub->keys.entries[hub->keys.count - 1].key;
    return key;
}

/* Settles whether the key is saved; it cannot change its mind. */
static bool set_resumed(struct hub_key *key, bool resumed)
{
    enum resumed wanted = resumed ? RESUMED_YES : RESUMED_NO;
    if (MMI_LIKELY(key->resumed == wanted)) {
        return true;
    }
    if (key->resumed == RESUMED_UNKNOWN) {
        key->resumed = wanted;
        return true;
    }
    mm_raise(MM_ESTATE, "could not update '%s' with resumed=%s: it was %s before",
             key->name, resumed ? "true" : "false", resumed ? "false" : "true");
    return false;
}

static bool make_history(mm_hub *hub, struct hub_key *key)
{
    if (MMI_LIKELY(key->history != NULL)) {
        return true;
    }
    mm_history *history = mm_history_new(0);
    if (history == NULL || !mmi_vec_push(&hub->scalars, key)) {
        mm_history_free(history);
        return false;
    }
    key->history = history;
    return true;
}

static mm_history *scalar_for(mm_hub *hub, const char *name, bool resumed)
{
    struct hub_key *key = make_key(hub, name);
    return key != NULL && set_resumed(key, resumed) && make_history(hub, key)
               ? key->history
               : NULL;
}

mm_history *mm_hub_scalar(mm_hub *hub, const char *key)
{
    return scalar_for(hub, key, true);
}

void mm_hub_update_scalar(mm_hub *hub, const char *key, double value)
{
    mm_history *history = scalar_for(hub, key, true);
    if (history != NULL) {
        mm_history_update(history, value, 1);
    }
}

void mm_hub_update_scalar_i64(mm_hub *hub, const char *key, int64_t value)
{
    mm_history *history = scalar_for(hub, key, true);
    if (history != NULL) {
        mm_history_update_i64(history, value, 1);
    }
}

void mm_hub_update_scalar_with(mm_hub *hub, const char *key, mm_value *value,
                               int64_t count, bool resumed)
{
    mm_history *history = scalar_for(hub, key, resumed);
    if (history != NULL) {
        mm_history_update_value(history, value, count);
        if (mmi_is_pending()) {
            mm_error_frame("while updating scalar '%s'", key);
        }
    }
}

/* An entry that is a dict holds `value` and maybe `count`. */
static void update_entry(mm_hub *hub, const char *key, mm_value *entry, bool resumed)
{
    int64_t count = 1;
    if (mm_value_kind(entry) == MM_KIND_DICT) {
        mm_value *given = mm_dict_find(entry, "count");
        count = given != NULL ? mm_value_i64(given) : 1;
        entry = mm_dict_get(entry, "value");
        if (entry == NULL) {
            mm_error_frame("while updating scalar '%s'", key);
            return;
        }
    }
    mm_hub_update_scalar_with(hub, key, entry, count, resumed);
}

/* The i-th key of a dict whose keys are all text; NULL: MM_ETYPE is pending. */
static const char *text_key(const mm_value *dict, size_t index)
{
    const char *name = mm_dict_name_at(dict, index);
    if (name == NULL) {
        mm_raise(MM_ETYPE, "a hub's keys are text, got %s",
                 mm_value_type_name(mm_dict_key_at(dict, index)));
    }
    return name;
}

static bool is_dict(const mm_value *value, const char *what)
{
    if (mm_value_kind(value) == MM_KIND_DICT) {
        return true;
    }
    mm_raise(MM_ETYPE, "%s need a dict, got %s", what, mm_value_type_name(value));
    return false;
}

void mm_hub_update_scalars(mm_hub *hub, const mm_value *scalars, bool resumed)
{
    if (!MMI_NEED(hub) || !MMI_NEED(scalars) || !is_dict(scalars, "scalars")) {
        return;
    }
    size_t size = mm_value_len(scalars);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *key = text_key(scalars, i);
        if (key != NULL) {
            update_entry(hub, key, mm_dict_at(scalars, i), resumed);
        }
    }
}

mm_history *mm_hub_find_history(const mm_hub *hub, const char *key)
{
    if (!MMI_NEED(hub) || !MMI_NEED(key)) {
        return NULL;
    }
    const struct hub_key *found = mmi_map_find(&hub->keys, key);
    return found != NULL ? found->history : NULL;
}

mm_history *mm_hub_get_history(const mm_hub *hub, const char *key)
{
    mm_history *history = mm_hub_find_history(hub, key);
    if (history != NULL || mmi_is_pending()) {
        return history;
    }
    mmi_suggest suggest = {.word = key};
    for (size_t i = 0; i < hub->scalars.count; i++) {
        mmi_suggest_add(&suggest, hub->scalars.data[i]->name);
    }
    mm_raise(MM_EKEY, "there is no scalar '%s' in the message hub", key);
    mmi_suggest_hint(&suggest);
    return NULL;
}

double mm_hub_find_scalar(const mm_hub *hub, const char *key, double fallback)
{
    mm_history *history = mm_hub_find_history(hub, key);
    return history != NULL && mm_history_len(history) > 0 ? mm_history_current(history)
                                                          : fallback;
}

size_t mm_hub_num_scalars(const mm_hub *hub)
{
    return MMI_NEED(hub) ? hub->scalars.count : 0;
}

static const struct hub_key *scalar_at(const mm_hub *hub, size_t index)
{
    if (!MMI_NEED(hub)) {
        return NULL;
    }
    if (index >= hub->scalars.count) {
        mm_raise(MM_ERANGE, "index %zu is outside a message hub of %zu scalars", index,
                 hub->scalars.count);
        return NULL;
    }
    return hub->scalars.data[index];
}

const char *mm_hub_scalar_key(const mm_hub *hub, size_t index)
{
    const struct hub_key *key = scalar_at(hub, index);
    return key != NULL ? key->name : NULL;
}

mm_history *mm_hub_scalar_at(const mm_hub *hub, size_t index)
{
    const struct hub_key *key = scalar_at(hub, index);
    return key != NULL ? key->history : NULL;
}

/* ---- information ---- */

void mm_hub_update_info_with(mm_hub *hub, const char *key, mm_value *value,
                             bool resumed)
{
    struct hub_key *found = make_key(hub, key);
    if (found != NULL && set_resumed(found, resumed)) {
        mm_dict_put(hub->infos, key, value);
    }
}

void mm_hub_update_info(mm_hub *hub, const char *key, mm_value *value)
{
    mm_hub_update_info_with(hub, key, value, true);
}

static void take_info(mm_hub *hub, const char *key, mm_value *value)
{
    mm_hub_update_info_with(hub, key, value, true);
    mm_value_unref(value);
}

void mm_hub_update_info_bool(mm_hub *hub, const char *key, bool value)
{
    take_info(hub, key, mm_value_new_bool(value));
}

void mm_hub_update_info_i64(mm_hub *hub, const char *key, int64_t value)
{
    take_info(hub, key, mm_value_new_i64(value));
}

void mm_hub_update_info_f64(mm_hub *hub, const char *key, double value)
{
    take_info(hub, key, mm_value_new_f64(value));
}

void mm_hub_update_info_str(mm_hub *hub, const char *key, const char *value)
{
    take_info(hub, key, mm_value_new_str(value));
}

void mm_hub_update_infos(mm_hub *hub, const mm_value *infos, bool resumed)
{
    if (!MMI_NEED(hub) || !MMI_NEED(infos) || !is_dict(infos, "information")) {
        return;
    }
    size_t size = mm_value_len(infos);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *key = text_key(infos, i);
        if (key != NULL) {
            mm_hub_update_info_with(hub, key, mm_dict_at(infos, i), resumed);
        }
    }
}

mm_value *mm_hub_find_info(const mm_hub *hub, const char *key)
{
    return MMI_NEED(hub) && MMI_NEED(key) ? mm_dict_find(hub->infos, key) : NULL;
}

mm_value *mm_hub_get_info(const mm_hub *hub, const char *key)
{
    mm_value *value = mm_hub_find_info(hub, key);
    if (value != NULL || mmi_is_pending()) {
        return value;
    }
    mmi_suggest suggest = {.word = key};
    size_t size = mm_value_len(hub->infos);
    for (size_t i = 0; i < size; i++) {
        mmi_suggest_add(&suggest, mm_dict_name_at(hub->infos, i));
    }
    mm_raise(MM_EKEY, "there is no information '%s' in the message hub", key);
    mmi_suggest_hint(&suggest);
    return NULL;
}

bool mm_hub_remove_info(mm_hub *hub, const char *key)
{
    return MMI_NEED(hub) && MMI_NEED(key) && mm_dict_remove(hub->infos, key);
}

const mm_value *mm_hub_infos(const mm_hub *hub)
{
    return MMI_NEED(hub) ? hub->infos : NULL;
}

/* ---- state ---- */

/* The last `most` numbers of a history as `{log_history, count_history}`. */
static mm_value *history_state(mm_history *history, size_t most)
{
    const int64_t *counts = NULL;
    size_t size = 0;
    const double *values = mm_history_data(history, &counts, &size);
    bool is_integer = mm_history_is_integer(history);
    mm_value *log_history = mm_value_new_list();
    mm_value *count_history = mm_value_new_list();
    for (size_t i = size > most ? size - most : 0; i < size && !mmi_is_pending(); i++) {
        mm_list_push(log_history, is_integer ? mm_value_new_i64((int64_t)values[i])
                                             : mm_value_new_f64(values[i]));
        mm_list_push(count_history, mm_value_new_i64(counts[i]));
    }
    mm_value *state = mm_value_new_dict();
    mm_dict_take(state, "log_history", log_history);
    mm_dict_take(state, "count_history", count_history);
    return state;
}

static mm_value *scalars_state(mm_hub *hub, size_t max_history)
{
    mm_value *scalars = mm_value_new_dict();
    for (size_t i = 0; i < hub->scalars.count && max_history > 0; i++) {
        const struct hub_key *key = hub->scalars.data[i];
        if (key->resumed == RESUMED_YES && !mmi_is_pending()) {
            mm_dict_take(scalars, key->name, history_state(key->history, max_history));
        }
    }
    return scalars;
}

static mm_value *infos_state(mm_hub *hub)
{
    mm_value *infos = mm_value_new_dict();
    size_t size = mm_value_len(hub->infos);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(hub->infos, i);
        const struct hub_key *key = mmi_map_find(&hub->keys, name);
        if (key->resumed == RESUMED_YES) {
            mm_dict_take(infos, name, mm_value_copy(mm_dict_at(hub->infos, i)));
        }
    }
    return infos;
}

mm_value *mm_hub_state(mm_hub *hub, size_t max_history)
{
    if (!MMI_NEED(hub)) {
        return NULL;
    }
    mm_value *state = mm_value_new_dict();
    mm_value *scalars = scalars_state(hub, max_history);
    mm_value *infos = infos_state(hub);
    mm_value *resumed = mm_value_new_dict();
    for (uint32_t i = 0; i < hub->keys.count && !mmi_is_pending(); i++) {
        const char *name = hub->keys.entries[i].key;
        if (mm_dict_has(scalars, name) || mm_dict_has(infos, name)) {
            mm_dict_put_bool(resumed, name, true);
        }
    }
    mm_dict_take(state, "log_scalars", scalars);
    mm_dict_take(state, "runtime_info", infos);
    mm_dict_take(state, "resumed_keys", resumed);
    if (mmi_is_pending()) {
        mm_value_unref(state);
        return NULL;
    }
    return state;
}

/* True if `state` is what history_state() makes. Raises nothing. */
static bool is_history_state(const mm_value *state)
{
    if (mm_value_kind(state) != MM_KIND_DICT) {
        return false;
    }
    const mm_value *values = mm_dict_find(state, "log_history");
    const mm_value *counts = mm_dict_find(state, "count_history");
    return mm_value_kind(values) == MM_KIND_LIST &&
           mm_value_kind(counts) == MM_KIND_LIST &&
           mm_value_len(values) == mm_value_len(counts);
}

static mm_history *history_from(const mm_value *state)
{
    const mm_value *values = mm_dict_get(state, "log_history");
    const mm_value *counts = mm_dict_get(state, "count_history");
    mm_history *history = mm_history_new(0);
    size_t size = mm_value_len(values);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        int64_t count = mm_value_i64(mm_list_get(counts, i));
        mm_history_update_value(history, mm_list_get(values, i), count);
    }
    return history;
}

static void load_scalar(mm_hub *hub, const char *name, const mm_value *state)
{
    mm_history *history = history_from(state);
    struct hub_key *key = make_key(hub, name);
    if (mmi_is_pending()) {
        mm_error_frame("while loading scalar '%s'", name);
        mm_history_free(history);
        return;
    }
    if (key->history == NULL) {
        if (!mmi_vec_push(&hub->scalars, key)) {
            mm_history_free(history);
            return;
        }
        key->history = history;
        return;
    }
    mmi_history_swap(key->history, history); /* pointers to it stay good */
    mm_history_free(history);
}

static void load_scalars(mm_hub *hub, const mm_value *scalars)
{
    size_t skipped = 0;
    size_t size = mm_value_len(scalars);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *name = text_key(scalars, i);
        const mm_value *state = mm_dict_at(scalars, i);
        if (name == NULL) {
            return;
        }
        if (is_history_state(state)) {
            load_scalar(hub, name, state);
        } else {
            skipped++;
        }
    }
    if (skipped > 0 && !mmi_is_pending()) {
        mm_log(MM_LOG_INFO,
               "%zu scalar histories of the message hub's state cannot be read, "
               "continuing without them",
               skipped);
    }
}

static void load_infos(mm_hub *hub, const mm_value *infos)
{
    size_t size = mm_value_len(infos);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *name = text_key(infos, i);
        if (name != NULL && make_key(hub, name) != NULL) {
            mm_dict_take(hub->infos, name, mm_value_copy(mm_dict_at(infos, i)));
        }
    }
}

static void load_resumed(mm_hub *hub, const mm_value *resumed)
{
    size_t size = mm_value_len(resumed);
    for (size_t i = 0; i < size && !mmi_is_pending(); i++) {
        const char *name = text_key(resumed, i);
        struct hub_key *key = name != NULL ? mmi_map_find(&hub->keys, name) : NULL;
        /* Keys whose history was left out are met again when they are updated. */
        if (key != NULL &&
            (key->history != NULL || mm_dict_has(hub->infos, key->name))) {
            key->resumed =
                mm_value_is_true(mm_dict_at(resumed, i)) ? RESUMED_YES : RESUMED_NO;
        }
    }
}

mm_status mm_hub_load_state(mm_hub *hub, const mm_value *state)
{
    static const char *const parts[] = {"log_scalars", "runtime_info", "resumed_keys"};
    const mm_value *found[3];
    if (!MMI_NEED(hub) || !MMI_NEED(state)) {
        return mm_pending();
    }
    for (int i = 0; i < 3; i++) {
        found[i] =
            mm_value_kind(state) == MM_KIND_DICT ? mm_dict_find(state, parts[i]) : NULL;
        if (mm_value_kind(found[i]) != MM_KIND_DICT) {
            return mm_raise(MM_EDATA, "a message hub's state needs a dict '%s', got %s",
                            parts[i], mm_value_type_name(found[i]));
        }
    }
    load_scalars(hub, found[0]);
    load_infos(hub, found[1]);
    load_resumed(hub, found[2]);
    return mm_pending();
}
