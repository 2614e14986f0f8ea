/* Reads custom_cfg of the log processor. Everything that could be wrong with a row is
 * found when the processor is built, not at the first log line. */
#include <string.h>

#include "mmengine/memory.h"
#include "runner/log_processor.h"

static bool is_row_key(const char *key)
{
    static const char *const keys[] = {"data_src", "method_name", "log_name",
                                       "window_size"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (key != NULL && strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

static mm_status raise_window(const mmi_log_row *row, const mm_value *value)
{
    char *text = mm_value_repr(value);

    (void)mm_raise(MM_ECONFIG,
                   "window_size of '%s' is a count, 'epoch' or 'global', got %s",
                   row->data_src, text == NULL ? "" : text);
    mm_free(text);
    return mm_pending();
}

static mm_status read_window(mmi_log_row *row, const mm_value *value, bool by_epoch)
{
    const char *word = mm_value_kind(value) == MM_KIND_STR ? mm_value_str(value) : "";

    row->window = MMI_WINDOW_ALL;
    if (mm_value_is_none(value))
        return mm_pending();
    if (mm_value_kind(value) == MM_KIND_I64) {
        row->size = mm_value_i64(value);
        row->window = row->size > 0 ? MMI_WINDOW_COUNT : MMI_WINDOW_ALL;
        return row->size >= 0 ? MM_OK : raise_window(row, value);
    }
    if (strcmp(word, "global") == 0)
        row->window = MMI_WINDOW_GLOBAL;
    else if (strcmp(word, "epoch") == 0 && by_epoch)
        row->window = MMI_WINDOW_EPOCH;
    else if (strcmp(word, "epoch") == 0)
        return mm_raise(MM_ECONFIG, "window_size='epoch' of '%s' needs by_epoch=True",
                        row->data_src);
    else
        return raise_window(row, value);
    return MM_OK;
}

/* The keys that are left belong to a registered statistic; ours have none. */
static mm_status read_options(mmi_log_row *row, const mm_value *dict)
{
    static const char *const ours[] = {"mean", "max", "min", "current"};
    bool is_ours = false;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        is_ours = is_ours || strcmp(row->method, ours[i]) == 0;
    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(dict, i);

        if (is_row_key(key))
            continue;
        if (is_ours || key == NULL)
            return mm_raise(MM_ECONFIG, "statistic '%s' of '%s' has no option '%s'",
                            row->method, row->data_src, key == NULL ? "?" : key);
        if (row->options == NULL)
            row->options = mm_value_new_dict();
        mm_dict_put(row->options, key, mm_dict_at(dict, i));
    }
    return mm_pending();
}

static mm_status check_name(const mmi_log_rows *rows, const mmi_log_row *row)
{
    for (const mmi_log_row *other = rows->data; other < row; other++) {
        if (strcmp(other->log_name, row->log_name) == 0) {
            (void)mm_raise(MM_ECONFIG, "two entries of custom_cfg are named '%s'",
                           row->log_name);
            return mm_error_hint("give all but one a log_name of its own");
        }
    }
    return MM_OK;
}

static mm_status read_row(mmi_log_rows *rows, const mm_value *dict, bool by_epoch)
{
    mmi_log_row *row = &rows->data[rows->count++];

    if (mm_value_kind(dict) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "custom_cfg is a list of dicts, got a %s in it",
                        mm_value_type_name(dict));
    const mm_value *source = mm_dict_get(dict, "data_src");
    const mm_value *method = source == NULL ? NULL : mm_dict_get(dict, "method_name");
    const mm_value *name = mm_dict_find(dict, "log_name");

    if (method == NULL)
        return mm_pending();
    row->data_src = mm_value_str(source);
    row->method = mm_value_str(method);
    row->log_name = name == NULL ? row->data_src : mm_value_str(name);
    if (mm_has_error() || check_name(rows, row) < 0 ||
        mm_statistic_check(row->method) < 0 ||
        read_window(row, mm_dict_find(dict, "window_size"), by_epoch) < 0)
        return mm_pending();
    return read_options(row, dict);
}

mm_status mmi_log_rows_read(mmi_log_rows *rows, const mm_value *custom_cfg,
                            bool by_epoch)
{
    *rows = (mmi_log_rows){0};
    if (mm_value_is_none(custom_cfg))
        return mm_pending();
    if (mm_value_kind(custom_cfg) != MM_KIND_LIST &&
        mm_value_kind(custom_cfg) != MM_KIND_TUPLE)
        return mm_raise(MM_ECONFIG, "custom_cfg is a custom_cfg of dicts, got a %s",
                        mm_value_type_name(custom_cfg));
    rows->data = mm_alloc_array(mm_value_len(custom_cfg) + 1, sizeof(*rows->data));
    for (size_t i = 0; rows->data != NULL && i < mm_value_len(custom_cfg); i++) {
        if (read_row(rows, mm_list_get(custom_cfg, i), by_epoch) < 0) {
            (void)mm_error_locate(mm_list_source(custom_cfg, i));
            return mm_error_frame("while reading custom_cfg[%zu]", i);
        }
    }
    return mm_pending();
}

void mmi_log_rows_free(mmi_log_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        mm_value_unref(rows->data[i].options);
    mm_free(rows->data);
    *rows = (mmi_log_rows){0};
}
