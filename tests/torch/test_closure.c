/* Steps that ask for the loss themselves, and gradients that are sparse: the model of
 * examples/plugins/full_batch.c trained with LBFGS against MMEngine's
 * (tests/golden/training/full_batch.json, made by tools/golden/full_batch.py), and what
 * is refused. MM_GOLDEN_EXACT=1 asks for the same bits. */
#include "optim_support.h"
#include "runner_parts.h"

#include "mmengine/plugin.h"

enum { MAX_LOSSES = 16, ROWS = 5, COLUMNS = 3 };

static struct {
    double losses[MAX_LOSSES];
    int64_t count;
} seen;

static mm_status after_train_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    if (seen.count < MAX_LOSSES)
        seen.losses[seen.count++] =
            mm_hub_find_scalar(mm_runner_hub(runner), "train/loss", NAN);
    return mm_pending();
}

static const mm_hook_ops note_ops = {.after_train_iter = after_train_iter};

static const mm_component note = {.registry = "hooks",
                                  .name = "NoteLossHook",
                                  .help = "notes the loss",
                                  .size = 1,
                                  MM_HOOK(&note_ops)};

static void assert_near(double got, double want, const char *what, size_t index)
{
    bool is_exact = getenv("MM_GOLDEN_EXACT") != NULL;

    if (!(fabs(got - want) <= (is_exact ? 0.0 : 1e-4 * fabs(want) + 1e-5)))
        fail_msg("%s %zu is %.9g, MMEngine's is %.9g", what, index, got, want);
}

static void assert_weights(mm_module *model, const mm_value *want)
{
    mm_value *state = mm_module_state_dict(model);
    size_t at = 0;

    for (size_t i = 0; i < mm_value_len(state); i++) {
        mm_tensor *weight = mm_value_tensor(mm_dict_at(state, i));
        const float *data = support_data(weight);

        for (int64_t k = 0; k < mm_numel(weight); k++, at++)
            assert_near((double)data[k], mm_value_f64(mm_list_get(want, at)), "weight",
                        at);
    }
    assert_int_equal(at, mm_value_len(want));
    mm_value_unref(state);
}

/* Trains on one thread; an error stays pending. */
static void train(const char *text, const mm_value *weights)
{
    char *dir = parts_new_dir();
    char *whole = mm_strfmt("%swork_dir = '%s'\n", text, dir);
    mm_config *config = mm_config_from_string(whole, ".py");
    mm_runner *runner = config == NULL ? NULL : mm_runner_new(config);
    int threads = mm_num_threads();

    seen.count = 0;
    if (runner != NULL && mm_set_num_threads(1) == MM_OK &&
        mm_runner_train(runner) >= 0 && weights != NULL)
        assert_weights(mm_runner_model(runner), weights);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(whole);
    mm_error error;
    mm_status code = mm_error_take(&error);

    parts_remove_dir(dir);
    assert_int_equal(mm_set_num_threads(threads), MM_OK);
    if (code != MM_OK)
        mm_error_restore(&error);
}

static void lbfgs_trains_as_mmengines(void **state)
{
    mm_value *golden = mm_fileio_load("golden/training/full_batch.json", "json");
    (void)state;

    check_ok();
    const mm_value *losses = mm_dict_get(golden, "losses");
    train("model = dict(type='FullBatchMLP', hidden=16)\n"
          "train_dataloader = dict(batch_size=256, num_workers=0,\n"
          "    dataset=dict(type='TwoMoons', size=256),\n"
          "    sampler=dict(type='DefaultSampler', shuffle=False),\n"
          "    collate_fn=dict(type='default_collate'))\n"
          "optim_wrapper = dict(optimizer=dict(type='LBFGS', max_iter=2,\n"
          "    line_search_fn='strong_wolfe'))\n"
          "train_cfg = dict(by_epoch=True, max_epochs=10)\n"
          "custom_hooks = [dict(type='NoteLossHook')]\n"
          "numerics = 'reference'\n"
          "randomness = dict(seed=5)\n",
          mm_dict_get(golden, "weights"));
    check_ok();
    assert_int_equal(seen.count, mm_value_len(losses));
    for (size_t i = 0; i < (size_t)seen.count; i++)
        assert_near(seen.losses[i], mm_value_f64(mm_list_get(losses, i)), "loss", i);
    mm_value_unref(golden);
}

static void a_usual_model_is_refused_before_training(void **state)
{
    mm_error error;
    (void)state;

    train("model = dict(type='ToyModel')\n"
          "train_dataloader = dict(batch_size=4, num_workers=0,\n"
          "    dataset=dict(type='ToyPoints'),\n"
          "    sampler=dict(type='DefaultSampler', shuffle=False))\n"
          "optim_wrapper = dict(optimizer=dict(type='LBFGS'))\n"
          "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
          "custom_hooks = [dict(type='NoteLossHook')]\n",
          NULL);
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, "LBFGS computes loss and gradients"));
    assert_non_null(strstr(error.message, "ToyModel has no train_step of its own"));
    assert_int_equal(seen.count, 0);
}

/* --- by hand --- */

struct bowl {
    mm_tensor *leaf;
    mm_optimizer *optimizer;
    int calls;
    bool fails;
};

/* sum((leaf - 1)^2) */
static mm_status bowl_loss(void *user, double *out_loss)
{
    struct bowl *bowl = user;

    bowl->calls++;
    assert_true(mm_grad_mode());
    if (bowl->fails)
        return mm_raise(MM_EDATA, "no batch");
    mm_optimizer_zero_grad(bowl->optimizer, true);
    mm_tensor *away = mm_sub_scalar(bowl->leaf, 1.0);
    mm_tensor *loss = mm_sum(mm_mul(away, away));

    mm_backward(loss);
    *out_loss = mm_item(loss);
    return mm_pending();
}

static struct bowl new_bowl(const char *json)
{
    const float start[2] = {3.0F, -1.0F};
    struct bowl bowl = {.leaf = support_leaf(start, 2)};
    mm_value *config = support_json(json);

    bowl.optimizer = support_optimizer(config, &bowl.leaf, 1);
    mm_value_unref(config);
    return bowl;
}

static void free_bowl(struct bowl *bowl)
{
    mm_optimizer_unref(bowl->optimizer);
    mm_tensor_unref(bowl->leaf);
}

/* Every optimizer takes a closure: the loss before the step, then the usual step. */
static void sgd_steps_with_a_closure(void **state)
{
    struct bowl bowl = new_bowl("{\"type\": \"SGD\", \"lr\": 0.25}");
    const mm_loss_closure closure = {bowl_loss, &bowl};
    double loss = 0.0;
    (void)state;

    assert_false(mm_optimizer_needs_closure(bowl.optimizer));
    assert_int_equal(mm_optimizer_step_closure(bowl.optimizer, &closure, &loss), MM_OK);
    assert_true(loss == 8.0);
    assert_int_equal(bowl.calls, 1);
    assert_true(support_data(bowl.leaf)[0] == 2.0F);
    assert_true(support_data(bowl.leaf)[1] == 0.0F);
    free_bowl(&bowl);
}

static void lbfgs_needs_a_closure(void **state)
{
    struct bowl bowl = new_bowl("{\"type\": \"LBFGS\"}");
    const mm_loss_closure closure = {bowl_loss, &bowl};
    (void)state;

    assert_true(mm_optimizer_needs_closure(bowl.optimizer));
    assert_int_equal(mm_optimizer_step(bowl.optimizer), MM_ESTATE);
    check_error_text(MM_ESTATE, "LBFGS has no step without a closure");
    assert_int_equal(mm_optimizer_step_closure(bowl.optimizer, NULL, NULL), MM_EINVAL);
    check_error(MM_EINVAL);
    bowl.fails = true;
    assert_int_equal(mm_optimizer_step_closure(bowl.optimizer, &closure, NULL),
                     MM_EDATA);
    check_error_text(MM_EDATA, "no batch");
    bowl.fails = false;
    assert_int_equal(mm_optimizer_step_closure(bowl.optimizer, &closure, NULL), MM_OK);
    assert_true(fabsf(support_data(bowl.leaf)[0] - 1.0F) < 1e-5F);
    assert_false(mm_scope_is_open());
    free_bowl(&bowl);
}

/* What a wrapper does to gradients has no place in a step that makes them anew. */
static void wrappers_refuse_what_has_no_meaning(void **state)
{
    static const struct {
        const char *config, *message;
    } cases[] = {
        {"{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 1}, "
         "\"optimizer\": {\"type\": \"LBFGS\"}}",
         "clip_grad has no effect on LBFGS, which computes its gradients within the "
         "step"},
        {"{\"type\": \"OptimWrapper\", \"accumulative_counts\": 2, "
         "\"optimizer\": {\"type\": \"LBFGS\"}}",
         "LBFGS cannot accumulate gradients over 2 iterations"},
        {"{\"type\": \"OptimWrapper\", \"optimizer\": {\"type\": \"LBFGS\"}}", NULL},
        {"{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 1}, "
         "\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.1}}",
         NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_value *config = support_json(cases[i].config);
        mm_instance *instance = support_build("optim_wrappers", config);
        const mm_optim_wrapper_settings *settings = mm_instance_self(instance);
        struct bowl bowl = new_bowl("{\"type\": \"SGD\"}");
        mm_param_groups *groups = mm_optimizer_new_groups(settings->optimizer);

        mm_param_groups_add(groups, NULL);
        mm_param_groups_add_param(groups, "w", bowl.leaf);
        mm_optimizer *optimizer = mm_optimizer_new(settings->optimizer, groups);
        mm_optim_wrapper *wrapper = mm_optim_wrapper_new(instance, optimizer);
        const mm_loss_closure closure = {bowl_loss, &bowl};

        mm_optim_wrapper_step_closure(wrapper, &closure, NULL);
        if (cases[i].message != NULL) {
            check_error_text(MM_EUNSUPPORTED, cases[i].message);
            assert_int_equal(bowl.calls, 0);
        }
        check_ok();
        assert_int_equal(mm_optim_wrapper_inner_count(wrapper), 1);
        mm_optim_wrapper_unref(wrapper);
        mm_optimizer_unref(optimizer);
        mm_param_groups_unref(groups);
        free_bowl(&bowl);
        mm_instance_unref(instance);
        mm_value_unref(config);
    }
}

static void refuse_lbfgs(const char *json, int num_groups, const char *message)
{
    const float start[1] = {0.0F};
    mm_tensor *leaf = support_leaf(start, 1);
    mm_value *config = support_json(json);
    mm_instance *instance =
        mm_build(&(mm_build_args){.registry = "optimizers", .config = config});
    mm_param_groups *groups =
        instance != NULL ? mm_optimizer_new_groups(instance) : NULL;
    mm_error error;

    for (int i = 0; groups != NULL && i < num_groups; i++)
        mm_param_groups_add(groups, NULL);
    if (groups != NULL)
        mm_param_groups_add_param(groups, "w", leaf);
    mm_optimizer_unref(mm_optimizer_new(instance, groups));
    assert_true(mm_error_take(&error) < 0);
    assert_non_null(strstr(error.message, message));
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
    mm_tensor_unref(leaf);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    refuse_lbfgs("{\"type\": \"LBFGS\"}", 2, "LBFGS has one group of options");
    refuse_lbfgs("{\"type\": \"LBFGS\", \"line_search_fn\": \"armijo\"}", 1,
                 "line_search_fn must be None or 'strong_wolfe'");
    refuse_lbfgs("{\"type\": \"LBFGS\", \"lr\": -1.0}", 1, "lr");
    refuse_lbfgs("{\"type\": \"SparseAdam\", \"lr\": 0.0}", 1,
                 "lr is 0: must be greater than 0");
    refuse_lbfgs("{\"type\": \"SparseAdam\", \"betas\": [0.9, 1.0]}", 1, "betas[1]");
    refuse_lbfgs("{\"type\": \"TorchAdafactor\", \"d\": 0.5}", 1, "d");
    refuse_lbfgs("{\"type\": \"TorchAdafactor\", \"eps\": [-1.0, 0.1]}", 1,
                 "eps[0] is -1: must not be negative");
    refuse_lbfgs("{\"type\": \"TorchAdafactor\", \"eps\": 0.1}", 1, "eps must be two");
}

/* --- sparse gradients --- */

static mm_module *new_embedding(void)
{
    mm_value *config = support_json("{\"type\": \"Embedding\", \"num_embeddings\": 5, "
                                    "\"embedding_dim\": 3, \"sparse\": true}");
    mm_instance *instance = support_build("models", config);

    mm_value_unref(config);
    return mm_module_of_instance(instance);
}

/* Rows 1 and 3, the first twice: a gradient of two ones, and one. */
static mm_tensor *look_up(mm_module *embedding)
{
    const int64_t index[3] = {1, 3, 1};

    return mm_sum(mm_module_forward(embedding, mm_from_i64(index, 1, (int64_t[]){3})));
}

struct table {
    mm_module *module;
    mm_tensor *weight; /* borrowed */
    mm_optimizer *optimizer;
    float before[ROWS * COLUMNS];
};

static mm_status take_weight(void *user, const char *name, mm_tensor *tensor,
                             mm_module *owner)
{
    (void)name;
    (void)owner;
    *(mm_tensor **)user = tensor;
    return MM_OK;
}

/* A table with the gradient of one look-up. */
static struct table new_table(const char *optimizer)
{
    mm_scope scope = mm_scope_open();
    struct table table = {.module = new_embedding()};
    mm_value *config = support_json(optimizer);

    mm_module_each_param(table.module, take_weight, &table.weight);
    memcpy(table.before, support_data(table.weight), sizeof table.before);
    table.optimizer = mm_optimizer_build(config, table.module);
    mm_backward(look_up(table.module));
    check_ok();
    assert_true(mm_is_sparse(mm_grad_find(table.weight)));
    mm_value_unref(config);
    mm_scope_close(scope);
    return table;
}

static void free_table(struct table *table)
{
    mm_optimizer_unref(table->optimizer);
    mm_module_unref(table->module);
}

/* Rows that were not looked up stay as they are, to the bit. */
static void assert_rows(const struct table *table, float row1, float row3)
{
    const float *after = support_data(table->weight);

    for (int i = 0; i < ROWS * COLUMNS; i++) {
        int row = i / COLUMNS;
        float moved = row == 1 ? row1 : row == 3 ? row3 : 0.0F;

        if (!(fabsf(after[i] - table->before[i] - moved) <=
              (moved != 0.0F ? 1e-6F : 0.0F)))
            fail_msg("row %d moved by %g, not by %g", row,
                     (double)(after[i] - table->before[i]), (double)moved);
    }
}

static void embeddings_are_stepped_by_rows(void **state)
{
    static const struct {
        const char *config;
        float row1, row3;
    } cases[] = {
        {"{\"type\": \"SparseAdam\", \"lr\": 0.5}", -0.5F, -0.5F},
        {"{\"type\": \"SGD\", \"lr\": 0.5}", -1.0F, -0.5F},
        {"{\"type\": \"SGD\", \"lr\": 0.5, \"momentum\": 0.9}", -1.0F, -0.5F},
        {"{\"type\": \"Adagrad\", \"lr\": 0.5}", -0.5F, -0.5F},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct table table = new_table(cases[i].config);

        assert_int_equal(mm_optimizer_step(table.optimizer), MM_OK);
        assert_rows(&table, cases[i].row1, cases[i].row3);
        mm_optimizer_zero_grad(table.optimizer, false); /* a gradient of no rows */
        assert_true(mm_is_sparse(mm_grad_find(table.weight)));
        mm_optimizer_zero_grad(table.optimizer, true);
        assert_null(mm_grad_find(table.weight));
        check_ok();
        free_table(&table);
    }
}

static void dense_optimizers_refuse_sparse_gradients(void **state)
{
    static const char *const names[] = {"Adam", "AdamW",  "RMSprop",       "NAdam",
                                        "Lion", "Adamax", "TorchAdafactor"};
    (void)state;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *config = mm_strfmt("{\"type\": \"%s\"}", names[i]);
        char *message = mm_strfmt("%s does not support sparse gradients", names[i]);
        struct table table = new_table(config);

        mm_optimizer_step(table.optimizer);
        check_error_text(MM_EUNSUPPORTED, message);
        assert_rows(&table, 0.0F, 0.0F);
        free_table(&table);
        mm_free(message);
        mm_free(config);
    }
}

static void sparse_adam_refuses_dense_gradients(void **state)
{
    struct bowl bowl = new_bowl("{\"type\": \"SparseAdam\"}");
    const float grad[2] = {1.0F, 1.0F};
    (void)state;

    support_set_grad(bowl.leaf, grad);
    mm_optimizer_step(bowl.optimizer);
    check_error_text(MM_EUNSUPPORTED, "SparseAdam does not support dense gradients");
    free_bowl(&bowl);
}

/* By norm: that of the gradient as a whole, which may name a row twice: 2, 2, 2, 1,
 * 1, 1.
 */
static void sparse_gradients_are_clipped(void **state)
{
    (void)state;
    for (int numerics = 0; numerics < 2; numerics++) {
        struct table table = new_table("{\"type\": \"SGD\", \"lr\": 1.0}");
        mm_value *config = support_json(
            "{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 1.0}, "
            "\"optimizer\": {\"type\": \"SGD\"}}");
        mm_instance *instance = support_build("optim_wrappers", config);
        mm_optim_wrapper *wrapper = mm_optim_wrapper_new(instance, table.optimizer);
        float norm = sqrtf(15.0F);

        mm_optim_wrapper_set_numerics(wrapper, (mm_numerics)numerics);
        assert_int_equal(mm_optim_wrapper_step(wrapper), MM_OK);
        assert_rows(&table, -2.0F / norm, -1.0F / norm);
        mm_optim_wrapper_unref(wrapper);
        mm_instance_unref(instance);
        mm_value_unref(config);
        free_table(&table);
    }
}

/* By value: each of the sums. */
static void sparse_gradients_are_clamped(void **state)
{
    struct table table = new_table("{\"type\": \"SGD\", \"lr\": 1.0}");
    mm_value *config = support_json(
        "{\"type\": \"OptimWrapper\", \"clip_grad\": {\"type\": \"value\", "
        "\"clip_value\": 0.75}, \"optimizer\": {\"type\": \"SGD\"}}");
    mm_instance *instance = support_build("optim_wrappers", config);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_new(instance, table.optimizer);
    (void)state;

    assert_int_equal(mm_optim_wrapper_step(wrapper), MM_OK);
    assert_rows(&table, -0.75F, -0.75F);
    mm_optim_wrapper_unref(wrapper);
    mm_instance_unref(instance);
    mm_value_unref(config);
    free_table(&table);
}

static int set_up_group(void **state)
{
    static const mm_component *const table[] = {&note, NULL};
    static const char *const plugins[] = {"full_batch", "two_moons"};
    (void)state;

    if (parts_register() != 0 || mm_torch_version() == NULL || mm_register(table) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        char *path = mm_strfmt("../examples/plugins/%s.c", plugins[i]);

        if (mm_component_find(i == 0 ? "models" : "datasets", NULL,
                              i == 0 ? "FullBatchMLP" : "TwoMoons") == NULL)
            (void)mm_plugin_load(path);
        mm_free(path);
    }
    check_ok();
    return 0;
}

int test_closure(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lbfgs_trains_as_mmengines),
        cmocka_unit_test(a_usual_model_is_refused_before_training),
        CLEAN_TEST(sgd_steps_with_a_closure),
        CLEAN_TEST(lbfgs_needs_a_closure),
        CLEAN_TEST(wrappers_refuse_what_has_no_meaning),
        CLEAN_TEST(wrong_options_are_refused),
        CLEAN_TEST(embeddings_are_stepped_by_rows),
        CLEAN_TEST(dense_optimizers_refuse_sparse_gradients),
        CLEAN_TEST(sparse_adam_refuses_dense_gradients),
        CLEAN_TEST(sparse_gradients_are_clipped),
        CLEAN_TEST(sparse_gradients_are_clamped),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
