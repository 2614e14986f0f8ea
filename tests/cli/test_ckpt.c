/* `mmengine ckpt` as users meet it: exit codes, what it says, mistakes beginners make.
 */
#include "cli/program.h"

#define GOLDEN "golden/fileio/"

static void test_diff(void **state)
{
    (void)state;
    check_run("$P ckpt diff --exact " GOLDEN "everything.pth " GOLDEN "legacy.pth", 0,
              "no difference in ");
    check_run("$P ckpt diff " GOLDEN "everything.pth " GOLDEN "checkpoint.pth", 1,
              "+ meta = dict of ");
    check_run("$P ckpt diff --json " GOLDEN "everything.pth " GOLDEN "checkpoint.pth "
              "--ignore meta --ignore state_dict",
              1, "\"what\": \"first only\"");
    assert_null(strstr(program_text, "\"meta\""));
}

static void test_mistakes(void **state)
{
    (void)state;
    check_run("$P ckpt diff nowhere.pth " GOLDEN "legacy.pth", 3, "no such file");
    check_run("$P ckpt diff " GOLDEN " " GOLDEN "legacy.pth", 3, "is a folder");
    check_run("$P ckpt diff " GOLDEN "checkpoint.txt " GOLDEN "legacy.pth", 3,
              "it is no PyTorch checkpoint");
    check_run("$P ckpt diff " GOLDEN "checkpoint.pth", 2, "B");
    check_run("$P ckpt", 2, "looks into checkpoints");
    check_run("$P ckpt dif", 2, "did you mean 'diff'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
