/* The console: the progress line as text. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "cli/console.h"

struct example {
    mm_progress progress;
    const char *text;
};

static void test_progress(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {{.mode = MM_MODE_TRAIN,
          .epoch = 3,
          .max_epochs = 10,
          .iter = 120,
          .max_iters = 480,
          .iter_seconds = 0.02,
          .images_per_second = 8500.4,
          .eta_seconds = 80.9},
         "train 3/10 [=====>              ] 120/480  8500 img/s  eta 0:01:20"},
        {{.mode = MM_MODE_VAL,
          .iter = 7,
          .max_iters = 7,
          .iter_seconds = 0.5,
          .eta_seconds = 3661.0},
         "val [====================] 7/7  2.0 it/s  eta 1:01:01"},
        {{.mode = MM_MODE_TRAIN,
          .iter = 0,
          .max_iters = 100000,
          .eta_seconds = 90061.0},
         "train [>                   ] 0/100000  eta 1 day, 1:01:01"},
        {{.mode = MM_MODE_TEST, .iter = 1, .max_iters = 0, .eta_seconds = NAN},
         "test [====================] 1/0  eta ?"},
    };

    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        char text[256];

        cli_format_progress(&examples[i].progress, text, sizeof(text));
        assert_string_equal(text, examples[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_progress)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
