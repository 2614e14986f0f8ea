/* What the targets of checkpoint containers share: every byte of every tensor that a
 * file is said to hold is looked at, so that a lie about sizes is a crash. */
#ifndef TESTS_FUZZ_FUZZ_CONTAINER_H
#define TESTS_FUZZ_FUZZ_CONTAINER_H

#include "fuzz.h"

#include "fileio/pth.h"
#include "fileio/pth_elements.h"

/* Sums the elements of a tensor, each once. */
static inline double touch_tensor(const mm_pth_tensor *tensor)
{
    void *owned = NULL;
    int64_t count = mmi_pth_numel(tensor);
    /* a tensor that repeats its elements may claim any number of them */
    const void *elements = count <= 1 << 16 ? mmi_pth_elements(tensor, &owned) : NULL;
    double sum = 0, number[2];
    int parts = mmi_dtype_parts(tensor->dtype);

    for (int64_t i = 0; elements != NULL && i < count; i++) {
        const char *at = elements;

        mmi_dtype_to_f64(tensor->dtype,
                         at + (size_t)i * mmi_pth_dtype_size(tensor->dtype),
                         (size_t)parts, number);
        sum += number[0];
    }
    mm_free(owned);
    take_error(NULL); /* a wrong checksum is found now */
    return sum;
}

static inline void touch(const mm_value *value)
{
    const mm_pth_tensor *tensor = mm_pth_find_tensor(value);
    mm_kind kind = mm_value_kind(value);
    bool is_dict = kind == MM_KIND_DICT;

    if (tensor != NULL) {
        volatile double sum = touch_tensor(tensor);
        (void)sum;
    }
    if (!is_dict && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        return;
    }
    for (size_t i = 0; i < mm_value_len(value); i++) {
        touch(is_dict ? mm_dict_at(value, i) : mm_list_get(value, i));
    }
}

/* Reads bytes as a file of that name would be read. */
static inline void read_container(const void *data, size_t size, const char *name)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        mm_pth_read_args args = {.path = name, .keep_ordered = ordered == 1};
        mmi_pth_file *file = mmi_pth_file_of_memory(data, size, name);
        mm_value *value = mmi_pth_read_file(file, &args);

        take_error(NULL);
        if (value != NULL && count_values(value, 100000) < 100000) {
            touch(value);
        }
        mm_value_unref(value);
        mmi_pth_file_unref(file);
    }
    check_nothing_left();
}

#endif
