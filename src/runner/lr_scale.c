/* Linear scaling of learning rates with the batch size: MMEngine's auto_scale_lr, which
 * does not count accumulation; `count_accumulation=True` is ours and does. Beside its
 * line the log says how many samples a step of the optimizer sees. Source:
 * Runner.scale_lr. */
#include "mmengine/number.h"
#include "runner/internal.h"

static mm_status read_base(const mm_value *config, mmi_lr_scale *out)
{
    const mm_value *base = mm_dict_find(config, "base_batch_size");
    mm_kind kind = mm_value_kind(base);

    if (base == NULL)
        return mm_raise(MM_ECONFIG, "auto_scale_lr has no base_batch_size");
    if (kind != MM_KIND_I64 && kind != MM_KIND_F64)
        return mm_raise(MM_ECONFIG,
                        "auto_scale_lr.base_batch_size is %s: a number is needed",
                        mm_value_type_name(base));
    out->base = mm_value_f64(base);
    if (!(out->base > 0.0))
        return mm_raise(MM_ECONFIG,
                        "auto_scale_lr.base_batch_size is %g: it must be positive",
                        out->base);
    return MM_OK;
}

mm_status mmi_lr_scale_read(const mm_runner *runner, int64_t batch_size,
                            int64_t accumulation, mmi_lr_scale *out)
{
    const mm_value *config = mmi_section(runner, "auto_scale_lr");

    *out = (mmi_lr_scale){.per_device = batch_size,
                          .accumulation = accumulation,
                          .batch = batch_size,
                          .ratio = 1.0};
    if (config == NULL || mm_has_error())
        return mm_pending();
    if (mm_value_kind(config) != MM_KIND_DICT) {
        (void)mm_raise(MM_ECONFIG, "auto_scale_lr is %s: a dict is needed",
                       mm_value_type_name(config));
        return mm_error_locate(mm_dict_source(runner->root, "auto_scale_lr"));
    }
    out->is_on = mm_value_is_true(mm_dict_find(config, "enable"));
    if (!out->is_on)
        return MM_OK;
    if (mm_value_is_true(mm_dict_find(config, "count_accumulation")))
        out->batch *= accumulation;
    if (read_base(config, out) < 0)
        return mm_error_locate(mm_dict_source(runner->root, "auto_scale_lr"));
    out->ratio = (double)out->batch / out->base;
    return MM_OK;
}

/* One process trains on one device. */
void mmi_lr_scale_log(const mmi_lr_scale *scale)
{
    char ratio[MM_F64_TEXT_SIZE];

    if (scale->is_on) {
        (void)mm_f64_format(scale->ratio, ratio);
        mm_log(MM_LOG_INFO,
               "LR is set based on batch size of %.15g and the current batch size is "
               "%lld. Scaling the original LR by %s.",
               scale->base, (long long)scale->batch, ratio);
    }
    if (scale->is_on || scale->accumulation > 1)
        mm_log(MM_LOG_INFO,
               "effective batch size: %lld = %lld per device x 1 device x %lld "
               "accumulated",
               (long long)(scale->per_device * scale->accumulation),
               (long long)scale->per_device, (long long)scale->accumulation);
}
