/* What the files of layers share. */
#ifndef MMI_NN_LAYER_H
#define MMI_NN_LAYER_H

#include "base/str.h"
#include "mmengine/nn.h"
#include "nn/module.h"

/* Registers an uninitialised float32 parameter; borrowed. */
mm_tensor *mmi_add_param(mm_module *module, const char *name, mm_dims sizes);
/* Registers a float32 parameter or buffer filled with one value; borrowed. */
mm_tensor *mmi_add_param_full(mm_module *module, const char *name, mm_dims sizes,
                              double value);
mm_tensor *mmi_add_buffer_full(mm_module *module, const char *name, mm_dims sizes,
                               double value);

/* What reset_parameters() of linear and convolution layers draws: the weight, then the
 * bias (may be NULL). */
mm_status mmi_reset_linear(mm_tensor *weight, mm_tensor *bias);

/* Fan-in and fan-out of a weight. MM_ESHAPE below two dimensions. */
mm_status mmi_fans(const mm_tensor *tensor, int64_t *out_in, int64_t *out_out);

/* Spreads an option of one or `count` ints over `out`, "absent" leaves `fallback`, and
 * points the option at `out`, so that a copy of the struct reads it again. */
mm_status mmi_spread(mm_i64s *option, const char *name, const int64_t *fallback,
                     int count, int64_t *out);

/* Adds Python's print of ints: "(3, 3)", "(3,)". */
void mmi_str_add_tuple(mmi_str *str, const int64_t *items, int count);
/* Adds "3" if all are equal, else a tuple. */
void mmi_str_add_ints(mmi_str *str, const int64_t *items, int count);
/* True if all items have that value. */
bool mmi_all_equal(const int64_t *items, int count, int64_t value);
/* "True" or "False" */
const char *mmi_bool_text(bool value);

/* A row of `count` ints, one int filling all. */
#define MMI_OPT_INTS(field, count_, text_)                                             \
    .kind = MM_OPTION_I64_N, MM_OPT_AT_(field), .count = (count_), .u.text = (text_)

/* Loads weights into a module from a file: Pretrained. `prefix` may be NULL. */
mm_status mmi_load_pretrained(mm_module *module, const char *path, const char *prefix);

/* A convolution that is not transposed. */
bool mmi_is_conv(const mm_module *module);
/* What the convolution would give with another weight and bias. */
mm_tensor *mmi_conv_with(const mm_module *module, mm_tensor *x, mm_tensor *weight,
                         mm_tensor *bias);

/* What a batch norm computes with in evaluation mode. Borrowed. */
struct mmi_norm_parts {
    mm_tensor *weight, *bias; /* NULL: none */
    mm_tensor *mean, *var;
    double eps;
};
/* False if it is no batch norm, or one without running statistics. */
bool mmi_norm_parts(const mm_module *module, struct mmi_norm_parts *out);

/* The components, each in the file of its kind. */
#define X(id) extern const mm_component mmi_nn_##id;
#include "nn/components.def"
#undef X

#endif
