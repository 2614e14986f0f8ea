/* Heads. A head is a model component: its call takes the features of the neck, `loss`
 * and `predict` take a dict {"feats": tuple of tensors, "data_samples": list or None}.
 */
#ifndef MMZ_MMPRETRAIN_HEADS_H
#define MMZ_MMPRETRAIN_HEADS_H

#include "mmengine/model.h"
#include "mmengine/nn.h"
#include "mmengine/structures.h"

/* Options of all classification heads; first member of their structs. */
typedef struct mmz_cls_head_base {
    mm_instance *loss; /* NULL: CrossEntropyLoss */
    mm_i64s topk;
    bool cal_acc;
    mm_module *loss_module; /* child */
    mm_module *fc;          /* child of LinearClsHead; else NULL */
} mmz_cls_head_base;
extern const mm_option mmz_cls_head_options[];

/* Adds the loss as child "loss_module". */
mm_status mmz_cls_head_init(mmz_cls_head_base *head);
/* The functions of a head whose scores are fc(features), or the features themselves. */
extern const mm_model_ops mmz_cls_head_ops;
/* The same one by one, for heads that add functions of their own. */
mm_value *mmz_cls_head_call(void *data, mm_value *args);
mm_value *mmz_cls_head_loss(void *data, mm_value *batch);
mm_value *mmz_cls_head_predict(void *data, mm_value *batch);

/* DataSample.set_pred_score and its kind: `score` [C]. */
void mmz_set_score(mm_data_element *sample, const char *name, mm_tensor *score,
                   int64_t num_classes);

#endif
