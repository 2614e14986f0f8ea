/* The first part of a runner's life: folders, time stamp, logger, seed, hub,
 * visualizer, and the lines about the environment that every log begins with. Source:
 * Runner.__init__, Runner.setup_env, Runner.set_randomness. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/file.h"
#include "mmengine/plugin.h"
#include "runner/internal.h"

static mm_status setup_folders(mm_runner *runner)
{
    const mm_value *given = mmi_section(runner, "work_dir");
    const char *text = given == NULL ? "./work_dirs" : mm_value_str(given);

    if (text == NULL)
        return mm_error_locate(mm_dict_source(runner->root, "work_dir"));
    char *cwd = mmi_os_cwd();
    char *joined = cwd == NULL ? NULL : mm_path_join(cwd, text);

    runner->work_dir = joined == NULL ? NULL : mm_path_normalize(joined);
    mm_free(joined);
    mm_free(cwd);
    if (runner->work_dir == NULL || mm_make_dirs(runner->work_dir) < 0)
        return mm_pending();
    (void)mmi_time_text(mmi_wall_ns(), "%Y%m%d_%H%M%S", runner->timestamp,
                        sizeof(runner->timestamp));
    runner->log_dir = mm_path_join(runner->work_dir, runner->timestamp);
    return runner->log_dir == NULL ? mm_pending() : mm_make_dirs(runner->log_dir);
}

/* "lenet5" of "configs/lenet5.py"; NULL without a file. Yours. */
static char *config_stem(const char *file)
{
    const char *base = file == NULL ? NULL : mm_path_basename(file);

    if (base == NULL)
        return NULL;
    return mm_strfmt("%.*s", (int)(mm_path_extension(base) - base), base);
}

/* "<experiment_name or config's stem>_<timestamp>". */
static mm_status setup_name(mm_runner *runner)
{
    const mm_value *given = mmi_section(runner, "experiment_name");
    const char *file = mm_config_filename(runner->config);
    char *stem = given != NULL ? mm_strdup(mm_value_str(given)) : config_stem(file);

    runner->experiment_name = stem == NULL
                                  ? mm_strdup(runner->timestamp)
                                  : mm_strfmt("%s_%s", stem, runner->timestamp);
    mm_free(stem);
    return mm_pending();
}

static mm_status setup_logger(mm_runner *runner)
{
    const mm_value *level = mmi_section(runner, "log_level");
    const mm_value *handler = mmi_section(runner, "file_handler_cfg");
    mm_logger_args args = {.level = MM_LOG_INFO};
    char *file = mm_strfmt("%s/%s.log", runner->log_dir, runner->timestamp);

    if (level != NULL && mm_value_kind(level) == MM_KIND_I64)
        args.level = (mm_log_level)mm_value_i64(level);
    else if (level != NULL && mm_log_level_parse(mm_value_str(level), &args.level) < 0)
        (void)mm_error_locate(mm_dict_source(runner->root, "log_level"));
    args.level = args.level == 0 ? (mm_log_level)1 : args.level; /* NOTSET: all */
    args.file = file;
    if (handler != NULL && mm_logger_read_handler(handler, &args) < 0) {
        (void)mm_error_frame("while reading file_handler_cfg");
        (void)mm_error_locate(mm_dict_source(runner->root, "file_handler_cfg"));
    }
    runner->logger = mm_has_error() ? NULL : mm_logger_new(&args);
    if (runner->logger != NULL)
        runner->logger_before = mm_logger_set_current(runner->logger);
    mm_free(file);
    return mm_pending();
}

mm_status mmi_seed_everything(mm_runner *runner, uint64_t seed)
{
    runner->seed = seed;
    return mm_manual_seed(seed);
}

/* MMEngine's range: below 2^31. */
static uint64_t random_seed(void)
{
    uint32_t bits = 0;

    (void)mmi_os_random(&bits, sizeof(bits));
    return bits >> 1;
}

static mm_status setup_randomness(mm_runner *runner)
{
    const mm_value *randomness = mmi_section(runner, "randomness");
    const mm_value *seed = mmi_find_in(randomness, "seed");

    runner->has_seed = !mm_value_is_none(seed);
    runner->deterministic = mm_value_is_true(mmi_find_in(randomness, "deterministic"));
    if (runner->deterministic && (mm_torch_set_flag("cudnn_benchmark", false) < 0 ||
                                  mm_torch_set_flag("deterministic", true) < 0))
        return mm_pending();
    if (runner->has_seed && mm_value_i64(seed) < 0 && !mm_has_error())
        (void)mm_raise(MM_ECONFIG, "randomness.seed must not be negative");
    if (mm_has_error())
        return mm_error_locate(mm_dict_source(randomness, "seed"));
    return mmi_seed_everything(runner, runner->has_seed ? (uint64_t)mm_value_i64(seed)
                                                        : random_seed());
}

static mm_status setup_device(mm_runner *runner)
{
    const mm_value *env = mmi_section(runner, "env_cfg");
    const char *device = mm_device_best();

    if (device == NULL)
        return mm_pending();
    (void)snprintf(runner->device, sizeof(runner->device), "%s", device);
    if (!runner->deterministic && mm_value_is_true(mmi_find_in(env, "cudnn_benchmark")))
        return mm_torch_set_flag("cudnn_benchmark", true);
    return mm_pending();
}

static mm_value *default_visualizer(void)
{
    mm_value *config = mm_value_new_dict();
    mm_value *backends = mm_value_new_list();
    mm_value *local = mm_value_new_dict();

    mm_dict_put_str(local, "type", "LocalVisBackend");
    mm_list_push(backends, local);
    mm_dict_put_str(config, "type", "Visualizer");
    mm_dict_take(config, "vis_backends", backends);
    return config;
}

/* True if the component is known, but not built here: then the run goes on without it.
 */
static bool is_unbuilt(const mm_runner *runner, mm_value *config, const char *registry,
                       const char *path)
{
    mm_error error;

    if (mm_has_error() || mm_build_check(&(mm_build_args){
                              .registry = registry,
                              .config = config,
                              .scope = runner->scope,
                              .path = path,
                          }) != MM_EUNSUPPORTED)
        return false;
    (void)mm_error_take(&error);
    mm_log(MM_LOG_WARN, "%s; continuing without it", error.message);
    return true;
}

/* The backends of a visualizer that are built here. */
static mm_value *usable_backends(const mm_runner *runner, const mm_value *given)
{
    mm_value *backends = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(given) && !mm_has_error(); i++) {
        mm_value *item = mm_list_get(given, i);
        char path[64];

        (void)snprintf(path, sizeof(path), "visualizer.vis_backends[%zu]", i);
        if (mm_value_kind(item) != MM_KIND_DICT ||
            !is_unbuilt(runner, item, "visbackends", path))
            mm_list_append(backends, item);
    }
    return backends;
}

/* Pictures and trackers are no part of training: those that other libraries have and
 * this one has not are left out, with a warning. The result is yours. */
static mm_value *usable_visualizer(const mm_runner *runner)
{
    mm_value *given = mmi_section(runner, "visualizer");

    if (given == NULL)
        return default_visualizer();
    if (mm_value_kind(given) != MM_KIND_DICT)
        return mm_value_ref(given);
    mm_value *config = mm_value_copy(given);
    mm_value *backends = mmi_find_in(given, "vis_backends");

    if (mm_value_kind(backends) == MM_KIND_LIST)
        mm_dict_take(config, "vis_backends", usable_backends(runner, backends));
    if (is_unbuilt(runner, config, "visualizers", "visualizer")) {
        mm_value *plain = default_visualizer();

        if (mm_dict_has(config, "vis_backends"))
            mm_dict_put(plain, "vis_backends", mm_dict_find(config, "vis_backends"));
        mm_value_unref(config);
        config = plain;
    }
    return config;
}

static mm_status setup_visualizer(mm_runner *runner)
{
    mm_value *config = usable_visualizer(runner);

    runner->visualizer = mm_visualizer_new(&(mm_visualizer_args){
        .config = config,
        .scope = runner->scope,
        .save_dir = runner->log_dir,
    });
    mm_value_unref(config);
    if (runner->visualizer == NULL)
        return mm_pending();
    return mm_visualizer_add_config(runner->visualizer, runner->config);
}

/* The resolved config beside the checkpoints. */
static mm_status dump_config(const mm_runner *runner)
{
    const char *file = mm_config_filename(runner->config);
    char *name = file == NULL ? mm_strfmt("%s.py", runner->timestamp)
                              : mm_strdup(mm_path_basename(file));
    char *path = name == NULL ? NULL : mm_path_join(runner->work_dir, name);
    mm_status status =
        path == NULL ? mm_pending() : mm_config_save(runner->config, path);

    mm_free(path);
    mm_free(name);
    return status;
}

mm_status mmi_setup(mm_runner *runner)
{
    static mm_status (*const steps[])(mm_runner *) = {
        setup_folders, setup_name,       setup_logger,
        setup_device,  setup_randomness, mmi_log_environment,
    };
    const mm_value *log_processor = mmi_section(runner, "log_processor");
    mm_value *empty = mm_value_new_dict();

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !mm_has_error(); i++)
        (void)steps[i](runner);
    if (!mm_has_error())
        runner->log_processor = mm_build(&(mm_build_args){
            .registry = "log_processors",
            .config = log_processor == NULL
                          ? empty
                          : mm_dict_find(runner->root, "log_processor"),
            .scope = runner->scope,
            .path = "log_processor",
            .default_type = "LogProcessor",
            .interface = MM_INTERFACE_LOG_PROCESSOR,
        });
    mm_value_unref(empty);
    if (!mm_has_error())
        runner->hub = mm_hub_new(runner->experiment_name);
    if (mm_has_error() || setup_visualizer(runner) < 0)
        return mm_pending();
    return dump_config(runner);
}

/* A dict as "\n    key: value" lines. */
static void print_dict(mmi_str *out, const mm_value *dict)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        mm_value *value = mm_dict_at(dict, i);
        char *text = mm_value_kind(value) == MM_KIND_STR
                         ? mm_strdup(mm_value_str(value))
                         : mm_value_repr(value);

        mmi_str_addf(out, "\n    %s: %s", mm_dict_name_at(dict, i),
                     text == NULL ? "" : text);
        mm_free(text);
    }
}

/* What MMEngine lists under "Runtime environment". */
static mm_value *runtime_environment(const mm_runner *runner)
{
    mm_value *env = mm_value_new_dict();
    const mm_value *sections[] = {mmi_section(runner, "env_cfg"),
                                  mmi_section(runner, "randomness")};

    for (size_t s = 0; s < 2; s++) {
        size_t count = sections[s] == NULL ? 0 : mm_value_len(sections[s]);

        for (size_t i = 0; i < count && !mm_has_error(); i++)
            mm_dict_put(env, mm_dict_name_at(sections[s], i),
                        mm_dict_at(sections[s], i));
    }
    mm_dict_put_i64(env, "seed", (int64_t)runner->seed);
    mm_dict_put_str(env, "Distributed launcher", "none");
    mm_dict_put_bool(env, "Distributed training", false);
    mm_dict_put_i64(env, "GPU number", strncmp(runner->device, "cuda", 4) == 0);
    return env;
}

mm_value *mm_collect_env(void)
{
    mm_value *env = mm_value_new_dict();
    char text[256];

    mmi_os_system_text(text, sizeof(text));
    mm_dict_put_str(env, "System", text);
    mmi_os_cpu_text(text, sizeof(text));
    mm_dict_put_str(env, "CPU", text);
    (void)snprintf(text, sizeof(text), "%d", mmi_os_num_cores());
    mm_dict_put_str(env, "CPU cores", text);
    mm_dict_put_bool(env, "CUDA available", mm_device_is_available("cuda"));
    mm_dict_put_str(env, "PyTorch", mm_torch_version());
    mm_dict_put_str(env, "PyTorch compiling details", mm_torch_build_flags());
    mm_dict_put_i64(env, "Threads", mm_num_threads());
    mm_dict_put_str(env, "MMEngine", MM_VERSION);
    return env;
}

mm_status mmi_log_environment(mm_runner *runner)
{
    static const char line[] =
        "------------------------------------------------------------";
    mm_value *system = mm_collect_env();
    mm_value *runtime = mm_has_error() ? NULL : runtime_environment(runner);
    mmi_str text = {0};

    if (runtime != NULL) {
        mmi_str_addf(&text, "\n%s\nSystem environment:", line);
        print_dict(&text, system);
        mmi_str_addf(&text, "\n\nRuntime environment:");
        print_dict(&text, runtime);
        mmi_str_addf(&text, "\n%s\n", line);
    }
    char *finished = mmi_str_take(&text);

    if (finished != NULL && !mm_has_error())
        mm_log(MM_LOG_INFO, "%s", finished);
    mm_free(finished);
    mm_value_unref(runtime);
    mm_value_unref(system);
    char *config = mm_config_pretty_text(runner->config);
    if (config != NULL)
        mm_log(MM_LOG_INFO, "Config:\n%s", config);
    mm_free(config);
    return mm_pending();
}

void mmi_setup_free(mm_runner *runner)
{
    mm_visualizer_free(runner->visualizer);
    mm_instance_unref(runner->log_processor);
    mm_hub_free(runner->hub);
    if (runner->logger != NULL) {
        (void)mm_logger_set_current(runner->logger_before);
        mm_logger_free(runner->logger);
    }
    mm_free(runner->experiment_name);
    mm_free(runner->log_dir);
    mm_free(runner->work_dir);
    mmi_file_lock_release(&runner->lock);
}
