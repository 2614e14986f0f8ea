/* L-BFGS: steps along the gradient bent by what the last steps learned of the
 * curvature. One step evaluates the loss several times, so it needs a closure. All
 * parameters are one long vector; the state stands with the first of them, as in
 * PyTorch, under its names, so that checkpoints are interchangeable. Operators and
 * their order are those of torch.optim.LBFGS. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/lbfgs.h"
#include "optim/optimizer.h"
#include "optim/torch_options.h"

struct lbfgs {
    double lr;
    int64_t max_iter;
    mm_maybe_i64 max_eval;
    double tolerance_grad;
    double tolerance_change;
    int64_t history_size;
    const char *line_search_fn;
};

/* The options of the one group. */
struct setting {
    mmi_scalar lr;
    int64_t max_iter;
    int64_t max_eval;
    double tolerance_grad;
    double tolerance_change;
    int64_t history_size;
    bool searches;
};

/* A step under way. Tensors that outlive an iteration are kept by `state` or here. */
struct lbfgs_step {
    mm_optimizer *optimizer;
    const mm_loss_closure *closure;
    struct setting setting;
    mm_value *state;
    mm_value *old_dirs; /* lists; ours */
    mm_value *old_stps;
    mm_value *ro;
    mm_value *al;
    mm_value *direction; /* tensors and numbers as values; ours */
    mm_value *length;
    mm_value *scale; /* of the first guess of the inverse Hessian */
    mm_value *grad;
    mm_value *prev_grad;
    double loss;
    double prev_loss;
    int64_t evals;
    bool is_settled; /* the gradient is small enough */
};

static const char searching[] = "strong_wolfe";

/* --- numbers and tensors as values of the state --- */

static void hold(mm_value **slot, MM_TAKES mm_value *value)
{
    mm_value_unref(*slot);
    *slot = value;
}

static void hold_tensor(mm_value **slot, mm_tensor *tensor)
{
    hold(slot, tensor != NULL ? mm_value_new_tensor(tensor) : NULL);
}

static mm_value *value_of(mmi_scalar number)
{
    if (number.tensor != NULL)
        return mm_value_new_tensor(number.tensor);
    return number.is_int ? mm_value_new_i64((int64_t)number.value)
                         : mm_value_new_f64(number.value);
}

static mmi_scalar scalar_of(const mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor != NULL)
        return mmi_scalar_at(tensor);
    return mm_value_kind(value) == MM_KIND_I64 ? mmi_scalar_of_int(mm_value_i64(value))
                                               : mmi_scalar_of(mm_value_f64(value));
}

/* --- options --- */

static mm_value *lbfgs_defaults(void *self)
{
    const struct lbfgs *lbfgs = self;
    const mm_value *config = mm_instance_config(mm_instance_of(self));
    mm_value *defaults = mm_optimizer_defaults(self, NULL);

    if (defaults != NULL && mm_dict_find(config, "lr") == NULL)
        mm_dict_put_i64(defaults, "lr", 1);
    if (defaults != NULL && !lbfgs->max_eval.has)
        mm_dict_put_i64(defaults, "max_eval", lbfgs->max_iter * 5 / 4);
    return defaults;
}

static int64_t count_of(const mm_value *options, const char *key)
{
    return (int64_t)mm_option_find_f64(options, key, 0.0);
}

static mm_status lbfgs_check(void *self, const mm_value *options)
{
    const mm_value *name = mm_dict_find(options, "line_search_fn");
    (void)self;

    mm_option_check_f64(options, "lr", 0.0, INFINITY, false);
    mm_option_check_f64(options, "max_iter", 0.0, INFINITY, false);
    mm_option_check_f64(options, "history_size", 1.0, INFINITY, false);
    if (!mm_has_error() && !mm_value_is_none(name) &&
        (mm_value_kind(name) != MM_KIND_STR ||
         strcmp(mm_value_str(name), searching) != 0))
        return mm_raise(MM_ECONFIG, "line_search_fn must be None or '%s'", searching);
    return mm_pending();
}

static mm_status lbfgs_check_groups(void *self, const mm_param_groups *groups)
{
    (void)self;
    if (mm_param_groups_count(groups) == 1)
        return MM_OK;
    (void)mm_raise(MM_ECONFIG,
                   "LBFGS has one group of options for all parameters, not "
                   "%zu",
                   mm_param_groups_count(groups));
    return mm_error_hint("leave out paramwise_cfg");
}

static struct setting read_setting(const mm_value *options)
{
    return (struct setting){
        .lr = scalar_of(mm_dict_find(options, "lr")),
        .max_iter = count_of(options, "max_iter"),
        .max_eval = count_of(options, "max_eval"),
        .tolerance_grad = mm_option_find_f64(options, "tolerance_grad", 1e-7),
        .tolerance_change = mm_option_find_f64(options, "tolerance_change", 1e-9),
        .history_size = count_of(options, "history_size"),
        .searches = !mm_value_is_none(mm_dict_find(options, "line_search_fn")),
    };
}

/* --- parameters as one vector --- */

/* The gradients behind each other; zeros where there is none. */
static mm_tensor *flat_grad(struct lbfgs_step *step)
{
    mm_optimizer *optimizer = step->optimizer;
    size_t count = optimizer->num_params;
    mm_tensor **views = mm_alloc_array(count, sizeof *views);

    for (size_t i = 0; views != NULL && i < count && !mm_has_error(); i++) {
        mm_tensor *param = optimizer->params[i];
        mm_tensor *grad = mm_grad_find(param);

        if (grad == NULL)
            grad = mm_zeros_like(param);
        else if (mm_is_sparse(grad))
            grad = mm_op("aten::to_dense", MM_T(grad));
        views[i] = mm_reshape(grad, MM_DIMS(-1));
    }
    mm_tensor *flat = mm_has_error() ? NULL : mm_cat(views, (int)count, 0);

    mm_free(views);
    return flat;
}

/* Moves all parameters by t times the direction. */
static mm_status move_params(struct lbfgs_step *step, mmi_scalar t,
                             mm_tensor *direction)
{
    mm_optimizer *optimizer = step->optimizer;
    double alpha = mmi_scalar_read(t);
    int64_t offset = 0;

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        mm_tensor *param = optimizer->params[i];
        mm_tensor *part = mm_narrow(direction, 0, offset, mm_numel(param));

        mm_add_scaled_(param, mm_op("aten::view_as", MM_T(part), MM_T(param)), alpha);
        offset += mm_numel(param);
    }
    return mm_pending();
}

static mm_status ask(struct lbfgs_step *step, double *out_loss, mm_tensor **out_grad)
{
    if (mm_loss_closure_call(step->closure, out_loss) < 0)
        return mm_pending();
    *out_grad = flat_grad(step);
    return mm_pending();
}

static mm_tensor *item_of(const mm_value *list, int64_t index)
{
    return mm_value_tensor(mm_list_get(list, (size_t)index));
}

static void push_tensor(mm_value *list, mm_tensor *tensor)
{
    if (tensor != NULL)
        mm_list_push(list, mm_value_new_tensor(tensor));
}

/* A list of the state, its own so that what a state dict gave away stays as it is. */
static mm_value *list_of(const mm_value *state, const char *name)
{
    const mm_value *saved = mm_dict_find(state, name);
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; saved != NULL && i < mm_value_len(saved); i++)
        mm_list_append(list, mm_list_get(saved, i));
    return list;
}

static mm_value *entry_of(const mm_value *state, const char *name)
{
    mm_value *entry = mm_dict_find(state, name);

    return entry != NULL ? mm_value_ref(entry) : NULL;
}

static void begin(struct lbfgs_step *step)
{
    mm_value *state = mm_optimizer_state(step->optimizer, 0);

    step->state = state;
    if (state == NULL)
        return;
    if (mm_dict_find(state, "func_evals") == NULL)
        mm_dict_put_i64(state, "func_evals", 0);
    if (mm_dict_find(state, "n_iter") == NULL)
        mm_dict_put_i64(state, "n_iter", 0);
    step->old_dirs = list_of(state, "old_dirs");
    step->old_stps = list_of(state, "old_stps");
    step->ro = list_of(state, "ro");
    step->al = mm_dict_find(state, "al") != NULL ? list_of(state, "al") : NULL;
    step->direction = entry_of(state, "d");
    step->length = entry_of(state, "t");
    step->scale = entry_of(state, "H_diag");
    step->prev_grad = entry_of(state, "prev_flat_grad");
    if (mm_dict_find(state, "prev_loss") != NULL)
        step->prev_loss = mm_value_f64(mm_dict_find(state, "prev_loss"));
}

static void save(const struct lbfgs_step *step)
{
    mm_value *state = step->state;

    if (step->al != NULL)
        mm_dict_put(state, "al", step->al);
    mm_dict_put(state, "d", step->direction);
    mm_dict_put(state, "t", step->length);
    mm_dict_put(state, "old_dirs", step->old_dirs);
    mm_dict_put(state, "old_stps", step->old_stps);
    mm_dict_put(state, "ro", step->ro);
    mm_dict_put(state, "H_diag", step->scale);
    mm_dict_put(state, "prev_flat_grad", step->prev_grad);
    mm_dict_put_f64(state, "prev_loss", step->prev_loss);
}

static void end(struct lbfgs_step *step)
{
    mm_value *const held[] = {step->old_dirs, step->old_stps,  step->ro,
                              step->al,       step->direction, step->length,
                              step->scale,    step->grad,      step->prev_grad};

    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        mm_value_unref(held[i]);
}

static void count(const struct lbfgs_step *step, const char *name, int64_t more)
{
    mm_dict_put_i64(step->state, name,
                    mm_value_i64(mm_dict_get(step->state, name)) + more);
}

/* --- the direction --- */

static mm_tensor *dot(mm_tensor *a, mm_tensor *b)
{
    return mm_op("aten::dot", MM_T(a), MM_T(b));
}

/* Remembers the last move and how the gradient changed along it, if the curvature there
 * is positive. */
static void remember(struct lbfgs_step *step)
{
    mm_tensor *change =
        mm_sub(mm_value_tensor(step->grad), mm_value_tensor(step->prev_grad));
    mmi_scalar moved = mmi_scalar_mul(mmi_scalar_at(mm_value_tensor(step->direction)),
                                      scalar_of(step->length));
    mmi_scalar product = mmi_scalar_at(dot(change, moved.tensor));

    if (!mmi_scalar_less(mmi_scalar_of(1e-10), product) || mm_has_error())
        return;
    if ((int64_t)mm_value_len(step->old_dirs) == step->setting.history_size) {
        mm_list_remove(step->old_dirs, 0);
        mm_list_remove(step->old_stps, 0);
        mm_list_remove(step->ro, 0);
    }
    push_tensor(step->old_dirs, change);
    push_tensor(step->old_stps, moved.tensor);
    push_tensor(step->ro, mmi_scalar_div(mmi_scalar_of(1.0), product).tensor);
    hold_tensor(&step->scale, mm_div(product.tensor, dot(change, change)));
}

static void make_room(struct lbfgs_step *step)
{
    if (step->al != NULL)
        return;
    step->al = mm_value_new_list();
    for (int64_t i = 0; i < step->setting.history_size; i++)
        mm_list_push(step->al, mm_value_new_none());
    mm_dict_put(step->state, "al", step->al);
}

/* The approximate inverse Hessian times the gradient, by the two loops. */
static void bend(struct lbfgs_step *step)
{
    int64_t known = (int64_t)mm_value_len(step->old_dirs);
    mm_tensor *q = mm_neg(mm_value_tensor(step->grad));

    make_room(step);
    for (int64_t i = known - 1; i >= 0 && !mm_has_error(); i--) {
        mm_tensor *share =
            mm_mul(dot(item_of(step->old_stps, i), q), item_of(step->ro, i));
        mm_value *value = share != NULL ? mm_value_new_tensor(share) : NULL;

        mm_list_put(step->al, (size_t)i, value);
        mm_value_unref(value);
        mm_add_scaled_(q, item_of(step->old_dirs, i), -mm_item(share));
    }
    mm_tensor *r = mmi_scalar_mul(mmi_scalar_at(q), scalar_of(step->scale)).tensor;

    for (int64_t i = 0; i < known && !mm_has_error(); i++) {
        mm_tensor *share =
            mm_mul(dot(item_of(step->old_dirs, i), r), item_of(step->ro, i));

        mm_add_scaled_(r, item_of(step->old_stps, i),
                       mm_item(mm_sub(item_of(step->al, i), share)));
    }
    hold_tensor(&step->direction, r);
}

static void choose_direction(struct lbfgs_step *step, bool is_first)
{
    mm_tensor *grad = mm_value_tensor(step->grad);

    if (is_first) {
        hold_tensor(&step->direction, mm_neg(grad));
        hold(&step->old_dirs, mm_value_new_list());
        hold(&step->old_stps, mm_value_new_list());
        hold(&step->ro, mm_value_new_list());
        hold(&step->scale, mm_value_new_i64(1));
    } else {
        remember(step);
        bend(step);
    }
    hold_tensor(&step->prev_grad, mm_clone(grad));
    step->prev_loss = step->loss;
}

/* The length to start with: the first move is as long as lr at most. */
static void choose_length(struct lbfgs_step *step, bool is_first)
{
    mmi_scalar length = step->setting.lr;

    if (is_first) {
        mmi_scalar sum = mmi_scalar_at(mm_sum(mm_abs(mm_value_tensor(step->grad))));
        mmi_scalar inverse = mmi_scalar_div(mmi_scalar_of(1.0), sum);

        length = mmi_scalar_mul(mmi_scalar_min(mmi_scalar_of(1.0), inverse), length);
    }
    hold(&step->length, value_of(length));
}

/* --- the move --- */

static bool is_small(mm_tensor *tensor, double limit)
{
    return mmi_scalar_less_equal(mmi_scalar_at(mm_max(mm_abs(tensor))),
                                 mmi_scalar_of(limit));
}

/* What a line search knows of the step: where it started. */
struct line_user {
    struct lbfgs_step *step;
    mm_tensor **start; /* copies of the parameters */
    mm_tensor *direction;
};

static mm_status evaluate(void *user, mmi_scalar t, double *out_loss,
                          mm_tensor **out_grad)
{
    const struct line_user *line = user;
    mm_optimizer *optimizer = line->step->optimizer;

    move_params(line->step, t, line->direction);
    ask(line->step, out_loss, out_grad);
    for (size_t i = 0; i < optimizer->num_params; i++)
        mm_copy_(optimizer->params[i], line->start[i]);
    return mm_pending();
}

static int64_t move_by_search(struct lbfgs_step *step, mmi_scalar slope)
{
    mm_optimizer *optimizer = step->optimizer;
    mm_tensor **start = mm_alloc_array(optimizer->num_params, sizeof *start);
    mm_tensor *direction = mm_value_tensor(step->direction);
    struct line_user user = {step, start, direction};
    const mmi_line line = {evaluate, &user, direction, step->setting.tolerance_change,
                           step->setting.max_eval - step->evals};
    const mmi_line_point from = {scalar_of(step->length), step->loss,
                                 mm_value_tensor(step->grad), slope};
    mmi_line_point found;
    int64_t evals = 0;

    for (size_t i = 0; start != NULL && i < optimizer->num_params; i++)
        start[i] = mm_clone(optimizer->params[i]);
    if (!mm_has_error() && mmi_strong_wolfe(&line, &from, &found, &evals) >= 0) {
        step->loss = found.loss;
        hold_tensor(&step->grad, found.grad);
        hold(&step->length, value_of(found.t));
        move_params(step, found.t, direction);
        step->is_settled = is_small(found.grad, step->setting.tolerance_grad);
    }
    mm_free(start);
    return evals;
}

/* By the given length. After the last iteration the loss is not asked for: with batches
 * that change the next step asks anyway. */
static int64_t move_by_length(struct lbfgs_step *step, bool is_last)
{
    mm_tensor *grad = NULL;

    move_params(step, scalar_of(step->length), mm_value_tensor(step->direction));
    if (is_last || ask(step, &step->loss, &grad) < 0)
        return 0;
    hold_tensor(&step->grad, grad);
    step->is_settled = is_small(grad, step->setting.tolerance_grad);
    return 1;
}

/* --- the step --- */

static bool is_over(const struct lbfgs_step *step, bool is_last)
{
    double limit = step->setting.tolerance_change;
    mmi_scalar moved;

    if (is_last || step->evals >= step->setting.max_eval || step->is_settled)
        return true;
    moved = mmi_scalar_mul(mmi_scalar_at(mm_value_tensor(step->direction)),
                           scalar_of(step->length));
    return is_small(moved.tensor, limit) || fabs(step->loss - step->prev_loss) < limit;
}

/* One iteration; true if it was the last. */
static bool iterate(struct lbfgs_step *step, bool is_last)
{
    count(step, "n_iter", 1);
    bool is_first = mm_value_i64(mm_dict_get(step->state, "n_iter")) == 1;

    choose_direction(step, is_first);
    choose_length(step, is_first);
    if (mm_has_error())
        return true;
    mmi_scalar slope = mmi_scalar_at(
        dot(mm_value_tensor(step->grad), mm_value_tensor(step->direction)));

    if (mmi_scalar_less(mmi_scalar_of(-step->setting.tolerance_change), slope))
        return true;
    int64_t evals = step->setting.searches ? move_by_search(step, slope)
                                           : move_by_length(step, is_last);

    step->evals += evals;
    count(step, "func_evals", evals);
    return mm_has_error() || is_over(step, is_last);
}

static mm_status lbfgs_step_closure(void *self, mm_optimizer *optimizer,
                                    const mm_loss_closure *closure, double *out_loss)
{
    struct lbfgs_step step = {
        .optimizer = optimizer,
        .closure = closure,
        .setting = read_setting(mm_param_groups_options(optimizer->groups, 0)),
        .evals = 1,
    };
    mm_tensor *grad = NULL;
    bool is_over = false;
    (void)self;

    begin(&step);
    if (mm_has_error() || ask(&step, &step.loss, &grad) < 0)
        goto done;
    *out_loss = step.loss;
    count(&step, "func_evals", 1);
    if (is_small(grad, step.setting.tolerance_grad))
        goto done;
    hold_tensor(&step.grad, grad);
    for (int64_t i = 1; i <= step.setting.max_iter && !is_over; i++) {
        mm_scope scope = mm_scope_open();

        is_over = iterate(&step, i == step.setting.max_iter);
        mm_scope_close(scope);
    }
    if (!mm_has_error() && step.direction != NULL)
        save(&step);
done:
    end(&step);
    return mm_pending();
}

static const mm_optimizer_ops lbfgs_ops = {
    .defaults = lbfgs_defaults,
    .check = lbfgs_check,
    .check_groups = lbfgs_check_groups,
    .step_closure = lbfgs_step_closure,
    .needs_closure = true,
    .has_free_states = true,
    .takes_sparse = true,
};

#define MM_OPT_STRUCT struct lbfgs
static const mm_option lbfgs_options[] = {
    {"lr", "length of a step, before a line search", MM_OPT_F64(lr, 1.0, 0.0, DBL_MAX)},
    {"max_iter", "iterations in a step", MM_OPT_I64(max_iter, 20, 0, INT64_MAX / 8)},
    {"max_eval", "evaluations of the loss in a step; None: max_iter * 5 // 4",
     MM_OPT_I64_OR_NONE(max_eval, 0, INT64_MAX)},
    {"tolerance_grad", "a step ends where no gradient is larger",
     MM_OPT_F64(tolerance_grad, 1e-7, -DBL_MAX, DBL_MAX)},
    {"tolerance_change", "a step ends where loss or weights change less",
     MM_OPT_F64(tolerance_change, 1e-9, -DBL_MAX, DBL_MAX)},
    {"history_size", "moves that are remembered",
     MM_OPT_I64(history_size, 100, 1, INT32_MAX)},
    {"line_search_fn", "None or 'strong_wolfe'", MM_OPT_STR(line_search_fn, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_lbfgs = {
    .registry = "optimizers",
    .name = "LBFGS",
    .help = "L-BFGS; needs a model whose train_step gives it a closure",
    .source = "torch/optim/lbfgs.py",
    .size = sizeof(struct lbfgs),
    .options = lbfgs_options,
    MM_OPTIMIZER(&lbfgs_ops),
};
