/* LocalVisBackend: files in a folder of the run. Scalars are one JSON object a line,
 * key for key as MMEngine writes them; each line is one write at the end of the file,
 * so a killed run leaves whole lines and at most one torn one. */
#include <inttypes.h>
#include <string.h>

#include "base/os.h"
#include "base/status.h"
#include "base/str.h"
#include "mmengine/config.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"
#include "visualization/visualization.h"

struct local_backend {
    mm_vis_backend_options base;
    const char *img_save_dir;
    const char *config_save_file;
    const char *scalar_save_file;
    char *dir; /* state, as the rest: where everything goes; NULL: not open */
    mmi_file scalars;
    mmi_file extra; /* the file that add_scalars() named last */
    char *extra_name;
};

#define MM_OPT_STRUCT mm_vis_backend_options
const mm_option mm_vis_backend_option_table[] = {
    {"name", "tells backends of one type apart", MM_OPT_STR(name, NULL)},
    {"save_dir", "folder to write to; default: vis_data of the run's log folder",
     MM_OPT_STR(save_dir, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

#define MM_OPT_STRUCT struct local_backend
static const mm_option local_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_vis_backend_option_table)},
    {"img_save_dir", "folder of pictures inside save_dir",
     MM_OPT_STR(img_save_dir, "vis_image")},
    {"config_save_file", "file of the config, ending in .py",
     MM_OPT_STR(config_save_file, "config.py")},
    {"scalar_save_file", "file of the scalars, ending in .json",
     MM_OPT_STR(scalar_save_file, "scalars.json")},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status check_extension(const char *option, const char *name,
                                 const char *extension)
{
    if (name == NULL || strcmp(mm_path_extension(name), extension) != 0) {
        return mm_raise(MM_ECONFIG, "%s must end in '%s', got '%s'", option, extension,
                        name != NULL ? name : "None");
    }
    return MM_OK;
}

static mm_status local_init(void *data)
{
    struct local_backend *self = data;

    self->scalars = self->extra = (mmi_file)MMI_NO_FILE;
    if (self->img_save_dir == NULL) {
        return mm_raise(MM_ECONFIG, "img_save_dir must not be None");
    }
    if (check_extension("config_save_file", self->config_save_file, ".py") < 0) {
        return mm_pending();
    }
    return check_extension("scalar_save_file", self->scalar_save_file, ".json");
}

static void local_deinit(void *data)
{
    struct local_backend *self = data;

    if (self->dir != NULL) {
        (void)mmi_file_close(&self->scalars);
        (void)mmi_file_close(&self->extra);
    }
    mm_free(self->extra_name);
    mm_free(self->dir);
}

static mm_status local_open(void *data, const char *dir)
{
    struct local_backend *self = data;

    self->dir = mm_strdup(dir);
    return self->dir != NULL ? mm_make_dirs(dir) : mm_pending();
}

static mm_status local_add_config(void *data, const mm_config *config)
{
    struct local_backend *self = data;
    char *path = mm_path_join(self->dir, self->config_save_file);
    char *text = mm_config_pretty_text(config);

    if (path != NULL && text != NULL) {
        mm_status status = mm_file_write(path, text, strlen(text));
        (void)status; /* pending */
    }
    mm_free(text);
    mm_free(path);
    return mm_pending();
}

static mm_status local_add_image(void *data, const char *name, const mm_image *image,
                                 int64_t step)
{
    struct local_backend *self = data;
    char *path = mm_strfmt("%s/%s/%s_%" PRId64 ".png", self->dir, self->img_save_dir,
                           name, step);

    if (path != NULL) {
        mm_image_write_png(image, path);
    }
    mm_free(path);
    return mm_pending();
}

static void append_to(mmi_file *file, const char *path, const char *line)
{
    if (!mmi_file_is_open(file) && mmi_file_open_lines(file, path) < 0) {
        return;
    }
    if (mmi_file_append(file, line, strlen(line)) < 0) {
        mm_error_frame("while writing scalars to '%s'", path);
    }
}

/* Opens the second file if its name is another one than before. */
static mm_status choose_extra(struct local_backend *self, const char *name)
{
    if (check_extension("the file of scalars", name, ".json") < 0) {
        return mm_pending();
    }
    if (strcmp(name, self->scalar_save_file) == 0) {
        return mm_raise(MM_EINVAL,
                        "scalars cannot go to '%s' twice: choose another file", name);
    }
    if (self->extra_name == NULL || strcmp(self->extra_name, name) != 0) {
        char *copy = mm_strdup(name);
        if (copy == NULL || mmi_file_close(&self->extra) < 0) {
            mm_free(copy);
            return mm_pending();
        }
        mm_free(self->extra_name);
        self->extra_name = copy;
    }
    return MM_OK;
}

/* Writes one line to the scalars and, if `extra` names it, to a second file. */
static mm_status add_line(struct local_backend *self, const mm_value *scalars,
                          const char *extra)
{
    char *text = mm_json_format(scalars, NULL);
    char *line = text != NULL ? mm_strfmt("%s\n", text) : NULL;
    char *path = line != NULL ? mm_path_join(self->dir, self->scalar_save_file) : NULL;

    if (path != NULL && extra != NULL && choose_extra(self, extra) == MM_OK) {
        char *extra_path = mm_path_join(self->dir, extra);
        if (extra_path != NULL) {
            append_to(&self->extra, extra_path, line);
        }
        mm_free(extra_path);
    }
    if (path != NULL && !mmi_is_pending()) {
        append_to(&self->scalars, path, line);
    }
    mm_free(path);
    mm_free(line);
    mm_free(text);
    return mm_pending();
}

static mm_status local_add_scalar(void *data, const char *name, double value,
                                  int64_t step)
{
    mm_value *scalars = mm_value_new_dict();

    mm_dict_put_f64(scalars, name, value);
    mm_dict_put_i64(scalars, "step", step);
    if (!mmi_is_pending()) {
        add_line(data, scalars, NULL);
    }
    mm_value_unref(scalars);
    return mm_pending();
}

static mm_status local_add_scalars(void *data, const mm_value *scalars, int64_t step,
                                   const char *file_name)
{
    mm_value *own = NULL;

    if (!mm_dict_has(scalars, "step")) {
        own = mm_value_new_dict();
        for (size_t i = 0; i < mm_value_len(scalars) && !mmi_is_pending(); i++) {
            mm_dict_put(own, mm_dict_name_at(scalars, i), mm_dict_at(scalars, i));
        }
        mm_dict_put_i64(own, "step", step);
    }
    if (!mmi_is_pending()) {
        add_line(data, own != NULL ? own : scalars, file_name);
    }
    mm_value_unref(own);
    return mm_pending();
}

static mm_status local_close(void *data)
{
    struct local_backend *self = data;
    mmi_file *files[] = {&self->scalars, &self->extra};

    for (size_t i = 0; i < 2; i++) {
        if (mmi_file_is_open(files[i])) {
            (void)mmi_file_sync(files[i]);
            (void)mmi_file_close(files[i]);
        }
    }
    return mm_pending();
}

static const mm_vis_backend_ops local_ops = {
    .open = local_open,
    .add_config = local_add_config,
    .add_image = local_add_image,
    .add_scalar = local_add_scalar,
    .add_scalars = local_add_scalars,
    .close = local_close,
};

const mm_component mmi_local_backend = {
    .registry = "visbackends",
    .name = "LocalVisBackend",
    .help = "writes scalars as JSON lines, the config and pictures to a folder",
    .source = "mmengine/visualization/vis_backend.py",
    .size = sizeof(struct local_backend),
    .options = local_options,
    .init = local_init,
    .deinit = local_deinit,
    MM_VIS_BACKEND(&local_ops),
};
