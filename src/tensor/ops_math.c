/*
 * Making tensors, arithmetic, comparison: one function of ops_math.h each, by schema.
 * The hottest go to the bridge's direct calls.
 */
#include "tensor/bridge.h"

/* ---- making ---- */

static mm_tensor *make(mmi_op *op, const mm_make_args *args)
{
    return mmi_call(op,
                    MMI_ARGS(MMI_DIMS(args->sizes), MM_NAMED_DT("dtype", args->dtype),
                             MM_NAMED_DEV("device", args->device)));
}

static mm_tensor *make_random(mmi_op *op, const mm_make_args *args)
{
    return mmi_call(op, MMI_ARGS(MMI_DIMS(args->sizes),
                                 MM_NAMED_RNG("generator", args->rng),
                                 MM_NAMED_DT("dtype", args->dtype),
                                 MM_NAMED_DEV("device", args->device)));
}

mm_tensor *mm_zeros_with(const mm_make_args *args)
{
    static mmi_op op = {"aten::zeros.", NULL};

    return make(&op, args);
}

mm_tensor *mm_ones_with(const mm_make_args *args)
{
    static mmi_op op = {"aten::ones.", NULL};

    return make(&op, args);
}

mm_tensor *mm_rand_with(const mm_make_args *args)
{
    static mmi_op op = {"aten::rand.generator", NULL};

    return make_random(&op, args);
}

mm_tensor *mm_randn_with(const mm_make_args *args)
{
    static mmi_op op = {"aten::randn.generator", NULL};

    return make_random(&op, args);
}

mm_tensor *mm_full_with(const mm_full_args *args)
{
    static mmi_op op = {"aten::full.", NULL};

    return mmi_call(&op, MMI_ARGS(MMI_DIMS(args->sizes), MM_NUM(args->value),
                                  MM_NAMED_DT("dtype", args->dtype),
                                  MM_NAMED_DEV("device", args->device)));
}

mm_tensor *mm_arange_with(const mm_arange_args *args)
{
    static mmi_op op = {"aten::arange.start_step", NULL};
    mm_number step = args->step.kind != MM_NUMBER_NONE ? args->step : mm_number_i64(1);

    return mmi_call(&op, MMI_ARGS(MM_NUM(args->start), MM_NUM(args->end), MM_NUM(step),
                                  MM_NAMED_DT("dtype", args->dtype),
                                  MM_NAMED_DEV("device", args->device)));
}

mm_tensor *mm_linspace(double start, double end, int64_t steps)
{
    static mmi_op op = {"aten::linspace.", NULL};

    return mmi_call(&op, MMI_ARGS(MM_F(start), MM_F(end), MM_I(steps)));
}

mm_tensor *mm_eye(int64_t n)
{
    static mmi_op op = {"aten::eye.", NULL};

    return mmi_call(&op, MMI_ARGS(MM_I(n)));
}

MMI_UNARY(mm_empty_like, "aten::empty_like.")
MMI_UNARY(mm_zeros_like, "aten::zeros_like.")
MMI_UNARY(mm_ones_like, "aten::ones_like.")
MMI_WITH_NUMBER(mm_full_like_with, "aten::full_like.")

/* torch.rand_like() takes no generator; filling an empty tensor draws the same. */
mm_tensor *mm_rand_like(mm_tensor *x, mm_rng *rng)
{
    mm_tensor *made = mm_empty_like(x);

    return made != NULL ? mm_uniform_(made, 0.0, 1.0, rng) : NULL;
}

mm_tensor *mm_randn_like(mm_tensor *x, mm_rng *rng)
{
    mm_tensor *made = mm_empty_like(x);

    return made != NULL ? mm_normal_(made, 0.0, 1.0, rng) : NULL;
}

mm_tensor *mm_randints_with(const mm_randints_args *args)
{
    static mmi_op op = {"aten::randint.low_generator", NULL};
    mm_dtype dtype = args->dtype != MM_DTYPE_NONE ? args->dtype : MM_DTYPE_I64;

    return mmi_call(
        &op, MMI_ARGS(MM_I(args->low), MM_I(args->high), MMI_DIMS(args->sizes),
                      MM_NAMED_RNG("generator", args->rng), MM_NAMED_DT("dtype", dtype),
                      MM_NAMED_DEV("device", args->device)));
}

mm_tensor *mm_bernoulli(mm_tensor *p, mm_rng *rng)
{
    static mmi_op op = {"aten::bernoulli.", NULL};

    return MMI_HAS(p) ? mmi_call(&op, MMI_ARGS(MM_T(p), MM_RNG(rng))) : NULL;
}

mm_tensor *mm_multinomial(mm_tensor *weights, int64_t num_samples, bool replacement,
                          mm_rng *rng)
{
    static mmi_op op = {"aten::multinomial.", NULL};

    if (!MMI_HAS(weights)) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(weights), MM_I(num_samples), MM_B(replacement),
                                  MM_RNG(rng)));
}

mm_tensor *mm_one_hot(mm_tensor *index, int64_t num_classes)
{
    static mmi_op op = {"aten::one_hot.", NULL};

    return MMI_HAS(index) ? mmi_call(&op, MMI_ARGS(MM_T(index), MM_I(num_classes)))
                          : NULL;
}

/* ---- filling ---- */

MMI_WITH_NUMBER_IN_PLACE(mm_fill_with_, "aten::fill_.Scalar")

mm_tensor *mm_zero_(mm_tensor *x)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) ? torch->zero_in(x) : NULL;
}

mm_tensor *mm_copy_(mm_tensor *dst, mm_tensor *src)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(dst) && MMI_HAS(src) ? torch->copy_in(dst, src)
                                                         : NULL;
}

mm_tensor *mm_uniform_(mm_tensor *x, double low, double high, mm_rng *rng)
{
    static mmi_op op = {"aten::uniform_.", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return mmi_call_in_place(&op, x,
                             MMI_ARGS(MM_T(x), MM_F(low), MM_F(high), MM_RNG(rng)));
}

mm_tensor *mm_normal_(mm_tensor *x, double mean, double std, mm_rng *rng)
{
    static mmi_op op = {"aten::normal_.", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return mmi_call_in_place(&op, x,
                             MMI_ARGS(MM_T(x), MM_F(mean), MM_F(std), MM_RNG(rng)));
}

mm_tensor *mm_bernoulli_(mm_tensor *x, double p, mm_rng *rng)
{
    static mmi_op op = {"aten::bernoulli_.float", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_F(p), MM_RNG(rng)));
}

/* ---- two tensors ---- */

MMI_DIRECT_BINARY(mm_add, add, x, y, 1.0)
MMI_DIRECT_BINARY(mm_sub, sub, x, y)
MMI_DIRECT_BINARY(mm_mul, mul, x, y)
MMI_DIRECT_BINARY(mm_div, div, x, y)
MMI_BINARY(mm_floor_divide, "aten::floor_divide.")
MMI_BINARY(mm_remainder, "aten::remainder.Tensor")
MMI_BINARY(mm_fmod, "aten::fmod.Tensor")
MMI_BINARY(mm_maximum, "aten::maximum.")
MMI_BINARY(mm_minimum, "aten::minimum.")
MMI_BINARY_IN_PLACE(mm_sub_, "aten::sub_.Tensor")
MMI_BINARY_IN_PLACE(mm_div_, "aten::div_.Tensor")

mm_tensor *mm_add_scaled(mm_tensor *x, mm_tensor *y, double alpha)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS(y) ? mmi_own(torch->add(x, y, alpha))
                                                     : NULL;
}

mm_tensor *mm_pow(mm_tensor *x, mm_tensor *exponent)
{
    static mmi_op op = {"aten::pow.Tensor_Tensor", NULL};

    return MMI_HAS(x) && MMI_HAS(exponent)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(exponent)))
               : NULL;
}

mm_tensor *mm_atan2(mm_tensor *y, mm_tensor *x)
{
    static mmi_op op = {"aten::atan2.", NULL};

    return MMI_HAS(y) && MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(y), MM_T(x))) : NULL;
}

mm_tensor *mm_lerp(mm_tensor *x, mm_tensor *y, double weight)
{
    static mmi_op op = {"aten::lerp.Scalar", NULL};

    return MMI_HAS(x) && MMI_HAS(y)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(y), MM_F(weight)))
               : NULL;
}

mm_tensor *mm_addcmul(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value)
{
    static mmi_op op = {"aten::addcmul.", NULL};

    return MMI_HAS(x) && MMI_HAS(a) && MMI_HAS(b)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(a), MM_T(b), MM_F(value)))
               : NULL;
}

mm_tensor *mm_addcdiv(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value)
{
    static mmi_op op = {"aten::addcdiv.", NULL};

    return MMI_HAS(x) && MMI_HAS(a) && MMI_HAS(b)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(a), MM_T(b), MM_F(value)))
               : NULL;
}

mm_tensor *mm_add_scaled_(mm_tensor *x, mm_tensor *y, double alpha)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS(y) ? torch->add_in(x, y, alpha)
                                                     : NULL;
}

mm_tensor *mm_add_(mm_tensor *x, mm_tensor *y)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS(y) ? torch->add_in(x, y, 1.0) : NULL;
}

mm_tensor *mm_mul_(mm_tensor *x, mm_tensor *y)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS(y) ? torch->mul_in(x, y) : NULL;
}

mm_tensor *mm_lerp_(mm_tensor *x, mm_tensor *y, double weight)
{
    static mmi_op op = {"aten::lerp_.Scalar", NULL};

    return MMI_HAS(x) && MMI_HAS(y)
               ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_T(y), MM_F(weight)))
               : NULL;
}

mm_tensor *mm_addcmul_(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value)
{
    static mmi_op op = {"aten::addcmul_.", NULL};

    return MMI_HAS(x) && MMI_HAS(a) && MMI_HAS(b)
               ? mmi_call_in_place(&op, x,
                                   MMI_ARGS(MM_T(x), MM_T(a), MM_T(b), MM_F(value)))
               : NULL;
}

mm_tensor *mm_addcdiv_(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value)
{
    static mmi_op op = {"aten::addcdiv_.", NULL};

    return MMI_HAS(x) && MMI_HAS(a) && MMI_HAS(b)
               ? mmi_call_in_place(&op, x,
                                   MMI_ARGS(MM_T(x), MM_T(a), MM_T(b), MM_F(value)))
               : NULL;
}

/* ---- a tensor and a number ---- */

mm_tensor *mm_add_number(mm_tensor *x, mm_number value)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->add_number(x, value)) : NULL;
}

mm_tensor *mm_mul_number(mm_tensor *x, mm_number value)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->mul_number(x, value)) : NULL;
}

mm_tensor *mm_mul_number_(mm_tensor *x, mm_number value)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) ? torch->mul_number_in(x, value) : NULL;
}

MMI_WITH_NUMBER(mm_sub_number, "aten::sub.Scalar")
MMI_WITH_NUMBER(mm_rsub_number, "aten::rsub.Scalar")
MMI_WITH_NUMBER(mm_div_number, "aten::div.Scalar")
MMI_WITH_NUMBER(mm_floor_divide_number, "aten::floor_divide.Scalar")
MMI_WITH_NUMBER(mm_remainder_number, "aten::remainder.Scalar")
MMI_WITH_NUMBER(mm_pow_number, "aten::pow.Tensor_Scalar")
MMI_WITH_NUMBER_IN_PLACE(mm_add_number_, "aten::add_.Scalar")
MMI_WITH_NUMBER_IN_PLACE(mm_sub_number_, "aten::sub_.Scalar")
MMI_WITH_NUMBER_IN_PLACE(mm_div_number_, "aten::div_.Scalar")

mm_tensor *mm_clamp_with(const mm_clamp_args *args)
{
    static mmi_op op = {"aten::clamp.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_NUM(args->min), MM_NUM(args->max)));
}

mm_tensor *mm_clamp_with_(const mm_clamp_args *args)
{
    static mmi_op op = {"aten::clamp_.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call_in_place(
        &op, args->x, MMI_ARGS(MM_T(args->x), MM_NUM(args->min), MM_NUM(args->max)));
}

/* ---- one tensor ---- */

MMI_UNARY(mm_abs, "aten::abs.")
MMI_UNARY(mm_neg, "aten::neg.")
MMI_UNARY(mm_sign, "aten::sign.")
MMI_UNARY(mm_exp, "aten::exp.")
MMI_UNARY(mm_expm1, "aten::expm1.")
MMI_UNARY(mm_ln, "aten::log.")
MMI_UNARY(mm_log1p, "aten::log1p.")
MMI_UNARY(mm_log2, "aten::log2.")
MMI_UNARY(mm_log10, "aten::log10.")
MMI_UNARY(mm_sqrt, "aten::sqrt.")
MMI_UNARY(mm_rsqrt, "aten::rsqrt.")
MMI_UNARY(mm_square, "aten::square.")
MMI_UNARY(mm_reciprocal, "aten::reciprocal.")
MMI_UNARY(mm_sin, "aten::sin.")
MMI_UNARY(mm_cos, "aten::cos.")
MMI_UNARY(mm_tan, "aten::tan.")
MMI_UNARY(mm_atan, "aten::atan.")
MMI_UNARY(mm_erf, "aten::erf.")
MMI_UNARY(mm_erfinv, "aten::erfinv.")
MMI_UNARY(mm_floor, "aten::floor.")
MMI_UNARY(mm_ceil, "aten::ceil.")
MMI_UNARY(mm_round, "aten::round.")
MMI_UNARY(mm_trunc, "aten::trunc.")
MMI_UNARY(mm_isnan, "aten::isnan.")
MMI_UNARY(mm_isinf, "aten::isinf.")
MMI_UNARY(mm_isfinite, "aten::isfinite.")
MMI_UNARY(mm_logical_not, "aten::logical_not.")
MMI_UNARY(mm_bitwise_not, "aten::bitwise_not.")

MMI_UNARY_IN_PLACE(mm_abs_, "aten::abs_.")
MMI_UNARY_IN_PLACE(mm_neg_, "aten::neg_.")
MMI_UNARY_IN_PLACE(mm_exp_, "aten::exp_.")
MMI_UNARY_IN_PLACE(mm_ln_, "aten::log_.")
MMI_UNARY_IN_PLACE(mm_sqrt_, "aten::sqrt_.")
MMI_UNARY_IN_PLACE(mm_rsqrt_, "aten::rsqrt_.")
MMI_UNARY_IN_PLACE(mm_reciprocal_, "aten::reciprocal_.")
MMI_UNARY_IN_PLACE(mm_erfinv_, "aten::erfinv_.")
MMI_UNARY_IN_PLACE(mm_floor_, "aten::floor_.")
MMI_UNARY_IN_PLACE(mm_ceil_, "aten::ceil_.")
MMI_UNARY_IN_PLACE(mm_round_, "aten::round_.")

/* ---- comparison and choice ---- */

MMI_BINARY(mm_eq, "aten::eq.Tensor")
MMI_BINARY(mm_ne, "aten::ne.Tensor")
MMI_BINARY(mm_lt, "aten::lt.Tensor")
MMI_BINARY(mm_le, "aten::le.Tensor")
MMI_BINARY(mm_gt, "aten::gt.Tensor")
MMI_BINARY(mm_ge, "aten::ge.Tensor")
MMI_WITH_NUMBER(mm_eq_number, "aten::eq.Scalar")
MMI_WITH_NUMBER(mm_ne_number, "aten::ne.Scalar")
MMI_WITH_NUMBER(mm_lt_number, "aten::lt.Scalar")
MMI_WITH_NUMBER(mm_le_number, "aten::le.Scalar")
MMI_WITH_NUMBER(mm_gt_number, "aten::gt.Scalar")
MMI_WITH_NUMBER(mm_ge_number, "aten::ge.Scalar")
MMI_BINARY(mm_logical_and, "aten::logical_and.")
MMI_BINARY(mm_logical_or, "aten::logical_or.")
MMI_BINARY(mm_logical_xor, "aten::logical_xor.")
MMI_BINARY(mm_bitwise_and, "aten::bitwise_and.Tensor")
MMI_BINARY(mm_bitwise_or, "aten::bitwise_or.Tensor")

mm_tensor *mm_where(mm_tensor *condition, mm_tensor *x, mm_tensor *y)
{
    static mmi_op op = {"aten::where.self", NULL};

    return MMI_HAS(condition) && MMI_HAS(x) && MMI_HAS(y)
               ? mmi_call(&op, MMI_ARGS(MM_T(condition), MM_T(x), MM_T(y)))
               : NULL;
}

mm_tensor *mm_masked_fill_number(mm_tensor *x, mm_tensor *mask, mm_number value)
{
    static mmi_op op = {"aten::masked_fill.Scalar", NULL};

    return MMI_HAS(x) && MMI_HAS(mask)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(mask), MM_NUM(value)))
               : NULL;
}

mm_tensor *mm_masked_fill_number_(mm_tensor *x, mm_tensor *mask, mm_number value)
{
    static mmi_op op = {"aten::masked_fill_.Scalar", NULL};

    return MMI_HAS(x) && MMI_HAS(mask)
               ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_T(mask), MM_NUM(value)))
               : NULL;
}
