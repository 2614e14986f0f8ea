/* Image passes over rows. The innermost loop runs over the width of one row, or over a
 * whole row of pixels where memory is contiguous; rows are the unit of work for the
 * pool. Nothing here allocates. */
#include "kernels/image.h"

#include <string.h>

/* Rows are handed out so that a thread gets at least this many bytes or so. */
enum { ROW_GRAIN_ELEMENTS = 1 << 15 };

static void run_rows(const mm_parallel *parallel, int64_t rows, int64_t row_elements,
                     mm_parallel_body body, void *user)
{
    int64_t grain = ROW_GRAIN_ELEMENTS / (row_elements > 0 ? row_elements : 1) + 1;

    if (rows == 0) {
        return;
    }
    if (parallel == NULL || rows <= grain) {
        body(user, 0, rows);
        return;
    }
    parallel->run(rows, grain, body, user);
}

static mmi_norm_row norm_row(const mmi_normalize_args *args, int64_t y, int64_t channel)
{
    int64_t from = args->swap_channels ? args->sizes.c - 1 - channel : channel;

    return (mmi_norm_row){
        .in = args->in + y * args->in_strides.h + from * args->in_strides.c,
        .in_step = args->in_strides.w,
        .out = args->out + y * args->out_strides.h + channel * args->out_strides.c,
        .out_step = args->out_strides.w,
        .count = args->sizes.w,
        .mean = args->mean != NULL ? args->mean[channel] : 0.0F,
        .std = args->std != NULL ? args->std[channel] : 1.0F,
    };
}

static void normalize_rows(void *user, int64_t begin, int64_t end)
{
    const mmi_normalize_args *args = user;

    for (int64_t y = begin; y < end; y++) {
        if (args->sizes.c == 3) {
            mmi_norm_row rows[3];

            for (int64_t channel = 0; channel < 3; channel++) {
                rows[channel] = norm_row(args, y, channel);
            }
            args->kernels->normalize3(rows);
            continue;
        }
        for (int64_t channel = 0; channel < args->sizes.c; channel++) {
            mmi_norm_row row = norm_row(args, y, channel);

            args->kernels->normalize(&row);
        }
    }
}

void mmi_normalize_u8(const mmi_normalize_args *args)
{
    mmi_normalize_args copy = *args;

    run_rows(args->parallel, args->sizes.h, args->sizes.w * args->sizes.c,
             normalize_rows, &copy);
}

#define COPY_LOOP(type)                                                                \
    do {                                                                               \
        const type *from = (const type *)in;                                           \
        type *to = (type *)out;                                                        \
                                                                                       \
        for (int64_t i = 0; i < count; i++) {                                          \
            to[i * out_step] = from[i * in_step];                                      \
        }                                                                              \
    } while (0)

/* Elements of 1, 2, 4 or 8 bytes; both pointers are aligned for their element. */
static void copy_run(void *out, int64_t out_step, const void *in, int64_t in_step,
                     int64_t count, int64_t element_size)
{
    if (in_step == 1 && out_step == 1) {
        memcpy(out, in, (size_t)(count * element_size));
        return;
    }
    switch (element_size) {
    case 1:
        COPY_LOOP(uint8_t);
        break;
    case 2:
        COPY_LOOP(uint16_t);
        break;
    case 4:
        COPY_LOOP(uint32_t);
        break;
    default:
        COPY_LOOP(uint64_t);
        break;
    }
}

static const char *at_const(const void *base, int64_t elements, int64_t element_size)
{
    return (const char *)base + elements * element_size;
}

static char *at(void *base, int64_t elements, int64_t element_size)
{
    return (char *)base + elements * element_size;
}

/* Pixels of one row in reading order: one memcpy if both sides are interleaved; three
 * or so bytes per pixel if only the direction differs; else channel by channel. */
static void copy_row(const mmi_copy_args *args, const void *in, void *out)
{
    const mmi_hwc sizes = args->sizes;
    const mmi_hwc is = args->in_strides;
    const mmi_hwc os = args->out_strides;
    const int64_t size = args->element_size;

    if (is.c == 1 && os.c == 1 && is.w == sizes.c && os.w == sizes.c) {
        memcpy(out, in, (size_t)(sizes.w * sizes.c * size));
        return;
    }
    for (int64_t channel = 0; channel < sizes.c; channel++) {
        copy_run(at(out, channel * os.c, size), os.w,
                 at_const(in, channel * is.c, size), is.w, sizes.w, size);
    }
}

static void copy_rows(void *user, int64_t begin, int64_t end)
{
    const mmi_copy_args *args = user;

    for (int64_t y = begin; y < end; y++) {
        copy_row(args, at_const(args->in, y * args->in_strides.h, args->element_size),
                 at(args->out, y * args->out_strides.h, args->element_size));
    }
}

void mmi_image_copy(const mmi_copy_args *args)
{
    mmi_copy_args copy = *args;

    run_rows(args->parallel, args->sizes.h, args->sizes.w * args->sizes.c, copy_rows,
             &copy);
}

/* Where position `index`, which may lie outside [0, size), is read from. */
static int64_t border_index(int64_t index, int64_t size, mmi_pad_mode mode)
{
    if (size == 1) {
        return 0;
    }
    int64_t shift = mode == MMI_PAD_SYMMETRIC ? 1 : 0;
    int64_t period = 2 * (size - 1 + shift);

    if (mode == MMI_PAD_EDGE) {
        return index < 0 ? 0 : (index >= size ? size - 1 : index);
    }
    index %= period;
    if (index < 0) {
        index += period;
    }
    return index < size ? index : period - index - shift;
}

static void fill_run(const mmi_pad_args *args, char *row, int64_t begin, int64_t end)
{
    const mmi_copy_args *copy = &args->copy;

    for (int64_t channel = 0; channel < copy->sizes.c; channel++) {
        uint64_t zero = 0;
        const void *value = args->fill != NULL
                                ? at_const(args->fill, channel, copy->element_size)
                                : (const char *)&zero;

        copy_run(at(row, begin * copy->out_strides.w + channel * copy->out_strides.c,
                    copy->element_size),
                 copy->out_strides.w, value, 0, end - begin, copy->element_size);
    }
}

/* Left and right borders of a row that holds image pixels, from those pixels. */
static void mirror_columns(const mmi_pad_args *args, char *row, int64_t begin,
                           int64_t end)
{
    const mmi_copy_args *copy = &args->copy;
    const int64_t size = copy->element_size;

    for (int64_t x = begin; x < end; x++) {
        int64_t from = border_index(x - args->left, copy->sizes.w, args->mode);

        copy_run(at(row, x * copy->out_strides.w, size), copy->out_strides.c,
                 at_const(row, (from + args->left) * copy->out_strides.w, size),
                 copy->out_strides.c, copy->sizes.c, size);
    }
}

static void pad_row(const mmi_pad_args *args, int64_t y)
{
    const mmi_copy_args *copy = &args->copy;
    const int64_t size = copy->element_size;
    const int64_t right = args->left + copy->sizes.w;
    char *row = at(copy->out, y * copy->out_strides.h, size);
    int64_t from = y - args->top;
    bool is_border = from < 0 || from >= copy->sizes.h;

    if (args->mode == MMI_PAD_CONSTANT && is_border) {
        fill_run(args, row, 0, args->out_sizes.w);
        return;
    }
    if (is_border) {
        from = border_index(from, copy->sizes.h, args->mode);
    }
    copy_row(copy, at_const(copy->in, from * copy->in_strides.h, size),
             at(row, args->left * copy->out_strides.w, size));
    if (args->mode == MMI_PAD_CONSTANT) {
        fill_run(args, row, 0, args->left);
        fill_run(args, row, right, args->out_sizes.w);
    } else {
        mirror_columns(args, row, 0, args->left);
        mirror_columns(args, row, right, args->out_sizes.w);
    }
}

static void pad_rows(void *user, int64_t begin, int64_t end)
{
    for (int64_t y = begin; y < end; y++) {
        pad_row(user, y);
    }
}

void mmi_image_pad(const mmi_pad_args *args)
{
    mmi_pad_args copy = *args;

    run_rows(args->copy.parallel, args->out_sizes.h,
             args->out_sizes.w * args->out_sizes.c, pad_rows, &copy);
}
