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

static void test_show(void **state)
{
    (void)state;
    check_run("$P ckpt " GOLDEN "checkpoint.pth", 0, "state_dict.0.weight");
    assert_non_null(strstr(program_text, "weights: 4 tensors, 26 numbers, 104 B"));
    check_run("$P ckpt show --json " GOLDEN "checkpoint.pth", 0,
              "\"mmengine_version\"");
    check_run("$P ckpt show --config " GOLDEN "checkpoint.pth", 0, "model = dict()");
    check_run("$P ckpt show --config " GOLDEN "everything.pth", 3, "holds no config");
    check_run("$P ckpt " GOLDEN "tensors.safetensors", 0, "bfloat16");
}

static void test_verify(void **state)
{
    (void)state;
    check_run("$P ckpt verify " GOLDEN "checkpoint.pth " GOLDEN "deflated.pth", 0,
              "deflated.pth: good\n");
    check_run("$P ckpt verify " GOLDEN "legacy.pth " GOLDEN "tensors.safetensors", 0,
              "good, but its format has no checksums");
    check_run("head -c 4000 " GOLDEN "checkpoint.pth > $T/cut.pth; "
              "$P ckpt verify $T/cut.pth " GOLDEN "checkpoint.pth",
              3, "cut off");
    assert_non_null(strstr(program_text, "checkpoint.pth: good"));
    check_run("$P ckpt verify " GOLDEN "json.txt", 3, "it is no PyTorch checkpoint");
    check_run(": > $T/none.pth; $P ckpt verify $T/none.pth", 3, "it is empty");
}

static void test_new_files(void **state)
{
    (void)state;
    check_run("$P ckpt convert " GOLDEN "checkpoint.pth $T/new/a.safetensors", 0,
              "wrote ");
    check_run("$P ckpt convert $T/new/a.safetensors $T/b.pth --to-dtype bfloat16", 0,
              "wrote ");
    check_run("$P ckpt $T/b.pth", 0, "bfloat16");
    check_run("$P ckpt average $T/b.pth $T/b.pth -o $T/c.pth && "
              "$P ckpt diff --exact $T/b.pth $T/c.pth",
              0, "no difference");
    check_run("$P ckpt average $T/b.pth $T/c.pth --weights 1,2,3 -o $T/d.pth", 2,
              "one number for each file: 2, not 3");
    check_run("$P ckpt average $T/b.pth $T/c.pth --weights 1,x -o $T/d.pth", 2, "'x'");
    check_run("$P ckpt average $T/b.pth", 2, "--out");
    check_run("$P ckpt publish $T/b.pth && ls $T", 0, "b-");
    check_run("$P ckpt convert $T/b.pth $T/e.pth --to-dtype int8", 2, "float16");
    check_run("$P ckpt convert $T/b.pth $T/e.safetensors --mmengine", 2, "resume");
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
        cmocka_unit_test(test_diff),     cmocka_unit_test(test_show),
        cmocka_unit_test(test_verify),   cmocka_unit_test(test_new_files),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
