/* Sparse tensors as values and back; see the header. The momentum of SGD becomes one
 * where the gradients are. */
#include "optim/sparse_state.h"

#include <string.h>

#include "fileio/pickle.h"
#include "mmengine/ops.h"

static const char rebuild[] = "torch._utils._rebuild_sparse_tensor";

static mm_value *class_of(const char *name)
{
    return mmi_node_new(
        &(mmi_node){.kind = MMI_NODE_CLASS,
                    .class_name = name,
                    .module_size = (size_t)(strrchr(name, '.') - name)});
}

/* name(*args), which is taken. */
static mm_value *call_of(const char *name, MM_TAKES mm_value *args)
{
    mm_value *callee = class_of(name);
    mm_value *call = callee != NULL && args != NULL
                         ? mmi_node_new(&(mmi_node){
                               .kind = MMI_NODE_REDUCE,
                               .class_name = name,
                               .module_size = (size_t)(strrchr(name, '.') - name),
                               .callee = callee,
                               .args = args})
                         : NULL;

    mm_value_unref(args);
    mm_value_unref(callee);
    return call;
}

static mm_value *tuple_of(MM_TAKES mm_value *only)
{
    mm_value *tuple = mm_value_new_tuple();

    mm_list_push(tuple, only);
    return tuple;
}

static mm_value *size_of(const mm_tensor *tensor)
{
    mm_value *sizes = mm_value_new_tuple();

    for (int i = 0; i < mm_ndim(tensor); i++)
        mm_list_push(sizes, mm_value_new_i64(mm_size(tensor, i)));
    return call_of("torch.Size", tuple_of(sizes));
}

static mm_value *part_of(mm_tensor *tensor, const char *operator_name)
{
    mm_tensor *part = mm_clone(mm_op(operator_name, MM_T(tensor)));

    return part != NULL ? mm_value_new_tensor(part) : NULL;
}

static bool is_coalesced(mm_tensor *tensor)
{
    mm_op_result result = {0};

    (void)mm_op_run("aten::is_coalesced", &result, MM_T(tensor));
    return result.number.u.i64 != 0;
}

mm_value *mmi_sparse_pack(mm_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    mm_value *layout = mm_value_new_str("torch.sparse_coo");
    mm_value *parts = mm_value_new_tuple();
    mm_value *args = mm_value_new_tuple();

    mm_list_push(parts, part_of(tensor, "aten::_indices"));
    mm_list_push(parts, part_of(tensor, "aten::_values"));
    mm_list_push(parts, size_of(tensor));
    mm_list_push(parts, mm_value_new_bool(is_coalesced(tensor)));
    mm_list_push(args, call_of("torch.serialization._get_layout", tuple_of(layout)));
    mm_list_push(args, parts);
    mm_scope_close(scope);
    return call_of(rebuild, args);
}

/* A tuple, or the only argument of torch.Size. */
static const mm_value *sizes_of(const mm_value *value)
{
    return mm_pickle_is_node(value) ? mm_list_get(mm_pickle_args(value), 0) : value;
}

mm_tensor *mmi_sparse_find(const mm_value *value)
{
    if (!mm_pickle_is_node(value) || strcmp(mm_pickle_class(value), rebuild) != 0)
        return NULL;
    const mm_value *parts = mm_list_get(mm_pickle_args(value), 1);
    const mm_value *sizes = sizes_of(mm_list_get(parts, 2));
    int64_t shape[MM_MAX_DIM];
    size_t ndim = mm_value_len(sizes);

    for (size_t i = 0; i < ndim && i < MM_MAX_DIM; i++)
        shape[i] = mm_value_i64(mm_list_get(sizes, i));
    if (ndim > MM_MAX_DIM) {
        mm_raise(MM_EUNSUPPORTED, "a sparse tensor of %zu dimensions", ndim);
        return NULL;
    }
    mm_tensor *made =
        mm_op("aten::sparse_coo_tensor.indices_size",
              MM_T(mm_value_tensor(mm_list_get(parts, 0))),
              MM_T(mm_value_tensor(mm_list_get(parts, 1))), MM_IS(shape, (int)ndim));
    bool is_whole = mm_value_len(parts) > 3 && mm_value_is_true(mm_list_get(parts, 3));

    return is_whole ? mm_op("aten::_coalesced_", MM_T(made), MM_B(true)) : made;
}
