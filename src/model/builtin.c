/* The components of this folder. */
#include "mmengine/component.h"

extern const mm_component mmi_model_base_data_preprocessor;
extern const mm_component mmi_model_img_data_preprocessor;
extern const mm_component mmi_model_exponential_moving_average,
    mmi_model_momentum_annealing_ema, mmi_model_stochastic_weight_average,
    mmi_model_base_tta;

const mm_component *const mmi_model_components[] = {
    &mmi_model_base_data_preprocessor,
    &mmi_model_img_data_preprocessor,
    &mmi_model_exponential_moving_average,
    &mmi_model_momentum_annealing_ema,
    &mmi_model_stochastic_weight_average,
    &mmi_model_base_tta,
    NULL,
};
