/* Image passes: normalisation against torch's values, copies and borders against a
 * plain loop written from the definition. */
#include "golden_records.h"
#include "kernels/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { H = 5, W = 7, C = 3 };

static void check_normalize(const mmi_kernels *kernels, bool planar_out, bool swap)
{
    struct golden golden =
        golden_open(kernels->has_fma ? "golden/optim/steps_avx2.bin"
                                     : "golden/optim/steps_default.bin");
    float *image = golden_f32(&golden, NULL, "normalize/image");
    float *mean = golden_f32(&golden, NULL, "normalize/mean");
    float *std = golden_f32(&golden, NULL, "normalize/std");
    float *want =
        golden_f32(&golden, NULL, swap ? "normalize/swapped" : "normalize/chw");
    uint8_t bytes[H * W * C];
    float out[H * W * C] = {0};

    for (int i = 0; i < H * W * C; i++) {
        bytes[i] = (uint8_t)image[i];
    }
    mmi_hwc planar = {W, 1, H * W};
    mmi_hwc packed = {W * C, C, 1};
    mmi_hwc strides = planar_out ? planar : packed;

    mmi_normalize_u8(&(mmi_normalize_args){.kernels = kernels,
                                           .sizes = {H, W, C},
                                           .in = bytes,
                                           .in_strides = packed,
                                           .out = out,
                                           .out_strides = strides,
                                           .mean = mean,
                                           .std = std,
                                           .swap_channels = swap});
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            for (int c = 0; c < C; c++) {
                float got = out[y * strides.h + x * strides.w + c * strides.c];

                assert_true(golden_ulps(got, want[c * H * W + y * W + x]) == 0);
            }
        }
    }
    free(want);
    free(std);
    free(mean);
    free(image);
    golden_close(&golden);
}

static void test_normalize_is_torch(void **state)
{
    (void)state;
    for (int isa = 0; isa < MMI_ISA_COUNT; isa++) {
        const mmi_kernels *kernels = mmi_kernels_for((mmi_isa)isa);

        for (int bits = 0; kernels != NULL && bits < 4; bits++) {
            check_normalize(kernels, (bits & 1) != 0, (bits & 2) != 0);
        }
    }
}

static void test_normalize_without_mean_and_std(void **state)
{
    (void)state;
    uint8_t in[4] = {0, 1, 128, 255};
    float out[4];

    mmi_normalize_u8(&(mmi_normalize_args){.kernels = mmi_kernels_best(),
                                           .sizes = {2, 2, 1},
                                           .in = in,
                                           .in_strides = {2, 1, 1},
                                           .out = out,
                                           .out_strides = {2, 1, 1}});
    for (int i = 0; i < 4; i++) {
        assert_true(out[i] == (float)in[i]);
    }
}

/* Crop, both flips and HWC -> CHW in one copy, for every element size. */
static void test_copy(void **state)
{
    (void)state;
    static const int64_t element_sizes[] = {1, 2, 4, 8};

    for (size_t k = 0; k < 4; k++) {
        size_t size = (size_t)element_sizes[k];
        unsigned char in[H * W * C * 8];
        unsigned char out[4 * 5 * C * 8] = {0};

        for (size_t i = 0; i < sizeof in; i++) {
            in[i] = (unsigned char)(i * 7 + i / 256);
        }
        /* rows 3..0 and columns 5..1, backwards */
        const unsigned char *first = in + (3 * W * C + 5 * C) * (int64_t)size;

        mmi_image_copy(&(mmi_copy_args){.sizes = {4, 5, C},
                                        .in = first,
                                        .in_strides = {-W * C, -C, 1},
                                        .out = out,
                                        .out_strides = {5, 1, 20},
                                        .element_size = element_sizes[k]});
        for (int y = 0; y < 4; y++) {
            for (int x = 0; x < 5; x++) {
                for (int c = 0; c < C; c++) {
                    int from = ((3 - y) * W + (5 - x)) * C + c;
                    int to = c * 20 + y * 5 + x;

                    assert_memory_equal(out + to * (int)size, in + from * (int)size,
                                        size);
                }
            }
        }
    }
}

/* The border rules, one position at a time. */
static int reference_index(int index, int size, mmi_pad_mode mode)
{
    while (index < 0 || index >= size) {
        if (mode == MMI_PAD_EDGE) {
            index = index < 0 ? 0 : size - 1;
        } else if (mode == MMI_PAD_REFLECT) {
            index = index < 0 ? -index : 2 * (size - 1) - index;
        } else {
            index = index < 0 ? -1 - index : 2 * size - 1 - index;
        }
    }
    return index;
}

static void check_pad(mmi_pad_mode mode, bool planar)
{
    enum { TOP = 6, LEFT = 9, OH = 20, OW = 30 };
    uint8_t in[H * W * C];
    uint8_t out[OH * OW * C];
    const uint8_t fill[C] = {11, 22, 33};
    mmi_hwc is = planar ? (mmi_hwc){W, 1, H * W} : (mmi_hwc){W * C, C, 1};
    mmi_hwc os = planar ? (mmi_hwc){OW, 1, OH * OW} : (mmi_hwc){OW * C, C, 1};

    for (int i = 0; i < H * W * C; i++) {
        in[i] = (uint8_t)(i + 100);
    }
    mmi_image_pad(&(mmi_pad_args){.copy = {.sizes = {H, W, C},
                                           .in = in,
                                           .in_strides = is,
                                           .out = out,
                                           .out_strides = os,
                                           .element_size = 1},
                                  .top = TOP,
                                  .left = LEFT,
                                  .out_sizes = {OH, OW, C},
                                  .mode = mode,
                                  .fill = fill});
    for (int y = 0; y < OH; y++) {
        for (int x = 0; x < OW; x++) {
            for (int c = 0; c < C; c++) {
                int from_y = y - TOP;
                int from_x = x - LEFT;
                bool inside = from_y >= 0 && from_y < H && from_x >= 0 && from_x < W;
                uint8_t want = fill[c];

                if (mode != MMI_PAD_CONSTANT || inside) {
                    from_y = reference_index(from_y, H, mode);
                    from_x = reference_index(from_x, W, mode);
                    want = in[from_y * is.h + from_x * is.w + c * is.c];
                }
                assert_int_equal(out[y * os.h + x * os.w + c * os.c], want);
            }
        }
    }
}

static void test_pad(void **state)
{
    (void)state;
    for (int mode = MMI_PAD_CONSTANT; mode <= MMI_PAD_SYMMETRIC; mode++) {
        check_pad((mmi_pad_mode)mode, false);
        check_pad((mmi_pad_mode)mode, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize_is_torch),
        cmocka_unit_test(test_normalize_without_mean_and_std),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_pad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
