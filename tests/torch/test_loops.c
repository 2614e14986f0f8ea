/* Loops: several validation sets, validation losses, a loop of a plugin. */
#include "runner_parts.h"

#include <math.h>

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    return parts_register();
}

/* A runner over the toy config; both are freed by close_runner(). */
static mm_runner *open_runner(const char *dir, const char *more, mm_config **config)
{
    *config = parts_config(dir, more);
    return mm_runner_new(*config);
}

static void close_runner(mm_runner *runner, mm_config *config)
{
    mm_runner_free(runner);
    mm_config_unref(config);
}

static size_t updates_of(mm_runner *runner, const char *name)
{
    return mm_history_len(mm_hub_scalar(mm_runner_hub(runner), name));
}

#define SETS                                                                           \
    "plain = val_dataloader\n"                                                         \
    "val_dataloader = dict(clean=plain, noisy=dict(batch_size=8,\n"                    \
    "    dataset=dict(type='ToyPoints'), sampler=dict(type='DefaultSampler',\n"        \
    "    shuffle=False), collate_fn=dict(type='default_collate')))\n"

static void several_sets_have_prefixes_and_intervals(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config;
    mm_runner *runner = open_runner(dir,
                                    SETS "train_cfg['max_epochs'] = 5\n"
                                         "val_cfg = dict(intervals=dict(noisy=3))\n",
                                    &config);
    (void)state;

    assert_int_equal(mm_runner_train(runner), MM_OK);
    assert_int_equal(updates_of(runner, "val/clean/toy/error"), 5);
    assert_int_equal(updates_of(runner, "val/noisy/toy/error"), 2); /* 3, the end */
    close_runner(runner, config);
    runner = open_runner(dir,
                         SETS "val_evaluator = dict(clean=dict(type='ToyMetric'), "
                              "noisy=dict(type='ToyMetric', prefix='own'))\n",
                         &config);
    mm_value *metrics = mm_runner_val(runner);

    check_ok();
    assert_true(mm_value_f64(mm_dict_get(metrics, "clean/toy/error")) ==
                mm_value_f64(mm_dict_get(metrics, "noisy/own/error")));
    assert_int_equal(mm_value_len(metrics), 4);
    mm_value_unref(metrics);
    close_runner(runner, config);
    parts_remove_dir(dir);
}

static void assert_refused(const char *more, const char *message)
{
    char *dir = parts_new_dir();
    mm_error error;

    assert_null(parts_train(dir, more));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    if (strstr(error.message, message) == NULL)
        fail_msg("'%s' is not in '%s'", message, error.message);
    parts_remove_dir(dir);
}

/* Whoever waits for a metric of a set that a validation leaves out waits on. */
static void sets_that_sit_out_are_waited_for(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config;
    mm_runner *runner = open_runner(
        dir,
        SETS "train_cfg['max_epochs'] = 4\n"
             "val_cfg = dict(intervals=dict(noisy=2))\n"
             "default_hooks = dict(checkpoint=dict(type='CheckpointHook',\n"
             "    save_best='noisy/toy/error', rule='less'))\n"
             "custom_hooks = [dict(type='EarlyStoppingHook', strict=True,\n"
             "    monitor='noisy/toy/error', rule='less', patience=2, min_delta=9.0)]\n"
             "param_scheduler = dict(type='ReduceOnPlateauLR',\n"
             "    monitor='noisy/toy/error', patience=0, threshold=9.0, factor=0.5)\n",
        &config);
    (void)state;

    assert_int_equal(mm_runner_train(runner), MM_OK);
    assert_int_equal(mm_runner_epoch(runner), 4);
    assert_int_equal(updates_of(runner, "val/noisy/toy/error"), 2);
    mm_value *lr = mm_optim_wrapper_get_lr(mm_runner_optim_wrapper(runner));

    assert_true(fabs(mm_value_f64(mm_list_get(mm_dict_get(lr, "lr"), 0)) - 0.025) <
                1e-12); /* two looks: the first is the best, the second no better */
    mm_value_unref(lr);
    assert_non_null(mm_hub_find_info(mm_runner_hub(runner), "best_score"));
    close_runner(runner, config);
    parts_remove_dir(dir);
}

static void sets_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_refused(SETS "val_evaluator = dict(clean=dict(type='ToyMetric'))\n",
                   "there is no 'val_evaluator.noisy' for 'val_dataloader.noisy'");
    assert_refused(SETS "val_cfg = dict(intervals=dict(nosy=3))\n",
                   "val_cfg.intervals names 'nosy', which is no entry of "
                   "val_dataloader");
    assert_refused(SETS "val_cfg = dict(intervals=dict(noisy=0))\n",
                   "an interval must be at least 1, not 0");
    assert_refused(SETS "val_dataloader['noisy']['batch_siz'] = 3\n", "batch_siz");
}

/* MMEngine: the means of the entries of `loss`, and the sum of those named a loss. */
static void losses_behind_predictions_become_metrics(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config;
    mm_runner *runner = open_runner(dir, "", &config);
    (void)state;

    parts_record.gives_losses = true;
    mm_value *metrics = mm_runner_val(runner);

    check_ok();
    assert_int_equal(mm_value_len(metrics), 5);
    double mse = mm_value_f64(mm_dict_get(metrics, "loss_mse"));

    assert_true(mse > 0.0);
    assert_true(mm_value_f64(mm_dict_get(metrics, "val_loss")) == mse);
    assert_true(isfinite(mm_value_f64(mm_dict_get(metrics, "level"))));
    mm_value_unref(metrics);
    close_runner(runner, config);
    runner = open_runner(dir, "", &config);
    metrics = mm_runner_test(runner);
    check_ok();
    assert_true(mm_dict_has(metrics, "test_loss"));
    mm_value_unref(metrics);
    close_runner(runner, config);
    parts_remove_dir(dir);
}

/* --- a loop as a plugin writes it: every batch twice --- */

struct twice_loop {
    int64_t rounds;
};

#define MM_OPT_STRUCT struct twice_loop
static const mm_option twice_options[] = {
    {"rounds", "passes over the data", MM_OPT_I64(rounds, 1, 1, 100)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status twice_start(void *data, mm_runner *runner)
{
    const struct twice_loop *self = data;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (loader != NULL)
        mm_runner_set_lengths(runner, true, self->rounds,
                              2 * self->rounds * mm_loader_len(loader));
    return mm_pending();
}

static mm_status twice_round(mm_runner *runner, mm_loader *loader)
{
    mm_status status = mm_runner_call_hook(runner, "before_train_epoch", NULL);

    if (status == MM_OK)
        status = mm_loader_begin(loader, 0);
    for (int64_t i = 0; status == MM_OK;) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status == MM_OK)
            status = mm_runner_train_iter(runner, i++, mm_value_ref(batch));
        if (status == MM_OK)
            status = mm_runner_train_iter(runner, i++, mm_value_ref(batch));
        mm_value_unref(batch);
    }
    if (status != MM_END)
        return status;
    status = mm_runner_call_hook(runner, "after_train_epoch", NULL);
    mm_runner_end_epoch(runner);
    return status;
}

static mm_status twice_run(void *data, mm_runner *runner)
{
    const struct twice_loop *self = data;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_status status = mm_runner_call_hook(runner, "before_train", NULL);

    for (int64_t i = 0; i < self->rounds && status == MM_OK; i++)
        status = twice_round(runner, loader);
    if (status == MM_OK)
        status = mm_runner_call_hook(runner, "between_rounds", NULL);
    return status == MM_OK ? mm_runner_call_hook(runner, "after_train", NULL) : status;
}

static const mm_loop_ops twice_ops = {.start = twice_start, .run = twice_run};

static const mm_component twice_loop = {
    .registry = "loops",
    .name = "TwiceLoop",
    .help = "takes every batch twice",
    .size = sizeof(struct twice_loop),
    .options = twice_options,
    MM_LOOP(&twice_ops),
};

static void a_loop_of_a_plugin_runs(void **state)
{
    static const mm_component *const table[] = {&twice_loop, NULL};
    char *dir = parts_new_dir();
    mm_config *config;
    (void)state;

    assert_int_equal(mm_register(table), MM_OK);
    mm_runner *runner =
        open_runner(dir, "train_cfg = dict(type='TwiceLoop', rounds=2)\n", &config);

    assert_int_equal(mm_runner_train(runner), MM_OK);
    assert_int_equal(mm_runner_iter(runner), 24);
    assert_int_equal(mm_runner_epoch(runner), 2);
    assert_int_equal(mm_runner_max_iters(runner), 24);
    assert_int_equal(updates_of(runner, "train/loss"), 24);
    char *path = mm_path_join(dir, "epoch_2.pth");

    assert_true(mm_file_exists(path));
    mm_free(path);
    close_runner(runner, config);
    parts_remove_dir(dir);
}

/* --- what a config makes of the optimizer wrapper --- */

typedef struct wrapper_facts {
    const char *type;
    int64_t counts;
    double lr;
} wrapper_facts;

/* Trains one epoch with `more` and looks at the wrapper. */
static wrapper_facts train_and_look(const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("train_cfg['max_epochs'] = 1\n%s", more);
    mm_config *config;
    mm_runner *runner = open_runner(dir, text, &config);

    if (runner == NULL || mm_runner_train(runner) < 0)
        fail_msg("%s\n%s", mm_error_peek()->message, more);
    mm_optim_wrapper *wrapper = mm_runner_optim_wrapper(runner);
    mm_value *lr = mm_optim_wrapper_get_lr(wrapper);
    const mm_value *type = mm_dict_find(mm_runner_optim_config(runner), "type");
    wrapper_facts facts = {
        .type = type == NULL                                         ? ""
                : strcmp(mm_value_str(type), "AmpOptimWrapper") == 0 ? "amp"
                                                                     : "plain",
        .counts = mm_optim_wrapper_accumulative_counts(wrapper),
        .lr = mm_value_f64(mm_list_get(mm_dict_get(lr, "lr"), 0)),
    };

    mm_value_unref(lr);
    close_runner(runner, config);
    mm_free(text);
    parts_remove_dir(dir);
    return facts;
}

static void configs_of_flexible_runner_train(void **state)
{
    (void)state;
    wrapper_facts facts = train_and_look("runner_type = 'FlexibleRunner'\n"
                                         "strategy = dict(type='DDPStrategy')\n");

    assert_string_equal(facts.type, "");
    facts = train_and_look(
        "runner_type = 'FlexibleRunner'\n"
        "optim_wrapper['type'] = 'DeepSpeedOptimWrapper'\n"
        "strategy = dict(type='DeepSpeedStrategy', bf16=dict(enabled=True),"
        " gradient_clipping=1.0, gradient_accumulation_steps=2,"
        " zero_optimization=dict(stage=1))\n");
    assert_string_equal(facts.type, "amp");
    assert_int_equal(facts.counts, 2);
    facts = train_and_look("optim_wrapper['type'] = 'DeepSpeedOptimWrapper'\n"
                           "strategy = dict(type='DeepSpeedStrategy', "
                           "config=dict(gradient_accumulation_steps=3))\n");
    assert_string_equal(facts.type, "plain");
    assert_int_equal(facts.counts, 3);
    facts = train_and_look("optim_wrapper['type'] = 'ColossalAIOptimWrapper'\n"
                           "strategy = dict(type='ColossalAIStrategy', "
                           "mixed_precision='bf16', plugin='gemini')\n");
    assert_string_equal(facts.type, "amp");
    facts = train_and_look(
        "strategy = dict(type='FSDPStrategy', model_wrapper=dict(auto_wrap_policy="
        "dict(type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',"
        " min_num_params=1e7)))\n");
    assert_string_equal(facts.type, "");
    assert_refused("optim_wrapper['type'] = 'DeepSpeedOptimWrapper'\n",
                   "DeepSpeedOptimWrapper needs its strategy");
    assert_refused("model = dict(type='ToyPair')\noptim_wrapper = "
                   "dict(frst=dict(optimizer=dict(type='SGD', lr=0.1)))\n"
                   "param_scheduler = None\n",
                   "optim_wrapper.frst: the model has no part 'frst'");
    assert_refused("strategy = dict(type='DeepSpedStrategy')\n", "DeepSpedStrategy");
    assert_refused("strategy = dict(type='DeepSpeedStrategy', fp17=dict())\n", "fp17");
}

/* MMEngine's rule, and the same with accumulation counted. */
static void learning_rates_are_scaled(void **state)
{
    (void)state;
    assert_true(fabs(train_and_look("").lr - 0.05) < 1e-15);
    assert_true(fabs(train_and_look("auto_scale_lr = dict(base_batch_size=8,"
                                    " enable=True)\n")
                         .lr -
                     0.025) < 1e-15);
    assert_true(fabs(train_and_look("optim_wrapper['accumulative_counts'] = 4\n"
                                    "auto_scale_lr = dict(base_batch_size=8,"
                                    " enable=True, count_accumulation=True)\n")
                         .lr -
                     0.1) < 1e-15);
    assert_true(fabs(train_and_look("auto_scale_lr = dict(base_batch_size=8,"
                                    " enable=False)\n")
                         .lr -
                     0.05) < 1e-15);
    assert_true(fabs(train_and_look("auto_scale_lr = dict(base_batch_size=2.5,"
                                    " enable=True)\n")
                         .lr -
                     0.08) < 1e-15);
    assert_refused("auto_scale_lr = dict(base_batch_size=0, enable=True)\n",
                   "base_batch_size is 0: it must be positive");
    assert_refused("auto_scale_lr = dict(base_batch_size='8', enable=True)\n",
                   "base_batch_size is str: a number is needed");
    assert_refused("auto_scale_lr = dict(enable=True)\n",
                   "auto_scale_lr has no base_batch_size");
    assert_refused("auto_scale_lr = True\n", "auto_scale_lr is bool: a dict is needed");
}

/* Every optimizer's; schedules begin at what they make of it. */
static void learning_rates_of_several_are_scaled(void **state)
{
    (void)state;
    char *dir = parts_new_dir();
    mm_config *config;
    mm_runner *runner = open_runner(
        dir,
        "train_cfg['max_epochs'] = 1\nmodel = dict(type='ToyPair')\n"
        "optim_wrapper = dict(first=dict(optimizer=dict(type='SGD', lr=0.1)),"
        " second=dict(optimizer=dict(type='SGD', lr=0.4)))\n"
        "param_scheduler = dict(second=dict(type='ConstantLR', factor=0.5))\n"
        "auto_scale_lr = dict(base_batch_size=8, enable=True)\n",
        &config);

    if (runner == NULL || mm_runner_train(runner) < 0)
        fail_msg("%s", mm_error_peek()->message);
    const mm_optim_wrapper *wrapper = mm_runner_optim_wrapper(runner);

    for (size_t i = 0; i < 2; i++) {
        const mm_optim_wrapper *child = mm_optim_wrapper_child(wrapper, i);
        const mm_param_groups *groups = mm_optim_wrapper_groups(child);
        double lr = i == 0 ? 0.05 : 0.2;
        bool is_scheduled = i == 1;

        assert_true(fabs(mm_param_groups_f64(groups, 0, "lr") -
                         (is_scheduled ? 0.5 * lr : lr)) < 1e-15);
        assert_true(mm_dict_has(mm_param_groups_options(groups, 0), "initial_lr") ==
                    is_scheduled);
    }
    check_ok();
    close_runner(runner, config);
    parts_remove_dir(dir);
}

int test_loops(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(several_sets_have_prefixes_and_intervals, set_up),
        cmocka_unit_test_setup(sets_that_sit_out_are_waited_for, set_up),
        cmocka_unit_test_setup(sets_that_do_not_fit_are_refused, set_up),
        cmocka_unit_test_setup(losses_behind_predictions_become_metrics, set_up),
        cmocka_unit_test_setup(a_loop_of_a_plugin_runs, set_up),
        cmocka_unit_test_setup(configs_of_flexible_runner_train, set_up),
        cmocka_unit_test_setup(learning_rates_are_scaled, set_up),
        cmocka_unit_test_setup(learning_rates_of_several_are_scaled, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
