/* The memory format of the model's convolutions. Channels last trains some models much
 * faster on the CPU and others slower, so `memory_format = 'auto'` asks the machine:
 * the first batch's loss and gradients are timed in both formats. The trials run on
 * copies of all parameters and buffers, so that nothing but the caches of the processor
 * knows of them afterwards.
 *
 * The formats differ in the last bits of a sum. So that a seed gives the same bits in
 * every run, a choice is kept in the user's cache and never measured again; a
 * checkpoint carries the choice of its run, and a resumed run asks nobody else. */
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/str.h"
#include "mmengine/file.h"
#include "mmengine/ops.h"
#include "mmengine/plugin.h"
#include "runner/internal.h"

/* By mmi_weights_format. */
static const char *const format_names[] = {"auto", "contiguous", "channels_last"};

enum {
    NUM_FORMATS = sizeof(format_names) / sizeof(format_names[0]),
    ROUNDS = 4,          /* the first one warms up */
    SLOW_NS = 1000000000 /* a step of this length needs no second look */
};

/* Channels last must be this much faster: below that, chance would choose. */
static const double needed_gain = 1.1;

static bool parse_format(const char *text, mmi_weights_format *out)
{
    for (size_t i = 0; text != NULL && i < NUM_FORMATS; i++) {
        if (strcmp(text, format_names[i]) == 0) {
            *out = (mmi_weights_format)i;
            return true;
        }
    }
    return false;
}

const char *mm_runner_memory_format(const mm_runner *runner)
{
    return format_names[runner->weights_format];
}

/* What the config says; 'auto' if nothing. */
static mmi_weights_format asked_format(const mm_runner *runner)
{
    const mm_value *given = mmi_section(runner, "memory_format");
    mmi_weights_format format = MMI_WEIGHTS_AUTO;

    if (given != NULL && mm_value_kind(given) == MM_KIND_STR)
        (void)parse_format(mm_value_str(given), &format);
    return format;
}

mm_status mmi_memory_format_check(const mm_runner *runner)
{
    return mmi_check_word(runner, "memory_format", format_names, NUM_FORMATS);
}

/* Without a measurement. */

static mm_status look_for_planes(void *user, const char *name, mm_tensor *param,
                                 mm_module *owner)
{
    bool *found = user;
    (void)name;
    (void)owner;

    *found = *found || mm_ndim(param) == 4;
    return MM_OK;
}

/* What config and model settle by themselves; AUTO: it is worth a measurement. */
static mmi_weights_format settled_format(const mm_runner *runner)
{
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(runner->model), MM_INTERFACE_MODEL);
    mmi_weights_format asked = asked_format(runner);
    bool has_planes = false;

    if (asked != MMI_WEIGHTS_AUTO || ops == NULL)
        return asked;
    (void)mm_module_each_param(runner->model, look_for_planes, &has_planes);
    if (mmi_wants_reference(runner) || runner->deterministic || !has_planes ||
        strncmp(runner->device, "cpu", 3) != 0 || ops->train_step != NULL ||
        ops->loss == NULL)
        return MMI_WEIGHTS_CONTIGUOUS;
    return MMI_WEIGHTS_AUTO;
}

/* Lays the weights out; a decision for the rest of the run. */
static mm_status decide(mm_runner *runner, mmi_weights_format format)
{
    mmi_weights_format before = runner->weights_format;

    if (mm_has_error() || format == MMI_WEIGHTS_AUTO)
        return mm_pending();
    runner->weights_format = format;
    if (format == MMI_WEIGHTS_CHANNELS_LAST)
        return mm_module_channels_last(runner->model, true);
    return before == MMI_WEIGHTS_CHANNELS_LAST
               ? mm_module_channels_last(runner->model, false)
               : MM_OK;
}

mm_status mmi_memory_format_begin(mm_runner *runner)
{
    if (mm_has_error() || runner->weights_format != MMI_WEIGHTS_AUTO)
        return mm_pending();
    mmi_weights_format format = settled_format(runner);

    if (asked_format(runner) != MMI_WEIGHTS_AUTO)
        mm_log(MM_LOG_INFO, "memory format: %s, as the config says",
               format_names[format]);
    return decide(runner, format);
}

/* A checkpoint of an earlier version was written by a contiguous run, one of another
 * program says nothing. */
mm_status mmi_memory_format_resume(mm_runner *runner, const mm_value *own)
{
    const mm_value *value = own == NULL ? NULL : mm_dict_find(own, "memory_format");
    mmi_weights_format saved = own == NULL ? MMI_WEIGHTS_AUTO : MMI_WEIGHTS_CONTIGUOUS;

    if (value != NULL && !parse_format(mm_value_str(value), &saved))
        return mm_raise(MM_EDATA, "the checkpoint's memory format '%s' is not known",
                        mm_value_str(value));
    mmi_weights_format settled = settled_format(runner);

    if (settled == MMI_WEIGHTS_AUTO && saved != MMI_WEIGHTS_AUTO)
        mm_log(MM_LOG_INFO, "memory format: %s, as in the checkpoint",
               format_names[saved]);
    else if (saved != MMI_WEIGHTS_AUTO && settled != saved)
        mm_log(MM_LOG_WARN,
               "the checkpoint was trained in memory format '%s', continuing in '%s' "
               "as the config asks: the last bits will differ",
               format_names[saved], format_names[settled]);
    return decide(runner, settled == MMI_WEIGHTS_AUTO ? saved : settled);
}

/* The measurement. */

/* One parameter or buffer and where its elements lie. */
struct place {
    mm_tensor *tensor;              /* the model's */
    mm_tensor *original;            /* another name of its memory; scope-owned */
    mm_tensor *copies[NUM_FORMATS]; /* by format; scope-owned */
    mm_tensor *grad;                /* owned; NULL if there is none */
};

struct trial {
    mm_runner *runner;
    mm_optim_wrapper *optim_wrapper;
    mm_value *batch;
    struct place *places;
    size_t count, room;
    mm_tensor *random; /* state of the generator; scope-owned */
    int64_t best_ns[NUM_FORMATS];
};

static mm_status add_place(void *user, const char *name, mm_tensor *tensor,
                           mm_module *owner)
{
    struct trial *trial = user;
    (void)name;
    (void)owner;

    if (trial->count == trial->room) {
        size_t room = 2 * trial->room + 64;
        struct place *grown = mm_realloc(trial->places, room * sizeof(*grown));

        if (grown == NULL)
            return mm_pending();
        trial->places = grown;
        trial->room = room;
    }
    trial->places[trial->count++] = (struct place){
        .tensor = tensor,
        .grad = mm_tensor_ref(mm_grad_find(tensor)),
    };
    return mm_pending();
}

static mm_status copy_place(struct place *place)
{
    bool is_plane = mm_ndim(place->tensor) == 4;

    place->original = mm_detach(place->tensor);
    for (int format = MMI_WEIGHTS_CONTIGUOUS; format < NUM_FORMATS; format++) {
        mm_memory_format wanted = format == MMI_WEIGHTS_CONTIGUOUS
                                      ? MM_FORMAT_CONTIGUOUS
                                      : MM_FORMAT_CHANNELS_LAST;

        place->copies[format] =
            is_plane || format == MMI_WEIGHTS_CONTIGUOUS
                ? mm_to(place->original, .copy = true,
                        .format = is_plane ? wanted : MM_FORMAT_NONE)
                : place->copies[MMI_WEIGHTS_CONTIGUOUS];
    }
    return mm_pending();
}

/* Copies of all that a step may write to. Autograd records nothing of it. */
static mm_status begin_trial(struct trial *trial)
{
    mm_module *model = trial->runner->model;
    bool recorded = mm_grad_mode_set(false);

    trial->random = mm_rng_state("cpu");
    (void)mm_module_each_param(model, add_place, trial);
    if (!mm_has_error())
        (void)mm_module_each_buffer(model, false, add_place, trial);
    for (size_t i = 0; i < trial->count && !mm_has_error(); i++)
        (void)copy_place(&trial->places[i]);
    (void)mm_grad_mode_set(recorded);
    return mm_pending();
}

/* Points the model at the copies of a format; AUTO: at its own memory. */
static void switch_to(struct trial *trial, mmi_weights_format format)
{
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < trial->count && !mm_has_error(); i++) {
        const struct place *place = &trial->places[i];

        if (place->original == NULL)
            break; /* no copies were made of the rest */
        (void)mm_set_grad(place->tensor, NULL);
        (void)mm_set_data_(place->tensor, format == MMI_WEIGHTS_AUTO
                                              ? place->original
                                              : place->copies[format]);
    }
    (void)mm_rng_set_state("cpu", trial->random);
    (void)mm_grad_mode_set(recorded);
}

/* The model as it was. */
static mm_status end_trial(struct trial *trial)
{
    switch_to(trial, MMI_WEIGHTS_AUTO);
    for (size_t i = 0; i < trial->count; i++) {
        if (trial->places[i].grad != NULL)
            (void)mm_set_grad(trial->places[i].tensor, trial->places[i].grad);
        mm_tensor_unref(trial->places[i].grad);
    }
    mm_free(trial->places);
    return mm_pending();
}

/* What a training step does before the optimizer's turn. */
static mm_status compute_gradients(const struct trial *trial)
{
    mm_module *model = trial->runner->model;
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(model), MM_INTERFACE_MODEL);
    mm_value *losses = NULL;
    mm_tensor *total = NULL;

    if (mm_optim_wrapper_enter(trial->optim_wrapper) == MM_OK) {
        mm_value *data = mm_model_preprocess(model, trial->batch, true);

        losses = data != NULL ? ops->loss(mm_module_self(model), data) : NULL;
    }
    mm_optim_wrapper_leave(trial->optim_wrapper);
    if (losses == NULL || mm_parse_losses(losses, &total) == NULL)
        return mm_pending();
    return mm_backward(total);
}

static mm_status time_step(struct trial *trial, mmi_weights_format format)
{
    mm_scope scope = mm_scope_open();

    switch_to(trial, format);
    int64_t begin = mmi_clock_ns();
    (void)compute_gradients(trial);
    int64_t took = mmi_clock_ns() - begin;

    mm_scope_close(scope);
    if (trial->best_ns[format] == 0 || took < trial->best_ns[format])
        trial->best_ns[format] = took;
    return mm_pending();
}

/* Turn by turn, so that what else the machine does meets both; the best of each counts,
 * which leaves the first, cold steps out. */
static mm_status time_rounds(struct trial *trial)
{
    int64_t slowest = 0;

    for (int round = 0; round < ROUNDS && slowest < SLOW_NS; round++) {
        for (int format = MMI_WEIGHTS_CONTIGUOUS; format < NUM_FORMATS; format++) {
            if (time_step(trial, (mmi_weights_format)format) < 0)
                return mm_error_frame("in memory format '%s'", format_names[format]);
            if (trial->best_ns[format] > slowest)
                slowest = trial->best_ns[format];
        }
    }
    return MM_OK;
}

/* What is kept of a choice: the format and a sentence. */
struct choice {
    mmi_weights_format format;
    char why[128];
};

/* A model that cannot run in one of the formats trains as it would without us: the loop
 * will meet the error where it belongs, if it was not the format's. */
static void forgive(const mm_error *error, struct choice *out)
{
    mm_log(MM_LOG_DEBUG, "could not compare memory formats: %s", error->message);
    *out = (struct choice){.format = MMI_WEIGHTS_CONTIGUOUS,
                           .why = "the other one could not be tried"};
}

static mm_status measure(mm_runner *runner, mm_value *batch,
                         mm_optim_wrapper *optim_wrapper, struct choice *out)
{
    struct trial trial = {.runner = runner, .optim_wrapper = optim_wrapper};
    mm_scope scope = mm_scope_open();
    mm_error error;

    trial.batch = mm_value_copy(batch);
    if (begin_trial(&trial) == MM_OK)
        (void)time_rounds(&trial);
    bool has_failed = mm_error_take(&error) < 0;
    (void)end_trial(&trial);
    mm_value_unref(trial.batch);
    mm_scope_close(scope);
    if (has_failed) {
        forgive(&error, out);
        return mm_pending();
    }
    double contiguous = (double)trial.best_ns[MMI_WEIGHTS_CONTIGUOUS] * 1e-6;
    double last = (double)trial.best_ns[MMI_WEIGHTS_CHANNELS_LAST] * 1e-6;

    out->format = last * needed_gain <= contiguous ? MMI_WEIGHTS_CHANNELS_LAST
                                                   : MMI_WEIGHTS_CONTIGUOUS;
    (void)snprintf(out->why, sizeof(out->why),
                   "a step took %.2f ms contiguous, %.2f ms channels last", contiguous,
                   last);
    return mm_pending();
}

/* Choices that are kept. */

static void describe_tensor(mmi_str *out, mm_tensor *tensor)
{
    char *text = mm_tensor_describe(tensor);

    mmi_str_addf(out, "%s\n", text == NULL ? "" : text);
    mm_free(text);
}

static mm_status describe_param(void *user, const char *name, mm_tensor *param,
                                mm_module *owner)
{
    mm_tensor_info info;
    (void)owner;

    if (mm_tensor_info_get(param, &info) == MM_OK)
        mmi_str_addf(user, "%s%s ", name, info.requires_grad ? "" : " (frozen)");
    describe_tensor(user, param);
    return mm_pending();
}

/* Sizes of all tensors of a batch, in order. */
static void describe_batch(mmi_str *out, const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor != NULL)
        describe_tensor(out, tensor);
    for (size_t i = 0; kind == MM_KIND_DICT && i < mm_value_len(value); i++)
        describe_batch(out, mm_dict_at(value, i));
    for (size_t i = 0;
         (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) && i < mm_value_len(value);
         i++)
        describe_batch(out, mm_list_get(value, i));
}

/* An entry of the optimizer wrapper's config as text: type and dtype make up the
 * precision, on which the times depend. */
static void describe_precision(mmi_str *out, const mm_runner *runner, const char *key)
{
    const mm_value *value = mmi_find_in(mm_runner_optim_config(runner), key);
    char *text = value == NULL ? NULL : mm_value_repr(value);

    mmi_str_addf(out, "%s %s\n", key, text == NULL ? "-" : text);
    mm_free(text);
}

/* Everything that the times, and so the choice, depend on. Yours. */
static char *describe_setting(const mm_runner *runner, const mm_value *batch)
{
    mmi_str text = {0};
    char cpu[256];
    char *model = mm_module_repr(runner->model);

    mmi_os_cpu_text(cpu, sizeof(cpu));
    mmi_str_addf(&text, "mmengine %s\nlibtorch %s\n%s\nprocessor %s\nthreads %d\n",
                 MM_VERSION, mm_torch_version(), mm_torch_build_flags(), cpu,
                 mm_num_threads());
    describe_precision(&text, runner, "type");
    describe_precision(&text, runner, "dtype");
    mmi_str_addf(&text, "%s\n", model == NULL ? "" : model);
    mm_free(model);
    (void)mm_module_each_param(runner->model, describe_param, &text);
    describe_batch(&text, batch);
    return mmi_str_take(&text);
}

/* The file of the setting in the user's cache; NULL without an error if there is no
 * cache. Yours. */
static char *file_of(const mm_runner *runner, const mm_value *batch)
{
    char hex[MMI_SHA256_TEXT_SIZE];
    char *setting = describe_setting(runner, batch);
    char *folder = setting == NULL ? NULL : mmi_os_cache_dir("memory-format");
    char *path = NULL;

    if (folder != NULL) {
        mmi_sha256_text(setting, strlen(setting), hex);
        path = mm_strfmt("%s/%.32s.txt", folder, hex);
    }
    mm_free(folder);
    mm_free(setting);
    return path;
}

/* Two lines: format and reason. False, without an error, if there is no such file. */
static bool find_kept(const char *path, struct choice *out)
{
    char *text = path != NULL && mm_file_exists(path) ? mm_file_read(path, NULL) : NULL;
    char *end = text == NULL ? NULL : strchr(text, '\n');
    bool is_found = false;

    if (end != NULL) {
        *end = '\0';
        (void)snprintf(out->why, sizeof(out->why), "%.*s", (int)strcspn(end + 1, "\n"),
                       end + 1);
        is_found = parse_format(text, &out->format) && out->format != MMI_WEIGHTS_AUTO;
    }
    mm_free(text);
    return is_found;
}

/* Keeps a choice, unless another process was faster: then that one holds. */
static void keep(const char *path, struct choice *choice)
{
    if (path == NULL || find_kept(path, choice))
        return;
    char *text = mm_strfmt("%s\n%s\n", format_names[choice->format], choice->why);
    mm_status status =
        text == NULL ? mm_pending() : mm_file_write(path, text, strlen(text));

    (void)status; /* the caller looks */
    mm_free(text);
}

/* A cache that cannot be used costs a measurement in every run, no more. */
static void note_cache(void)
{
    mm_error error;

    if (mm_error_take(&error) < 0)
        mm_log(
            MM_LOG_WARN,
            "the choice of a memory format cannot be kept (%s), continuing; the next "
            "run may choose otherwise unless the config names one",
            error.message);
}

mm_status mm_runner_choose_memory_format(mm_runner *runner, mm_value *batch,
                                         mm_optim_wrapper *optim_wrapper)
{
    struct choice choice = {.format = MMI_WEIGHTS_CONTIGUOUS};

    if (runner->weights_format != MMI_WEIGHTS_AUTO ||
        mmi_memory_format_begin(runner) < 0 ||
        runner->weights_format != MMI_WEIGHTS_AUTO)
        return mm_pending();
    char *path = file_of(runner, batch);
    bool is_kept = find_kept(path, &choice);

    note_cache();
    if (!is_kept && measure(runner, batch, optim_wrapper, &choice) == MM_OK) {
        keep(path, &choice);
        note_cache();
    }
    mm_free(path);
    if (mm_has_error())
        return mm_error_frame("while choosing the memory format");
    mm_log(MM_LOG_INFO, "memory format: %s; %s%s", format_names[choice.format],
           choice.why, is_kept ? " (known from an earlier run)" : "");
    return decide(runner, choice.format);
}
