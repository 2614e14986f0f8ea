/** @file
 * Coefficients of update rules: the first argument of an update kernel. Doubles, as
 * Python has them: the kernels round each to float once, as ATen rounds its scalars,
 * and the operators of numerics='reference' take them as they are. After a struct's
 * name stand the states of its kernel, in order.
 */
#ifndef MMI_KERNELS_UPDATE_H
#define MMI_KERNELS_UPDATE_H

#include "mmengine/update_rule.h"

/** How weights decay: through the gradient, or by themselves. */
typedef struct mmi_decay {
    double weight_decay; /**< multiple of the weight added to the gradient; 0: none */
    double param_factor; /**< what the weight is multiplied by first; 1: stays */
} mmi_decay;

/** SGD: the momentum buffer, lazy. */
typedef struct mmi_sgd_rule {
    bool nesterov;
    double weight_decay; /**< 0: none */
    double momentum;     /**< 0: no buffer */
    double one_minus_dampening;
    double neg_lr;
} mmi_sgd_rule;

/** Adam and AdamW: the average, that of squares, the largest one or NULL. */
typedef struct mmi_adam_rule {
    mmi_decay decay;
    double lerp_weight; /**< 1 - beta1 */
    double beta2;
    double one_minus_beta2;
    double bias2_sqrt; /**< sqrt(1 - beta2^step) */
    double eps;
    double neg_step_size; /**< -lr / (1 - beta1^step) */
} mmi_adam_rule;

/** Adamax: the average, the infinity norm. */
typedef struct mmi_adamax_rule {
    mmi_decay decay;
    double lerp_weight;
    double beta2;
    double eps;
    double neg_step_size;
} mmi_adamax_rule;

/** NAdam: the average, that of squares. */
typedef struct mmi_nadam_rule {
    mmi_decay decay;
    double lerp_weight;
    double beta2;
    double one_minus_beta2;
    double bias2;
    double eps;
    double grad_step; /**< what gradient / denominator is multiplied by */
    double avg_step;  /**< what average / denominator is */
} mmi_nadam_rule;

/** RAdam: the average, that of squares. */
typedef struct mmi_radam_rule {
    mmi_decay decay;
    double lerp_weight;
    double beta2;
    double one_minus_beta2;
    double bias1;
    double bias2_sqrt;
    double eps;
    double lr;
    double rectification; /**< 0: the average alone, not divided */
} mmi_radam_rule;

/** Adagrad: the sum of squares. */
typedef struct mmi_adagrad_rule {
    mmi_decay decay;
    double eps;
    double neg_lr;
} mmi_adagrad_rule;

/** Adadelta: the averages of squares of gradients and of updates. */
typedef struct mmi_adadelta_rule {
    mmi_decay decay;
    double rho;
    double one_minus_rho;
    double eps;
    double neg_lr;
} mmi_adadelta_rule;

/** RMSprop: the average of squares, the momentum buffer or NULL, the average of
 * gradients or NULL. */
typedef struct mmi_rmsprop_rule {
    mmi_decay decay;
    double alpha;
    double one_minus_alpha;
    double momentum;
    double eps;
    double neg_lr;
} mmi_rmsprop_rule;

/** Rprop: the former gradient, the sizes of the steps. */
typedef struct mmi_rprop_rule {
    double eta_minus;
    double eta_plus;
    double min_step;
    double max_step;
} mmi_rprop_rule;

/** ASGD: the mean of the weights. */
typedef struct mmi_asgd_rule {
    mmi_decay decay; /**< param_factor: 1 - lambd * eta */
    double neg_eta;
    double mu; /**< 1: the mean becomes the weight */
} mmi_asgd_rule;

/** Lion: the average. */
typedef struct mmi_lion_rule {
    double param_factor; /**< 1 - lr * weight_decay */
    double beta1;        /**< of the average that is followed */
    double one_minus_beta1;
    double beta2; /**< of the average that is kept */
    double one_minus_beta2;
    double neg_lr;
} mmi_lion_rule;

/** Schedule-Free: the newest iterate, lazy; the average of squares or NULL. */
typedef struct mmi_schedule_free_rule {
    bool has_squares; /**< not those of SGD */
    bool is_adaptive; /**< divide by the root of squares */
    bool by_list;     /**< operators: round as those over lists */
    double beta2;
    double one_minus_beta2;
    double bias2;
    double eps;
    double weight_decay;
    double pull;       /**< weight of the newest in the average */
    double point_step; /**< what the gradient moves the point of training by */
    double neg_lr;     /**< and the newest */
} mmi_schedule_free_rule;

#endif
