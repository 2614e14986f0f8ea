/* One batch through the model with a look at every module. A function around each
 * module's calls reads the tensors that go in and come out; the first event that is not
 * finite names the module. Events come in the order of the computation, so the
 * innermost module comes before those that contain it. */
#include "runner/batch_check.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/structures.h"

/* --- looks --- */

bool mmi_is_finite(mm_tensor *tensor)
{
    if (mm_has_error() || !mm_dtype_is_floating(mm_tensor_dtype(tensor)))
        return true;
    if (mm_numel(tensor) == 1)
        return isfinite(mm_item(tensor));
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *all = mm_op("aten::all", MM_T(mm_op("aten::isfinite", MM_T(tensor))));
    bool is_finite = all == NULL || mm_item(all) != 0.0;

    (void)mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return is_finite;
}

static void count_number(mmi_look *look, double number)
{
    if (isnan(number)) {
        look->num_nan++;
    } else if (isinf(number)) {
        look->num_inf++;
    } else {
        look->min = number < look->min ? number : look->min;
        look->max = number > look->max ? number : look->max;
    }
}

static void count_numbers(mmi_look *look, mm_tensor *tensor)
{
    bool is_double = mm_tensor_dtype(tensor) == MM_DTYPE_F64;
    mm_dtype dtype = is_double ? MM_DTYPE_F64 : MM_DTYPE_F32;
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *host =
        mm_contiguous(mm_to(mm_detach(tensor), .device = "cpu", .dtype = dtype),
                      MM_FORMAT_CONTIGUOUS);

    (void)mm_grad_mode_set(recorded);
    const void *data = host == NULL ? NULL : mm_data(host, dtype);

    for (int64_t i = 0; data != NULL && i < look->num_all; i++)
        count_number(look,
                     is_double ? ((const double *)data)[i] : ((const float *)data)[i]);
}

/* Without `where`. */
static mmi_look look_at(mm_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    mmi_look look = {
        .what = mm_tensor_describe(tensor),
        .is_float = mm_dtype_is_floating(mm_tensor_dtype(tensor)),
        .num_all = mm_numel(tensor),
        .min = INFINITY,
        .max = -INFINITY,
    };

    if (look.is_float)
        count_numbers(&look, tensor);
    mm_scope_close(scope);
    return look;
}

static void free_look(mmi_look *look)
{
    mm_free(look->where);
    mm_free(look->what);
}

static void clear_looks(mmi_looks *looks)
{
    for (size_t i = 0; i < looks->count; i++)
        free_look(&looks->data[i]);
    mmi_vec_deinit(looks);
}

static bool is_bad(const mmi_look *look)
{
    return look->num_nan + look->num_inf > 0;
}

/* Adds a look; of those that are finite only if `all`. True if it was not. */
static bool add_look(mmi_looks *looks, char *where, mm_tensor *tensor, bool all)
{
    mmi_look look = look_at(tensor);

    look.where = where;
    bool was_bad = is_bad(&look);

    if ((!was_bad && !all) || !mmi_vec_push(looks, look))
        free_look(&look);
    return was_bad;
}

/* Looks at all tensors of nested data; names are paths. True if one was bad. */
static bool look_into(mmi_looks *looks, const mm_value *value, const char *path,
                      bool all)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_data_element *element = mm_value_find_data_element(value);
    mm_kind kind = mm_value_kind(value);
    bool was_bad = false;

    if (mm_has_error())
        return false;
    if (tensor != NULL)
        return add_look(looks, mm_strdup(path), tensor, all);
    if (element != NULL)
        return look_into(looks, mm_data_element_fields(element), path, all);
    if (kind != MM_KIND_DICT && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE)
        return false;
    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        const char *name = kind == MM_KIND_DICT ? mm_dict_name_at(value, i) : NULL;
        char *inner = name != NULL ? mm_strfmt("%s.%s", path, name)
                                   : mm_strfmt("%s[%zu]", path, i);
        const mm_value *item =
            kind == MM_KIND_DICT ? mm_dict_at(value, i) : mm_list_get(value, i);

        was_bad = look_into(looks, item, inner, all) || was_bad;
        mm_free(inner);
    }
    return was_bad;
}

/* --- modules --- */

static void blame(mmi_module_row *row, bool is_input)
{
    mmi_batch_check *check = row->check;

    if (check->culprit < 0) {
        check->culprit = row - check->rows.data;
        check->is_culprit_input = is_input;
    }
}

/* True if what the row holds is the first bad call, which later ones do not replace. */
static bool is_settled(const mmi_module_row *row)
{
    return row->check->culprit == row - row->check->rows.data;
}

static mm_value *look_around(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    mmi_module_row *row = user;
    bool looks = !is_settled(row);

    row->num_calls++;
    if (looks) {
        clear_looks(&row->looks);
        if (look_into(&row->looks, args, "input", true))
            blame(row, true);
    }
    mm_value *result = mm_module_proceed(inside, module, args);

    if (result != NULL && looks && look_into(&row->looks, result, "output", true))
        blame(row, false);
    if (row->num_calls == 1)
        (void)mmi_vec_push(&row->check->order, (size_t)(row - row->check->rows.data));
    return result;
}

static mm_status add_row(void *user, const char *name, mm_module *module)
{
    mmi_batch_check *check = user;
    mmi_module_row row = {.check = check, .module = module};

    if (name[0] == '\0')
        return MM_OK; /* the model itself is not called, its loss is */
    row.name = mm_strdup(name);
    row.type = mm_module_type(module);
    if (!mmi_vec_push(&check->rows, row))
        mm_free(row.name);
    return mm_pending();
}

static mm_status wrap_rows(mmi_batch_check *check)
{
    for (size_t i = 0; i < check->rows.count && !mm_has_error(); i++)
        (void)mm_module_wrap(check->rows.data[i].module, look_around,
                             &check->rows.data[i], NULL);
    return mm_pending();
}

static void unwrap_rows(mmi_batch_check *check)
{
    for (size_t i = 0; i < check->rows.count; i++)
        (void)mm_module_unwrap(check->rows.data[i].module, look_around,
                               &check->rows.data[i]);
}

/* --- weights and gradients --- */

static mm_status look_at_weight(void *user, const char *name, mm_tensor *tensor,
                                mm_module *owner)
{
    mmi_batch_check *check = user;
    (void)owner;

    check->num_weights++;
    (void)add_look(&check->weights, mm_strdup(name), tensor, false);
    return mm_pending();
}

struct kept_grads {
    MMI_VEC(mm_tensor *) params;
    MMI_VEC(mm_tensor *) grads; /* owned; NULL: none */
};

static mm_status keep_grad(void *user, const char *name, mm_tensor *tensor,
                           mm_module *owner)
{
    struct kept_grads *kept = user;
    (void)name;
    (void)owner;

    if (!mmi_vec_push(&kept->params, tensor))
        return mm_pending();
    mm_tensor *grad = mm_tensor_ref(mm_grad_find(tensor));

    if (mmi_vec_push(&kept->grads, grad))
        (void)mm_set_grad(tensor, NULL);
    else
        mm_tensor_unref(grad);
    return mm_pending();
}

static mm_status look_at_grad(void *user, const char *name, mm_tensor *tensor,
                              mm_module *owner)
{
    mmi_batch_check *check = user;
    mm_tensor *grad = mm_grad_find(tensor);
    (void)owner;

    if (grad != NULL)
        (void)add_look(&check->grads, mm_strdup(name), grad, false);
    return mm_pending();
}

/* Also when the backward pass failed, whose error stays. */
static void put_grads_back(struct kept_grads *kept)
{
    mm_error error;
    bool has_failed = mm_error_take(&error) < 0;

    for (size_t i = 0; i < kept->grads.count; i++) {
        (void)mm_set_grad(kept->params.data[i], kept->grads.data[i]);
        mm_tensor_unref(kept->grads.data[i]);
    }
    mmi_vec_deinit(&kept->params);
    mmi_vec_deinit(&kept->grads);
    if (has_failed)
        (void)mm_error_restore(&error);
}

static mm_status check_grads(mmi_batch_check *check, mm_module *model, mm_tensor *total)
{
    struct kept_grads kept = {0};

    if (mm_module_each_param(model, keep_grad, &kept) == MM_OK &&
        mm_backward(total) == MM_OK)
        (void)mm_module_each_param(model, look_at_grad, check);
    put_grads_back(&kept);
    return mm_pending();
}

/* --- the run --- */

static mm_value *compute_losses(mmi_batch_check *check, mm_module *model,
                                mm_value *batch, mm_optim_wrapper *optim_wrapper)
{
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(model), MM_INTERFACE_MODEL);
    mm_value *losses = NULL;

    if (ops != NULL && ops->loss == NULL)
        (void)mm_raise(MM_EUNSUPPORTED, "a %s has no loss of its own to look into",
                       mm_module_type(model));
    if (optim_wrapper != NULL && mm_optim_wrapper_is_dict(optim_wrapper))
        optim_wrapper = NULL;
    if (!mm_has_error() && mm_optim_wrapper_enter(optim_wrapper) == MM_OK) {
        mm_value *data = mm_model_preprocess(model, batch, true);

        if (data != NULL)
            (void)look_into(&check->batch, data, "batch", false);
        losses = data != NULL ? ops->loss(mm_module_self(model), data) : NULL;
    }
    mm_optim_wrapper_leave(optim_wrapper);
    return losses;
}

static mm_tensor *note_losses(mmi_batch_check *check, mm_value *losses)
{
    mm_tensor *total = NULL;
    mm_value *log_vars = mm_parse_losses(losses, &total);

    for (size_t i = 0; log_vars != NULL && i < mm_value_len(log_vars); i++) {
        const char *name = mm_dict_name_at(log_vars, i);
        mmi_loss_entry entry = {mm_strdup(name), 0.0};
        mm_tensor *tensor = mm_value_find_tensor(mm_dict_at(log_vars, i));

        if (tensor != NULL)
            entry.value = mm_item(tensor);
        if (tensor == NULL || !mmi_vec_push(&check->losses, entry))
            mm_free(entry.name);
    }
    if (total != NULL)
        check->total = mm_item(total);
    return total;
}

static mm_status run(mmi_batch_check *check, mm_module *model, mm_value *batch,
                     mm_optim_wrapper *optim_wrapper)
{
    mm_value *losses = NULL;

    if (mm_module_each_param(model, look_at_weight, check) == MM_OK &&
        mm_module_each(model, add_row, check) == MM_OK && wrap_rows(check) == MM_OK)
        losses = compute_losses(check, model, batch, optim_wrapper);
    unwrap_rows(check);
    mm_tensor *total = losses == NULL ? NULL : note_losses(check, losses);

    if (total == NULL)
        return mm_pending();
    check->has_run = true;
    if (isfinite(check->total) && check_grads(check, model, total) == MM_OK)
        check->is_finite = check->grads.count == 0;
    return mm_pending();
}

mm_status mmi_batch_check_run(mmi_batch_check *check, mm_module *model, mm_value *batch,
                              mm_optim_wrapper *optim_wrapper)
{
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(true);
    mm_error error;

    *check = (mmi_batch_check){.culprit = -1};
    (void)run(check, model, batch, optim_wrapper);
    if (mm_error_take(&error) < 0)
        check->failure = mm_strdup(error.message);
    (void)mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return mm_pending();
}

void mmi_batch_check_deinit(mmi_batch_check *check)
{
    for (size_t i = 0; i < check->rows.count; i++) {
        clear_looks(&check->rows.data[i].looks);
        mm_free(check->rows.data[i].name);
    }
    for (size_t i = 0; i < check->losses.count; i++)
        mm_free(check->losses.data[i].name);
    mmi_vec_deinit(&check->rows);
    mmi_vec_deinit(&check->order);
    mmi_vec_deinit(&check->losses);
    clear_looks(&check->batch);
    clear_looks(&check->weights);
    clear_looks(&check->grads);
    mm_free(check->failure);
    check->failure = NULL;
}

/* --- the text --- */

/* "3 nan, 1 inf of 32, the others from -1 to 2". */
static void print_look(mmi_str *out, const mmi_look *look)
{
    mmi_str_addf(out, "%s: ", look->what);
    if (!look->is_float) {
        mmi_str_add(out, "no floats");
        return;
    }
    if (look->num_nan > 0)
        mmi_str_addf(out, "%lld nan%s", (long long)look->num_nan,
                     look->num_inf > 0 ? ", " : "");
    if (look->num_inf > 0)
        mmi_str_addf(out, "%lld inf", (long long)look->num_inf);
    if (is_bad(look))
        mmi_str_addf(out, " of %lld", (long long)look->num_all);
    if (look->min <= look->max)
        mmi_str_addf(out, "%sfrom %.6g to %.6g", is_bad(look) ? ", the others " : "",
                     look->min, look->max);
    else if (look->num_all == 0)
        mmi_str_add(out, "empty");
}

static void print_looks(mmi_str *out, const mmi_looks *looks, size_t most)
{
    for (size_t i = 0; i < looks->count && i < most; i++) {
        mmi_str_addf(out, "\n    %-12s ", looks->data[i].where);
        print_look(out, &looks->data[i]);
    }
    if (looks->count > most)
        mmi_str_addf(out, "\n    and %zu more", looks->count - most);
}

/* Nine digits tell floats apart; C libraries print a sign of NaN or not. */
static void print_number(mmi_str *out, const char *name, double number)
{
    if (isnan(number))
        mmi_str_addf(out, "%s nan", name);
    else
        mmi_str_addf(out, "%s %.9g", name, number);
}

static void print_losses(mmi_str *out, const mmi_batch_check *check)
{
    if (!check->has_run) {
        mmi_str_addf(out, "no losses: %s",
                     check->failure == NULL ? "unknown" : check->failure);
        return;
    }
    print_number(out, "loss", check->total);
    for (size_t i = 0; i < check->losses.count; i++) {
        const mmi_loss_entry *entry = &check->losses.data[i];

        if (strcmp(entry->name, "loss") == 0)
            continue;
        mmi_str_add(out, ", ");
        print_number(out, entry->name, entry->value);
    }
}

static void print_culprit(mmi_str *out, const mmi_batch_check *check)
{
    size_t num_called = check->order.count;

    if (check->culprit >= 0) {
        const mmi_module_row *row = &check->rows.data[check->culprit];

        mmi_str_addf(out, "\nfirst module that was not finite: %s (%s), in its %s",
                     row->name, row->type,
                     check->is_culprit_input ? "input" : "output");
        print_looks(out, &row->looks, SIZE_MAX);
        return;
    }
    mmi_str_addf(out, "\nall %zu modules that were called are finite", num_called);
    if (check->has_run && !isfinite(check->total)) {
        mmi_str_add(out, ": the model itself made it, outside of them");
        if (num_called > 0)
            mmi_str_addf(out, ", after %s (%s)",
                         check->rows.data[check->order.data[num_called - 1]].name,
                         check->rows.data[check->order.data[num_called - 1]].type);
    }
}

static void print_row(mmi_str *out, const mmi_module_row *row)
{
    mmi_str_addf(out, "\n  %s (%s)", row->name, row->type);
    if (row->num_calls > 1)
        mmi_str_addf(out, ", called %lld times", (long long)row->num_calls);
    print_looks(out, &row->looks, SIZE_MAX);
}

enum { MOST_SHOWN = 5 };

char *mmi_batch_check_text(const mmi_batch_check *check, bool all)
{
    mmi_str text = {0};

    print_losses(&text, check);
    if (check->weights.count > 0) {
        mmi_str_addf(&text, "\n%zu of %zu parameters were not finite before:",
                     check->weights.count, check->num_weights);
        print_looks(&text, &check->weights, MOST_SHOWN);
    }
    if (check->batch.count > 0) {
        mmi_str_add(&text, "\nthe batch itself is not finite:");
        print_looks(&text, &check->batch, MOST_SHOWN);
    }
    print_culprit(&text, check);
    if (check->grads.count > 0) {
        mmi_str_addf(&text, "\n%zu gradients are not finite:", check->grads.count);
        print_looks(&text, &check->grads, MOST_SHOWN);
    }
    if (check->has_run && check->failure != NULL)
        mmi_str_addf(&text, "\nno gradients: %s", check->failure);
    for (size_t i = 0; all && i < check->order.count; i++) {
        if (i == 0)
            mmi_str_add(&text, "\nmodules in the order in which they returned:");
        print_row(&text, &check->rows.data[check->order.data[i]]);
    }
    return mmi_str_take(&text);
}
