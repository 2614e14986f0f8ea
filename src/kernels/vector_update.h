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
    const float param_factor = (float)rule->param_factor;
    const float weight_decay = (float)rule->weight_decay;
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

    MMI_FOR_CASES(adam_loop, rule->weight_decay != 0.0, memory->states[2] != NULL,
                  is_low(rule->lerp_weight));
}
