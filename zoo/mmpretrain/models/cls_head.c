/* ClsHead and LinearClsHead: scores, losses and predictions of classification. Labels
 * are gathered from the data samples without an operator per sample, and predictions
 * are views of the batch. Source: mmpretrain/models/heads. */
#include "mmpretrain/models/heads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"

static mm_instance *default_loss(void)
{
    mm_value *config = mm_value_new_dict();

    mm_dict_put_str(config, "type", "CrossEntropyLoss");
    mm_dict_put_f64(config, "loss_weight", 1.0);
    mm_instance *loss = mm_build(&(const mm_build_args){
        .registry = "models", .config = config, .scope = "mmpretrain", .path = "loss"});

    mm_value_unref(config);
    return loss;
}

mm_status mmz_cls_head_init(mmz_cls_head_base *head)
{
    if (head->loss == NULL) {
        head->loss = default_loss();
    }
    head->loss_module =
        mm_module_add_instance(mm_module_of(head), "loss_module", head->loss);
    return mm_pending();
}

/* The last stage's features, of a tuple or list. */
static mm_tensor *last_of(mm_value *feats)
{
    mm_tensor *tensor = mm_value_find_tensor(feats);
    size_t count = tensor == NULL ? mm_value_len(feats) : 0;

    if (tensor != NULL || mm_has_error()) {
        return tensor;
    }
    if (count == 0) {
        mm_raise(MM_ESHAPE, "a head was given no features");
        return NULL;
    }
    return mm_value_tensor(mm_list_get(feats, count - 1));
}

static mm_tensor *score_of(const mmz_cls_head_base *head, mm_value *feats)
{
    mm_tensor *features = last_of(feats);

    return features != NULL && head->fc != NULL ? mm_module_forward(head->fc, features)
                                                : features;
}

mm_value *mmz_cls_head_call(void *data, mm_value *args)
{
    mm_tensor *score = score_of(data, mm_list_get(args, 0));

    return score != NULL ? mm_scoped(mm_value_new_tensor(score)) : NULL;
}

/* --- targets --- */

static mm_tensor *field_of(mm_value *samples, size_t index, const char *name)
{
    mm_data_element *sample = mm_value_data_element(mm_list_get(samples, index));

    return sample != NULL ? mm_data_element_get_tensor(sample, name) : NULL;
}

/* The labels of samples that have one each, in host memory, as one [n] tensor: the
 * usual case, in one pass. NULL without an error: it is not that case. */
static mm_tensor *copy_labels(mm_value *samples)
{
    int64_t count = (int64_t)mm_value_len(samples);
    mm_tensor *out = mm_empty(MM_DTYPE_I64, 1, &count);
    int64_t *data = out != NULL ? mm_data(out, MM_DTYPE_I64) : NULL;

    for (int64_t i = 0; i < count && data != NULL; i++) {
        mm_tensor_info info;
        mm_tensor *label = field_of(samples, (size_t)i, "gt_label");

        if (label == NULL || mm_tensor_info_get(label, &info) != MM_OK ||
            !info.is_cpu || info.dtype != MM_DTYPE_I64 || info.ndim != 1 ||
            info.numel != 1) {
            return NULL;
        }
        data[i] = *(const int64_t *)info.data;
    }
    return mm_has_error() ? NULL : out;
}

static mm_tensor *join(mm_value *samples, const char *name, bool stack)
{
    size_t count = mm_value_len(samples);
    mm_tensor **parts = mm_alloc_array(count, sizeof(mm_tensor *));
    mm_tensor *out = NULL;

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        parts[i] = field_of(samples, i, name);
    }
    if (!mm_has_error()) {
        out = stack ? mm_stack(parts, (int)count, 0) : mm_cat(parts, (int)count, 0);
    }
    mm_free(parts);
    return out;
}

static mm_tensor *target_of(mm_value *samples)
{
    if (mm_value_kind(samples) != MM_KIND_LIST || mm_value_len(samples) == 0) {
        mm_raise(MM_ETYPE, "a loss needs a list of data samples, got %s",
                 mm_value_type_name(samples));
        return NULL;
    }
    mm_data_element *first = mm_value_data_element(mm_list_get(samples, 0));

    if (first == NULL) {
        return NULL;
    }
    if (mm_data_element_find(first, "gt_score") != NULL) {
        return join(samples, "gt_score", true);
    }
    mm_tensor *labels = copy_labels(samples);

    return labels != NULL || mm_has_error() ? labels : join(samples, "gt_label", false);
}

/* --- loss --- */

static mm_tensor *compute_loss(const mmz_cls_head_base *head, mm_tensor *score,
                               mm_tensor *target)
{
    mm_value *args = mm_scoped(mm_value_new_tuple());
    mm_value *options = mm_value_new_dict();

    mm_dict_put_i64(options, "avg_factor", mm_size(score, 0));
    mm_list_push(args, mm_value_new_tensor(score));
    mm_list_push(args, mm_value_new_tensor(target));
    mm_list_push(args, options);
    mm_value *loss = mm_module_call(head->loss_module, args);

    return loss != NULL ? mm_value_tensor(loss) : NULL;
}

static int64_t largest(mm_i64s values)
{
    int64_t most = 0;

    for (size_t i = 0; i < values.count; i++) {
        most = values.data[i] > most ? values.data[i] : most;
    }
    return most;
}

/* Accuracy.calculate with its threshold of 0, which the raw scores have to pass. */
static void put_accuracy(const mmz_cls_head_base *head, mm_value *losses,
                         mm_tensor *score, mm_tensor *target)
{
    int64_t most = largest(head->topk);
    int64_t num = mm_size(score, 0);
    mm_tensor *index = NULL;

    if (head->topk.count == 0)
        return; /* None: nothing to count */
    if (mm_ndim(target) != 1) {
        mm_raise(MM_ESHAPE, "cal_acc makes no sense with soft labels");
        return;
    }
    if (most > mm_size(score, 1)) {
        mm_raise(MM_EINVAL, "top-%" PRId64 " accuracy of %" PRId64 " classes", most,
                 mm_size(score, 1));
        return;
    }
    mm_tensor *top =
        mm_topk(mm_cast(mm_detach(score), MM_DTYPE_F32), most, 1, true, &index);
    mm_tensor *hit =
        mm_logical_and(mm_eq(mm_t(index), mm_reshape(target, MM_DIMS(1, -1))),
                       mm_gt_scalar(mm_t(top), 0.0));

    for (size_t i = 0; i < head->topk.count && !mm_has_error(); i++) {
        mm_tensor *rows = mm_narrow(hit, 0, 0, head->topk.data[i]);
        mm_tensor *flat = mm_cast(mm_reshape(rows, MM_DIMS(-1)), MM_DTYPE_F32);
        mm_tensor *share = mm_mul_scalar(mm_sum(flat, MM_DIMS(0), .keepdim = true),
                                         100.0 / (double)num);
        mm_value *list = mm_value_new_list();
        char name[40];

        mm_list_push(list, share != NULL ? mm_value_new_tensor(share) : NULL);
        (void)snprintf(name, sizeof(name), "accuracy_top-%" PRId64, head->topk.data[i]);
        mm_dict_take(losses, name, list);
    }
}

mm_value *mmz_cls_head_loss(void *data, mm_value *batch)
{
    const mmz_cls_head_base *head = data;
    mm_tensor *score = score_of(head, mm_dict_get(batch, "feats"));
    mm_tensor *target =
        score != NULL ? target_of(mm_dict_get(batch, "data_samples")) : NULL;
    mm_tensor *loss = target != NULL ? compute_loss(head, score, target) : NULL;

    if (loss == NULL) {
        return NULL;
    }
    mm_value *losses = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(losses, "loss", loss);
    if (head->cal_acc) {
        put_accuracy(head, losses, score, target);
    }
    return mm_has_error() ? NULL : losses;
}

/* --- predictions --- */

void mmz_set_score(mm_data_element *sample, const char *name, mm_tensor *score,
                   int64_t num_classes)
{
    const mm_value *known = mm_data_element_find(sample, "num_classes");

    mm_data_element_put_tensor(sample, name, score);
    if (known == NULL) {
        mm_value *value = mm_value_new_i64(num_classes);

        mm_data_element_put_meta(sample, "num_classes", value);
        mm_value_unref(value);
    } else if (mm_value_i64(known) != num_classes && !mm_has_error()) {
        mm_raise(MM_ESHAPE,
                 "a score of %" PRId64 " classes does not fit a sample of "
                 "%" PRId64,
                 num_classes, mm_value_i64(known));
    }
}

/* Row `index` of a contiguous matrix, as a view. */
static mm_tensor *row_of(mm_tensor *matrix, const mm_tensor_info *info, int64_t index)
{
    int64_t one = 1;

    return mm_view_storage(matrix, 1, &info->sizes[1], &one,
                           info->storage_offset + index * info->sizes[1]);
}

static mm_value *sample_at(mm_value *samples, size_t index)
{
    mm_value *given = mm_value_is_none(samples) ? NULL : mm_list_get(samples, index);

    if (!mm_value_is_none(given)) {
        return mm_value_ref(given);
    }
    mm_data_element *element = mm_data_element_new("DataSample");
    mm_value *value = element != NULL ? mm_value_new_data_element(element) : NULL;

    mm_data_element_unref(element);
    return value;
}

static mm_value *pack(mm_tensor *scores, mm_tensor *labels, mm_value *samples)
{
    mm_tensor_info score_info;
    mm_tensor_info label_info;
    mm_value *out = mm_scoped(mm_value_new_list());

    if (mm_tensor_info_get(scores, &score_info) != MM_OK ||
        mm_tensor_info_get(labels, &label_info) != MM_OK) {
        return NULL;
    }
    for (int64_t i = 0; i < score_info.sizes[0] && !mm_has_error(); i++) {
        mm_value *value = sample_at(samples, (size_t)i);
        mm_data_element *sample = value != NULL ? mm_value_data_element(value) : NULL;

        if (sample != NULL) {
            mmz_set_score(sample, "pred_score", row_of(scores, &score_info, i),
                          score_info.sizes[1]);
            mm_data_element_put_tensor(sample, "pred_label",
                                       row_of(labels, &label_info, i));
        }
        mm_list_push(out, value);
    }
    return mm_has_error() ? NULL : out;
}

mm_value *mmz_cls_head_predict(void *data, mm_value *batch)
{
    mm_tensor *score = score_of(data, mm_dict_get(batch, "feats"));

    if (score == NULL) {
        return NULL;
    }
    if (mm_ndim(score) != 2) {
        char *text = mm_tensor_describe(score);

        mm_raise(MM_ESHAPE, "a head expects scores [N, C], got %s",
                 text != NULL ? text : "?");
        mm_free(text);
        return NULL;
    }
    mm_tensor *scores = mm_contiguous(mm_softmax(score, 1), MM_FORMAT_CONTIGUOUS);
    mm_tensor *labels = mm_detach(mm_argmax(scores, 1, true));

    return labels != NULL ? pack(scores, labels, mm_dict_find(batch, "data_samples"))
                          : NULL;
}

const mm_model_ops mmz_cls_head_ops = {.module = {.call = mmz_cls_head_call},
                                       .loss = mmz_cls_head_loss,
                                       .predict = mmz_cls_head_predict};

#define MM_OPT_STRUCT mmz_cls_head_base
const mm_option mmz_cls_head_options[] = {
    {"loss", "config of the loss; default CrossEntropyLoss",
     MM_OPT_BUILD(loss, "models")},
    {"topk", "which top-k accuracies cal_acc gives",
     MM_OPT_I64S_NULLABLE(topk, "(1,)")},
    {"cal_acc", "report the accuracy on the training batch",
     MM_OPT_BOOL(cal_acc, false)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status cls_head_init(void *data)
{
    return mmz_cls_head_init(data);
}

const mm_component mmz_cls_head = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "ClsHead",
    .help = "classification head: the features are the scores",
    .source = "mmpretrain/models/heads/cls_head.py",
    .size = sizeof(mmz_cls_head_base),
    .options = mmz_cls_head_options,
    .init = cls_head_init,
    MM_MODEL(&mmz_cls_head_ops),
};

/* --- LinearClsHead --- */

struct linear_head {
    mmz_cls_head_base base;
    int64_t num_classes;
    int64_t in_channels;
};

static mm_value *linear_init_cfg(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "Normal");
    mm_dict_put_str(cfg, "layer", "Linear");
    mm_dict_put_f64(cfg, "std", 0.01);
    return cfg;
}

static mm_status linear_head_init(void *data)
{
    struct linear_head *self = data;
    mm_module *module = mm_module_of(self);
    mm_value *init_cfg = linear_init_cfg();

    mm_module_default_init_cfg(module, init_cfg);
    mm_value_unref(init_cfg);
    if (mmz_cls_head_init(&self->base) != MM_OK) {
        return mm_pending();
    }
    self->base.fc =
        mm_module_add(module, "fc", mm_nn_linear(self->in_channels, self->num_classes));
    return mm_pending();
}

#define MM_OPT_STRUCT struct linear_head
static const mm_option linear_options[] = {
    {"num_classes", "number of classes",
     MM_OPT_I64_REQUIRED(num_classes, 1, INT64_MAX)},
    {"in_channels", "channels of the features",
     MM_OPT_I64_REQUIRED(in_channels, 1, INT64_MAX)},
    {"", NULL, MM_OPT_INHERIT(base, mmz_cls_head_options)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_linear_cls_head = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "LinearClsHead",
    .help = "classification head with one linear layer",
    .source = "mmpretrain/models/heads/linear_head.py",
    .size = sizeof(struct linear_head),
    .options = linear_options,
    .init = linear_head_init,
    MM_MODEL(&mmz_cls_head_ops),
};
