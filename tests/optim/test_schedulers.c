/* Every scheduler against MMEngine's own values, bit for bit, together with its state
 * dict; then runs that are interrupted in the middle and go on from our state or from
 * MMEngine's. `optim_test_schedulers FILE OUT` does the same with other cases, and
 * writes our states in the middle for MMEngine to go on from. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mmengine/fileio.h"
#include "mmengine/number.h"
#include "mmengine/scheduler.h"

extern const mm_component *const mmi_optim_components[];

/* What the registry keeps, and what a test must not add to. */
static int64_t blocks_at_start;

static int check_nothing_left(void **state)
{
    (void)state;
    check_ok();
    assert_int_equal(mm_live_values(), 0);
    assert_int_equal(mm_live_instances(), 0);
    assert_int_equal(mm_live_blocks(), blocks_at_start);
    return 0;
}

static mm_value *load_json(const char *path)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    char *text = malloc(size + 1);

    assert_non_null(text);
    rewind(file);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    mm_value *cases = mm_json_parse(text, size, path);

    free(text);
    assert_non_null(cases);
    return cases;
}

/* The golden cases, or those of the command line. */
static const char *cases_path = "golden/optim/schedules.json";

static bool is_golden(void)
{
    return strncmp(cases_path, "golden/", 7) == 0;
}

static mm_value *load_cases(void)
{
    return load_json(cases_path);
}

/* The groups of a case, without parameters: its options, then lr per group. */
static mm_param_groups *make_groups(const mm_value *spec)
{
    mm_value *config = mm_value_copy(mm_dict_get(spec, "options"));

    mm_dict_put(config, "type", mm_dict_get(spec, "optimizer"));
    mm_dict_put(config, "lr", mm_dict_get(spec, "lr"));
    mm_instance *optimizer = mm_build(&(mm_build_args){
        .registry = "optimizers",
        .config = config,
        .interface = MM_INTERFACE_OPTIMIZER,
    });

    check_ok();
    mm_param_groups *groups = mm_optimizer_new_groups(optimizer);
    const mm_value *rates = mm_dict_get(spec, "group_lrs");
    size_t count = (size_t)mm_value_i64(mm_dict_get(spec, "groups"));

    for (size_t i = 0; i < count; i++) {
        mm_param_groups_add(groups, NULL);
        mm_param_groups_put(groups, i, "lr", mm_list_get(rates, i));
    }
    mm_param_groups_add_base(groups);
    mm_instance_unref(optimizer);
    mm_value_unref(config);
    check_ok();
    return groups;
}

enum { MAX_SCHEDULERS = 4 };

struct run {
    mm_param_groups *groups;
    mm_param_scheduler *schedulers[MAX_SCHEDULERS];
    size_t count;
};

static struct run start_run(const mm_value *spec)
{
    struct run run = {.groups = make_groups(spec)};
    const mm_value *configs = mm_dict_get(spec, "schedulers");
    mm_schedule_context context = {
        .epoch_length = mm_value_i64(mm_dict_get(spec, "epoch_length")),
    };

    run.count = mm_value_len(configs);
    assert_true(run.count <= MAX_SCHEDULERS);
    for (size_t i = 0; i < run.count; i++) {
        run.schedulers[i] =
            mm_param_scheduler_build(mm_list_get(configs, i), run.groups, &context);
    }
    check_ok();
    return run;
}

static void end_run(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        mm_param_scheduler_unref(run->schedulers[i]);
    }
    mm_param_groups_unref(run->groups);
}

static void check_row(const mm_param_groups *groups, const char *option,
                      const mm_value *want, size_t at, size_t number)
{
    assert_int_equal(mm_value_len(want), mm_param_groups_num_scheduled(groups));
    for (size_t i = 0; i < mm_value_len(want); i++) {
        double value = mm_param_groups_f64(groups, i, option);
        double wanted = mm_value_f64(mm_list_get(want, i));

        if (value != wanted) {
            fail_msg("case %zu, step %zu, %s of group %zu: %.17g, MMEngine has %.17g",
                     number, at, option, i, value, wanted);
        }
    }
}

/* Adam's momentum is where its update reads it. */
static void check_betas(const mm_param_groups *groups)
{
    const mm_value *options = mm_param_groups_options(groups, 0);
    const mm_value *betas = mm_dict_find(options, "betas");
    const mm_value *momentum = mm_dict_find(options, "momentum");

    if (betas != NULL && momentum != NULL) {
        assert_true(mm_value_equal(mm_list_get(betas, 0), momentum));
    }
}

static void check_values(const mm_value *spec, const struct run *run, size_t at,
                         size_t number)
{
    const mm_value *values = mm_dict_get(spec, "values");

    check_ok();
    for (size_t i = 0; i < mm_value_len(values); i++) {
        check_row(run->groups, mm_dict_name_at(values, i),
                  mm_list_get(mm_dict_at(values, i), at), at, number);
    }
    check_betas(run->groups);
}

/* Shows a scheduler the metric it waits for, if it waits for one. */
static void show_metric(mm_param_scheduler *scheduler, mm_value *metric)
{
    const char *monitor = mm_param_scheduler_monitor(scheduler);

    if (monitor != NULL) {
        mm_value *seen = mm_value_new_dict();

        mm_dict_put(seen, monitor, metric);
        mm_param_scheduler_step_metrics(scheduler, seen);
        mm_value_unref(seen);
    }
}

/* Advances from trace entry `from` to `to`. */
static void advance(const mm_value *spec, struct run *run, size_t from, size_t to)
{
    const mm_value *metrics = mm_dict_get(spec, "metrics");

    for (size_t at = from; at < to; at++) {
        for (size_t i = 0; i < run->count; i++) {
            mm_param_scheduler_step(run->schedulers[i]);
        }
        for (size_t i = 0; i < run->count && !mm_value_is_none(metrics); i++) {
            show_metric(run->schedulers[i], mm_list_get(metrics, at));
        }
        check_ok();
    }
}

static size_t trace_length(const mm_value *spec)
{
    return mm_value_len(mm_dict_at(mm_dict_get(spec, "values"), 0)) - 1;
}

static void test_values_are_mmengines(void **state)
{
    (void)state;
    mm_value *cases = load_cases();

    assert_true(mm_value_len(cases) >= (is_golden() ? 390 : 1));
    for (size_t n = 0; n < mm_value_len(cases); n++) {
        const mm_value *spec = mm_list_get(cases, n);
        struct run run = start_run(spec);

        check_values(spec, &run, 0, n);
        for (size_t at = 0; at < trace_length(spec); at++) {
            advance(spec, &run, at, at + 1);
            check_values(spec, &run, at + 1, n);
        }
        end_run(&run);
    }
    mm_value_unref(cases);
}

/* JSON has text keys only. */
static void stringify_keys(mm_value *state, const char *entry)
{
    const mm_value *dict = mm_dict_find(state, entry);

    if (dict == NULL || mm_value_kind(dict) != MM_KIND_DICT) {
        return;
    }
    mm_value *copy = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(dict); i++) {
        char key[32];

        snprintf(key, sizeof key, "%lld",
                 (long long)mm_value_i64(mm_dict_key_at(dict, i)));
        mm_dict_put(copy, key, mm_dict_at(dict, i));
    }
    mm_dict_take(state, entry, copy);
}

/* And back. */
static void numeric_keys(mm_value *state, const char *entry)
{
    const mm_value *dict = mm_dict_find(state, entry);

    if (dict == NULL || mm_value_kind(dict) != MM_KIND_DICT) {
        return;
    }
    mm_value *copy = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(dict); i++) {
        int64_t number = 0;

        assert_int_equal(mm_i64_parse(mm_dict_name_at(dict, i), &number), MM_OK);
        mm_value *key = mm_value_new_i64(number);

        mm_dict_put_key(copy, key, mm_dict_at(dict, i));
        mm_value_unref(key);
    }
    mm_dict_take(state, entry, copy);
}

static void check_state(const mm_param_scheduler *scheduler, const mm_value *want,
                        size_t number)
{
    mm_value *state = mm_param_scheduler_state_dict(scheduler);

    check_ok();
    stringify_keys(state, "milestones");
    char *got_text = mm_value_repr(state);
    char *want_text = mm_value_repr(want);

    if (!mm_value_equal(state, want)) {
        fail_msg("case %zu: state is\n%s\nMMEngine has\n%s", number, got_text,
                 want_text);
    }
    for (size_t i = 0; i < mm_value_len(want); i++) { /* and in this order */
        assert_string_equal(mm_dict_name_at(state, i), mm_dict_name_at(want, i));
    }
    mm_free(got_text);
    mm_free(want_text);
    mm_value_unref(state);
}

static void test_states_are_mmengines(void **state)
{
    (void)state;
    mm_value *cases = load_cases();

    for (size_t n = 0; n < mm_value_len(cases); n++) {
        const mm_value *spec = mm_list_get(cases, n);
        struct run run = start_run(spec);

        advance(spec, &run, 0, trace_length(spec));
        for (size_t i = 0; i < run.count; i++) {
            check_state(run.schedulers[i], mm_list_get(mm_dict_get(spec, "states"), i),
                        n);
        }
        end_run(&run);
    }
    mm_value_unref(cases);
}

/* Copies all options of all groups, as loading an optimizer's state does. */
static void copy_options(mm_param_groups *to, const mm_param_groups *from)
{
    for (size_t i = 0; i < mm_param_groups_num_scheduled(from); i++) {
        const mm_value *options = mm_param_groups_options(from, i);

        for (size_t k = 0; k < mm_value_len(options); k++) {
            mm_param_groups_put(to, i, mm_dict_name_at(options, k),
                                mm_dict_at(options, k));
        }
    }
}

static void resume_in_the_middle(const mm_value *spec, size_t n, mm_schedule_load what)
{
    struct run first = start_run(spec);
    size_t middle = trace_length(spec) / 2;

    advance(spec, &first, 0, middle);
    struct run second = start_run(spec);

    for (size_t i = 0; i < first.count; i++) {
        mm_value *state = mm_param_scheduler_state_dict(first.schedulers[i]);

        mm_param_scheduler_load_state_dict(second.schedulers[i], state, what);
        mm_value_unref(state);
    }
    copy_options(second.groups, first.groups);
    check_ok();
    for (size_t at = middle; at < trace_length(spec); at++) {
        advance(spec, &second, at, at + 1);
        check_values(spec, &second, at + 1, n);
    }
    end_run(&second);
    end_run(&first);
}

static void test_resume_continues(void **state)
{
    (void)state;
    mm_value *cases = load_cases();

    for (size_t n = 0; n < mm_value_len(cases); n++) {
        resume_in_the_middle(mm_list_get(cases, n), n, MM_SCHEDULE_LOAD_ALL);
        resume_in_the_middle(mm_list_get(cases, n), n, MM_SCHEDULE_LOAD_POSITION);
    }
    mm_value_unref(cases);
}

/* Loads MMEngine's state of the middle into schedulers that are new. JSON made text of
 * the milestones' keys. */
static void load_theirs(const mm_value *middle, struct run *run)
{
    const mm_value *states = mm_dict_get(middle, "states");
    const mm_value *options = mm_dict_get(middle, "options");

    for (size_t i = 0; i < run->count; i++) {
        mm_value *state = mm_value_copy(mm_list_get(states, i));

        numeric_keys(state, "milestones");
        mm_param_scheduler_load_state_dict(run->schedulers[i], state,
                                           MM_SCHEDULE_LOAD_ALL);
        mm_value_unref(state);
        check_ok();
    }
    for (size_t i = 0; i < mm_value_len(options); i++) {
        const mm_value *group = mm_list_get(options, i);

        for (size_t k = 0; k < mm_value_len(group); k++) {
            mm_param_groups_put(run->groups, i, mm_dict_name_at(group, k),
                                mm_dict_at(group, k));
        }
    }
    check_ok();
}

static void test_goes_on_from_mmengines_state(void **state)
{
    (void)state;
    mm_value *cases = load_cases();

    for (size_t n = 0; n < mm_value_len(cases); n++) {
        const mm_value *spec = mm_list_get(cases, n);
        struct run run = start_run(spec);
        size_t middle = trace_length(spec) / 2;

        load_theirs(mm_dict_get(spec, "middle"), &run);
        check_values(spec, &run, middle, n);
        for (size_t at = middle; at < trace_length(spec); at++) {
            advance(spec, &run, at, at + 1);
            check_values(spec, &run, at + 1, n);
        }
        for (size_t i = 0; i < run.count; i++) {
            check_state(run.schedulers[i], mm_list_get(mm_dict_get(spec, "states"), i),
                        n);
        }
        end_run(&run);
    }
    mm_value_unref(cases);
}

static mm_value *parse(const char *json)
{
    mm_value *value = mm_json_parse(json, strlen(json), "test");

    check_ok();
    return value;
}

static mm_param_groups *plain_groups(void)
{
    mm_value *defaults = parse("{\"lr\": 0.1, \"momentum\": 0.9}");
    mm_param_groups *groups = mm_param_groups_new(defaults);

    mm_value_unref(defaults);
    assert_int_equal(mm_param_groups_add(groups, NULL), 0);
    return groups;
}

static void expect_refusal(const char *json, mm_status code,
                           const mm_schedule_context *context)
{
    mm_value *config = parse(json);
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, context);

    if (scheduler != NULL) {
        fail_msg("accepted: %s", json);
    }
    mm_error error;

    if (mm_error_take(&error) != code) {
        fail_msg("%s gives %s: %s", json, mm_status_name(error.code), error.message);
    }
    mm_param_groups_unref(groups);
    mm_value_unref(config);
}

static void test_refusals(void **state)
{
    (void)state;
    const mm_schedule_context epochs = {.epoch_length = 10};

    expect_refusal("{\"type\": \"LinearLR\", \"begin\": 5, \"end\": 5}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"LinearLR\", \"start_factor\": 1.5}", MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"StepLR\"}", MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"StepLR\", \"step_size\": 0}", MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"CosineAnnealingLR\", \"eta_min\": 0.1, "
                   "\"eta_min_ratio\": 0.1}",
                   MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"CosineRestartLR\", \"periods\": [2]}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"CosineRestartLR\", \"periods\": [2, 3], \"eta_min\": "
                   "0}",
                   MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"OneCycleLR\"}", MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"OneCycleLR\", \"eta_max\": \"big\"}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"MultiStepLR\", \"milestones\": \"35\"}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"MultiStepLR\", \"milestones\": [3, 4.5]}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"MultiStepLR\", \"milestones\": [3, \"4\"]}",
                   MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"OneCycleParamScheduler\", \"param_name\": "
                   "\"momentum\", \"eta_max\": 0.1}",
                   MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"ReduceOnPlateauLR\", \"by_epoch\": false}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"ReduceOnPlateauLR\", \"convert_to_iter_based\": true}",
                   MM_ECONFIG, &epochs);
    expect_refusal("{\"type\": \"ReduceOnPlateauLR\", \"factor\": 1.0}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"StepLR\", \"step_size\": 1, \"by_epoch\": false, "
                   "\"convert_to_iter_based\": true}",
                   MM_ECONFIG, &epochs);
    expect_refusal("{\"type\": \"StepLR\", \"step_size\": 1, "
                   "\"convert_to_iter_based\": true}",
                   MM_ESTATE, NULL);
    expect_refusal("{\"type\": \"StepParamScheduler\", \"step_size\": 1, "
                   "\"param_name\": \"weight_decay\"}",
                   MM_EKEY, NULL);
    expect_refusal("{\"type\": \"StepLR\", \"step_size\": 1, \"last_step\": 3}",
                   MM_EKEY, NULL);
}

/* What MMEngine refuses is refused before training, too. */
static void test_mmengines_refusals(void **state)
{
    (void)state;
    mm_value *cases = load_json("golden/optim/schedules_refused.json");
    const mm_schedule_context context = {.epoch_length = 10};

    assert_true(mm_value_len(cases) >= 45);
    for (size_t n = 0; n < mm_value_len(cases); n++) {
        const mm_value *spec = mm_list_get(cases, n);
        mm_value *config = mm_dict_get(spec, "config");
        mm_param_groups *groups = mm_param_groups_new(mm_dict_get(spec, "defaults"));

        assert_int_equal(mm_param_groups_add(groups, NULL), 0);
        mm_param_scheduler *scheduler =
            mm_param_scheduler_build(config, groups, &context);
        if (scheduler != NULL) {
            fail_msg("refusal %zu is accepted", n);
        }
        mm_error error;
        mm_status code = mm_error_take(&error);

        if (code != MM_ECONFIG && code != MM_EKEY) {
            fail_msg("refusal %zu gives %s: %s", n, mm_status_name(code),
                     error.message);
        }
        mm_param_groups_unref(groups);
    }
    mm_value_unref(cases);
}

/* MMEngine divides by zero here, too: at the second step. */
static void test_division_by_zero_is_an_error(void **state)
{
    (void)state;
    mm_value *config =
        parse("{\"type\": \"LinearLR\", \"start_factor\": 0.0, \"end\": 5}");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, NULL);

    check_ok();
    assert_true(mm_param_groups_f64(groups, 0, "lr") == 0.0);
    assert_int_equal(mm_param_scheduler_step(scheduler), MM_ENUMERIC);
    check_error(MM_ENUMERIC);
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(config);
}

static void test_end_follows_the_run(void **state)
{
    (void)state;
    mm_value *config = parse("{\"type\": \"LinearLR\", \"start_factor\": 0.5}");
    mm_value *by_iter = parse("{\"type\": \"LinearLR\", \"start_factor\": 0.5, "
                              "\"by_epoch\": false}");
    const mm_schedule_context context = {.max_epochs = 3, .max_iters = 5};

    for (int i = 0; i < 2; i++) {
        mm_param_groups *groups = plain_groups();
        mm_param_scheduler *scheduler =
            mm_param_scheduler_build(i == 0 ? config : by_iter, groups, &context);
        int64_t last = i == 0 ? 2 : 4;

        check_ok();
        assert_int_equal(mm_param_scheduler_by_epoch(scheduler), i == 0);
        for (int64_t at = 0; at < last; at++) {
            assert_true(mm_param_groups_f64(groups, 0, "lr") < 0.099);
            mm_param_scheduler_step(scheduler);
        }
        assert_true(fabs(mm_param_groups_f64(groups, 0, "lr") - 0.1) < 1e-12);
        mm_param_scheduler_step(scheduler);
        assert_int_equal(mm_param_scheduler_last_step(scheduler), last);
        mm_param_scheduler_unref(scheduler);
        mm_param_groups_unref(groups);
    }
    mm_value_unref(by_iter);
    mm_value_unref(config);
}

/* Resuming with the config's hyper-parameters: training is prolonged. */
static void test_position_load_keeps_the_config(void **state)
{
    (void)state;
    mm_value *config = parse("{\"type\": \"StepLR\", \"step_size\": 2}");
    mm_value *changed = parse("{\"type\": \"StepLR\", \"step_size\": 4}");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *old = mm_param_scheduler_build(config, groups, NULL);

    mm_param_scheduler_step(old);
    mm_value *saved = mm_param_scheduler_state_dict(old);

    for (int i = 0; i < 2; i++) {
        mm_param_groups *fresh = plain_groups();
        mm_param_scheduler *scheduler = mm_param_scheduler_build(changed, fresh, NULL);

        mm_param_scheduler_load_state_dict(scheduler, saved,
                                           i == 0 ? MM_SCHEDULE_LOAD_ALL
                                                  : MM_SCHEDULE_LOAD_POSITION);
        mm_param_scheduler_step(scheduler); /* step 2: due by the file, not by config */
        check_ok();
        assert_int_equal(mm_param_scheduler_last_step(scheduler), 2);
        assert_int_equal(mm_param_groups_f64(fresh, 0, "lr") < 0.05, i == 0);
        mm_param_scheduler_unref(scheduler);
        mm_param_groups_unref(fresh);
    }
    mm_value_unref(saved);
    mm_param_scheduler_unref(old);
    mm_param_groups_unref(groups);
    mm_value_unref(changed);
    mm_value_unref(config);
}

static void test_damaged_state_is_refused(void **state)
{
    (void)state;
    mm_value *config = parse("{\"type\": \"StepLR\", \"step_size\": 2}");
    mm_value *wrong_groups = parse("{\"_last_value\": [0.1, 0.1]}");
    mm_value *wrong_type = parse("{\"last_step\": \"three\"}");
    mm_value *wrong_kind = parse("[1]");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, NULL);

    mm_param_scheduler_load_state_dict(scheduler, wrong_groups, MM_SCHEDULE_LOAD_ALL);
    check_error(MM_EDATA);
    mm_param_scheduler_load_state_dict(scheduler, wrong_type, MM_SCHEDULE_LOAD_ALL);
    check_error(MM_ETYPE);
    mm_param_scheduler_load_state_dict(scheduler, wrong_kind, MM_SCHEDULE_LOAD_ALL);
    check_error(MM_EDATA);
    assert_int_equal(mm_param_scheduler_last_step(scheduler), 0);
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(wrong_kind);
    mm_value_unref(wrong_type);
    mm_value_unref(wrong_groups);
    mm_value_unref(config);
}

static void test_missing_metric_is_named(void **state)
{
    (void)state;
    mm_value *config = parse("{\"type\": \"ReduceOnPlateauLR\", \"monitor\": \"acc\"}");
    mm_value *metrics = parse("{\"loss\": 1.0}");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, NULL);

    check_ok();
    assert_true(mm_param_scheduler_needs_metrics(scheduler));
    mm_param_scheduler_step_metrics(scheduler, metrics);
    check_error_text(MM_EKEY, "no metric 'acc' to watch in {'loss': 1.0}");
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(metrics);
    mm_value_unref(config);
}

/* An option that keeps its value is not written: optimizers need not look again. */
static void test_unchanged_values_are_not_put(void **state)
{
    (void)state;
    mm_value *config = parse("{\"type\": \"MultiStepLR\", \"milestones\": [3]}");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, NULL);
    uint64_t version = mm_param_groups_version(groups);

    mm_param_scheduler_step(scheduler);
    mm_param_scheduler_step(scheduler);
    assert_true(mm_param_groups_version(groups) == version);
    mm_param_scheduler_step(scheduler);
    assert_true(mm_param_groups_version(groups) > version);
    check_ok();
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(config);
}

/* The steps, out of the first `count`, after which the learning rate is another. */
static void expect_changes(const char *json, const mm_schedule_context *context,
                           const char *want)
{
    mm_value *config = parse(json);
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *scheduler = mm_param_scheduler_build(config, groups, context);
    char got[256] = "";

    check_ok();
    assert_int_equal(mm_param_scheduler_unit(scheduler), MM_SCHEDULE_OPTIMIZER_STEPS);
    assert_false(mm_param_scheduler_by_epoch(scheduler));
    for (int step = 1; step <= 20; step++) {
        double before = mm_param_groups_f64(groups, 0, "lr");
        size_t used = strlen(got);

        mm_param_scheduler_step(scheduler);
        check_ok();
        if (mm_param_groups_f64(groups, 0, "lr") != before) {
            snprintf(got + used, sizeof got - used, "%s%d", used > 0 ? " " : "", step);
        }
    }
    assert_string_equal(got, want);
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(config);
}

#define STEPS "\"count\": \"optimizer_steps\", "
#define CONVERTED STEPS "\"convert_to_iter_based\": true, "

/* Seven epochs of 10 iterations, 4 iterations a step: 17 steps and one of 2 iterations.
 */
static void test_optimizer_steps_are_counted(void **state)
{
    (void)state;
    const mm_schedule_context run = {
        .epoch_length = 10, .max_epochs = 7, .max_iters = 70, .accumulation = 4};

    assert_true(mm_schedule_steps(&run, 1) == 2.0);
    assert_true(mm_schedule_steps(&run, 2) == 5.0);
    assert_true(mm_schedule_steps(&run, 7) == 18.0);
    expect_changes("{\"type\": \"MultiStepLR\", " CONVERTED
                   "\"milestones\": [1, 2, 3, 7]}",
                   &run, "2 5 7"); /* 18 is the end */
    expect_changes("{\"type\": \"StepLR\", " CONVERTED "\"step_size\": 1, \"end\": 4}",
                   &run, "3 5 8"); /* every 2.5 steps */
    expect_changes("{\"type\": \"ConstantLR\", " CONVERTED "\"begin\": 1, \"end\": 3}",
                   &run, "2 6");
    expect_changes("{\"type\": \"CosineRestartLR\", " CONVERTED
                   "\"periods\": [1, 1, 1], \"restart_weights\": [1, 1, 1], "
                   "\"eta_min\": 0}",
                   &run, "1 2 3 4 5 6"); /* 2, 3 and 2 steps */
    expect_changes("{\"type\": \"LinearLR\", " STEPS
                   "\"by_epoch\": false, \"begin\": 3, \"end\": 6}",
                   &run, "3 4 5");
    expect_changes("{\"type\": \"LinearLR\", " STEPS
                   "\"by_epoch\": false, \"begin\": 14}",
                   &run, "14 15 16 17"); /* the end is that of the run */
}

static void test_wrong_counts_are_refused(void **state)
{
    (void)state;
    expect_refusal("{\"type\": \"StepLR\", " STEPS "\"step_size\": 2}", MM_ECONFIG,
                   NULL);
    expect_refusal("{\"type\": \"ReduceOnPlateauLR\", \"count\": \"optimizer_steps\"}",
                   MM_ECONFIG, NULL);
    expect_refusal("{\"type\": \"StepLR\", \"count\": \"batches\", \"step_size\": 2}",
                   MM_ECONFIG, NULL);
}

/* A file of MMEngine's counts iterations, as it does; ours say what they count. */
static void test_states_say_what_they_count(void **state)
{
    (void)state;
    const mm_schedule_context run = {.epoch_length = 10, .accumulation = 4};
    mm_value *config = parse("{\"type\": \"StepLR\", " CONVERTED "\"step_size\": 1}");
    mm_value *plain = parse("{\"type\": \"StepLR\", \"by_epoch\": false, "
                            "\"step_size\": 3}");
    mm_param_groups *groups = plain_groups();
    mm_param_scheduler *by_steps = mm_param_scheduler_build(config, groups, &run);
    mm_param_scheduler *by_iters = mm_param_scheduler_build(plain, groups, &run);
    mm_value *steps = mm_param_scheduler_state_dict(by_steps);
    mm_value *iters = mm_param_scheduler_state_dict(by_iters);

    check_ok();
    assert_string_equal(mm_value_str(mm_dict_get(steps, "count")), "optimizer_steps");
    assert_true(mm_value_f64(mm_dict_get(steps, "step_size")) == 2.5);
    assert_false(mm_dict_has(iters, "count"));
    mm_param_scheduler_load_state_dict(by_iters, steps, MM_SCHEDULE_LOAD_ALL);
    mm_param_scheduler_load_state_dict(by_steps, iters, MM_SCHEDULE_LOAD_POSITION);
    check_ok();
    assert_int_equal(mm_param_scheduler_unit(by_iters), MM_SCHEDULE_OPTIMIZER_STEPS);
    assert_int_equal(mm_param_scheduler_unit(by_steps), MM_SCHEDULE_OPTIMIZER_STEPS);
    mm_param_scheduler_load_state_dict(by_steps, iters, MM_SCHEDULE_LOAD_ALL);
    check_ok();
    assert_int_equal(mm_param_scheduler_unit(by_steps), MM_SCHEDULE_ITERATIONS);
    mm_value_unref(iters);
    mm_value_unref(steps);
    mm_param_scheduler_unref(by_iters);
    mm_param_scheduler_unref(by_steps);
    mm_param_groups_unref(groups);
    mm_value_unref(plain);
    mm_value_unref(config);
}

static void test_groups(void **state)
{
    (void)state;
    mm_param_groups *groups = plain_groups();
    mm_value *own = parse("{\"lr_mult\": 2.0, \"momentum\": 0.5, \"params\": []}");

    assert_int_equal(mm_param_groups_add_base(groups), MM_OK);
    assert_false(mm_param_groups_has_base(groups)); /* one group needs none */
    assert_int_equal(mm_param_groups_add(groups, own), 1);
    mm_param_groups_add_base(groups);
    assert_true(mm_param_groups_has_base(groups));
    assert_int_equal(mm_param_groups_count(groups), 2);
    assert_int_equal(mm_param_groups_num_scheduled(groups), 3);
    char *text = mm_value_repr(mm_param_groups_options(groups, 1));

    assert_string_equal(text, "{'lr_mult': 2.0, 'momentum': 0.5, 'lr': 0.1}");
    mm_free(text);
    mm_param_groups_put_f64(groups, 2, "lr", 0.7);
    assert_true(mm_param_groups_f64(groups, 2, "lr") == 0.7);
    assert_true(mm_param_groups_f64(groups, 0, "lr") == 0.1);
    (void)mm_param_groups_f64(groups, 3, "lr");
    check_error(MM_ERANGE);
    (void)mm_param_groups_f64(groups, 0, "eps");
    check_error(MM_EKEY);
    mm_param_groups_add_param(groups, "w", NULL);
    check_error(MM_EINVAL);
    mm_value_unref(own);
    mm_param_groups_unref(groups);
}

#define TEST(function) cmocka_unit_test_teardown((function), check_nothing_left)

#ifdef MM_FAULTS
/* Builds, steps, saves and loads; gives up quietly at the first error. */
static void whole_life(const mm_value *spec)
{
    mm_value *configs = mm_value_copy(mm_dict_get(spec, "schedulers"));
    mm_value *defaults = mm_value_copy(mm_dict_get(spec, "options"));
    mm_schedule_context context = {.epoch_length = 3};

    mm_dict_put_f64(defaults, "lr", 0.1);
    mm_param_groups *groups = mm_param_groups_new(defaults);
    mm_param_scheduler *scheduler = NULL;
    mm_value *saved = NULL;

    if (groups != NULL && mm_param_groups_add(groups, NULL) == 0) {
        scheduler = mm_param_scheduler_build(mm_list_get(configs, 0), groups, &context);
    }
    for (int i = 0; scheduler != NULL && i < 8; i++) {
        mm_param_scheduler_step(scheduler);
    }
    if (scheduler != NULL) {
        saved = mm_param_scheduler_state_dict(scheduler);
    }
    if (saved != NULL) {
        mm_param_scheduler_load_state_dict(scheduler, saved, MM_SCHEDULE_LOAD_ALL);
    }
    mm_value_unref(saved);
    mm_param_scheduler_unref(scheduler);
    mm_param_groups_unref(groups);
    mm_value_unref(defaults);
    mm_value_unref(configs);
}

/* Every point that can fail does, once: an error, no crash, nothing left. */
static void test_faults(void **state)
{
    (void)state;
    mm_value *cases = load_cases();
    bool is_done[5] = {false};
    static const char *const types[] = {"MultiStepLR", "CosineRestartLR", "OneCycleLR",
                                        "ReduceOnPlateauLR", "LinearMomentum"};
    size_t seen = 0;

    for (size_t n = 0; n < mm_value_len(cases); n++) {
        const mm_value *spec = mm_list_get(cases, n);
        const char *type = mm_value_str(
            mm_dict_get(mm_list_get(mm_dict_get(spec, "schedulers"), 0), "type"));
        bool was_reached = false; /* the first case of each type */

        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            if (!is_done[i] && strcmp(type, types[i]) == 0) {
                is_done[i] = was_reached = true;
            }
        }

        for (int64_t at = 1; was_reached; at++) {
            int64_t blocks = mm_live_blocks();
            int64_t values = mm_live_values();

            mmi_fail_at(at);
            whole_life(spec);
            was_reached = mmi_fault_points() >= at;
            mmi_fail_at(0);
            (void)mm_error_take(NULL);
            assert_int_equal(mm_live_values(), values);
            assert_int_equal(mm_live_blocks(), blocks);
            assert_int_equal(mm_live_instances(), 0);
            seen++;
        }
    }
    assert_true(seen > 100);
    mm_value_unref(cases);
}
#endif

/* Our states and options in the middle of each case, for MMEngine to go on from. */
static mm_value *middle_of(const mm_value *spec)
{
    struct run run = start_run(spec);
    mm_value *middle = mm_value_new_dict();
    mm_value *states = mm_value_new_list();
    mm_value *options = mm_value_new_list();

    advance(spec, &run, 0, trace_length(spec) / 2);
    for (size_t i = 0; i < run.count; i++) {
        mm_value *state = mm_param_scheduler_state_dict(run.schedulers[i]);

        stringify_keys(state, "milestones");
        mm_list_push(states, state);
    }
    for (size_t i = 0; i < mm_param_groups_num_scheduled(run.groups); i++) {
        mm_value *copy = mm_value_copy(mm_param_groups_options(run.groups, i));

        mm_list_push(options, copy);
    }
    mm_dict_take(middle, "states", states);
    mm_dict_take(middle, "options", options);
    end_run(&run);
    return middle;
}

static int write_middles(const char *path)
{
    mm_value *cases = load_cases();
    mm_value *middles = mm_value_new_list();

    for (size_t n = 0; n < mm_value_len(cases); n++) {
        mm_list_push(middles, middle_of(mm_list_get(cases, n)));
    }
    char *text = mm_json_format(middles, NULL);
    FILE *file = fopen(path, "wb");
    bool is_written = text != NULL && file != NULL && fputs(text, file) >= 0;

    if (file != NULL && fclose(file) != 0) {
        is_written = false;
    }
    mm_free(text);
    mm_value_unref(middles);
    mm_value_unref(cases);
    return is_written ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_are_mmengines),
        TEST(test_states_are_mmengines),
        TEST(test_resume_continues),
        TEST(test_goes_on_from_mmengines_state),
        TEST(test_refusals),
        TEST(test_mmengines_refusals),
        TEST(test_division_by_zero_is_an_error),
        TEST(test_end_follows_the_run),
        TEST(test_position_load_keeps_the_config),
        TEST(test_damaged_state_is_refused),
        TEST(test_missing_metric_is_named),
        TEST(test_unchanged_values_are_not_put),
        TEST(test_optimizer_steps_are_counted),
        TEST(test_wrong_counts_are_refused),
        TEST(test_states_say_what_they_count),
        TEST(test_groups),
#ifdef MM_FAULTS
        TEST(test_faults),
#endif
    };

    if (mm_register(mmi_optim_components) < 0) {
        return 1;
    }
    blocks_at_start = mm_live_blocks();
    if (argc == 3) {
        const struct CMUnitTest live[] = {
            TEST(test_values_are_mmengines),
            TEST(test_states_are_mmengines),
            TEST(test_resume_continues),
            TEST(test_goes_on_from_mmengines_state),
        };

        cases_path = argv[1];
        return cmocka_run_group_tests(live, NULL, NULL) + write_middles(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
