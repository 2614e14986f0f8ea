/* Reading the cases of optimizers and going through them. Gradients are laid out as
 * their parameter is, as autograd would have made them. */
#include "optimizer_cases.h"

static bool is_of_release(const mm_value *list)
{
    const char *made_with = mm_value_str(mm_dict_get(list, "torch"));
    const char *version = mm_torch_version();

    return version != NULL && strncmp(version, made_with, strcspn(made_with, "+")) == 0;
}

struct optimizer_cases optimizer_cases_open(void)
{
    const char *folder = getenv("MM_OPTIMIZER_CASES");
    struct optimizer_cases cases = {
        .folder = folder != NULL ? folder : "golden/optim",
        .is_live = folder != NULL,
    };
    bool has_avx = strstr(mm_torch_build_flags(), "capability usage: AVX") != NULL;
    char path[512];

    snprintf(path, sizeof path, "%s/optimizers.json", cases.folder);
    cases.list = support_json_file(path);
    snprintf(path, sizeof path, "%s/optimizers_%s.bin", cases.folder,
             has_avx ? "avx2" : "default");
    cases.numbers = golden_open(path);
    cases.is_fused = has_avx;
    snprintf(path, sizeof path, "%s/optimizers_default.json", cases.folder);
    cases.others = has_avx ? mm_value_new_dict() : support_json_file(path);
    snprintf(path, sizeof path, "%s/optimizers_avx2.bin", cases.folder);
    cases.common = golden_open(path);
    cases.steps = mm_value_i64(mm_dict_get(cases.list, "steps"));
    cases.half = mm_value_i64(mm_dict_get(cases.list, "half"));
    check_ok();
    cases.is_release = is_of_release(cases.list);
    cases.is_theirs =
        cases.is_release && (cases.is_live || support_sqrt_is_golden(&cases.common));
    return cases;
}

void optimizer_cases_close(struct optimizer_cases *cases)
{
    golden_close(&cases->numbers);
    golden_close(&cases->common);
    mm_value_unref(cases->list);
    mm_value_unref(cases->others);
}

double *optimizer_cases_numbers(const struct optimizer_cases *cases, size_t *out_count,
                                const char *format, ...)
{
    char name[128];
    va_list arguments;
    struct golden_record record = {0};

    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (!golden_find(&cases->numbers, name, &record) &&
        !golden_find(&cases->common, name, &record)) {
        fail_msg("no record %s", name);
    }
    double *numbers = malloc((record.count + 1) * sizeof *numbers);

    assert_non_null(numbers);
    for (size_t i = 0; i < record.count; i++) {
        const char *at = record.data;
        float single = 0.0F;

        if (record.is_f64) {
            memcpy(&numbers[i], at + i * sizeof numbers[i], sizeof numbers[i]);
        } else {
            memcpy(&single, at + i * sizeof single, sizeof single);
            numbers[i] = (double)single;
        }
    }
    if (out_count != NULL) {
        *out_count = record.count;
    }
    return numbers;
}

static const char *text_of(const mm_value *dict, const char *key)
{
    return mm_value_str(mm_dict_get(dict, key));
}

static bool is_true(const mm_value *dict, const char *key)
{
    const mm_value *value = mm_dict_find(dict, key);

    return value != NULL && mm_value_is_true(value);
}

static int sizes_of(const mm_value *member, int64_t *sizes)
{
    const mm_value *list = mm_dict_get(member, "sizes");

    for (size_t i = 0; i < mm_value_len(list); i++) {
        sizes[i] = mm_value_i64(mm_list_get(list, i));
    }
    return (int)mm_value_len(list);
}

/* Numbers as a tensor of the case's dtype, laid out as the member is. */
static mm_tensor *tensor_of(const struct trial *trial, const mm_value *member,
                            const double *numbers)
{
    int64_t sizes[MM_MAX_DIM];
    int ndim = sizes_of(member, sizes);
    bool is_double = strcmp(text_of(trial->spec, "dtype"), "float64") == 0;
    mm_tensor *tensor = mm_to(mm_from_data(numbers, MM_DTYPE_F64, ndim, sizes),
                              .dtype = is_double ? MM_DTYPE_F64 : MM_DTYPE_F32);

    return is_true(member, "layout") ? mm_contiguous(tensor, MM_FORMAT_CHANNELS_LAST)
                                     : tensor;
}

static double *record_of(const struct trial *trial, const mm_value *member,
                         const char *what)
{
    return optimizer_cases_numbers(trial->cases, NULL, "%s/%s/%s",
                                   text_of(member, "numbers"), text_of(member, "name"),
                                   what);
}

static void make_params(struct trial *trial)
{
    mm_scope scope = mm_scope_open();

    trial->num_params = mm_value_len(trial->members);
    assert_in_range(trial->num_params, 1, CASE_PARAMS);
    for (size_t i = 0; i < trial->num_params; i++) {
        const mm_value *member = mm_list_get(trial->members, i);
        double *start = record_of(trial, member, "start");

        trial->params[i] = mm_keep(tensor_of(trial, member, start));
        mm_set_requires_grad(trial->params[i], true);
        free(start);
    }
    mm_scope_close(scope);
    check_ok();
}

/* Options that belong to a group alone: the component does not know them. */
static mm_value *split_options(const mm_value *spec, mm_value *config)
{
    static const char *const own[] = {"lars_exclude"};
    const mm_value *options = mm_dict_get(spec, "options");
    mm_value *group = mm_value_new_dict();

    const char *type = text_of(spec, "type");
    bool is_ours = mm_component_find("optimizers", NULL, type) != NULL;

    mm_dict_take(config, "type",
                 mm_value_new_strf("%s%s", is_ours ? "" : "mmpretrain.", type));
    for (size_t i = 0; i < mm_value_len(options); i++) {
        const char *key = mm_dict_name_at(options, i);

        mm_dict_put(strcmp(key, own[0]) == 0 ? group : config, key,
                    mm_dict_at(options, i));
    }
    return group;
}

static void add_params(const struct trial *trial, mm_param_groups *groups,
                       int64_t group, bool takes_all)
{
    for (size_t i = 0; i < trial->num_params; i++) {
        const mm_value *member = mm_list_get(trial->members, i);

        if (takes_all || mm_value_i64(mm_dict_get(member, "group")) == group) {
            mm_param_groups_add_param(groups, text_of(member, "name"),
                                      trial->params[i]);
        }
    }
}

static void make_optimizer(struct trial *trial)
{
    mm_value *config = mm_value_new_dict();
    mm_value *first = split_options(trial->spec, config);
    const mm_value *second = mm_dict_find(trial->spec, "second");
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    mm_param_groups_add(groups, first);
    add_params(trial, groups, 0, second == NULL);
    if (second != NULL) {
        mm_param_groups_add(groups, second);
        add_params(trial, groups, 1, false);
    }
    trial->optimizer = mm_optimizer_new(instance, groups);
    for (size_t i = 0; i < mm_param_groups_count(groups); i++) {
        const mm_value *options = mm_param_groups_options(groups, i);

        trial->rates[i] = mm_option_find_f64(options, "lr", 0.0);
    }
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(first);
    mm_value_unref(config);
    check_ok();
}

struct trial trial_new(const struct optimizer_cases *cases, const mm_value *spec,
                       mm_numerics numerics)
{
    struct trial trial = {
        .cases = cases,
        .spec = spec,
        .members = mm_dict_get(mm_dict_get(cases->list, "sets"), text_of(spec, "set")),
    };

    make_params(&trial);
    make_optimizer(&trial);
    mm_optimizer_set_numerics(trial.optimizer, numerics);
    mm_optimizer_set_training(trial.optimizer, true);
    check_ok();
    return trial;
}

void trial_free(struct trial *trial)
{
    mm_optimizer_unref(trial->optimizer);
    for (size_t i = 0; i < trial->num_params; i++) {
        mm_tensor_unref(trial->params[i]);
    }
}

/* --- gradients --- */

/* Rows of step `step`: indices with repetitions, as an embedding gives them. */
static mm_tensor *sparse_grad(const struct trial *trial, const mm_value *member,
                              int64_t step)
{
    double *rows = record_of(trial, member, "rows");
    double *indices = record_of(trial, member, "indices");
    double *values = record_of(trial, member, "values");
    int64_t sizes[MM_MAX_DIM];
    int64_t picked[MM_MAX_DIM];
    int ndim = sizes_of(member, sizes);
    int64_t inner = 1;
    int64_t first = 0;

    for (int i = 1; i < ndim; i++) {
        inner *= sizes[i];
        picked[i] = sizes[i];
    }
    for (int64_t i = 0; i < step; i++) {
        first += (int64_t)rows[i];
    }
    picked[0] = (int64_t)rows[step];
    const int64_t shape[2] = {1, picked[0]};
    mm_tensor *at = mm_to(mm_from_data(indices + first, MM_DTYPE_F64, 2, shape),
                          .dtype = MM_DTYPE_I64);
    mm_tensor *what =
        mm_to(mm_from_data(values + first * inner, MM_DTYPE_F64, ndim, picked),
              .dtype = MM_DTYPE_F32);
    mm_tensor *grad = mm_op("aten::sparse_coo_tensor.indices_size", MM_T(at),
                            MM_T(what), MM_IS(sizes, ndim));

    free(values);
    free(indices);
    free(rows);
    return grad;
}

static mm_tensor *dense_grad(const struct trial *trial, const mm_value *member,
                             int64_t step)
{
    const char *kind = is_true(trial->spec, "grads") ? "rough" : "grads";
    double *all = record_of(trial, member, kind);
    int64_t sizes[MM_MAX_DIM];
    int ndim = sizes_of(member, sizes);
    int64_t count = 1;

    for (int i = 0; i < ndim; i++) {
        count *= sizes[i];
    }
    mm_tensor *grad = tensor_of(trial, member, all + step * count);

    free(all);
    return grad;
}

static void set_grads(struct trial *trial, int64_t step)
{
    for (size_t i = 0; i < trial->num_params; i++) {
        const mm_value *member = mm_list_get(trial->members, i);
        mm_scope scope = mm_scope_open();

        if (is_true(member, "has_grad")) {
            mm_set_grad(trial->params[i], is_true(member, "sparse")
                                              ? sparse_grad(trial, member, step)
                                              : dense_grad(trial, member, step));
        }
        mm_scope_close(scope);
    }
    check_ok();
}

/* --- a step --- */

/* The loss of the Python file, node by node. */
static mm_tensor *closure_loss(mm_tensor *const *params)
{
    mm_tensor *valley = params[0];
    mm_tensor *matrix = params[1];
    mm_tensor *scalar = params[3];
    mm_tensor *here = mm_narrow(valley, 0, 0, 5);
    mm_tensor *next = mm_narrow(valley, 0, 1, 5);
    mm_tensor *bend = mm_sub(next, mm_mul(here, here));
    mm_tensor *loss = mm_mul_scalar(mm_sum(mm_mul(bend, bend)), 5.0);
    mm_tensor *left = mm_rsub_scalar(here, 1.0);
    mm_tensor *right = mm_rsub_scalar(here, 1.0);

    loss = mm_add(loss, mm_sum(mm_mul(left, right)));
    mm_tensor *product = mm_sub(mm_op("aten::mv", MM_T(matrix), MM_T(valley)), scalar);

    loss = mm_add(loss, mm_mul_scalar(mm_sum(mm_mul(product, product)), 0.5));
    loss = mm_add(loss, mm_mul_scalar(mm_sum(mm_mul(matrix, matrix)), 0.01));
    return mm_add(loss, mm_exp(mm_mul_scalar(scalar, 0.1)));
}

static mm_status compute_loss(void *user, double *out_loss)
{
    struct trial *trial = user;

    mm_optimizer_zero_grad(trial->optimizer, true);
    mm_tensor *loss = closure_loss(trial->params);

    mm_backward(loss);
    *out_loss = mm_item(loss);
    return mm_pending();
}

static void set_rates(struct trial *trial, int64_t step)
{
    const mm_value *schedule = mm_dict_find(trial->spec, "schedule");
    mm_param_groups *groups = mm_optimizer_groups(trial->optimizer);
    double factor = 1.0;

    if (schedule == NULL) {
        return;
    }
    for (size_t i = 0; i < mm_value_len(schedule); i++) {
        const mm_value *entry = mm_list_get(schedule, i);

        if (mm_value_i64(mm_list_get(entry, 0)) <= step) {
            factor = mm_value_f64(mm_list_get(entry, 1));
        }
    }
    for (size_t i = 0; i < mm_param_groups_count(groups); i++) {
        mm_param_groups_put_f64(groups, i, "lr", trial->rates[i] * factor);
    }
}

void trial_run(struct trial *trial, int64_t from, int64_t to)
{
    const mm_loss_closure closure = {compute_loss, trial};
    bool has_closure = strcmp(text_of(trial->spec, "set"), "closure") == 0;

    for (int64_t step = from; step < to; step++) {
        set_rates(trial, step);
        if (has_closure) {
            mm_optimizer_step_closure(trial->optimizer, &closure, NULL);
        } else {
            set_grads(trial, step);
            mm_optimizer_step(trial->optimizer);
        }
        check_ok();
    }
}
