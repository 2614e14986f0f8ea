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

/* A number, or what float() makes of a text in Python. */
static double parse_number(const mm_value *value)
{
    if (mm_value_kind(value) != MM_KIND_STR) {
        return mm_value_f64(value);
    }
    const char *text = mm_value_str(value);

    if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0) {
        return text[0] == '-' ? -INFINITY : INFINITY;
    }
    mm_raise(MM_ECONFIG, "a number or 'inf' is needed, got '%s'", text);
    return 0.0;
}

/* What no norm or value may exceed. PyTorch takes a negative one, which would turn the
 * gradients around. */
static double parse_limit(const mm_value *value)
{
    double limit = parse_number(value);

    if (!mm_has_error() && !(limit >= 0.0)) {
        mm_raise(MM_ECONFIG, "a limit of 0 or more is needed, got %g", limit);
    }
    return limit;
}

static double parse_norm_type(const mm_value *value)
{
    double order = parse_number(value);

    if (!mm_has_error() && isnan(order)) {
        mm_raise(MM_ECONFIG, "a number or 'inf' is needed, got nan");
    }
    return order;
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
        out->clip_value = parse_limit(value);
    } else if (out->by_norm && strcmp(key, "max_norm") == 0) {
        out->max_norm = parse_limit(value);
    } else if (out->by_norm && strcmp(key, "norm_type") == 0) {
        out->norm_type = parse_norm_type(value);
    } else if (out->by_norm && strcmp(key, "error_if_nonfinite") == 0) {
        out->error_if_nonfinite = mm_value_is_true(value);
    } else {
        return unknown_key(config, index, out->by_value);
    }
    if (mm_has_error()) {
        mm_error_frame("in clip_grad.%s", key);
        return mm_error_locate(mm_dict_source_at(config, index));
    }
    return MM_OK;
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
        mm_raise(MM_ECONFIG, "clip_grad.type is 'norm' or 'value', got '%s'", name);
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
