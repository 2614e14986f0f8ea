/* Checkpoints of a run: MMEngine's keys, and one of our own ("mmengine_c") that holds
 * what an exact resume needs besides: random state, place in the data, half-filled
 * accumulation windows, hooks' state. Files are written in one step (pth.h); a damaged
 * file is named and the newest good one is used instead. Source:
 * mmengine/runner/checkpoint.py, Runner.resume.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/ops.h"
#include "mmengine/plugin.h"
#include "mmengine/pth.h"
#include "runner/internal.h"

/* Our own key; its layout's version is inside. */
#define OWN_KEY "mmengine_c"
enum { OWN_VERSION = 1 };

/* Tensors between memory and file. */

/* Where a tensor's bytes are. One on a device is copied into the open scope first. */
static bool describe(void *user, const mm_value *object, mm_pth_tensor *out)
{
    mm_tensor *tensor = mm_value_find_tensor(object);
    mm_tensor_info info;
    (void)user;

    if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0)
        return false;
    if (!info.is_cpu) {
        tensor = mm_to(tensor, .device = "cpu");
        if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0)
            return false;
    }
    *out = (mm_pth_tensor){
        .dtype = info.dtype,
        .ndim = info.ndim,
        .offset = info.storage_offset,
        .memory = info.storage,
        .memory_bytes = info.storage_bytes,
    };
    memcpy(out->sizes, info.sizes, sizeof(out->sizes));
    memcpy(out->strides, info.strides, sizeof(out->strides));
    return true;
}

static void release_storage(void *storage)
{
    mm_pth_storage_unref(storage);
}

/* A tensor over the file's mapped bytes: read-only, copied by whoever loads it. */
static mm_value *make(void *user, const mm_pth_tensor *tensor)
{
    const char *data = mm_pth_storage_data(tensor->storage);
    mm_scope scope = mm_scope_open();
    mm_value *value = NULL;
    (void)user;

    if (data != NULL) {
        const char *first =
            data + (size_t)tensor->offset * mm_dtype_size(tensor->dtype);

        value = mm_value_new_tensor(mm_from_memory(
            (void *)(uintptr_t)first, tensor->dtype, tensor->ndim, tensor->sizes,
            tensor->strides, release_storage, mm_pth_storage_ref(tensor->storage)));
    }
    mm_scope_close(scope);
    return value;
}

/* Saving. */

static void put_taken(mm_value *dict, const char *key, mm_value *value)
{
    if (value != NULL)
        mm_dict_take(dict, key, value);
}

static mm_value *make_meta(mm_runner *runner, const mm_save_args *args)
{
    mm_value *meta = mm_value_new_dict();
    mm_loader *loader = runner->loaders[MM_MODE_TRAIN];
    char *text = mm_config_pretty_text(runner->config);
    char time[16];

    (void)mmi_time_text(mmi_wall_ns(), "%Y%m%d_%H%M%S", time, sizeof(time));
    mm_dict_put_i64(meta, "epoch", args->epoch);
    mm_dict_put_i64(meta, "iter", args->iter);
    if (text != NULL)
        mm_dict_put_str(meta, "cfg", text);
    mm_dict_put_i64(meta, "seed", (int64_t)runner->seed);
    mm_dict_put_str(meta, "experiment_name", runner->experiment_name);
    mm_dict_put_str(meta, "time", time);
    mm_dict_put_str(meta, "mmengine_version", MM_VERSION);
    if (loader != NULL)
        mm_dict_put(meta, "dataset_meta",
                    mm_dataset_metainfo(mm_loader_dataset(loader)));
    mm_free(text);
    return meta;
}

static mm_value *scheduler_states(const mm_runner *runner)
{
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++)
        mm_list_push(list, mm_param_scheduler_state_dict(runner->schedulers[i]));
    return list;
}

static mm_value *hook_states(mm_runner *runner)
{
    mm_value *states = mm_value_new_dict();
    const mmi_hook *hook;

    for (size_t i = 0; !mm_has_error() && (hook = mmi_hooks_at(runner, i)) != NULL;
         i++) {
        if (hook->ops->save_state != NULL)
            put_taken(states, mm_instance_component(hook->instance)->name,
                      hook->ops->save_state(mm_instance_self(hook->instance)));
    }
    return states;
}

static mm_value *random_state(const mm_runner *runner)
{
    mm_value *state = mm_value_new_dict();

    mm_dict_put_tensor(state, "cpu", mm_rng_state("cpu"));
    if (strncmp(runner->device, "cpu", 3) != 0)
        mm_dict_put_tensor(state, runner->device, mm_rng_state(runner->device));
    return state;
}

/* What an exact resume needs and MMEngine's keys do not hold. */
static mm_value *own_state(mm_runner *runner)
{
    mm_value *own = mm_value_new_dict();
    mm_loader *loader = runner->loaders[MM_MODE_TRAIN];

    mm_dict_put_i64(own, "version", OWN_VERSION);
    mm_dict_put_i64(own, "data_epoch", runner->at.data_epoch);
    mm_dict_put_i64(own, "data_position",
                    runner->at.in_epoch ? mm_loader_position(loader) : 0);
    mm_dict_put_str(own, "memory_format", mm_runner_memory_format(runner));
    put_taken(own, "random", random_state(runner));
    put_taken(own, "window", mm_optim_wrapper_window_state(runner->optim_wrapper));
    put_taken(own, "hooks", hook_states(runner));
    return own;
}

static mm_value *make_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    mm_value *checkpoint = mm_value_new_dict();

    put_taken(checkpoint, "meta", make_meta(runner, args));
    put_taken(checkpoint, "state_dict", mm_module_state_dict(runner->model));
    put_taken(checkpoint, "message_hub", mm_hub_state(runner->hub, 0));
    if (!args->no_optimizer && runner->optim_wrapper != NULL) {
        put_taken(checkpoint, "optimizer",
                  mm_optim_wrapper_state_dict(runner->optim_wrapper));
        put_taken(checkpoint, OWN_KEY, own_state(runner));
    }
    if (!args->no_param_scheduler && runner->num_schedulers > 0)
        put_taken(checkpoint, "param_schedulers", scheduler_states(runner));
    return checkpoint;
}

mm_status mm_runner_save_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    mm_scope scope = mm_scope_open();
    mm_value *checkpoint = make_checkpoint(runner, args);

    if (!mm_has_error() &&
        mmi_call_value(runner, MMI_BEFORE_SAVE_CHECKPOINT, checkpoint) == MM_OK)
        (void)mm_pth_write(&(mm_pth_write_args){
            .path = args->path,
            .root = checkpoint,
            .describe = describe,
        });
    mm_value_unref(checkpoint);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mmi_save_on_request(mm_runner *runner)
{
    char *name = mm_strfmt("iter_%" PRId64 ".pth", runner->at.iter);
    char *path = name == NULL ? NULL : mm_path_join(runner->work_dir, name);
    char *pointer =
        path == NULL ? NULL : mm_path_join(runner->work_dir, "last_checkpoint");

    if (pointer != NULL &&
        mm_runner_save_checkpoint(runner,
                                  &(mm_save_args){
                                      .path = path,
                                      .epoch = runner->at.epoch,
                                      .iter = runner->at.iter,
                                  }) == MM_OK &&
        mm_file_write(pointer, path, strlen(path)) == MM_OK)
        mm_log(MM_LOG_INFO, "saved %s on request", path);
    mm_free(pointer);
    mm_free(path);
    mm_free(name);
    return mm_pending();
}

/* Loading. */

mm_value *mm_checkpoint_load(const char *path)
{
    mm_value *checkpoint = mm_pth_read(&(mm_pth_read_args){.path = path, .make = make});

    if (checkpoint != NULL && mm_value_kind(checkpoint) != MM_KIND_DICT)
        (void)mm_raise(MM_EDATA, "checkpoint '%s' holds a %s, not a dict", path,
                       mm_value_type_name(checkpoint));
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

/* The weights in a checkpoint, "module." cut from their names; yours. */
static mm_value *weights_of(const mm_value *checkpoint)
{
    const mm_value *weights = mm_dict_find(checkpoint, "state_dict");
    mm_value *clean = mm_value_new_dict();

    if (weights == NULL)
        weights = checkpoint; /* a bare state dict */
    for (size_t i = 0; clean != NULL && i < mm_value_len(weights) && !mm_has_error();
         i++) {
        const char *name = mm_dict_name_at(weights, i);

        if (name != NULL && strncmp(name, "module.", 7) == 0)
            name += 7;
        if (name != NULL)
            mm_dict_put(clean, name, mm_dict_at(weights, i));
    }
    return clean;
}

static void log_names(const char *what, const mm_value *names)
{
    char *text =
        names == NULL || mm_value_len(names) == 0 ? NULL : mm_value_repr(names);

    if (text != NULL)
        mm_log(MM_LOG_WARN, "%s: %s", what, text);
    mm_free(text);
}

static mm_status load_weights(mm_runner *runner, const mm_value *checkpoint,
                              const char *path, bool strict)
{
    mm_load_report report = {0};
    mm_value *weights = weights_of(checkpoint);

    if (weights != NULL &&
        mm_module_load_state_dict(runner->model, weights, strict, &report) == MM_OK) {
        mm_log(MM_LOG_INFO, "Loaded %" PRId64 " tensors from %s", report.matched, path);
        log_names("missing in the checkpoint", report.missing);
        log_names("not in the model", report.unexpected);
        log_names("of another size", report.mismatched);
        if (report.matched == 0) {
            (void)mm_raise(MM_EDATA, "no tensor of '%s' fits the model", path);
            (void)mm_error_hint(
                "the names in the file have another prefix, or it is of "
                "another model");
        }
    }
    mm_load_report_deinit(&report);
    mm_value_unref(weights);
    return mm_has_error() ? mm_error_frame("while loading weights from '%s'", path)
                          : MM_OK;
}

/* Opens a file, lets hooks look at it, loads the weights. The checkpoint is yours. */
static mm_value *open_checkpoint(mm_runner *runner, const char *path, bool strict)
{
    mm_value *checkpoint = mm_checkpoint_load(path);

    if (checkpoint != NULL &&
        mmi_call_value(runner, MMI_AFTER_LOAD_CHECKPOINT, checkpoint) == MM_OK)
        (void)load_weights(runner, checkpoint, path, strict);
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

mm_status mm_runner_load_checkpoint(mm_runner *runner, const char *path)
{
    mm_value *checkpoint = open_checkpoint(runner, path, false);

    mm_value_unref(checkpoint);
    runner->has_loaded = true;
    return mm_pending();
}

/* Resuming. */

static mm_status resume_seed(mm_runner *runner, const mm_value *meta)
{
    const mm_value *value = mm_dict_find(meta, "seed");

    if (mm_value_is_none(value) || (uint64_t)mm_value_i64(value) == runner->seed)
        return mm_pending();
    if (runner->has_seed)
        mm_log(MM_LOG_WARN,
               "the checkpoint's seed %" PRId64 " replaces the config's %" PRIu64,
               mm_value_i64(value), runner->seed);
    return mmi_seed_everything(runner, (uint64_t)mm_value_i64(value));
}

static mm_status resume_schedulers(mm_runner *runner, const mm_value *states)
{
    size_t count = states == NULL ? 0 : mm_value_len(states);

    if (count != runner->num_schedulers)
        mm_log(MM_LOG_WARN, "the checkpoint has %zu schedulers, the config %zu", count,
               runner->num_schedulers);
    for (size_t i = 0; i < count && i < runner->num_schedulers && !mm_has_error(); i++)
        (void)mm_param_scheduler_load_state_dict(
            runner->schedulers[i], mm_list_get(states, i), MM_SCHEDULE_LOAD_ALL);
    return mm_pending();
}

static mm_status resume_hooks(mm_runner *runner, const mm_value *states)
{
    const mmi_hook *hook;

    for (size_t i = 0; !mm_has_error() && (hook = mmi_hooks_at(runner, i)) != NULL;
         i++) {
        const mm_value *state =
            mm_dict_find(states, mm_instance_component(hook->instance)->name);

        if (state != NULL && hook->ops->load_state != NULL)
            (void)hook->ops->load_state(mm_instance_self(hook->instance), state);
    }
    return mm_pending();
}

static mm_status resume_random(const mm_value *states)
{
    for (size_t i = 0; i < mm_value_len(states) && !mm_has_error(); i++) {
        const char *device = mm_dict_name_at(states, i);

        if (mm_device_is_available(device))
            (void)mm_rng_set_state(device, mm_value_tensor(mm_dict_at(states, i)));
    }
    return mm_pending();
}

static mm_status resume_own(mm_runner *runner, const mm_value *own)
{
    if (own == NULL) {
        mm_log(MM_LOG_WARN,
               "the checkpoint was written by another program: random state "
               "and place in the data are not in it");
        return MM_OK;
    }
    runner->at.data_epoch = mm_value_i64(mm_dict_get(own, "data_epoch"));
    runner->at.first_batch = mm_value_i64(mm_dict_get(own, "data_position"));
    if (!mm_has_error())
        (void)mm_optim_wrapper_load_window_state(runner->optim_wrapper,
                                                 mm_dict_get(own, "window"));
    if (!mm_has_error())
        (void)resume_hooks(runner, mm_dict_get(own, "hooks"));
    if (mm_has_error())
        return mm_pending();
    return resume_random(mm_dict_get(own, "random"));
}

static mm_status resume_from(mm_runner *runner, const mm_value *checkpoint)
{
    const mm_value *meta = mm_dict_get(checkpoint, "meta");
    const mm_value *hub = mm_dict_find(checkpoint, "message_hub");
    const mm_value *optimizer = mm_dict_find(checkpoint, "optimizer");

    if (meta == NULL)
        return mm_error_hint("a file of weights alone goes to load_from");
    runner->at.epoch = mm_value_i64(mm_dict_get(meta, "epoch"));
    runner->at.iter = mm_value_i64(mm_dict_get(meta, "iter"));
    if (mm_has_error() || resume_seed(runner, meta) < 0)
        return mm_pending();
    if (hub != NULL && mm_hub_load_state(runner->hub, hub) < 0)
        return mm_pending();
    if (mmi_memory_format_resume(runner, mm_dict_find(checkpoint, OWN_KEY)) < 0)
        return mm_pending();
    if (optimizer != NULL &&
        mm_optim_wrapper_load_state_dict(runner->optim_wrapper, optimizer) < 0)
        return mm_pending();
    if (resume_schedulers(runner, mm_dict_find(checkpoint, "param_schedulers")) < 0)
        return mm_pending();
    return resume_own(runner, mm_dict_find(checkpoint, OWN_KEY));
}

mm_status mm_runner_resume(mm_runner *runner, const char *path)
{
    mm_value *checkpoint = open_checkpoint(runner, path, true);

    if (checkpoint == NULL || resume_from(runner, checkpoint) < 0) {
        mm_value_unref(checkpoint);
        return mm_error_frame("while resuming from '%s'", path);
    }
    mm_value_unref(checkpoint);
    runner->has_loaded = true;
    mm_log(MM_LOG_INFO, "resumed epoch: %" PRId64 ", iter: %" PRId64, runner->at.epoch,
           runner->at.iter);
    return MM_OK;
}

/* Finding the newest good file. */

/* A candidate for automatic resuming. */
struct candidate {
    char *path;
    int64_t modified_ns;
};

static int newer_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->modified_ns < y->modified_ns) - (x->modified_ns > y->modified_ns);
}

/* True for "epoch_3.pth" and "iter_100.pth". */
static bool is_regular_name(const char *name)
{
    size_t size = strlen(name);

    return size > 4 && strcmp(name + size - 4, ".pth") == 0 &&
           (strncmp(name, "epoch_", 6) == 0 || strncmp(name, "iter_", 5) == 0);
}

static struct candidate *find_candidates(const char *folder, size_t *out_count)
{
    mm_value *names = mm_list_dir(folder);
    size_t count = names == NULL ? 0 : mm_value_len(names);
    struct candidate *list = mm_alloc_array(count + 1, sizeof(*list));

    *out_count = 0;
    for (size_t i = 0; list != NULL && i < count && !mm_has_error(); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        struct candidate *next = &list[*out_count];

        if (!is_regular_name(name))
            continue;
        next->path = mm_path_join(folder, name);
        (*out_count)++;
        mmi_stat stat = {0};

        if (next->path != NULL && mmi_os_find_stat(next->path, &stat))
            next->modified_ns = stat.mtime_ns;
    }
    mm_value_unref(names);
    if (list != NULL)
        qsort(list, *out_count, sizeof(*list), newer_first);
    return list;
}

/* True if the file can be read whole; a damaged one is named in the log. */
static bool is_good(const char *path)
{
    mm_error error;

    if (mm_pth_verify(path) == MM_OK)
        return true;
    (void)mm_error_take(&error);
    mm_log(MM_LOG_WARN, "%s; looking for an earlier checkpoint", error.message);
    return false;
}

/* The file that last_checkpoint names, if it is good; yours. */
static char *from_pointer(const char *folder)
{
    char *pointer = mm_path_join(folder, "last_checkpoint");
    size_t size = 0;
    char *path = NULL;

    if (pointer != NULL && mm_file_exists(pointer))
        path = mm_file_read(pointer, &size);
    mm_free(pointer);
    while (path != NULL && size > 0 &&
           (path[size - 1] == '\n' || path[size - 1] == ' '))
        path[--size] = '\0';
    if (path != NULL && is_good(path))
        return path;
    mm_free(path);
    return NULL;
}

char *mm_find_latest_checkpoint(const char *folder)
{
    char *found = mm_file_is_dir(folder) ? from_pointer(folder) : NULL;
    size_t count = 0;

    if (found != NULL || mm_has_error() || !mm_file_is_dir(folder))
        return found;
    struct candidate *list = find_candidates(folder, &count);

    for (size_t i = 0; list != NULL && i < count; i++) {
        if (found == NULL && !mm_has_error() && is_good(list[i].path))
            found = mm_strdup(list[i].path);
        mm_free(list[i].path);
    }
    mm_free(list);
    return found;
}

mm_status mmi_load_or_resume(mm_runner *runner)
{
    const mm_value *load_from = mmi_section(runner, "load_from");
    bool resume = mm_value_is_true(mm_dict_find(runner->root, "resume"));

    if (runner->has_loaded)
        return mm_pending();
    if (load_from != NULL)
        return resume ? mm_runner_resume(runner, mm_value_str(load_from))
                      : mm_runner_load_checkpoint(runner, mm_value_str(load_from));
    if (!resume)
        return mm_pending();
    char *latest = mm_find_latest_checkpoint(runner->work_dir);

    if (latest == NULL && !mm_has_error())
        mm_log(MM_LOG_INFO,
               "no checkpoint in %s yet: training starts from the beginning",
               runner->work_dir);
    if (latest != NULL) {
        mm_log(MM_LOG_INFO, "Auto resumed from the latest checkpoint %s.", latest);
        (void)mm_runner_resume(runner, latest);
    }
    mm_free(latest);
    return mm_pending();
}

/* Publishing. */

mm_status mm_checkpoint_publish(const char *path, const mm_strs *keys, char **out_path)
{
    mm_scope scope = mm_scope_open();
    mm_value *checkpoint = mm_checkpoint_load(path);
    mm_value *kept = mm_value_new_dict();
    char digest[MMI_SHA256_TEXT_SIZE];
    size_t size = 0;
    char *content = mm_file_read(path, &size);

    for (size_t i = 0; i < keys->count && !mm_has_error(); i++) {
        mm_value *value = mm_dict_find(checkpoint, keys->data[i]);

        if (value != NULL)
            mm_dict_put(kept, keys->data[i], value);
    }
    size_t stem = strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".pth") == 0
                      ? strlen(path) - 4
                      : strlen(path);

    if (content != NULL)
        mmi_sha256_text(content, size, digest);
    if (!mm_has_error())
        *out_path = mm_strfmt("%.*s-%.8s.pth", (int)stem, path, digest);
    if (!mm_has_error())
        (void)mm_pth_write(&(mm_pth_write_args){
            .path = *out_path, .root = kept, .describe = describe});
    mm_free(content);
    mm_value_unref(kept);
    mm_value_unref(checkpoint);
    mm_scope_close(scope);
    return mm_pending();
}
