/* What the scenario tests share: cmocka, folders, and runs that must end as expected.
 */
#ifndef TESTS_TORTURE_SCENARIO_H
#define TESTS_TORTURE_SCENARIO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "torture.h"

static inline void clear(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", tt_places.folder, name);
    tt_remove_tree(path);
}

static inline void move(const char *from, const char *to)
{
    char a[1024], b[1024];

    (void)snprintf(a, sizeof(a), "%s/%s", tt_places.folder, from);
    (void)snprintf(b, sizeof(b), "%s/%s", tt_places.folder, to);
    assert_int_equal(rename(a, b), 0);
}

/* Trains "train"; `code` is how it must end. */
static inline void train(const struct tt_run *run, const char *signal, int code)
{
    if (signal != NULL)
        assert_int_equal(setenv("MM_SIGNAL", signal, 1), 0);
    int ended = tt_train(run);

    assert_int_equal(unsetenv("MM_SIGNAL"), 0);
    if (ended != code) {
        tt_print_end_of_output(run->name);
        fail_msg("ended with %d, expected %d%s%s", ended, code,
                 signal == NULL ? "" : ", signals: ", signal == NULL ? "" : signal);
    }
}

/* The undisturbed run of a config, moved to "expected-<config>". */
static inline void make_expected(struct tt_run run, const char *expected)
{
    run.name = "train";
    run.resume = "";
    train(&run, NULL, 0);
    move("train", expected);
}

static inline int clear_all(void **state)
{
    static const char *const names[] = {"train", "expected", "donor", "before",
                                        "killed"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        clear(names[i]);
    return 0;
}

/* A test with folders of its own. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_all, clear_all)

/* The whole program: PROGRAM FAULTS SOURCE [NAME]. */
static inline int run_scenarios(const struct CMUnitTest *tests, size_t count, int argc,
                                char **argv)
{
    if (argc < 4 || !tt_setup(argv[1], argv[2], argv[3]))
        return 2;
    if (argc > 4)
        cmocka_set_test_filter(argv[4]);
    int failed = _cmocka_run_group_tests("torture", tests, count, NULL, NULL);

    if (failed == 0)
        tt_remove_tree(tt_places.folder);
    else
        print_message("left in %s\n", tt_places.folder);
    return failed != 0;
}

#endif
