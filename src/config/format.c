/* Configs as text of a chosen format. JSON and YAML get plain values: what only the
 * config language has, ranges, functions and classes, becomes a list or its description
 * first.
 * "{{" is written so that it is no template when the file is read as a config. */
#include <string.h>

#include "base/status.h"
#include "config/dump.h"
#include "config/objects.h"
#include "config/util.h"
#include "fileio/yaml.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

enum { MAX_NESTING = 500 };

/* ---- plain values ---- */

static mm_value *plain(const mm_value *value, bool keeps_dates, int depth);

static mm_value *plain_range(const mmi_range_object *range)
{
    mm_value *list = mm_value_new_list();
    bool is_up = range->step > 0;

    for (int64_t at = range->start;
         (is_up ? at < range->stop : at > range->stop) && !mm_has_error();) {
        mm_list_push(list, mm_value_new_i64(at));
        if (is_up ? at > INT64_MAX - range->step : at < INT64_MIN - range->step) {
            break;
        }
        at += range->step;
        if (mm_value_len(list) > 1000000) {
            (void)mm_raise(MM_ECONFIG, "a range has more than a million items");
        }
    }
    return list;
}

static mm_value *plain_object(const mm_value *value, bool keeps_dates)
{
    const mmi_range_object *range = mm_value_find_object(value, &mmi_range_ops);
    const char *date = mm_yaml_find_date(value);
    char *text = NULL;
    mm_value *made = NULL;

    if (range != NULL) {
        return plain_range(range);
    }
    if (date != NULL) {
        return keeps_dates ? mm_value_ref((mm_value *)(uintptr_t)value)
                           : mm_value_new_str(date);
    }
    text = mm_value_repr(value);
    made = text == NULL ? NULL : mm_value_new_str(text);
    mm_free(text);
    return made;
}

static mm_value *plain_dict(const mm_value *value, bool keeps_dates, int depth)
{
    mm_value *made = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        mm_value *item = plain(mm_dict_at(value, i), keeps_dates, depth + 1);

        mm_dict_put_key(made, mm_dict_key_at(value, i), item);
        mm_value_unref(item);
    }
    return made;
}

static mm_value *plain_items(const mm_value *value, bool keeps_dates, int depth)
{
    mm_value *made = mm_value_kind(value) == MM_KIND_LIST ? mm_value_new_list()
                                                          : mm_value_new_tuple();

    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        mm_list_push(made, plain(mm_list_get(value, i), keeps_dates, depth + 1));
    }
    return made;
}

static mm_value *plain(const mm_value *value, bool keeps_dates, int depth)
{
    if (depth > MAX_NESTING) {
        (void)mm_raise(MM_ECONFIG, "a value is nested too deeply to be written");
        return NULL;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_OBJECT:
        return plain_object(value, keeps_dates);
    case MM_KIND_DICT:
        return plain_dict(value, keeps_dates, depth);
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        return plain_items(value, keeps_dates, depth);
    default:
        return mm_value_ref((mm_value *)(uintptr_t)value);
    }
}

/* ---- formats ---- */

/* In JSON "{{" stands inside texts only. */
static char *without_templates(char *json)
{
    mmi_str out = {0};
    const char *p = json;

    if (json == NULL || strstr(json, "{{") == NULL) {
        return json;
    }
    for (const char *open = strstr(p, "{{"); open != NULL; open = strstr(p, "{{")) {
        mmi_str_add_n(&out, p, (size_t)(open - p) + 1);
        mmi_str_add(&out, "\\u007b");
        p = open + 2;
    }
    mmi_str_add(&out, p);
    mm_free(json);
    return mmi_str_take(&out);
}

static char *format_data(const mm_value *dict, bool is_json, mm_config_order order)
{
    mm_yaml_args yaml = {.keep_order = order == MM_CONFIG_SOURCE, .keep_utf8 = true};
    mm_value *value = plain(dict, !is_json, 0);
    char *text = NULL;

    if (value != NULL && !mm_has_error()) {
        text = is_json ? without_templates(mm_json_format(value, NULL))
                       : mm_yaml_format(value, &yaml);
    }
    mm_value_unref(value);
    return text;
}

char *mm_config_format(const mm_value *dict, const char *format, mm_config_order order)
{
    if (!MMI_NEED(dict) || !MMI_NEED(format)) {
        return NULL;
    }
    const char *name = format + (format[0] == '.');
    bool is_json = strcmp(name, "json") == 0;

    if (strcmp(name, "py") == 0) {
        return mmi_dump_python(dict, order);
    }
    if (is_json || strcmp(name, "yaml") == 0 || strcmp(name, "yml") == 0) {
        return format_data(dict, is_json, order);
    }
    (void)mm_raise(MM_EINVAL, "there is no config format '%s'", name);
    (void)mm_error_hint("known are py, json, yaml and yml");
    return NULL;
}

mm_status mm_config_save(const mm_config *config, const char *path)
{
    char *text = NULL;

    if (!MMI_NEED(config) || !MMI_NEED(path)) {
        return mm_pending();
    }
    text = mm_config_format(mm_config_root(config), mm_path_extension(path),
                            MM_CONFIG_SORTED);
    if (text == NULL) {
        return mm_error_frame("while writing config '%s'", path);
    }
    mm_status status = mm_file_write(path, text, strlen(text));

    mm_free(text);
    return status;
}
