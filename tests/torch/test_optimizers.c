/* Every optimizer with its options against the real one: parameters after 1 and 50
 * steps, names, dtypes, shapes and values of the state, and the options of the groups
 * as they stand in a checkpoint. The numbers are golden, or, in the folder that the
 * environment variable MM_OPTIMIZER_CASES names, written just now by
 * tools/golden/optimizers.py FOLDER. Then states are exchanged too: theirs after half
 * of the steps is continued here, and ours is left in `ours.pth`. MM_OPTIMIZER_REPORT=1
 * prints the worst differences. */
#include "optimizer_cases.h"

#include "mmengine/pth.h"
#include "mmengine/zoo.h"

enum { MAX_TYPES = 64 };

static struct support_counts at_start;

/* What came out for one optimizer. */
struct tally {
    const char *type;
    int cases;
    int failed;
    int skipped;
    double worst[2]; /* of a tensor, relative to its norm: fast, reference */
};

/* How values are compared, and where: for messages. The first miss of a case is said,
 * and the other cases go on. */
struct bar {
    int *failed; /* cases so far */
    bool has_missed;
    bool is_exact;
    double tolerance;
    char place[160];
    double *worst;
};

static int set_up_test(void **state)
{
    (void)state;
    at_start = support_count();
    return 0;
}

static int check_nothing_left(void **state)
{
    struct support_counts now = support_count();

    (void)state;
    check_ok();
    assert_int_equal(now.values, at_start.values);
    assert_int_equal(now.instances, at_start.instances);
    assert_int_equal(now.blocks, at_start.blocks);
    assert_int_equal(now.tensors, at_start.tensors);
    assert_false(mm_scope_is_open());
    return 0;
}

static void MM_PRINTF(2, 3) miss(struct bar *bar, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (bar->has_missed) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("%s: %s\n", bar->place, text);
    bar->has_missed = true;
    ++*bar->failed;
}

/* --- numbers --- */

static bool is_same_bits(double a, double b)
{
    return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

static void compare_numbers(struct bar *bar, const char *what, const double *got,
                            const double *want, size_t count)
{
    double difference = 0.0;
    double norm = 0.0;

    for (size_t i = 0; i < count; i++) {
        bool is_same = is_same_bits(got[i], want[i]);

        if (bar->is_exact && !is_same) {
            miss(bar, "%s: element %zu is %.17g, theirs is %.17g", what, i, got[i],
                 want[i]);
        }
        difference += is_same ? 0.0 : (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] == want[i] ? want[i] * want[i] : 0.0;
    }
    double relative = difference == 0.0 ? 0.0 : sqrt(difference / norm);

    if (!(relative <= bar->tolerance)) {
        miss(bar, "%s: differs by %.3g of its norm", what, relative);
    }
    *bar->worst = relative > *bar->worst ? relative : *bar->worst;
}

static void compare_tensor(struct bar *bar, const char *what, mm_tensor *got,
                           const double *want)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *plain = mm_contiguous(mm_to(mm_detach(got), .dtype = MM_DTYPE_F64),
                                     MM_FORMAT_CONTIGUOUS);
    const double *numbers = mm_data(plain, MM_DTYPE_F64);

    check_ok();
    compare_numbers(bar, what, numbers, want, (size_t)mm_numel(got));
    mm_scope_close(scope);
}

static void compare_params(const struct trial *trial, struct bar *bar,
                           const double *want)
{
    for (size_t i = 0; i < trial->num_params; i++) {
        const mm_value *member = mm_list_get(trial->members, i);

        compare_tensor(bar, mm_value_str(mm_dict_get(member, "name")), trial->params[i],
                       want);
        want += mm_numel(trial->params[i]);
    }
}

/* --- states --- */

static void miss_value(struct bar *bar, const char *what, const mm_value *got,
                       const mm_value *want)
{
    char *got_text = mm_value_repr(got);
    char *want_text = mm_value_repr(want);

    miss(bar, "%s is %.60s, theirs is %.60s", what, got_text, want_text);
    mm_free(want_text);
    mm_free(got_text);
}

/* Sizes and dtype as the list has them. False: the numbers cannot be compared. */
static bool is_described(const mm_tensor *got, const mm_value *want)
{
    const mm_value *sizes = mm_dict_get(want, "tensor");
    const char *dtype = mm_value_str(mm_dict_get(want, "dtype"));
    bool is_same = strcmp(mm_dtype_name(mm_tensor_dtype(got)), dtype) == 0 &&
                   mm_ndim(got) == (int)mm_value_len(sizes);

    for (int i = 0; is_same && i < mm_ndim(got); i++) {
        is_same = mm_size(got, i) == mm_value_i64(mm_list_get(sizes, (size_t)i));
    }
    return is_same;
}

/* A tensor of a state; a sparse one stands there as torch.save writes it. */
static mm_tensor *find_state_tensor(const mm_value *value)
{
    static const char rebuild[] = "torch._utils._rebuild_sparse_tensor";
    int64_t sizes[MM_MAX_DIM];

    if (!mm_pickle_is_node(value) || strcmp(mm_pickle_class(value), rebuild) != 0) {
        return mm_value_find_tensor(value);
    }
    const mm_value *parts = mm_list_get(mm_pickle_args(value), 1);
    const mm_value *shape = mm_list_get(mm_pickle_args(mm_list_get(parts, 2)), 0);
    int ndim = (int)mm_value_len(shape);

    for (int i = 0; i < ndim; i++) {
        sizes[i] = mm_value_i64(mm_list_get(shape, (size_t)i));
    }
    return mm_op(
        "aten::to_dense",
        MM_T(mm_op("aten::sparse_coo_tensor.indices_size",
                   MM_T(mm_value_tensor(mm_list_get(parts, 0))),
                   MM_T(mm_value_tensor(mm_list_get(parts, 1))), MM_IS(sizes, ndim))));
}

static void compare_value(struct bar *bar, const char *what, const mm_value *got,
                          const mm_value *want, const double **numbers);

/* An entry by its name; JSON made text of parameters' numbers. */
static const mm_value *find_entry(const mm_value *dict, const char *name)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        const char *own = mm_dict_name_at(dict, i);
        char number[32];

        if (own == NULL) {
            snprintf(number, sizeof number, "%lld",
                     (long long)mm_value_i64(mm_dict_key_at(dict, i)));
            own = number;
        }
        if (strcmp(own, name) == 0) {
            return mm_dict_at(dict, i);
        }
    }
    return NULL;
}

/* Names in any order. Theirs may hold an empty state for what was only asked for. */
static void compare_dict(struct bar *bar, const char *what, const mm_value *got,
                         const mm_value *want, const double **numbers)
{
    size_t matched = 0;

    for (size_t i = 0; i < mm_value_len(want) && !bar->has_missed; i++) {
        const char *key = mm_dict_name_at(want, i);
        const mm_value *theirs = mm_dict_at(want, i);
        const mm_value *ours = find_entry(got, key);
        bool is_empty =
            mm_value_kind(theirs) == MM_KIND_DICT && mm_value_len(theirs) == 0;
        char path[96];

        snprintf(path, sizeof path, "%s.%s", what, key);
        if (ours == NULL && !is_empty) {
            miss(bar, "%s is missing", path);
        } else if (ours != NULL) {
            compare_value(bar, path, ours, theirs, numbers);
            matched++;
        }
    }
    if (matched != mm_value_len(got)) {
        miss(bar, "%s has %zu entries, theirs has %zu", what, mm_value_len(got),
             matched);
    }
}

static void compare_items(struct bar *bar, const char *what, const mm_value *got,
                          const mm_value *want, const double **numbers)
{
    for (size_t i = 0; i < mm_value_len(want) && !bar->has_missed; i++) {
        compare_value(bar, what, mm_list_get(got, i), mm_list_get(want, i), numbers);
    }
}

/* Tuples are lists in JSON. An option may be 2.0 where theirs is 2. */
static bool is_alike(const mm_value *got, const mm_value *want)
{
    mm_kind kind = mm_value_kind(got);

    kind = kind == MM_KIND_TUPLE ? MM_KIND_LIST : kind;
    return (kind == mm_value_kind(want) &&
            (kind != MM_KIND_LIST || mm_value_len(got) == mm_value_len(want))) ||
           mm_value_equal(got, want);
}

/* `numbers` walks over the record of all tensors in order. */
static void compare_value(struct bar *bar, const char *what, const mm_value *got,
                          const mm_value *want, const double **numbers)
{
    mm_kind kind = mm_value_kind(want);
    mm_tensor *tensor = find_state_tensor(got);
    bool is_tensor = kind == MM_KIND_DICT && mm_dict_find(want, "tensor") != NULL;

    if (is_tensor != (tensor != NULL) ||
        (is_tensor ? !is_described(tensor, want) : !is_alike(got, want))) {
        miss_value(bar, what, got, want);
    } else if (is_tensor) {
        compare_tensor(bar, what, tensor, *numbers);
        *numbers += mm_numel(tensor);
    } else if (kind == MM_KIND_DICT) {
        compare_dict(bar, what, got, want, numbers);
    } else if (kind == MM_KIND_LIST) {
        compare_items(bar, what, got, want, numbers);
    } else if (kind == MM_KIND_F64) {
        double pair[2] = {mm_value_f64(got), mm_value_f64(want)};

        compare_numbers(bar, what, &pair[0], &pair[1], 1);
    } else if (!mm_value_equal(got, want)) {
        miss_value(bar, what, got, want);
    }
}

/* A state may be the difference of nearly equal numbers, as that of RMSprop's centered
 * form: one unit in the last place of a square root is more of it than of a weight. */
static void compare_state(const struct trial *trial, struct bar *bar)
{
    const double tolerance = 4e-6;
    const char *name = mm_value_str(mm_dict_get(trial->spec, "name"));
    const mm_value *other = mm_dict_find(trial->cases->others, name);
    const mm_value *want =
        other != NULL
            ? mm_dict_get(other, "state")
            : mm_list_get(mm_dict_get(trial->cases->list, "states"),
                          (size_t)mm_value_i64(mm_dict_get(trial->spec, "state")));
    double *numbers = optimizer_cases_numbers(trial->cases, NULL, "%s/state", name);
    const double *at = numbers;
    mm_value *saved = mm_optimizer_state_dict(trial->optimizer);
    mm_scope scope = mm_scope_open();

    check_ok();
    bar->tolerance = bar->tolerance > tolerance ? bar->tolerance : tolerance;
    compare_value(bar, "state", mm_dict_get(saved, "state"), want, &at);
    compare_value(bar, "param_groups", mm_dict_get(saved, "param_groups"),
                  mm_dict_get(other != NULL ? other : trial->spec, "param_groups"),
                  &at);
    mm_scope_close(scope);
    mm_value_unref(saved);
    free(numbers);
    check_ok();
}

/* --- cases --- */

static struct tally *tally_of(struct tally *tallies, const char *type)
{
    size_t i = 0;

    while (i < MAX_TYPES && tallies[i].type != NULL &&
           strcmp(tallies[i].type, type) != 0) {
        i++;
    }
    assert_true(i < MAX_TYPES);
    tallies[i].type = type;
    return &tallies[i];
}

/* Smooth trajectories are compared by norm, in reference numerics by bits where the
 * libtorch is theirs. Another release sums in another order, which shows in a weight
 * that comes close to zero. A sign or a line search that falls out otherwise changes
 * all that follows: without their libtorch such a case says nothing. */
static bool make_bar(const struct optimizer_cases *cases, const mm_value *spec,
                     mm_numerics numerics, struct tally *tally, struct bar *out)
{
    const char *kind = mm_value_str(mm_dict_get(spec, "bar"));
    bool is_reference = numerics == MM_NUMERICS_REFERENCE;

    *out = (struct bar){
        .failed = &tally->failed,
        .is_exact = is_reference && cases->is_theirs,
        .tolerance = cases->is_release && cases->is_fused ? 1e-6 : 1e-5,
        .worst = &tally->worst[numerics],
    };
    snprintf(out->place, sizeof out->place, "%s in %s numerics",
             mm_value_str(mm_dict_get(spec, "name")),
             is_reference ? "reference" : "fast");
    return strcmp(kind, "smooth") == 0 || cases->is_theirs;
}

static void check_case(const struct optimizer_cases *cases, const mm_value *spec,
                       mm_numerics numerics, struct tally *tally)
{
    struct bar bar;
    size_t count = 0;

    if (!make_bar(cases, spec, numerics, tally, &bar)) {
        tally->skipped++;
        return;
    }
    double *want = optimizer_cases_numbers(cases, &count, "%s/params",
                                           mm_value_str(mm_dict_get(spec, "name")));
    struct trial trial = trial_new(cases, spec, numerics);

    trial_run(&trial, 0, 1);
    compare_params(&trial, &bar, want);
    if (!bar.has_missed) {
        trial_run(&trial, 1, cases->steps);
        compare_params(&trial, &bar, want + count / 2);
        compare_state(&trial, &bar);
    }
    trial_free(&trial);
    free(want);
}

/* How many cases failed. */
static int report(const struct tally *tallies)
{
    int failed = 0;
    int skipped = 0;

    for (size_t i = 0; i < MAX_TYPES && tallies[i].type != NULL; i++) {
        if (getenv("MM_OPTIMIZER_REPORT") != NULL) {
            print_message("%-20s %3d cases, worst %.2g fast, %.2g reference\n",
                          tallies[i].type, tallies[i].cases, tallies[i].worst[0],
                          tallies[i].worst[1]);
        }
        failed += tallies[i].failed;
        skipped += tallies[i].skipped;
    }
    if (skipped > 0) {
        print_message("%d comparisons of signs and line searches were left out: they "
                      "need the very libtorch\n",
                      skipped);
    }
    return failed;
}

static void trajectories_are_theirs(void **state)
{
    struct optimizer_cases cases = optimizer_cases_open();
    const mm_value *list = mm_dict_get(cases.list, "cases");
    struct tally tallies[MAX_TYPES] = {{0}};

    (void)state;
    assert_true(mm_value_len(list) >= 150);
    for (size_t i = 0; i < mm_value_len(list); i++) {
        const mm_value *spec = mm_list_get(list, i);
        const char *type = mm_value_str(mm_dict_get(spec, "type"));

        struct tally *tally = tally_of(tallies, type);

        tally->cases++;
        check_case(&cases, spec, MM_NUMERICS_FAST, tally);
        check_case(&cases, spec, MM_NUMERICS_REFERENCE, tally);
    }
    optimizer_cases_close(&cases);
    assert_int_equal(report(tallies), 0);
}

/* --- states both ways, with Python at hand --- */

static mm_value *make_tensor(void *user, const mm_pth_tensor *tensor)
{
    const char *bytes = mm_pth_storage_data(tensor->storage);
    size_t offset = (size_t)tensor->offset * mm_dtype_size(tensor->dtype);
    int64_t reach = 1;

    (void)user;
    if (bytes == NULL) {
        return NULL;
    }
    for (int i = 0; i < tensor->ndim; i++) {
        reach += (tensor->sizes[i] - 1) * tensor->strides[i];
    }
    reach = reach < 0 ? 0 : reach; /* a size is zero */
    mm_tensor *flat = mm_from_data(bytes + offset, tensor->dtype, 1, &reach);

    return mm_value_new_tensor(
        reach == 0
            ? mm_empty(tensor->dtype, tensor->ndim, tensor->sizes)
            : mm_op("aten::as_strided", MM_T(flat), MM_IS(tensor->sizes, tensor->ndim),
                    MM_IS(tensor->strides, tensor->ndim)));
}

static bool describe_tensor(void *user, const mm_value *object, mm_pth_tensor *out)
{
    mm_tensor *tensor = mm_value_find_tensor(object);
    mm_tensor_info info;

    (void)user;
    if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0) {
        return false;
    }
    *out =
        (mm_pth_tensor){.dtype = info.dtype,
                        .ndim = info.ndim,
                        .memory = info.data,
                        .memory_bytes = (size_t)info.numel * mm_dtype_size(info.dtype)};
    for (int i = 0; i < info.ndim; i++) {
        out->sizes[i] = info.sizes[i];
        out->strides[i] = info.strides[i];
    }
    return true;
}

static void copy_params(const struct trial *trial, const mm_value *saved)
{
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < trial->num_params; i++) {
        mm_copy_(trial->params[i], mm_value_tensor(mm_list_get(saved, i)));
    }
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    check_ok();
}

static void continue_theirs(const struct optimizer_cases *cases, const mm_value *spec,
                            const mm_value *saved, mm_numerics numerics,
                            struct tally *tally)
{
    const char *name = mm_value_str(mm_dict_get(spec, "name"));
    struct bar bar;
    size_t count = 0;

    assert_true(make_bar(cases, spec, numerics, tally, &bar));
    double *want = optimizer_cases_numbers(cases, &count, "%s/params", name);
    struct trial trial = trial_new(cases, spec, numerics);
    mm_value *half = mm_dict_get(saved, name);

    copy_params(&trial, mm_dict_get(half, "params"));
    mm_optimizer_load_state_dict(trial.optimizer, mm_dict_get(half, "optimizer"));
    check_ok();
    trial_run(&trial, cases->half, cases->steps);
    compare_params(&trial, &bar, want + count / 2);
    compare_state(&trial, &bar);
    trial_free(&trial);
    free(want);
}

/* Ours after half of the steps, as theirs is written. */
static mm_value *half_of_ours(const struct optimizer_cases *cases, const mm_value *spec)
{
    struct trial trial = trial_new(cases, spec, MM_NUMERICS_REFERENCE);
    mm_value *half = mm_value_new_dict();
    mm_value *params = mm_value_new_list();

    trial_run(&trial, 0, cases->half);
    for (size_t i = 0; i < trial.num_params; i++) {
        mm_scope scope = mm_scope_open();

        mm_list_push(params, mm_value_new_tensor(mm_detach(trial.params[i])));
        mm_scope_close(scope);
    }
    mm_dict_take(half, "params", params);
    mm_dict_take(half, "optimizer", mm_optimizer_state_dict(trial.optimizer));
    check_ok();
    trial_free(&trial);
    return half;
}

static void states_go_both_ways(void **state)
{
    struct optimizer_cases cases = optimizer_cases_open();
    const mm_value *list = mm_dict_get(cases.list, "cases");
    struct tally tally = {0};
    char path[512];

    (void)state;
    if (!cases.is_live) {
        optimizer_cases_close(&cases);
        skip();
    }
    assert_true(cases.is_theirs);
    mm_scope scope = mm_scope_open();

    snprintf(path, sizeof path, "%s/theirs.pth", cases.folder);
    mm_value *theirs =
        mm_pth_read(&(mm_pth_read_args){.path = path, .make = make_tensor});
    mm_value *ours = mm_value_new_dict();

    check_ok();
    for (size_t i = 0; i < mm_value_len(list); i++) {
        const mm_value *spec = mm_list_get(list, i);
        const char *name = mm_value_str(mm_dict_get(spec, "name"));

        continue_theirs(&cases, spec, theirs, MM_NUMERICS_FAST, &tally);
        continue_theirs(&cases, spec, theirs, MM_NUMERICS_REFERENCE, &tally);
        mm_dict_take(ours, name, half_of_ours(&cases, spec));
    }
    snprintf(path, sizeof path, "%s/ours.pth", cases.folder);
    mm_pth_write(
        &(mm_pth_write_args){.path = path, .root = ours, .describe = describe_tensor});
    check_ok();
    mm_scope_close(scope);
    mm_value_unref(ours);
    mm_value_unref(theirs);
    optimizer_cases_close(&cases);
    assert_int_equal(tally.failed, 0);
}

static int set_up_group(void **state)
{
    (void)state;
    if (mm_init() < 0 || mm_torch_open() < 0) {
        return -1;
    }
    return mm_component_find("optimizers", "mmpretrain", "Lamb") != NULL ||
                   mm_register(mm_zoo_components) >= 0
               ? 0
               : -1;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_optimizers(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trajectories_are_theirs),
        TEST(states_go_both_ways),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
