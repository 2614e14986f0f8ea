/* Mixed precision: autocast around preprocessing and forward, and a scaled loss so that
 * small gradients of half precision do not vanish. The scaler is
 * torch.amp.GradScaler's: a step whose gradients are not all finite is left out and the
 * scale shrinks; after growth_interval good steps it grows. Finiteness, unscaling and
 * clipping cost one pass over the gradients for their norm and one for the update. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"
#include "optim/schedule_state.h"

struct amp {
    mm_optim_wrapper_settings settings;
    mm_value *loss_scale; /* option: 'dynamic', a float, or a dict */
    const char *dtype_name;
    bool use_fsdp;
    mm_dtype dtype; /* NONE: the device's default */
    bool is_static; /* the scale is set back after every step */
    double static_scale;
    double scale; /* a float's value */
    double growth_factor;
    double backoff_factor;
    int64_t growth_interval;
    int64_t growth_tracker; /* good steps since the scale last changed */
    bool is_enabled;        /* a dict may switch the scaler off */
    mm_autocast autocast;
};

static mm_status parse_scaler_entry(struct amp *amp, const char *key,
                                    const mm_value *value)
{
    if (key != NULL && strcmp(key, "init_scale") == 0) {
        amp->scale = mm_value_f64(value);
    } else if (key != NULL && strcmp(key, "growth_factor") == 0) {
        amp->growth_factor = mm_value_f64(value);
    } else if (key != NULL && strcmp(key, "backoff_factor") == 0) {
        amp->backoff_factor = mm_value_f64(value);
    } else if (key != NULL && strcmp(key, "growth_interval") == 0) {
        amp->growth_interval = mm_value_i64(value);
    } else if (key != NULL && strcmp(key, "enabled") == 0) {
        amp->is_enabled = mm_value_is_true(value);
    } else {
        mm_raise(MM_ECONFIG, "loss_scale has no option '%s'", key != NULL ? key : "?");
        return mm_error_hint("options: init_scale, growth_factor, backoff_factor, "
                             "growth_interval, enabled");
    }
    return mm_pending();
}

static mm_status parse_scaler_dict(struct amp *amp, const mm_value *dict)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        if (parse_scaler_entry(amp, mm_dict_name_at(dict, i), mm_dict_at(dict, i)) <
            0) {
            return mm_error_locate(mm_dict_source_at(dict, i));
        }
    }
    if (!(amp->growth_factor > 1.0) || !(amp->backoff_factor < 1.0)) {
        return mm_raise(MM_ECONFIG,
                        "loss_scale: growth_factor %g must be above 1, "
                        "backoff_factor %g below 1",
                        amp->growth_factor, amp->backoff_factor);
    }
    return MM_OK;
}

static mm_status parse_loss_scale(struct amp *amp)
{
    const mm_value *value = amp->loss_scale;

    switch (mm_value_kind(value)) {
    case MM_KIND_NONE:
        return MM_OK;
    case MM_KIND_STR:
        if (strcmp(mm_value_str(value), "dynamic") == 0) {
            return MM_OK;
        }
        break;
    case MM_KIND_F64:
        amp->is_static = true;
        amp->static_scale = mm_value_f64(value);
        amp->scale = (double)(float)amp->static_scale;
        return MM_OK;
    case MM_KIND_DICT:
        return parse_scaler_dict(amp, value);
    default:
        break;
    }
    char *text = mm_value_repr(value);

    mm_raise(MM_ECONFIG, "loss_scale is %s: a float, a dict or 'dynamic' is needed",
             text != NULL ? text : "?");
    mm_free(text);
    return mm_pending();
}

static mm_status parse_dtype(struct amp *amp)
{
    if (amp->dtype_name == NULL) {
        return MM_OK;
    }
    if (mm_dtype_parse(amp->dtype_name, &amp->dtype) < 0) {
        return mm_pending();
    }
    if (amp->dtype != MM_DTYPE_F16 && amp->dtype != MM_DTYPE_BF16 &&
        amp->dtype != MM_DTYPE_F32 && amp->dtype != MM_DTYPE_F64) {
        return mm_raise(MM_ECONFIG,
                        "dtype is '%s': float16, bfloat16, float32 or float64",
                        amp->dtype_name);
    }
    return MM_OK;
}

static mm_status amp_init(void *self)
{
    struct amp *amp = self;

    amp->scale = 65536.0;
    amp->growth_factor = 2.0;
    amp->backoff_factor = 0.5;
    amp->growth_interval = 2000;
    amp->is_enabled = true;
    if (amp->use_fsdp) {
        return mm_raise(MM_EUNSUPPORTED, "use_fsdp=True is not supported");
    }
    return parse_loss_scale(amp) < 0 ? mm_pending() : parse_dtype(amp);
}

static mm_status amp_enter(void *self, mm_optim_wrapper *wrapper)
{
    struct amp *amp = self;
    char device[8];
    mm_dtype dtype = amp->dtype;

    if (mmi_optim_wrapper_device_type(wrapper, device, sizeof device) < 0) {
        return mm_pending();
    }
    bool is_cpu = strcmp(device, "cpu") == 0;

    if (dtype == MM_DTYPE_NONE) {
        dtype = is_cpu ? MM_DTYPE_BF16 : MM_DTYPE_F16;
    }
    if (is_cpu && dtype != MM_DTYPE_BF16) {
        mm_raise(MM_EUNSUPPORTED, "mixed precision with %s is not possible on the CPU",
                 mm_dtype_name(dtype));
        return mm_error_hint("use dtype='bfloat16'");
    }
    bool is_half = dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16;

    return mm_autocast_enter(device, dtype, is_half, &amp->autocast);
}

static void amp_leave(void *self, mm_optim_wrapper *wrapper)
{
    struct amp *amp = self;

    (void)wrapper;
    if (amp->autocast.active) {
        mm_autocast_exit(&amp->autocast);
        amp->autocast.active = false;
    }
}

static mm_status amp_backward(void *self, mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    const struct amp *amp = self;

    (void)wrapper;
    return mm_backward(amp->is_enabled ? mm_mul_scalar(loss, amp->scale) : loss);
}

/* GradScaler.update(). */
static void update_scale(struct amp *amp, bool is_finite)
{
    if (amp->is_static) {
        amp->scale = (double)(float)amp->static_scale;
        return;
    }
    if (!is_finite) {
        amp->scale = (double)(float)(amp->scale * amp->backoff_factor);
        amp->growth_tracker = 0;
        return;
    }
    if (++amp->growth_tracker == amp->growth_interval) {
        float grown = (float)(amp->scale * amp->growth_factor);

        if (isfinite(grown)) { /* never to infinity, from which there is no way back */
            amp->scale = (double)grown;
        }
        amp->growth_tracker = 0;
    }
}

static mm_status amp_step(void *self, mm_optim_wrapper *wrapper)
{
    struct amp *amp = self;
    double squares = 0.0;

    if (!amp->is_enabled) {
        return mm_optim_wrapper_clip_and_step(wrapper, 1.0F);
    }
    if (mmi_optim_wrapper_squares(wrapper, &squares) < 0) {
        return mm_pending();
    }
    bool is_finite = isfinite(squares);

    if (is_finite) {
        mm_optim_wrapper_clip_and_step(wrapper, (float)(1.0 / amp->scale));
    } else {
        wrapper->has_squares = false;
        if (wrapper->clip.by_norm) { /* MMEngine logs it, though no step follows */
            mmi_optim_wrapper_report(wrapper, "train/grad_norm",
                                     sqrt(squares) / amp->scale);
        }
    }
    if (!mm_has_error()) {
        update_scale(amp, is_finite);
    }
    return mm_pending();
}

/* GradScaler.state_dict(). */
static mm_status amp_save(void *self, mm_value *state_dict)
{
    const struct amp *amp = self;
    mm_value *state = mm_value_new_dict();

    if (amp->is_enabled) {
        mm_dict_put_f64(state, "scale", amp->scale);
        mm_dict_put_f64(state, "growth_factor", amp->growth_factor);
        mm_dict_put_f64(state, "backoff_factor", amp->backoff_factor);
        mm_dict_put_i64(state, "growth_interval", amp->growth_interval);
        mm_dict_put_i64(state, "_growth_tracker", amp->growth_tracker);
    }
    mm_dict_take(state_dict, "loss_scaler", state);
    return mm_pending();
}

static mm_status amp_load(void *self, const mm_value *state_dict)
{
    struct amp *amp = self;
    const mm_value *state = mm_dict_find(state_dict, "loss_scaler");

    if (state == NULL || !amp->is_enabled) {
        return mm_pending();
    }
    mmi_read_f64(state, "scale", &amp->scale);
    mmi_read_f64(state, "growth_factor", &amp->growth_factor);
    mmi_read_f64(state, "backoff_factor", &amp->backoff_factor);
    mmi_read_i64(state, "growth_interval", &amp->growth_interval);
    mmi_read_i64(state, "_growth_tracker", &amp->growth_tracker);
    return mm_has_error() ? mm_error_frame("in loss_scaler") : MM_OK;
}

static const mm_optim_wrapper_ops amp_ops = {
    .enter = amp_enter,
    .leave = amp_leave,
    .backward = amp_backward,
    .step = amp_step,
    .save_state = amp_save,
    .load_state = amp_load,
};

#define MM_OPT_STRUCT struct amp
static const mm_option amp_options[] = {
    {"", "", MM_OPT_INHERIT(settings, mm_optim_wrapper_options)},
    {"loss_scale", "'dynamic', a fixed float, or a dict of the scaler's options",
     MM_OPT_VALUE(loss_scale)},
    {"dtype", "float16 or bfloat16; default: bfloat16 on the CPU, else float16",
     MM_OPT_STR(dtype_name, NULL)},
    {"use_fsdp", "not supported: must be False", MM_OPT_BOOL(use_fsdp, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_amp_optim_wrapper = {
    .registry = "optim_wrappers",
    .name = "AmpOptimWrapper",
    .help = "mixed precision with a scaled loss, around OptimWrapper",
    .source = "mmengine/optim/optimizer/amp_optimizer_wrapper.py",
    .size = sizeof(struct amp),
    .options = amp_options,
    .init = amp_init,
    MM_OPTIM_WRAPPER(&amp_ops),
};
