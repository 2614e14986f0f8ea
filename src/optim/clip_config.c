/* Reading `clip_grad`: which gradients' limit is meant and how it is measured. Options
 * are those of torch.nn.utils.clip_grad_norm_ and clip_grad_value_. */
#include "optim/clip_grad.h"

#include <math.h>
#include <string.h>

#include "base/suggest.h"
#include "mmengine/memory.h"

static mm_status unknown_key(const mm_value *config, size_t index, bool by_value)
{
    static const char *const norm_names[] = {
        "max_norm", "norm_type", "error_if_nonfinite", "foreach", "type", NULL};
    static const char *const value_names[] = {"clip_value", "foreach", "type", NULL};
    const char *const *names = by_value ? value_names : norm_names;
    const char *word = mm_dict_name_at(config, index);
    mmi_suggest near = {.word = word != NULL ? word : ""};
    char *key = mm_value_repr(mm_dict_key_at(config, index));

    mm_raise(MM_ECONFIG, "clip_grad has no option %s%s", key != NULL ? key : "?",
             by_value ? " with type='value'" : "");
    mm_free(key);
    for (size_t i = 0; names[i] != NULL; i++) {
        mmi_suggest_add(&near, names[i]);
    }
    mmi_suggest_hint(&near);
    return mm_error_locate(mm_dict_source_at(config, index));
}

/* A number, or what float() makes of a text in Python. `key` is its name in messages.
 */
static double parse_number(const char *key, const mm_value *value)
{
    char *shown;

    if (mm_value_kind(value) == MM_KIND_F64 || mm_value_kind(value) == MM_KIND_I64) {
        return mm_value_f64(value);
    }
    if (mm_value_kind(value) == MM_KIND_STR &&
        (strcmp(mm_value_str(value), "inf") == 0 ||
         strcmp(mm_value_str(value), "-inf") == 0)) {
        return mm_value_str(value)[0] == '-' ? -INFINITY : INFINITY;
    }
    shown = mm_value_repr(value);
    mm_raise(MM_ECONFIG, "clip_grad.%s is %s: a number or 'inf' is needed", key,
             shown != NULL ? shown : "?");
    mm_free(shown);
    return 0.0;
}

/* What no norm or value may exceed. PyTorch takes a negative one, which would turn the
 * gradients around. */
static double parse_limit(const char *key, const mm_value *value)
{
    double limit = parse_number(key, value);

    if (!mm_has_error() && !(limit >= 0.0)) {
        mm_raise(MM_ECONFIG, "clip_grad.%s is %g: 0 or more is needed", key, limit);
    }
    return limit;
}

static double parse_norm_type(const char *key, const mm_value *value)
{
    double order = parse_number(key, value);

    if (!mm_has_error() && isnan(order)) {
        mm_raise(MM_ECONFIG, "clip_grad.%s is nan: a number or 'inf' is needed", key);
    }
    return order;
}

static bool parse_bool(const char *key, const mm_value *value)
{
    if (mm_value_kind(value) != MM_KIND_BOOL) {
        mm_raise(MM_ECONFIG, "clip_grad.%s is of type %s: True or False is needed", key,
                 mm_value_type_name(value));
        return false;
    }
    return mm_value_is_true(value);
}

static mm_status parse_entry(const mm_value *config, size_t index, mmi_clip *out)
{
    const char *key = mm_dict_name_at(config, index);
    const mm_value *value = mm_dict_at(config, index);

    if (key == NULL) {
        return unknown_key(config, index, out->by_value);
    }
    if (strcmp(key, "type") == 0 || strcmp(key, "foreach") == 0) {
        return MM_OK;
    }
    if (out->by_value && strcmp(key, "clip_value") == 0) {
        out->clip_value = parse_limit(key, value);
    } else if (out->by_norm && strcmp(key, "max_norm") == 0) {
        out->max_norm = parse_limit(key, value);
    } else if (out->by_norm && strcmp(key, "norm_type") == 0) {
        out->norm_type = parse_norm_type(key, value);
    } else if (out->by_norm && strcmp(key, "error_if_nonfinite") == 0) {
        out->error_if_nonfinite = parse_bool(key, value);
    } else {
        return unknown_key(config, index, out->by_value);
    }
    return mm_error_locate(mm_dict_source_at(config, index));
}

mm_status mmi_clip_parse(const mm_value *config, mmi_clip *out)
{
    mmi_clip clip = {.norm_type = 2.0};

    if (mm_has_error()) {
        return mm_pending();
    }
    if (mm_value_is_none(config)) {
        *out = (mmi_clip){0};
        return MM_OK;
    }
    if (mm_value_kind(config) != MM_KIND_DICT) {
        mm_raise(MM_ECONFIG, "clip_grad is of type %s: a dict is needed",
                 mm_value_type_name(config));
        return mm_error_hint("clip_grad=dict(max_norm=35, norm_type=2)");
    }
    const mm_value *type = mm_dict_find(config, "type");
    const char *name = type != NULL ? mm_value_str(type) : "norm";

    if (mm_has_error()) {
        return mm_error_frame("in clip_grad.type");
    }
    clip.by_norm = strcmp(name, "norm") == 0;
    clip.by_value = strcmp(name, "value") == 0;
    if (!clip.by_norm && !clip.by_value) {
        mm_raise(MM_ECONFIG, "clip_grad.type is '%s': 'norm' or 'value' is needed",
                 name);
        return mm_error_locate(mm_dict_source(config, "type"));
    }
    const char *needed = clip.by_norm ? "max_norm" : "clip_value";

    for (size_t i = 0; i < mm_value_len(config); i++) {
        if (parse_entry(config, i, &clip) < 0) {
            return mm_pending();
        }
    }
    if (!mm_dict_has(config, needed)) {
        return mm_raise(MM_ECONFIG, "clip_grad needs %s", needed);
    }
    *out = clip;
    return mm_pending();
}
