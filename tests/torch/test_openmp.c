/*
 * One pool of threads in the process. Two OpenMP runtimes, or OpenBLAS's own threads
 * beside libtorch's, make short loops a thousand times slower without any error, so
 * this looks at what is mapped and what runs.
 */
#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mmengine/ops.h"
#include "mmengine/parallel.h"

enum { MAX_FILES = 16, PATH_SIZE = 512 };

/* Distinct files mapped into this process whose name begins with one of `names`. */
static int mapped_files(const char *const *names, char found[MAX_FILES][PATH_SIZE])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    int count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        char *path = strchr(line, '/');
        if (path == NULL) {
            continue;
        }
        path[strcspn(path, "\n")] = '\0';
        const char *file = strrchr(path, '/') + 1;
        bool is_new = false;
        for (const char *const *name = names; *name != NULL; name++) {
            is_new = is_new || strncmp(file, *name, strlen(*name)) == 0;
        }
        for (int i = 0; i < count; i++) {
            is_new = is_new && strcmp(found[i], path) != 0;
        }
        if (is_new && count < MAX_FILES) {
            snprintf(found[count++], PATH_SIZE, "%s", path);
        }
    }
    fclose(maps);
    return count;
}

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;

    assert_non_null(tasks);
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        count += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

static void touch(void *user, int64_t begin, int64_t end)
{
    float *x = user;

    for (int64_t i = begin; i < end; i++) {
        x[i] += 1.0F;
    }
}

/* Makes libtorch, its BLAS and our loops all start what threads they have. */
static void work(void)
{
    const int64_t sizes[2] = {512, 512};
    float *x = calloc(100000, sizeof *x);
    mm_scope scope = mm_scope_open();
    mm_tensor *a = mm_ones(MM_DIMS_N(sizes, 2));

    assert_non_null(mm_matmul(a, a));
    assert_non_null(mm_add(a, a));
    mm_torch_parallel()->run(100000, 1000, touch, x);
    for (int i = 0; i < 100000; i++) {
        assert_true(x[i] == 1.0F);
    }
    mm_scope_close(scope);
    free(x);
    check_ok();
}

static void test_one_openmp_runtime(void **state)
{
    static const char *const runtimes[] = {"libgomp", "libiomp", "libomp", NULL};
    char found[MAX_FILES][PATH_SIZE];

    (void)state;
    work();
    int count = mapped_files(runtimes, found);
    for (int i = 1; i < count; i++) {
        print_error("a second OpenMP runtime: %s beside %s\n", found[i], found[0]);
    }
    assert_int_equal(count, 1);
}

static void test_openblas_has_no_threads_of_its_own(void **state)
{
    static const char *const names[] = {"libopenblas", NULL};
    char found[MAX_FILES][PATH_SIZE];

    (void)state;
    work();
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "1");
    for (int i = mapped_files(names, found) - 1; i >= 0; i--) {
        void *library = dlopen(found[i], RTLD_NOW | RTLD_NOLOAD);
        int (*num_threads)(void) = NULL;
        assert_non_null(library);
        *(void **)&num_threads = dlsym(library, "openblas_get_num_threads");
        assert_non_null(num_threads);
        assert_int_equal(num_threads(), 1);
        dlclose(library);
    }
}

/* Setting the width makes libtorch start a second pool, for quantised kernels, that
 * sleeps. A third would be somebody's by mistake. */
static void test_no_more_threads_than_asked_for(void **state)
{
    (void)state;
    int before = mm_num_threads();

    assert_true(before >= 1);
    work();
    assert_true(count_threads() < 2 * before + (before == 1));
    assert_int_equal(mm_torch_parallel()->width(), before);
}

/* Of one loop; the best of many rounds, so that a busy machine is not blamed on us. */
static double loop_us(const mm_parallel *parallel, float *x)
{
    enum { ROUNDS = 20, LOOPS = 10 };
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        struct timespec begin, end;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (int i = 0; i < LOOPS; i++) {
            parallel->run(20000, 1000, touch, x);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        double us = ((double)(end.tv_sec - begin.tv_sec) * 1e6 +
                     (double)(end.tv_nsec - begin.tv_nsec) * 1e-3) /
                    LOOPS;
        best = us < best ? us : best;
    }
    return best;
}

/* Ours between libtorch's: with two pools each would wait for the other's spinning. The
 * bound is loose, for a busy machine; two pools take thousands. */
static void test_short_loops_are_short(void **state)
{
    (void)state;
    float *x = calloc(20000, sizeof *x);
    double best = 1e9;

    for (int round = 0; round < 20; round++) {
        work();
        double us = loop_us(mm_torch_parallel(), x);
        best = us < best ? us : best;
    }
    free(x);
    if (best >= 500.0) {
        print_error("a short loop takes %.1f us\n", best);
    }
    assert_true(best < 500.0);
}

struct ranges {
    unsigned char seen[1000];
    bool is_short;
};

static void mark(void *user, int64_t begin, int64_t end)
{
    struct ranges *ranges = user;

    ranges->is_short = ranges->is_short || (end - begin < 300 && end != 1000);
    for (int64_t i = begin; i < end; i++) {
        ranges->seen[i]++;
    }
}

static void test_ranges_cover_once_and_keep_the_grain(void **state)
{
    struct ranges ranges = {{0}, false};

    (void)state;
    mm_torch_parallel()->run(1000, 300, mark, &ranges);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ranges.seen[i], 1);
    }
    assert_false(ranges.is_short);
    mm_torch_parallel()->run(0, 1, mark, &ranges);
    assert_int_equal(ranges.seen[0], 1);
}

int test_openmp(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_one_openmp_runtime),
        CLEAN_TEST(test_openblas_has_no_threads_of_its_own),
        CLEAN_TEST(test_no_more_threads_than_asked_for),
        CLEAN_TEST(test_short_loops_are_short),
        CLEAN_TEST(test_ranges_cover_once_and_keep_the_grain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
