/* Mixed precision: autocast around preprocessing and forward, and a scaled loss so that
 * small gradients of half precision do not vanish. A step whose gradients are not all
 * finite is left out, counted and reported. Where the gradients lie plainly in host
 * memory the look for what is not finite, unscaling and clipping cost one pass over
 * them for their norm and one for the update; elsewhere they are PyTorch's operators in
 * its order. */
#include "optim/amp_optim_wrapper.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "optim/builtin.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

enum { LONG_ROW = 10 /* skipped steps in a row that are worth a warning */ };

struct amp {
    mmi_amp common;
    mm_value *loss_scale; /* option */
    const char *dtype_name;
    bool use_fsdp;
};

/* True if libtorch multiplies and convolves float16 on the host; 1.13 does not. */
static bool host_has_half(void)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(1, 1, 1, 1), .dtype = MM_DTYPE_F16);
    mm_tensor *row = mm_ones(MM_DIMS(1, 1), .dtype = MM_DTYPE_F16);
    mm_error error;

    (void)mm_matmul(row, row);
    (void)mm_conv2d(x, x, NULL);
    mm_scope_close(scope);
    return mm_error_take(&error) >= 0;
}

/* Where the parameters are; "cpu" for an optimizer of none. */
static mm_status find_device(const mm_optim_wrapper *wrapper, char *out, size_t size)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(wrapper->optimizer->params[0], &info) < 0) {
        return mm_pending();
    }
    size_t length = strcspn(info.device, ":");

    length = length < size ? length : size - 1;
    memcpy(out, info.device, length);
    out[length] = '\0';
    return MM_OK;
}

mm_status mmi_amp_start(void *self, mm_optim_wrapper *wrapper)
{
    const mmi_amp *amp = self;
    char device[8];

    if (!amp->casts || amp->dtype != MM_DTYPE_F16 ||
        find_device(wrapper, device, sizeof device) < 0 || strcmp(device, "cpu") != 0 ||
        host_has_half())
        return mm_pending();
    (void)mm_raise(MM_EUNSUPPORTED, "libtorch %s cannot compute in float16 on the CPU",
                   mm_torch_version());
    (void)mm_error_locate(
        mm_dict_source(mm_instance_config(wrapper->instance), "dtype"));
    return mm_error_hint("use dtype='bfloat16', or libtorch 2.3 and newer");
}

mm_status mmi_amp_enter(void *self, mm_optim_wrapper *wrapper)
{
    mmi_amp *amp = self;
    char device[8];
    mm_dtype dtype = amp->dtype;

    if (find_device(wrapper, device, sizeof device) < 0) {
        return mm_pending();
    }
    if (dtype == MM_DTYPE_NONE) {
        dtype = strcmp(device, "cpu") == 0 ? MM_DTYPE_BF16 : MM_DTYPE_F16;
    }
    bool casts = amp->casts && (dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16);

    return mm_autocast_enter(device, casts ? dtype : MM_DTYPE_NONE, casts,
                             &amp->before);
}

void mmi_amp_leave(void *self, mm_optim_wrapper *wrapper)
{
    mmi_amp *amp = self;

    (void)wrapper;
    if (amp->before.active) {
        mm_autocast_exit(&amp->before);
        amp->before.active = false;
    }
}

mm_status mmi_amp_backward(void *self, mm_optim_wrapper *wrapper, mm_tensor *loss)
{
    const mmi_amp *amp = self;
    const float scale = (float)amp->scaler.scale;

    (void)wrapper;
    if (!amp->scaler.is_enabled) {
        return mm_backward(loss);
    }
    /* times a tensor: a loss of half precision becomes float32 and cannot overflow */
    mm_tensor *scaled = mm_mul(loss, mm_from_f32(&scale, 0, NULL));

    return mm_has_error() ? mm_pending() : mm_backward(scaled);
}

/* Every now and then, more and more rarely, while no step succeeds. */
static void warn_of_row(const mmi_scaler *scaler, mm_optim_wrapper *wrapper)
{
    int64_t row = wrapper->skipped_in_row;
    const char *name;

    if (row < LONG_ROW || row % LONG_ROW != 0 ||
        ((row / LONG_ROW) & (row / LONG_ROW - 1)) != 0)
        return;
    name = mmi_clip_find_nonfinite(wrapper->optimizer);
    mm_log(MM_LOG_WARN,
           "%" PRId64 " steps in a row were skipped: at loss scale %g the gradients "
           "were not finite, first that of '%s'",
           row, scaler->scale, name != NULL ? name : "?");
}

static void warn_of_skip(const mmi_scaler *scaler, mm_optim_wrapper *wrapper)
{
    if (wrapper->skipped_steps == 1)
        mm_log(MM_LOG_WARN,
               "a step was skipped: gradients were not finite at loss scale %g. It "
               "happens in the first steps while the scale is found; from now on the "
               "log counts skipped_steps",
               scaler->scale);
    warn_of_row(scaler, wrapper);
}

/* MMEngine logs the norm, though no step follows. */
static void report_norm(mm_optim_wrapper *wrapper, float factor)
{
    double norm = 0.0;

    if (wrapper->clip.by_norm &&
        mmi_clip_norm(wrapper->optimizer, &wrapper->clip, factor,
                      wrapper->has_squares ? &wrapper->squares : NULL, &norm) >= 0) {
        mmi_optim_wrapper_report_norm(wrapper, norm);
    }
}

static void report_skips(const mmi_scaler *scaler, mm_optim_wrapper *wrapper)
{
    if (wrapper->skipped_steps == 0)
        return;
    if (!scaler->is_static)
        mmi_optim_wrapper_report(wrapper, "grad_scale",
                                 (mm_number){MM_NUMBER_F64, {.f64 = scaler->scale}});
    mmi_optim_wrapper_report(
        wrapper, "skipped_steps",
        (mm_number){MM_NUMBER_I64, {.i64 = wrapper->skipped_steps}});
}

/* The scale's way down has an end: every gradient is 0 there, or still not finite. */
static mm_status check_scale(const mmi_scaler *scaler, const mm_optim_wrapper *wrapper)
{
    if (mm_has_error() || scaler->scale > 0.0)
        return mm_pending();
    (void)mm_raise(MM_ENUMERIC,
                   "the loss scale has shrunk to 0: %" PRId64
                   " steps in a row had gradients that are not finite",
                   wrapper->skipped_in_row);
    return mm_error_hint("NanGuardHook finds the layer and the batch");
}

mm_status mmi_amp_step(void *self, mm_optim_wrapper *wrapper)
{
    mmi_amp *amp = self;
    mmi_scaler *scaler = &amp->scaler;
    float factor = (float)(1.0 / scaler->scale);
    bool is_finite = true;

    if (!scaler->is_enabled) {
        return mm_optim_wrapper_clip_and_step(wrapper, 1.0F);
    }
    if (mmi_optim_wrapper_unscale(wrapper, &factor, &is_finite) < 0) {
        return mm_pending();
    }
    if (!mmi_clip_has_grads(wrapper->optimizer)) { /* nothing to learn from */
        return MM_OK;
    }
    if (is_finite) {
        wrapper->skipped_in_row = 0;
        if (mm_optim_wrapper_clip_and_step(wrapper, factor) < 0)
            return mm_pending();
    } else {
        wrapper->skipped_steps++;
        wrapper->skipped_in_row++;
        warn_of_skip(scaler, wrapper);
        report_norm(wrapper, factor);
        wrapper->has_squares = false;
    }
    mmi_scaler_update(scaler, is_finite);
    report_skips(scaler, wrapper);
    return check_scale(scaler, wrapper);
}

static mm_status parse_dtype(struct amp *amp)
{
    static const char *const names[] = {"float16", "bfloat16", "float32", "float64"};
    static const mm_dtype dtypes[] = {MM_DTYPE_F16, MM_DTYPE_BF16, MM_DTYPE_F32,
                                      MM_DTYPE_F64};
    mmi_amp *common = &amp->common;

    if (amp->dtype_name == NULL) {
        return MM_OK;
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(amp->dtype_name, names[i]) == 0) {
            common->dtype = dtypes[i];
            return MM_OK;
        }
    }
    (void)mm_raise(MM_ECONFIG,
                   "dtype is '%s': 'float16', 'bfloat16', 'float32' or 'float64' is "
                   "needed",
                   amp->dtype_name);
    return mm_error_hint_nearest(amp->dtype_name, names, 4);
}

static mm_status amp_init(void *self)
{
    struct amp *amp = self;

    amp->common.casts = true;
    mmi_scaler_init(&amp->common.scaler);
    if (mmi_scaler_parse(&amp->common.scaler, amp->loss_scale) < 0) {
        return mm_pending();
    }
    return parse_dtype(amp);
}

static mm_status amp_save(void *self, mm_value *state_dict)
{
    const struct amp *amp = self;

    return mmi_scaler_save(&amp->common.scaler, state_dict);
}

static mm_status amp_load(void *self, const mm_value *state_dict)
{
    struct amp *amp = self;

    return mmi_scaler_load(&amp->common.scaler, state_dict);
}

static const mm_optim_wrapper_ops amp_ops = {
    .start = mmi_amp_start,
    .enter = mmi_amp_enter,
    .leave = mmi_amp_leave,
    .backward = mmi_amp_backward,
    .step = mmi_amp_step,
    .save_state = amp_save,
    .load_state = amp_load,
};

#define MM_OPT_STRUCT struct amp
static const mm_option amp_options[] = {
    {"", "", MM_OPT_INHERIT(common.settings, mm_optim_wrapper_options)},
    {"loss_scale", "'dynamic', a fixed number, or a dict of GradScaler's options",
     MM_OPT_VALUE(loss_scale)},
    {"dtype", "float16 or bfloat16; default: bfloat16 on the CPU, else float16",
     MM_OPT_STR(dtype_name, NULL)},
    {"use_fsdp", "on one device the scaler is the plain one",
     MM_OPT_BOOL(use_fsdp, false)},
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
