/* The update rules among the vector kernels; part of vector.h. Each reads its
 * coefficients, rounded to float, then loops once over the elements. What a setting
 * decides is a constant of the inner function, so that each variant is a loop without
 * branches. */

/* Order of operations: torch/optim/sgd.py, _single_tensor_sgd. */
enum { SGD_DECAY = 1, SGD_MOMENTUM = 2, SGD_NEW = 4, SGD_NESTEROV = 8 };

MMI_INLINE void sgd_loop(int flags, const mmi_sgd_rule *rule,
                         const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict buffer = memory->states[0];
    const float factor = memory->grad_factor;
    const float decay = (float)rule->weight_decay;
    const float momentum = (float)rule->momentum;
    const float keep = (float)rule->one_minus_dampening;
    const float neg_lr = (float)rule->neg_lr;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (flags & SGD_DECAY)
            g = MADD(p, decay, g);
        if (flags & SGD_MOMENTUM) {
            float b = flags & SGD_NEW ? g : MADD(g, keep, buffer[i] * momentum);

            buffer[i] = b;
            g = flags & SGD_NESTEROV ? MADD(b, momentum, g) : b;
        }
        param[i] = MADD(g, neg_lr, p);
    }
}

#define SGD_CASE(n)                                                                    \
    case (n):                                                                          \
        sgd_loop((n), rule, memory);                                                   \
        break

static void sgd(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_sgd_rule *rule = coefficients;
    int flags = rule->weight_decay != 0.0 ? SGD_DECAY : 0;

    if (rule->momentum != 0.0)
        flags |= SGD_MOMENTUM | (memory->is_new ? SGD_NEW : 0) |
                 (rule->nesterov ? SGD_NESTEROV : 0);
    switch (flags) {
        SGD_CASE(0);
        SGD_CASE(SGD_DECAY);
        SGD_CASE(SGD_MOMENTUM);
        SGD_CASE(SGD_MOMENTUM | SGD_DECAY);
        SGD_CASE(SGD_MOMENTUM | SGD_NEW);
        SGD_CASE(SGD_MOMENTUM | SGD_NEW | SGD_DECAY);
        SGD_CASE(SGD_MOMENTUM | SGD_NESTEROV);
        SGD_CASE(SGD_MOMENTUM | SGD_NESTEROV | SGD_DECAY);
        SGD_CASE(SGD_MOMENTUM | SGD_NESTEROV | SGD_NEW);
        SGD_CASE(SGD_MOMENTUM | SGD_NESTEROV | SGD_NEW | SGD_DECAY);
    default:
        break;
    }
}

/* Order of operations: torch/optim/adam.py, _single_tensor_adam. `low`: the form that
 * Tensor.lerp chooses for weights below a half. */
MMI_INLINE void adam_loop(bool decay, bool amsgrad, bool low, const mmi_adam_rule *rule,
                          const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->states[0];
    float *restrict avg_sq = memory->states[1];
    float *restrict max_sq = memory->states[2];
    const float factor = memory->grad_factor;
    const float param_factor = (float)rule->decay.param_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float lerp_weight = (float)rule->lerp_weight;
    const float pull = low ? lerp_weight : lerp_weight - 1.0F;
    const float beta2 = (float)rule->beta2;
    const float one_minus_beta2 = (float)rule->one_minus_beta2;
    const float bias2_sqrt = (float)rule->bias2_sqrt;
    const float eps = (float)rule->eps;
    const float neg_step_size = (float)rule->neg_step_size;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i] * param_factor;
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float m = avg[i];
        float v = avg_sq[i] * beta2;

        m = MADD(pull, g - m, low ? m : g);
        v = MADD(one_minus_beta2 * g, g, v);
        avg[i] = m;
        avg_sq[i] = v;
        if (amsgrad) {
            v = max_nan(max_sq[i], v);
            max_sq[i] = v;
        }
        float denominator = sqrtf(v) / bias2_sqrt + eps;

        param[i] = p + (neg_step_size * m) / denominator;
    }
}

/* Runs `loop` with three conditions as constants: `a` and `b` of the setting, and
 * whether a weight of lerp is low. */
#define MMI_FOR_CASES(loop, a, b, low)                                                 \
    do {                                                                               \
        switch (((a) ? 1 : 0) | ((b) ? 2 : 0) | ((low) ? 4 : 0)) {                     \
        case 0:                                                                        \
            loop(false, false, false, rule, memory);                                   \
            break;                                                                     \
        case 1:                                                                        \
            loop(true, false, false, rule, memory);                                    \
            break;                                                                     \
        case 2:                                                                        \
            loop(false, true, false, rule, memory);                                    \
            break;                                                                     \
        case 3:                                                                        \
            loop(true, true, false, rule, memory);                                     \
            break;                                                                     \
        case 4:                                                                        \
            loop(false, false, true, rule, memory);                                    \
            break;                                                                     \
        case 5:                                                                        \
            loop(true, false, true, rule, memory);                                     \
            break;                                                                     \
        case 6:                                                                        \
            loop(false, true, true, rule, memory);                                     \
            break;                                                                     \
        default:                                                                       \
            loop(true, true, true, rule, memory);                                      \
            break;                                                                     \
        }                                                                              \
    } while (0)

static bool is_low(double lerp_weight)
{
    return fabsf((float)lerp_weight) < 0.5F;
}

static void adam(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_adam_rule *rule = coefficients;

    MMI_FOR_CASES(adam_loop, rule->decay.weight_decay != 0.0, memory->states[2] != NULL,
                  is_low(rule->lerp_weight));
}

/* Order of operations: torch/optim/adamax.py, _single_tensor_adamax. */
MMI_INLINE void adamax_loop(bool decay, bool unused, bool low,
                            const mmi_adamax_rule *rule, const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->states[0];
    float *restrict norm = memory->states[1];
    const float factor = memory->grad_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float lerp_weight = (float)rule->lerp_weight;
    const float pull = low ? lerp_weight : lerp_weight - 1.0F;
    const float beta2 = (float)rule->beta2;
    const float eps = (float)rule->eps;
    const float neg_step_size = (float)rule->neg_step_size;

    (void)unused;
    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float m = avg[i];

        m = MADD(pull, g - m, low ? m : g);
        float largest = max_nan(norm[i] * beta2, fabsf(g) + eps);

        avg[i] = m;
        norm[i] = largest;
        param[i] = p + (neg_step_size * m) / largest;
    }
}

static void adamax(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_adamax_rule *rule = coefficients;

    MMI_FOR_CASES(adamax_loop, rule->decay.weight_decay != 0.0, false,
                  is_low(rule->lerp_weight));
}

/* Order of operations: torch/optim/nadam.py, _single_tensor_nadam. */
MMI_INLINE void nadam_loop(bool decay, bool unused, bool low,
                           const mmi_nadam_rule *rule, const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->states[0];
    float *restrict avg_sq = memory->states[1];
    const float factor = memory->grad_factor;
    const float param_factor = (float)rule->decay.param_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float lerp_weight = (float)rule->lerp_weight;
    const float pull = low ? lerp_weight : lerp_weight - 1.0F;
    const float beta2 = (float)rule->beta2;
    const float one_minus_beta2 = (float)rule->one_minus_beta2;
    const float bias2 = (float)rule->bias2;
    const float eps = (float)rule->eps;
    const float grad_step = (float)rule->grad_step;
    const float avg_step = (float)rule->avg_step;

    (void)unused;
    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i] * param_factor;
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float m = avg[i];
        float v = avg_sq[i] * beta2;

        m = MADD(pull, g - m, low ? m : g);
        v = MADD(one_minus_beta2 * g, g, v);
        avg[i] = m;
        avg_sq[i] = v;
        float denominator = sqrtf(v / bias2) + eps;

        p = p + (grad_step * g) / denominator;
        param[i] = p + (avg_step * m) / denominator;
    }
}

static void nadam(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_nadam_rule *rule = coefficients;

    MMI_FOR_CASES(nadam_loop, rule->decay.weight_decay != 0.0, false,
                  is_low(rule->lerp_weight));
}

/* Order of operations: torch/optim/radam.py, _single_tensor_radam. */
MMI_INLINE void radam_loop(bool decay, bool rectifies, bool low,
                           const mmi_radam_rule *rule, const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->states[0];
    float *restrict avg_sq = memory->states[1];
    const float factor = memory->grad_factor;
    const float param_factor = (float)rule->decay.param_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float lerp_weight = (float)rule->lerp_weight;
    const float pull = low ? lerp_weight : lerp_weight - 1.0F;
    const float beta2 = (float)rule->beta2;
    const float one_minus_beta2 = (float)rule->one_minus_beta2;
    const float bias1 = (float)rule->bias1;
    const float bias2_sqrt = (float)rule->bias2_sqrt;
    const float eps = (float)rule->eps;
    const float lr = (float)rule->lr;
    const float rectification = (float)rule->rectification;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i] * param_factor;
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float m = avg[i];
        float v = avg_sq[i] * beta2;

        m = MADD(pull, g - m, low ? m : g);
        v = MADD(one_minus_beta2 * g, g, v);
        avg[i] = m;
        avg_sq[i] = v;
        float step = m / bias1 * lr;

        if (rectifies)
            step = step * (1.0F / (sqrtf(v) + eps) * bias2_sqrt) * rectification;
        param[i] = p - step;
    }
}

static void radam(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_radam_rule *rule = coefficients;

    MMI_FOR_CASES(radam_loop, rule->decay.weight_decay != 0.0,
                  rule->rectification != 0.0, is_low(rule->lerp_weight));
}

/* Order of operations: torch/optim/adagrad.py, _single_tensor_adagrad. */
MMI_INLINE void adagrad_loop(bool decay, const mmi_adagrad_rule *rule,
                             const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict sum = memory->states[0];
    const float factor = memory->grad_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float eps = (float)rule->eps;
    const float neg_lr = (float)rule->neg_lr;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float s = MADD(g, g, sum[i]);

        sum[i] = s;
        param[i] = p + (neg_lr * g) / (sqrtf(s) + eps);
    }
}

static void adagrad(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_adagrad_rule *rule = coefficients;

    if (rule->decay.weight_decay != 0.0)
        adagrad_loop(true, rule, memory);
    else
        adagrad_loop(false, rule, memory);
}

/* Order of operations: torch/optim/adadelta.py, _single_tensor_adadelta. */
MMI_INLINE void adadelta_loop(bool decay, const mmi_adadelta_rule *rule,
                              const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg_sq = memory->states[0];
    float *restrict acc = memory->states[1];
    const float factor = memory->grad_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float rho = (float)rule->rho;
    const float one_minus_rho = (float)rule->one_minus_rho;
    const float eps = (float)rule->eps;
    const float neg_lr = (float)rule->neg_lr;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        float v = MADD(one_minus_rho * g, g, avg_sq[i] * rho);
        float delta = sqrtf(acc[i] + eps) / sqrtf(v + eps) * g;

        avg_sq[i] = v;
        acc[i] = MADD(one_minus_rho * delta, delta, acc[i] * rho);
        param[i] = MADD(delta, neg_lr, p);
    }
}

static void adadelta(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_adadelta_rule *rule = coefficients;

    if (rule->decay.weight_decay != 0.0)
        adadelta_loop(true, rule, memory);
    else
        adadelta_loop(false, rule, memory);
}

/* Order of operations: torch/optim/rmsprop.py, _single_tensor_rmsprop. */
MMI_INLINE void rmsprop_loop(bool has_momentum, bool centered, bool low,
                             const mmi_rmsprop_rule *rule,
                             const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg_sq = memory->states[0];
    float *restrict buffer = memory->states[1];
    float *restrict avg = memory->states[2];
    const bool decay = rule->decay.weight_decay != 0.0;
    const float factor = memory->grad_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float alpha = (float)rule->alpha;
    const float one_minus_alpha = (float)rule->one_minus_alpha;
    const float pull = low ? one_minus_alpha : one_minus_alpha - 1.0F;
    const float momentum = (float)rule->momentum;
    const float eps = (float)rule->eps;
    const float neg_lr = (float)rule->neg_lr;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        g = decay ? MADD(p, weight_decay, g) : g;
        float v = MADD(one_minus_alpha * g, g, avg_sq[i] * alpha);
        float square = v;

        avg_sq[i] = v;
        if (centered) {
            float m = MADD(pull, g - avg[i], low ? avg[i] : g);

            avg[i] = m;
            square = MADD(-m, m, v);
        }
        float denominator = sqrtf(square) + eps;

        if (has_momentum) {
            float b = buffer[i] * momentum + g / denominator;

            buffer[i] = b;
            param[i] = MADD(b, neg_lr, p);
        } else {
            param[i] = p + (neg_lr * g) / denominator;
        }
    }
}

static void rmsprop(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_rmsprop_rule *rule = coefficients;

    MMI_FOR_CASES(rmsprop_loop, memory->states[1] != NULL, memory->states[2] != NULL,
                  is_low(rule->one_minus_alpha));
}

/* Order of operations: torch/optim/rprop.py, _single_tensor_rprop. A product that is
 * NaN leaves the size of the step alone, as ATen's sign of NaN is 0. */
static void rprop(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_rprop_rule *rule = coefficients;
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict former = memory->states[0];
    float *restrict size = memory->states[1];
    const float factor = memory->grad_factor;
    const float eta_minus = (float)rule->eta_minus;
    const float eta_plus = (float)rule->eta_plus;
    const float min_step = (float)rule->min_step;
    const float max_step = (float)rule->max_step;

    for (int64_t i = 0; i < memory->count; i++) {
        float g = grad[i] * factor;
        float product = g * former[i];
        float shrunk = product < 0.0F ? eta_minus : 1.0F;
        float step = size[i] * (product > 0.0F ? eta_plus : shrunk);

        step = step < min_step ? min_step : step;
        step = step > max_step ? max_step : step;
        g = product < 0.0F ? 0.0F : g;
        float up = g > 0.0F ? 1.0F : 0.0F;
        float sign = g < 0.0F ? -1.0F : up;

        size[i] = step;
        former[i] = g;
        param[i] = MADD(-sign, step, param[i]);
    }
}

/* Order of operations: torch/optim/asgd.py, _single_tensor_asgd. */
MMI_INLINE void asgd_loop(bool decay, bool averages, const mmi_asgd_rule *rule,
                          const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict mean = memory->states[0];
    const float factor = memory->grad_factor;
    const float weight_decay = (float)rule->decay.weight_decay;
    const float param_factor = (float)rule->decay.param_factor;
    const float neg_eta = (float)rule->neg_eta;
    const float mu = (float)rule->mu;

    for (int64_t i = 0; i < memory->count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (decay)
            g = MADD(p, weight_decay, g);
        p = MADD(g, neg_eta, p * param_factor);
        param[i] = p;
        mean[i] = averages ? mean[i] + (p - mean[i]) * mu : p;
    }
}

static void asgd(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_asgd_rule *rule = coefficients;
    bool decay = rule->decay.weight_decay != 0.0;

    if (rule->mu != 1.0) {
        if (decay)
            asgd_loop(true, true, rule, memory);
        else
            asgd_loop(false, true, rule, memory);
    } else if (decay) {
        asgd_loop(true, false, rule, memory);
    } else {
        asgd_loop(false, false, rule, memory);
    }
}

/* Order of operations: lion_pytorch/lion_pytorch.py, update_fn. ATen's sign of NaN is
 * 0.
 */
static void lion(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_lion_rule *rule = coefficients;
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->states[0];
    const float factor = memory->grad_factor;
    const float param_factor = (float)rule->param_factor;
    const float beta1 = (float)rule->beta1;
    const float one_minus_beta1 = (float)rule->one_minus_beta1;
    const float beta2 = (float)rule->beta2;
    const float one_minus_beta2 = (float)rule->one_minus_beta2;
    const float neg_lr = (float)rule->neg_lr;

    for (int64_t i = 0; i < memory->count; i++) {
        float g = grad[i] * factor;
        float m = avg[i];
        float update = MADD(g, one_minus_beta1, m * beta1);
        float up = update > 0.0F ? 1.0F : 0.0F;
        float sign = update < 0.0F ? -1.0F : up;

        param[i] = MADD(sign, neg_lr, param[i] * param_factor);
        avg[i] = MADD(g, one_minus_beta2, m * beta2);
    }
}

/* Order of operations: schedulefree/adamw_schedulefree.py, step. `low`: as adam_loop.
 */
MMI_INLINE void schedule_free_loop(bool squares, bool adaptive, bool low,
                                   const mmi_schedule_free_rule *rule,
                                   const mm_update_memory *memory)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict newest = memory->states[0];
    float *restrict avg_sq = memory->states[1];
    const float factor = memory->grad_factor;
    const float beta2 = (float)rule->beta2;
    const float one_minus_beta2 = (float)rule->one_minus_beta2;
    const float bias2 = (float)rule->bias2;
    const float eps = (float)rule->eps;
    const float decay = (float)rule->weight_decay;
    const float weight = (float)rule->pull;
    const float pull = low ? weight : weight - 1.0F;
    const float point_step = (float)rule->point_step;
    const float neg_lr = (float)rule->neg_lr;
    const bool is_new = memory->is_new;

    for (int64_t i = 0; i < memory->count; i++) {
        float y = param[i];
        float z = newest[i];
        float g = grad[i] * factor;

        z = is_new ? y : z;

        if (squares) {
            float v = MADD(one_minus_beta2 * g, g, avg_sq[i] * beta2);

            avg_sq[i] = v;
            g = adaptive ? g / (sqrtf(v / bias2) + eps) : g;
        }
        g = MADD(y, decay, g);
        y = MADD(pull, z - y, low ? y : z);
        param[i] = MADD(g, point_step, y);
        newest[i] = MADD(g, neg_lr, z);
    }
}

static void schedule_free(const void *coefficients, const mm_update_memory *memory)
{
    const mmi_schedule_free_rule *rule = coefficients;

    MMI_FOR_CASES(schedule_free_loop, memory->states[1] != NULL, rule->is_adaptive,
                  is_low(rule->pull));
}
