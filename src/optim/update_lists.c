/* The operators of update rules over lists of tensors. Each has one row that names its
 * aten::_foreach_ form; where libtorch has that for the device, the list goes through
 * it in one call, else tensor by tensor. Both give the same bits. Which forms exist
 * differs between versions of libtorch, so each is looked for by name. */
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/elementwise.h"

void mmi_update_room_deinit(mm_update_room *room)
{
    for (size_t i = 0; i < room->count; i++)
        mm_free(room->lists[i]);
    mm_free(room->lists);
    *room = (mm_update_room){0};
}

mm_tensor **mmi_update_room_list(mm_update_room *room, size_t count)
{
    if (mm_has_error())
        return NULL;
    if (room->count == room->room) {
        size_t wanted = room->room == 0 ? 16 : 2 * room->room;
        mm_tensor ***grown = mm_realloc(room->lists, wanted * sizeof *grown);

        if (grown == NULL)
            return NULL;
        room->lists = grown;
        room->room = wanted;
    }
    mm_tensor **list = mm_alloc_array(count, sizeof *list);

    if (list != NULL)
        room->lists[room->count++] = list;
    return list;
}

/* What an operator gets besides x. */
struct operands {
    mm_tensor **y;
    mm_tensor **z;
    double value;
};

/* One tensor of a list. */
typedef mm_tensor *(*each_fn)(mm_tensor *x, mm_tensor *y, mm_tensor *z, double value);

/* The arguments of the form over lists: x alone, x and a number, x and y, ... */
enum form { FORM_X, FORM_X_VALUE, FORM_XY, FORM_XY_VALUE, FORM_XYZ_VALUE };

struct each_op {
    const char *name; /* aten::_foreach_..., or NULL: none */
    enum form form;
    each_fn one;
    bool in_place;
};

static mm_status run_lists(const struct each_op *op, mm_update_call *call,
                           mm_tensor **x, const struct operands *more, mm_tensor **out)
{
    mm_op_result result = {.tensors = out, .max_tensors = (int)call->count};
    mm_op_result *wanted = op->in_place ? NULL : &result;
    const mm_arg list = MM_TS(x, call->count);
    const mm_arg y = MM_TS(more->y, call->count);
    const mm_arg z = MM_TS(more->z, call->count);
    const mm_arg value = MM_F(more->value);

    switch (op->form) {
    case FORM_X:
        return mm_op_run_with(op->name, wanted, &list, 1);
    case FORM_X_VALUE:
        return mm_op_run_with(op->name, wanted, (const mm_arg[]){list, value}, 2);
    case FORM_XY:
        return mm_op_run_with(op->name, wanted, (const mm_arg[]){list, y}, 2);
    case FORM_XY_VALUE:
        return mm_op_run_with(op->name, wanted, (const mm_arg[]){list, y, value}, 3);
    case FORM_XYZ_VALUE:
        return mm_op_run_with(op->name, wanted, (const mm_arg[]){list, y, z, value}, 4);
    }
    return MM_OK;
}

static mm_tensor **run(const struct each_op *op, mm_update_call *call, mm_tensor **x,
                       struct operands more)
{
    bool lacks = x == NULL || (op->form >= FORM_XY && more.y == NULL) ||
                 (op->form == FORM_XYZ_VALUE && more.z == NULL);

    if (lacks && !mm_has_error())
        mm_raise(MM_EINVAL, "an operator over lists of tensors got no list");
    mm_tensor **out = op->in_place ? x : mmi_update_room_list(call->room, call->count);

    if (mm_has_error())
        return NULL;
    if (call->room->by_list && op->name != NULL &&
        mm_op_supports(op->name, call->device)) {
        run_lists(op, call, x, &more, out);
    } else {
        for (size_t i = 0; i < call->count && !mm_has_error(); i++)
            out[i] = op->one(x[i], more.y != NULL ? more.y[i] : NULL,
                             more.z != NULL ? more.z[i] : NULL, more.value);
    }
    return mm_has_error() ? NULL : out;
}

/* Each macro defines the operator on one tensor and mm_each_NAME(). */
#define ONE(name, expression)                                                          \
    static mm_tensor *name##_one(mm_tensor *x, mm_tensor *y, mm_tensor *z, double v)   \
    {                                                                                  \
        (void)y;                                                                       \
        (void)z;                                                                       \
        (void)v;                                                                       \
        return expression;                                                             \
    }
#define RUN(name, foreach, form, in_place, ...)                                        \
    {                                                                                  \
        static const struct each_op op = {foreach, form, name##_one, in_place};        \
                                                                                       \
        return run(&op, call, x, (struct operands){__VA_ARGS__});                      \
    }
#define EACH_X(name, foreach, in_place, expression)                                    \
    ONE(name, expression)                                                              \
    mm_tensor **mm_each_##name(mm_update_call *call, mm_tensor **x)                    \
        RUN(name, foreach, FORM_X, in_place, 0)
#define EACH_X_VALUE(name, foreach, in_place, expression)                              \
    ONE(name, expression)                                                              \
    mm_tensor **mm_each_##name(mm_update_call *call, mm_tensor **x, double value)      \
        RUN(name, foreach, FORM_X_VALUE, in_place, .value = value)
#define EACH_XY(name, foreach, in_place, expression)                                   \
    ONE(name, expression)                                                              \
    mm_tensor **mm_each_##name(mm_update_call *call, mm_tensor **x, mm_tensor **y)     \
        RUN(name, foreach, FORM_XY, in_place, .y = y)
#define EACH_XY_VALUE(name, foreach, in_place, expression)                             \
    ONE(name, expression)                                                              \
    mm_tensor **mm_each_##name(mm_update_call *call, mm_tensor **x, mm_tensor **y,     \
                               double value)                                           \
        RUN(name, foreach, FORM_XY_VALUE, in_place, .y = y, .value = value)
#define EACH_XYZ_VALUE(name, foreach, in_place, expression)                            \
    ONE(name, expression)                                                              \
    mm_tensor **mm_each_##name(mm_update_call *call, mm_tensor **x, mm_tensor **a,     \
                               mm_tensor **b, double value)                            \
        RUN(name, foreach, FORM_XYZ_VALUE, in_place, .y = a, .z = b, .value = value)

EACH_X(neg, "aten::_foreach_neg", false, mm_neg(x))
EACH_X(abs, "aten::_foreach_abs", false, mm_abs(x))
EACH_X(sign, "aten::_foreach_sign", false, mm_sign(x))
EACH_X(sqrt, "aten::_foreach_sqrt", false, mm_sqrt(x))
EACH_X(sqrt_, "aten::_foreach_sqrt_", true, mm_sqrt_(x))
EACH_X(reciprocal, "aten::_foreach_reciprocal", false, mm_reciprocal(x))
EACH_X(clone, NULL, false, mm_clone(x))
EACH_XY_VALUE(add, "aten::_foreach_add.List", false, mm_add_scaled(x, y, v))
EACH_XY_VALUE(add_, "aten::_foreach_add_.List", true, mm_add_scaled_(x, y, v))
EACH_XY(sub, "aten::_foreach_sub.List", false, mm_sub(x, y))
EACH_XY(mul, "aten::_foreach_mul.List", false, mm_mul(x, y))
EACH_XY(mul_, "aten::_foreach_mul_.List", true, mm_mul_(x, y))
EACH_XY(div_, "aten::_foreach_div_.List", true, mm_div_(x, y))
EACH_XY(maximum_, "aten::_foreach_maximum_.List", true, mm_copy_(x, mm_maximum(x, y)))
EACH_XY(copy_, "aten::_foreach_copy_", true, mm_copy_(x, y))
EACH_X_VALUE(add_number, "aten::_foreach_add.Scalar", false, mm_add_scalar(x, v))
EACH_X_VALUE(add_number_, "aten::_foreach_add_.Scalar", true, mm_add_scalar_(x, v))
EACH_X_VALUE(mul_number, "aten::_foreach_mul.Scalar", false, mm_mul_scalar(x, v))
EACH_X_VALUE(mul_number_, "aten::_foreach_mul_.Scalar", true, mm_mul_scalar_(x, v))
EACH_X_VALUE(div_number, "aten::_foreach_div.Scalar", false, mm_div_scalar(x, v))
EACH_X_VALUE(div_number_, "aten::_foreach_div_.Scalar", true, mm_div_scalar_(x, v))
EACH_XY_VALUE(lerp_, "aten::_foreach_lerp_.Scalar", true, mm_lerp_(x, y, v))
EACH_XYZ_VALUE(addcmul, "aten::_foreach_addcmul.Scalar", false, mm_addcmul(x, y, z, v))
EACH_XYZ_VALUE(addcmul_, "aten::_foreach_addcmul_.Scalar", true,
               mm_addcmul_(x, y, z, v))
EACH_XYZ_VALUE(addcdiv_, "aten::_foreach_addcdiv_.Scalar", true,
               mm_addcdiv_(x, y, z, v))

mm_tensor **mm_each_clamp_(mm_update_call *call, mm_tensor **x, double low, double high)
{
    for (size_t i = 0; x != NULL && i < call->count && !mm_has_error(); i++)
        mm_clamp_(x[i], .min = MM_N(low), .max = MM_N(high));
    return mm_has_error() ? NULL : x;
}

/* --- libtorch's fused operators --- */

static bool all_lie_alike(const mm_update_call *call, mm_tensor **list)
{
    for (size_t i = 0; list != NULL && i < call->count; i++) {
        mm_tensor_info param;
        mm_tensor_info other;

        if (mm_tensor_info_get(call->params[i], &param) < 0 ||
            mm_tensor_info_get(list[i], &other) < 0 || !mmi_lies_alike(&param, &other))
            return false;
    }
    return true;
}

bool mmi_call_can_fuse(const mm_update_call *call, const char *name)
{
    if (mm_has_error() || call->is_sparse || !call->room->fuses ||
        !mm_op_supports(name, call->device) || !all_lie_alike(call, call->grads))
        return false;
    for (int i = 0; i < MM_UPDATE_MAX_STATES; i++) {
        bool is_made = call->states[i] != NULL && call->states[i][0] != NULL;

        if (is_made && !all_lie_alike(call, call->states[i]))
            return false;
    }
    return true;
}

mm_tensor **mmi_call_steps(mm_update_call *call, double step)
{
    mm_tensor **steps = mmi_update_room_list(call->room, call->count);
    mm_tensor *one = mm_full(MM_DIMS_EMPTY, MM_N(step), .dtype = MM_DTYPE_F32,
                             .device = call->device);

    for (size_t i = 0; steps != NULL && i < call->count; i++)
        steps[i] = one;
    return mm_has_error() ? NULL : steps;
}
