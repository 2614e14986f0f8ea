/* The visualizer: a component whose options name backends, and the calls that hand each
 * scalar and picture to all of them. What a run needs beside the options (where to
 * write, which rank) is given to mm_visualizer_new(). */
#include "mmengine/visualizer.h"

#include <string.h>

#include "base/status.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "visualization/visualization.h"

struct mm_visualizer {
    mm_instance *instance;
    mm_value *dataset_meta;
    char *data_dir; /* <save_dir>/vis_data; NULL: nothing is written */
    int rank;
    bool is_open, is_closed;
};

#define MM_OPT_STRUCT mm_visualizer_options
const mm_option mm_visualizer_option_table[] = {
    {"name", "name of the instance", MM_OPT_STR(name, "visualizer")},
    {"image", "a picture to begin with; only None is taken", MM_OPT_VALUE(image)},
    {"vis_backends", "where scalars and pictures go",
     MM_OPT_BUILDS(vis_backends, "visbackends")},
    {"save_dir", "folder of the run; default: the runner's log folder",
     MM_OPT_STR(save_dir, NULL)},
    {"fig_save_cfg", "accepted: figures are not drawn by matplotlib here",
     MM_OPT_VALUE(fig_save_cfg)},
    {"fig_show_cfg", "accepted: figures are not shown in windows here",
     MM_OPT_VALUE(fig_show_cfg)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_visualizer_ops visualizer_ops = {0};

const mm_component mmi_visualizer = {
    .registry = "visualizers",
    .name = "Visualizer",
    .help = "hands scalars, pictures and the config of a run to its backends",
    .source = "mmengine/visualization/visualizer.py",
    .size = sizeof(mm_visualizer_options),
    .options = mm_visualizer_option_table,
    MM_VISUALIZER(&visualizer_ops),
};

static const mm_visualizer_options *options_of(const mm_visualizer *visualizer)
{
    return mm_instance_self(visualizer->instance);
}

static const mm_vis_backend_options *backend_options(const mm_instance *backend)
{
    return mm_instance_self(backend);
}

static const char *backend_name(const mm_instance *backend)
{
    const char *name = backend_options(backend)->name;
    return name != NULL ? name : mm_instance_component(backend)->name;
}

/* Two backends of one name could not be told apart. */
static mm_status check_backends(const mm_instances *backends)
{
    for (size_t i = 0; i < backends->count; i++) {
        if (mm_instance_ops(backends->data[i], MM_INTERFACE_VIS_BACKEND) == NULL) {
            return mm_pending();
        }
        const char *name = backend_name(backends->data[i]);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, backend_name(backends->data[j])) == 0) {
                mm_raise(MM_ECONFIG, "two visualizer backends have the name '%s'",
                         name);
                return mm_error_hint("give each backend of one type its own `name`");
            }
        }
    }
    return MM_OK;
}

static mm_instance *build(const mm_visualizer_args *args)
{
    mm_value *plain = NULL;

    if (args->config == NULL) {
        plain = mm_value_new_dict();
        mm_dict_put_str(plain, "type", "Visualizer");
    }
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "visualizers",
        .config = plain != NULL ? plain : args->config,
        .scope = args->scope,
        .path = args->path != NULL ? args->path : "visualizer",
        .default_type = "Visualizer",
        .interface = MM_INTERFACE_VISUALIZER,
    });
    mm_value_unref(plain);
    return instance;
}

mm_visualizer *mm_visualizer_new(const mm_visualizer_args *args)
{
    mm_visualizer *visualizer = MMI_NEED(args) ? mm_alloc(sizeof *visualizer) : NULL;

    if (visualizer == NULL) {
        return NULL;
    }
    visualizer->rank = args->rank;
    visualizer->instance = build(args);
    if (visualizer->instance != NULL) {
        const mm_visualizer_options *options = options_of(visualizer);
        const char *dir =
            options->save_dir != NULL ? options->save_dir : args->save_dir;
        if (options->image != NULL) {
            mm_raise(MM_EUNSUPPORTED, "%s.image can only be None",
                     args->path != NULL ? args->path : "visualizer");
        }
        if (dir != NULL) {
            visualizer->data_dir = mm_path_join(dir, "vis_data");
        } else if (options->vis_backends.count > 0) {
            mm_log(MM_LOG_WARN, "visualizer has no save_dir, writing nothing");
        }
        check_backends(&options->vis_backends);
    }
    if (mmi_is_pending()) {
        mm_visualizer_free(visualizer);
        return NULL;
    }
    return visualizer;
}

/* True if calls reach the backends; opens them at the first. */
static bool is_writing(mm_visualizer *visualizer)
{
    if (!MMI_NEED(visualizer) || visualizer->rank != 0 ||
        visualizer->data_dir == NULL) {
        return false;
    }
    if (visualizer->is_closed) {
        mm_raise(MM_ESTATE, "the visualizer is closed already");
        return false;
    }
    if (visualizer->is_open) {
        return true;
    }
    const mm_instances *backends = &options_of(visualizer)->vis_backends;
    for (size_t i = 0; i < backends->count && !mmi_is_pending(); i++) {
        mm_instance *backend = backends->data[i];
        const mm_vis_backend_ops *ops =
            mm_instance_ops(backend, MM_INTERFACE_VIS_BACKEND);
        const char *dir = backend_options(backend)->save_dir;
        if (ops->open != NULL &&
            ops->open(mm_instance_self(backend),
                      dir != NULL ? dir : visualizer->data_dir) < 0) {
            mm_error_frame("while opening visualizer backend '%s'",
                           backend_name(backend));
        }
    }
    visualizer->is_open = !mmi_is_pending();
    return visualizer->is_open;
}

/* The i-th backend and its functions; NULL behind the last or when an error came up. */
static const mm_vis_backend_ops *backend_at(const mm_visualizer *visualizer, size_t i,
                                            void **out_self)
{
    const mm_instances *backends = &options_of(visualizer)->vis_backends;

    if (i >= backends->count || mmi_is_pending()) {
        return NULL;
    }
    *out_self = mm_instance_self(backends->data[i]);
    return mm_instance_ops(backends->data[i], MM_INTERFACE_VIS_BACKEND);
}

mm_status mm_visualizer_add_config(mm_visualizer *visualizer, const mm_config *config)
{
    const mm_vis_backend_ops *ops = NULL;
    void *self = NULL;

    if (MMI_NEED(config) && is_writing(visualizer)) {
        for (size_t i = 0; (ops = backend_at(visualizer, i, &self)) != NULL; i++) {
            if (ops->add_config != NULL) {
                ops->add_config(self, config);
            }
        }
    }
    return mm_pending();
}

mm_status mm_visualizer_add_image(mm_visualizer *visualizer, const char *name,
                                  const mm_image *image, int64_t step)
{
    const mm_vis_backend_ops *ops = NULL;
    void *self = NULL;

    if (MMI_NEED(name) && MMI_NEED(image) && is_writing(visualizer)) {
        for (size_t i = 0; (ops = backend_at(visualizer, i, &self)) != NULL; i++) {
            if (ops->add_image != NULL) {
                ops->add_image(self, name, image, step);
            }
        }
    }
    return mm_pending();
}

mm_status mm_visualizer_add_scalar(mm_visualizer *visualizer, const char *name,
                                   double value, int64_t step)
{
    const mm_vis_backend_ops *ops = NULL;
    void *self = NULL;

    if (MMI_NEED(name) && is_writing(visualizer)) {
        for (size_t i = 0; (ops = backend_at(visualizer, i, &self)) != NULL; i++) {
            if (ops->add_scalar != NULL) {
                ops->add_scalar(self, name, value, step);
            }
        }
    }
    return mm_pending();
}

mm_status mm_visualizer_add_scalars(mm_visualizer *visualizer, const mm_value *scalars,
                                    int64_t step, const char *file_name)
{
    const mm_vis_backend_ops *ops = NULL;
    void *self = NULL;

    if (!MMI_NEED(scalars) || !is_writing(visualizer)) {
        return mm_pending();
    }
    if (mm_value_kind(scalars) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE, "scalars must be a dict, got '%s'",
                        mm_value_type_name(scalars));
    }
    for (size_t i = 0; (ops = backend_at(visualizer, i, &self)) != NULL; i++) {
        if (ops->add_scalars != NULL) {
            ops->add_scalars(self, scalars, step, file_name);
        }
    }
    return mm_pending();
}

mm_status mm_visualizer_add_datasample(mm_visualizer *visualizer,
                                       const mm_datasample_args *args)
{
    if (!MMI_NEED(visualizer) || !MMI_NEED(args) || !MMI_NEED(args->name) ||
        !MMI_NEED(args->image) || visualizer->rank != 0) {
        return mm_pending();
    }
    const mm_visualizer_ops *ops =
        mm_instance_ops(visualizer->instance, MM_INTERFACE_VISUALIZER);
    if (ops != NULL && ops->add_datasample != NULL) {
        return ops->add_datasample(mm_instance_self(visualizer->instance), visualizer,
                                   args);
    }
    return args->out_file != NULL ? mm_image_write_png(args->image, args->out_file)
                                  : mm_visualizer_add_image(visualizer, args->name,
                                                            args->image, args->step);
}

mm_status mm_visualizer_close(mm_visualizer *visualizer)
{
    mm_error first = {0};

    if (visualizer == NULL || !visualizer->is_open || visualizer->is_closed) {
        return mm_pending();
    }
    visualizer->is_closed = true;
    mm_error_take(&first); /* closing goes on whatever happened */
    const mm_instances *backends = &options_of(visualizer)->vis_backends;
    for (size_t i = 0; i < backends->count; i++) {
        const mm_vis_backend_ops *ops =
            mm_instance_ops(backends->data[i], MM_INTERFACE_VIS_BACKEND);
        if (ops->close != NULL) {
            ops->close(mm_instance_self(backends->data[i]));
        }
        if (mmi_is_pending() && first.code == MM_OK) {
            mm_error_take(&first);
        }
        mm_error_take(NULL);
    }
    return mm_error_restore(&first);
}

void mm_visualizer_free(mm_visualizer *visualizer)
{
    mm_error before = {0};

    if (visualizer == NULL) {
        return;
    }
    mm_error_take(&before);
    if (visualizer->instance != NULL && mm_visualizer_close(visualizer) < 0) {
        mm_error lost;
        mm_error_take(&lost);
        mm_log_error(&lost); /* nobody asked: the log is the last place to say it */
    }
    mm_error_restore(&before);
    mm_instance_unref(visualizer->instance);
    mm_value_unref(visualizer->dataset_meta);
    mm_free(visualizer->data_dir);
    mm_free(visualizer);
}

mm_instance *mm_visualizer_instance(const mm_visualizer *visualizer)
{
    return MMI_NEED(visualizer) ? visualizer->instance : NULL;
}

mm_instance *mm_visualizer_find_backend(const mm_visualizer *visualizer,
                                        const char *name)
{
    if (!MMI_NEED(visualizer) || !MMI_NEED(name)) {
        return NULL;
    }
    const mm_instances *backends = &options_of(visualizer)->vis_backends;
    for (size_t i = 0; i < backends->count; i++) {
        if (strcmp(name, backend_name(backends->data[i])) == 0) {
            return backends->data[i];
        }
    }
    return NULL;
}

void mm_visualizer_set_dataset_meta(mm_visualizer *visualizer, mm_value *meta)
{
    if (MMI_NEED(visualizer)) {
        mm_value *former = visualizer->dataset_meta;
        visualizer->dataset_meta = mm_value_ref(meta);
        mm_value_unref(former);
    }
}

mm_value *mm_visualizer_dataset_meta(const mm_visualizer *visualizer)
{
    return MMI_NEED(visualizer) ? visualizer->dataset_meta : NULL;
}
