/* The components of this folder. */
#include "mmengine/component.h"

extern const mm_component mmi_model_base_data_preprocessor;
extern const mm_component mmi_model_img_data_preprocessor;

const mm_component *const mmi_model_components[] = {
    &mmi_model_base_data_preprocessor,
    &mmi_model_img_data_preprocessor,
    NULL,
};
