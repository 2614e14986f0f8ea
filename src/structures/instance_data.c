/* InstanceData: data fields of one length, one item per instance, that are cut, picked
 * and joined together. Source: mmengine/structures/instance_data.py. */
#include "structures/structures.h"

#include "mmengine/memory.h"
#include "mmengine/ops.h"

/* --- slices --- */

mm_slice mm_slice_at(int64_t index)
{
    return (mm_slice){.has_start = true, .start = index, .step = INT64_MAX};
}

/* A bound as Python clamps it. */
static int64_t clamp(int64_t bound, int64_t size)
{
    if (bound < 0) {
        bound = bound < -size ? 0 : bound + size;
    }
    return bound > size ? size : bound;
}

mm_status mmi_slice_resolve(mm_slice slice, int64_t size, int64_t *out_start,
                            int64_t *out_count, int64_t *out_step)
{
    int64_t start = slice.has_start ? clamp(slice.start, size) : 0;
    int64_t stop = slice.has_stop ? clamp(slice.stop, size) : size;
    int64_t step = slice.step == 0 ? 1 : slice.step;
    int64_t span = stop > start ? stop - start : 0;

    if (step < 0) {
        return mm_raise(MM_EINVAL, "a slice of a data element has step %lld",
                        (long long)step);
    }
    *out_start = start;
    *out_step = step > size ? (size > 0 ? size : 1) : step;
    *out_count = span == 0 ? 0 : (span - 1) / *out_step + 1;
    return mm_pending();
}

mm_tensor *mmi_tensor_slice(mm_tensor *x, int64_t dim, mm_slice slice)
{
    int64_t start = 0, count = 0, step = 1;

    if (mmi_slice_resolve(slice, mm_size(x, (int)dim), &start, &count, &step) < 0) {
        return NULL;
    }
    int64_t stop = count == 0 ? start : start + (count - 1) * step + 1;

    return mm_op("aten::slice.Tensor", MM_T(x), MM_I(dim), MM_I(start), MM_I(stop),
                 MM_I(step));
}

/* --- lengths --- */

static bool is_letter_start(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* Python's len(); -1 for a value without one. Texts count letters. */
static int64_t length_of(const mm_value *value)
{
    const mm_tensor *tensor = mm_value_find_tensor(value);
    const mm_data_element *element = mm_value_find_data_element(value);
    size_t size = 0;
    int64_t letters = 0;
    const char *text = NULL;

    if (tensor != NULL) {
        return mm_ndim(tensor) > 0 ? mm_size(tensor, 0) : -1;
    }
    if (element != NULL) {
        return element->kind == MM_ELEMENT_INSTANCE ? mm_instance_data_len(element)
                                                    : -1;
    }
    switch (mm_value_kind(value)) {
    case MM_KIND_STR:
        text = mm_value_str_n(value, &size);
        for (size_t i = 0; i < size; i++) {
            letters += is_letter_start(text[i]);
        }
        return letters;
    case MM_KIND_BYTES:
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
    case MM_KIND_DICT:
        return (int64_t)mm_value_len(value);
    default:
        return -1;
    }
}

int64_t mm_instance_data_len(const mm_data_element *element)
{
    if (element == NULL || mmi_num_fields(element) == 0) {
        return 0;
    }
    int64_t length = length_of(mm_dict_at(element->fields, 0));

    return length < 0 ? 0 : length;
}

mm_value *mmi_instance_accept(const mm_data_element *element, const char *name,
                              mm_value *value)
{
    int64_t expected = mm_instance_data_len(element);
    int64_t length = length_of(value);

    if (length < 0) {
        mm_raise(MM_ETYPE, "could not set '%s' of a %s: a '%s' has no length", name,
                 element->type, mm_value_type_name(value));
        return NULL;
    }
    if (expected > 0 && length != expected) {
        mm_raise(MM_ESHAPE,
                 "could not set '%s' of a %s: its length %lld is not that of the other "
                 "fields, %lld",
                 name, element->type, (long long)length, (long long)expected);
        return NULL;
    }
    return mm_value_ref(value);
}

static bool is_instance_data(const mm_data_element *element)
{
    if (!mm_has_error() && element == NULL) {
        mm_raise(MM_EINVAL, "instance data: no element given");
    } else if (!mm_has_error() && element->kind != MM_ELEMENT_INSTANCE) {
        mm_raise(MM_ETYPE, "a %s is no InstanceData", element->type);
    }
    return !mm_has_error();
}

/* --- picking items of sequences --- */

/* The letter with number `index` of a text, its bytes. */
static const char *letter_at(const char *text, size_t size, int64_t index,
                             size_t *out_size)
{
    size_t at = 0, end = 0;

    for (int64_t i = -1; at < size; at++) {
        if (is_letter_start(text[at]) && ++i == index) {
            break;
        }
    }
    for (end = at + 1; end < size && !is_letter_start(text[end]);) {
        end++;
    }
    *out_size = end - at;
    return text + at;
}

static mm_value *pick_letters(const mm_value *value, const int64_t *indices,
                              int64_t count)
{
    size_t size = 0, used = 0;
    const char *text = mm_value_str_n(value, &size);
    char *out = mm_alloc((size_t)count * 4 + 1);

    for (int64_t i = 0; out != NULL && i < count; i++) {
        size_t letter_size = 0;
        const char *letter = letter_at(text, size, indices[i], &letter_size);

        for (size_t k = 0; k < letter_size && k < 4; k++) {
            out[used++] = letter[k];
        }
    }
    mm_value *picked = out != NULL ? mm_value_new_str_n(out, used) : NULL;

    mm_free(out);
    return picked;
}

/* The items at `indices`, which are in range; yours. */
static mm_value *pick_items(const char *name, const mm_value *value,
                            const int64_t *indices, int64_t count)
{
    mm_kind kind = mm_value_kind(value);

    if (kind == MM_KIND_STR) {
        return pick_letters(value, indices, count);
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        mm_raise(MM_ETYPE, "could not index '%s': a '%s' has no items to pick", name,
                 mm_value_type_name(value));
        return NULL;
    }
    mm_value *out = kind == MM_KIND_LIST ? mm_value_new_list() : mm_value_new_tuple();

    for (int64_t i = 0; i < count && !mm_has_error(); i++) {
        mm_list_append(out, mm_list_get(value, (size_t)indices[i]));
    }
    return out;
}

/* A value that refers to `element`, whose reference it takes. */
static mm_value *wrapped(MM_TAKES mm_data_element *element)
{
    mm_value *value = element != NULL ? mm_value_new_data_element(element) : NULL;

    mm_data_element_unref(element);
    return value;
}

/* --- slicing --- */

static mm_value *sliced(const char *name, const mm_value *value, mm_slice slice)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_data_element *inner = mm_value_find_data_element(value);
    int64_t start = 0, count = 0, step = 1;

    if (tensor != NULL) {
        return mm_value_new_tensor(mmi_tensor_slice(tensor, 0, slice));
    }
    if (inner != NULL) {
        return wrapped(mm_instance_data_slice(inner, slice));
    }
    if (mmi_slice_resolve(slice, length_of(value), &start, &count, &step) < 0) {
        return NULL;
    }
    int64_t *indices = mm_alloc_array((size_t)count + 1, sizeof(*indices));

    for (int64_t i = 0; indices != NULL && i < count; i++) {
        indices[i] = start + i * step;
    }
    mm_value *out = indices != NULL ? pick_items(name, value, indices, count) : NULL;

    mm_free(indices);
    return out;
}

mm_data_element *mm_instance_data_slice(const mm_data_element *element, mm_slice slice)
{
    if (!is_instance_data(element)) {
        return NULL;
    }
    mm_data_element *made = mmi_data_element_bare(element);
    size_t count = made != NULL ? mmi_num_fields(element) : 0;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(element->fields, i);

        mmi_data_element_set(made, name,
                             sliced(name, mm_dict_at(element->fields, i), slice));
    }
    mm_scope_close(scope);
    return mmi_finished(made);
}

mm_data_element *mm_instance_data_at(const mm_data_element *element, int64_t index)
{
    int64_t length = is_instance_data(element) ? mm_instance_data_len(element) : 0;

    if (!mm_has_error() && (index >= length || index < -length)) {
        mm_raise(MM_ERANGE, "index %lld of a %s of length %lld", (long long)index,
                 element->type, (long long)length);
    }
    return mm_has_error() ? NULL : mm_instance_data_slice(element, mm_slice_at(index));
}

/* --- selecting --- */

/* Indices in host memory, negative ones counted from the end. What is outside is left
 * out, or the first one if it is too far from the end, as Python's slices have it. */
static int64_t *plain_indices(mm_tensor *index, int64_t length, int64_t *out_count)
{
    mm_tensor *numbers = mm_tensor_dtype(index) == MM_DTYPE_BOOL
                             ? mm_reshape(mm_nonzero(index), MM_DIMS(-1))
                             : index;

    numbers = mm_contiguous(mm_to(numbers, .device = "cpu"), MM_FORMAT_CONTIGUOUS);
    int64_t count = numbers != NULL ? mm_numel(numbers) : 0;
    const int64_t *given = count > 0 ? mm_data(numbers, MM_DTYPE_I64) : NULL;
    int64_t *out = mm_alloc_array((size_t)count + 1, sizeof(*out));

    *out_count = 0;
    if (count > 0 && length == 0) {
        mm_raise(MM_ERANGE, "%lld indices into a field without items",
                 (long long)count);
    }
    for (int64_t i = 0; out != NULL && given != NULL && i < count; i++) {
        int64_t at = given[i] < 0 ? clamp(given[i], length) : given[i];

        if (at < length) {
            out[(*out_count)++] = at;
        }
    }
    return out;
}

static mm_value *selected(const char *name, const mm_value *value, mm_tensor *index)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_data_element *inner = mm_value_find_data_element(value);
    int64_t count = 0;

    if (tensor != NULL) {
        return mm_value_new_tensor(mm_index(tensor, (mm_tensor *[]){index}, 1));
    }
    if (inner != NULL) {
        return wrapped(mm_instance_data_select(inner, index));
    }
    int64_t *indices = plain_indices(index, length_of(value), &count);
    mm_value *out = !mm_has_error() ? pick_items(name, value, indices, count) : NULL;

    mm_free(indices);
    return out;
}

/* One dimension, of longs or bools; bools for every instance. */
static bool is_index(const mm_data_element *element, const mm_tensor *index)
{
    mm_dtype dtype = index != NULL ? mm_tensor_dtype(index) : MM_DTYPE_NONE;
    int64_t length = mm_instance_data_len(element);

    if (mm_has_error()) {
        return false;
    }
    if (index == NULL) {
        mm_raise(MM_EINVAL, "instance data: no index given");
    } else if (dtype != MM_DTYPE_I64 && dtype != MM_DTYPE_BOOL) {
        mm_raise(MM_EDTYPE, "a %s is indexed with int64 or bool, got %s", element->type,
                 mm_dtype_name(dtype));
    } else if (mm_ndim(index) != 1) {
        mm_raise(MM_ESHAPE, "a %s is indexed along one dimension, got %d",
                 element->type, mm_ndim(index));
    } else if (dtype == MM_DTYPE_BOOL && mm_size(index, 0) != length) {
        mm_raise(MM_ESHAPE, "%lld bools index a %s of length %lld",
                 (long long)mm_size(index, 0), element->type, (long long)length);
    }
    return !mm_has_error();
}

mm_data_element *mm_instance_data_select(const mm_data_element *element,
                                         mm_tensor *index)
{
    if (!is_instance_data(element) || !is_index(element, index)) {
        return NULL;
    }
    mm_data_element *made = mmi_data_element_bare(element);
    size_t count = made != NULL ? mmi_num_fields(element) : 0;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(element->fields, i);
        mm_value *value = selected(name, mm_dict_at(element->fields, i), index);

        if (value != NULL) {
            mm_data_element_put(made, name, value);
        }
        mm_value_unref(value);
    }
    mm_scope_close(scope);
    return mmi_finished(made);
}

/* A list of ints, or of bools only, as a tensor; scope-owned. */
static mm_tensor *listed_index(const mm_value *list)
{
    int64_t count = (int64_t)mm_value_len(list);
    int64_t *numbers = mm_alloc_array((size_t)count + 1, sizeof(*numbers));
    bool are_bools = count > 0;

    for (int64_t i = 0; numbers != NULL && i < count && !mm_has_error(); i++) {
        const mm_value *item = mm_list_get(list, (size_t)i);

        are_bools = are_bools && mm_value_kind(item) == MM_KIND_BOOL;
        numbers[i] = mm_value_i64(item);
    }
    mm_tensor *index = mm_from_i64(numbers, 1, &count);

    mm_free(numbers);
    return are_bools ? mm_cast(index, MM_DTYPE_BOOL) : index;
}

mm_data_element *mm_instance_data_index(const mm_data_element *element,
                                        const mm_value *index)
{
    mm_kind kind = mm_value_kind(index);

    if (kind == MM_KIND_I64) {
        return mm_instance_data_at(element, mm_value_i64(index));
    }
    mm_scope scope = mm_scope_open();
    mm_data_element *made = mm_instance_data_select(
        element, kind == MM_KIND_LIST ? listed_index(index) : mm_value_tensor(index));

    mm_scope_close(scope);
    return made;
}

/* --- joining --- */

static mm_value *joined_tensors(mm_data_element *const *elements, size_t count,
                                const char *name)
{
    mm_tensor **tensors = mm_alloc_array(count, sizeof(mm_tensor *));

    for (size_t i = 0; tensors != NULL && i < count && !mm_has_error(); i++) {
        tensors[i] = mm_data_element_get_tensor(elements[i], name);
    }
    mm_value *value =
        mm_has_error() ? NULL : mm_value_new_tensor(mm_cat(tensors, (int)count, 0));

    mm_free(tensors);
    return value;
}

static mm_value *joined_elements(mm_data_element *const *elements, size_t count,
                                 const char *name)
{
    mm_data_element **inner = mm_alloc_array(count, sizeof(mm_data_element *));

    for (size_t i = 0; inner != NULL && i < count && !mm_has_error(); i++) {
        inner[i] = mm_value_data_element(mm_data_element_get(elements[i], name));
    }
    mm_value *value =
        mm_has_error() ? NULL : wrapped(mm_instance_data_cat(inner, count));

    mm_free(inner);
    return value;
}

static mm_value *joined_texts(mm_data_element *const *elements, size_t count,
                              const char *name)
{
    mm_value *value = mm_value_new_str("");

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *more = mm_value_str(mm_data_element_get(elements[i], name));
        mm_value *longer =
            more != NULL ? mm_value_new_strf("%s%s", mm_value_str(value), more) : NULL;

        mm_value_unref(value);
        value = longer;
    }
    return value;
}

static mm_value *joined_lists(mm_data_element *const *elements, size_t count,
                              const char *name, mm_kind kind)
{
    mm_value *out = kind == MM_KIND_LIST ? mm_value_new_list() : mm_value_new_tuple();

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const mm_value *list = mm_data_element_get(elements[i], name);

        bool fits = mm_value_kind(list) == kind ||
                    (kind == MM_KIND_LIST && mm_value_kind(list) == MM_KIND_TUPLE);

        if (!fits) {
            mm_raise(MM_ETYPE, "could not join '%s' of instances: a '%s' and a '%s'",
                     name, kind == MM_KIND_LIST ? "list" : "tuple",
                     mm_value_type_name(list));
        }
        for (size_t k = 0; !mm_has_error() && k < mm_value_len(list); k++) {
            mm_list_append(out, mm_list_get(list, k));
        }
    }
    return out;
}

/* A field of all elements as one; yours. */
static mm_value *joined(mm_data_element *const *elements, size_t count,
                        const char *name)
{
    const mm_value *first = mm_data_element_get(elements[0], name);
    mm_kind kind = mm_value_kind(first);

    if (mm_value_find_tensor(first) != NULL) {
        return joined_tensors(elements, count, name);
    }
    if (mm_value_find_data_element(first) != NULL) {
        return joined_elements(elements, count, name);
    }
    if (kind == MM_KIND_STR) {
        return joined_texts(elements, count, name);
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        return joined_lists(elements, count, name, kind);
    }
    mm_raise(MM_ETYPE, "could not join '%s' of instances: a '%s' cannot be joined",
             name, mm_value_type_name(first));
    return NULL;
}

static size_t num_names(const mm_data_element *element)
{
    return mmi_num_fields(element) +
           (element->metainfo != NULL ? mm_value_len(element->metainfo) : 0);
}

/* All have the names of the first, and no others. */
static bool are_alike(mm_data_element *const *elements, size_t count)
{
    for (size_t i = 0; i < count && is_instance_data(elements[i]); i++) {
        const mm_value *dicts[] = {mm_data_element_fields(elements[0]),
                                   mm_data_element_metainfo(elements[0])};
        bool is_same = num_names(elements[i]) == num_names(elements[0]);

        for (size_t d = 0; d < 2; d++) {
            for (size_t k = 0; is_same && k < mm_value_len(dicts[d]); k++) {
                is_same =
                    mm_data_element_has(elements[i], mm_dict_name_at(dicts[d], k));
            }
        }
        if (!is_same) {
            char *names = mmi_data_element_keys(elements[0]);
            char *others = mmi_data_element_keys(elements[i]);

            mm_raise(MM_EKEY, "could not join instances: one has %s, another %s",
                     names != NULL ? names : "?", others != NULL ? others : "?");
            mm_free(names);
            mm_free(others);
        }
    }
    return !mm_has_error();
}

mm_data_element *mm_instance_data_cat(mm_data_element *const *elements, size_t count)
{
    if (!mm_has_error() && count == 0) {
        mm_raise(MM_EINVAL, "could not join instances: there are none");
    }
    if (mm_has_error() || !are_alike(elements, count)) {
        return NULL;
    }
    if (count == 1) {
        return mm_data_element_ref(elements[0]);
    }
    mm_data_element *made = mmi_data_element_bare(elements[0]);
    size_t num_fields = made != NULL ? mmi_num_fields(elements[0]) : 0;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < num_fields && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(elements[0]->fields, i);
        mm_value *value = joined(elements, count, name);

        if (!mm_has_error()) {
            mm_data_element_put(made, name, value);
        }
        mm_value_unref(value);
    }
    mm_scope_close(scope);
    return mmi_finished(made);
}
