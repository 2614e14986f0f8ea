/* The loss scale of mixed precision: it shrinks when a step is left out because a
 * gradient was not finite and grows after growth_interval good steps. All scales are
 * floats' values, as the tensor in which PyTorch keeps the scale. Source:
 * torch.amp.GradScaler, apex.amp.scaler. */
#include "optim/grad_scaler.h"

#include <math.h>
#include <string.h>

#include "base/suggest.h"
#include "mmengine/memory.h"
#include "optim/schedule_state.h"

void mmi_scaler_init(mmi_scaler *scaler)
{
    *scaler = (mmi_scaler){
        .scale = 65536.0,
        .growth_factor = 2.0,
        .backoff_factor = 0.5,
        .growth_interval = 2000,
        .max_scale = INFINITY,
        .is_enabled = true,
    };
}

static mm_status check_positive(double scale, const char *name)
{
    float rounded = (float)scale;

    if (!mm_has_error() && !(isfinite(rounded) && rounded > 0.0F)) {
        (void)mm_raise(MM_ECONFIG, "%s is %g: a number above 0 is needed", name, scale);
    }
    return mm_pending();
}

mm_status mmi_scaler_fix(mmi_scaler *scaler, double scale)
{
    if (check_positive(scale, "loss_scale") >= 0) {
        scaler->is_static = true;
        scaler->static_scale = scale;
        scaler->scale = (double)(float)scale;
    }
    return mm_pending();
}

static void read_interval(mmi_scaler *scaler, const mm_value *value)
{
    scaler->growth_interval = mm_value_i64(value);
    if (!mm_has_error() && scaler->growth_interval < 0) {
        (void)mm_raise(MM_ECONFIG,
                       "loss_scale.growth_interval is %lld: 0 or more steps are needed",
                       (long long)scaler->growth_interval);
    }
}

static void read_enabled(mmi_scaler *scaler, const mm_value *value)
{
    if (mm_value_kind(value) != MM_KIND_BOOL) {
        (void)mm_raise(MM_ECONFIG,
                       "loss_scale.enabled is of type %s: True or False is needed",
                       mm_value_type_name(value));
        return;
    }
    scaler->is_enabled = mm_value_is_true(value);
}

static mm_status unknown_entry(const char *key)
{
    static const char *const names[] = {"init_scale", "growth_factor", "backoff_factor",
                                        "growth_interval", "enabled"};
    mmi_suggest near = {.word = key != NULL ? key : ""};

    (void)mm_raise(MM_ECONFIG, "loss_scale has no option '%s'", near.word);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mmi_suggest_add(&near, names[i]);
    }
    mmi_suggest_hint(&near);
    return mm_pending();
}

static mm_status parse_entry(mmi_scaler *scaler, const char *key, const mm_value *value)
{
    if (key != NULL && strcmp(key, "init_scale") == 0) {
        double scale = mm_value_f64(value);

        scaler->scale = (double)(float)scale;
        (void)check_positive(scale, "loss_scale.init_scale");
    } else if (key != NULL && strcmp(key, "growth_factor") == 0) {
        scaler->growth_factor = mm_value_f64(value);
        if (!mm_has_error() && !(scaler->growth_factor > 1.0)) {
            (void)mm_raise(MM_ECONFIG,
                           "loss_scale.growth_factor is %g: a factor above 1 is needed",
                           scaler->growth_factor);
        }
    } else if (key != NULL && strcmp(key, "backoff_factor") == 0) {
        double factor = scaler->backoff_factor = mm_value_f64(value);

        if (!mm_has_error() && !(factor > 0.0 && factor < 1.0)) {
            (void)mm_raise(
                MM_ECONFIG,
                "loss_scale.backoff_factor is %g: a factor between 0 and 1 is needed",
                factor);
        }
    } else if (key != NULL && strcmp(key, "growth_interval") == 0) {
        read_interval(scaler, value);
    } else if (key != NULL && strcmp(key, "enabled") == 0) {
        read_enabled(scaler, value);
    } else {
        (void)unknown_entry(key);
    }
    return mm_pending();
}

static mm_status parse_dict(mmi_scaler *scaler, const mm_value *dict)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        const char *key = mm_dict_name_at(dict, i);

        if (parse_entry(scaler, key, mm_dict_at(dict, i)) < 0) {
            if (mm_pending() == MM_ETYPE)
                (void)mm_error_frame("in loss_scale.%s", key != NULL ? key : "?");
            return mm_error_locate(mm_dict_source_at(dict, i));
        }
    }
    return MM_OK;
}

mm_status mmi_scaler_parse(mmi_scaler *scaler, const mm_value *loss_scale)
{
    const char *text;

    switch (mm_value_kind(loss_scale)) {
    case MM_KIND_NONE:
        return mm_pending();
    case MM_KIND_F64:
    case MM_KIND_I64:
        return mmi_scaler_fix(scaler, mm_value_f64(loss_scale));
    case MM_KIND_DICT:
        return parse_dict(scaler, loss_scale);
    case MM_KIND_STR:
        text = mm_value_str(loss_scale);
        if (text == NULL || strcmp(text, "dynamic") == 0) {
            return mm_pending();
        }
        break;
    default:
        break;
    }
    char *shown = mm_value_repr(loss_scale);

    (void)mm_raise(MM_ECONFIG,
                   "loss_scale is %s: 'dynamic', a number or a dict is needed",
                   shown != NULL ? shown : "?");
    mm_free(shown);
    return mm_pending();
}

void mmi_scaler_update(mmi_scaler *scaler, bool is_finite)
{
    if (scaler->is_static) {
        scaler->scale = (double)(float)scaler->static_scale;
        return;
    }
    if (!is_finite) {
        double shrunk = (double)(float)(scaler->scale * scaler->backoff_factor);

        scaler->scale = fmax(shrunk, scaler->min_scale);
        scaler->growth_tracker = 0;
        return;
    }
    if (++scaler->growth_tracker == scaler->growth_interval) {
        double grown = (double)(float)(scaler->scale * scaler->growth_factor);

        if (isfinite(grown)) { /* never to infinity, from which there is no way back */
            scaler->scale = fmin(grown, scaler->max_scale);
        }
        scaler->growth_tracker = 0;
    }
}

mm_status mmi_scaler_save(const mmi_scaler *scaler, mm_value *state_dict)
{
    mm_value *state = mm_value_new_dict();

    if (scaler->is_enabled) {
        mm_dict_put_f64(state, "scale", scaler->scale);
        mm_dict_put_f64(state, "growth_factor", scaler->growth_factor);
        mm_dict_put_f64(state, "backoff_factor", scaler->backoff_factor);
        mm_dict_put_i64(state, "growth_interval", scaler->growth_interval);
        mm_dict_put_i64(state, "_growth_tracker", scaler->growth_tracker);
    }
    mm_dict_take(state_dict, "loss_scaler", state);
    return mm_pending();
}

mm_status mmi_scaler_save_apex(const mmi_scaler *scaler, mm_value *state_dict)
{
    mm_value *state = mm_value_new_dict();
    mm_value *first = mm_value_new_dict();

    mm_dict_put_f64(first, "loss_scale", scaler->scale);
    mm_dict_put_i64(first, "unskipped", scaler->growth_tracker);
    mm_dict_take(state, "loss_scaler0", first);
    mm_dict_take(state_dict, "apex_amp", state);
    return mm_pending();
}

static mm_status load_apex(mmi_scaler *scaler, const mm_value *state)
{
    const mm_value *first = mm_dict_find(state, "loss_scaler0");

    if (first != NULL) {
        mmi_read_f64(first, "loss_scale", &scaler->scale);
        mmi_read_i64(first, "unskipped", &scaler->growth_tracker);
    }
    return mm_has_error() ? mm_error_frame("in apex_amp.loss_scaler0") : MM_OK;
}

mm_status mmi_scaler_load(mmi_scaler *scaler, const mm_value *state_dict)
{
    const mm_value *state = mm_dict_find(state_dict, "loss_scaler");
    mmi_scaler loaded = *scaler;

    if (mm_has_error() || !scaler->is_enabled) {
        return mm_pending();
    }
    if (state == NULL) {
        state = mm_dict_find(state_dict, "apex_amp");
        if (state == NULL || load_apex(&loaded, state) < 0) {
            return mm_pending();
        }
    }
    mmi_read_f64(state, "scale", &loaded.scale);
    mmi_read_f64(state, "growth_factor", &loaded.growth_factor);
    mmi_read_f64(state, "backoff_factor", &loaded.backoff_factor);
    mmi_read_i64(state, "growth_interval", &loaded.growth_interval);
    mmi_read_i64(state, "_growth_tracker", &loaded.growth_tracker);
    loaded.scale = (double)(float)loaded.scale;
    if (mm_has_error()) {
        return mm_error_frame("in loss_scaler");
    }
    if (!(isfinite(loaded.scale) && loaded.scale > 0.0)) {
        return mm_raise(MM_EDATA, "the checkpoint's loss scale is %g", loaded.scale);
    }
    *scaler = loaded;
    return MM_OK;
}
