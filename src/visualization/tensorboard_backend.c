/* TensorboardVisBackend: an event file in a folder of the run, which `tensorboard
 * --logdir` shows. The file stays open; each call is one write. */
#include "base/status.h"
#include "mmengine/config.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "visualization/tfevents.h"
#include "visualization/visualization.h"

struct tensorboard_backend {
    mm_vis_backend_options base;
    bool is_open; /* state, as the rest */
    mmi_tfevents events;
};

#define MM_OPT_STRUCT struct tensorboard_backend
static const mm_option tensorboard_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_vis_backend_option_table)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status tensorboard_open(void *data, const char *dir)
{
    struct tensorboard_backend *self = data;

    if (mm_make_dirs(dir) < 0)
        return mm_pending();
    self->is_open = true;
    return mmi_tfevents_open(&self->events, dir);
}

static mm_status tensorboard_close(void *data)
{
    struct tensorboard_backend *self = data;
    bool was_open = self->is_open;

    self->is_open = false;
    return was_open ? mmi_tfevents_close(&self->events) : mm_pending();
}

static void tensorboard_deinit(void *data)
{
    (void)tensorboard_close(data);
}

static mm_status tensorboard_add_config(void *data, const mm_config *config)
{
    struct tensorboard_backend *self = data;
    char *text = mm_config_pretty_text(config);

    if (text != NULL)
        mmi_tfevents_add_text(&self->events, "config", text, 0);
    mm_free(text);
    return mmi_tfevents_write(&self->events);
}

static mm_status tensorboard_add_image(void *data, const char *name,
                                       const mm_image *image, int64_t step)
{
    struct tensorboard_backend *self = data;

    mmi_tfevents_add_image(&self->events, name, image, step);
    return mmi_tfevents_write(&self->events);
}

static mm_status tensorboard_add_scalar(void *data, const char *name, double value,
                                        int64_t step)
{
    struct tensorboard_backend *self = data;

    mmi_tfevents_add_scalar(&self->events, name, value, step);
    return mmi_tfevents_write(&self->events);
}

/* Only numbers can be shown. */
static bool is_number(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    const mm_object_ops *ops = mm_value_object_ops(value);

    return kind == MM_KIND_F64 || kind == MM_KIND_I64 || kind == MM_KIND_BOOL ||
           (ops != NULL && ops->to_f64 != NULL);
}

/* A record may bring its step, as for LocalVisBackend. */
static mm_status tensorboard_add_scalars(void *data, const mm_value *scalars,
                                         int64_t step, const char *file_name)
{
    struct tensorboard_backend *self = data;
    const mm_value *own_step = mm_dict_find(scalars, "step");
    (void)file_name;

    if (own_step != NULL)
        step = mm_value_i64(own_step);
    for (size_t i = 0; i < mm_value_len(scalars) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(scalars, i);
        const mm_value *value = mm_dict_at(scalars, i);

        if (value == own_step || name == NULL)
            continue;
        if (is_number(value))
            mmi_tfevents_add_scalar(&self->events, name, mm_value_f64(value), step);
        else
            mm_log(MM_LOG_WARN,
                   "TensorBoard shows numbers, got %s for '%s', continuing without it",
                   mm_value_type_name(value), name);
    }
    return mmi_tfevents_write(&self->events);
}

static const mm_vis_backend_ops tensorboard_ops = {
    .open = tensorboard_open,
    .add_config = tensorboard_add_config,
    .add_image = tensorboard_add_image,
    .add_scalar = tensorboard_add_scalar,
    .add_scalars = tensorboard_add_scalars,
    .close = tensorboard_close,
};

const mm_component mmi_tensorboard_backend = {
    .registry = "visbackends",
    .name = "TensorboardVisBackend",
    .help = "writes scalars, pictures and the config to an event file of TensorBoard",
    .source = "mmengine/visualization/vis_backend.py",
    .size = sizeof(struct tensorboard_backend),
    .options = tensorboard_options,
    .deinit = tensorboard_deinit,
    MM_VIS_BACKEND(&tensorboard_ops),
};
