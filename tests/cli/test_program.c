/* The program as its users meet it, by everything that needs no libtorch: help, lists,
 * usage errors, exit codes, completion, plugins. */
#include "cli/program.h"

#include "mmengine/mmengine.h"

static void test_help(void **state)
{
    (void)state;
    check_run("$P", 2, "usage: mmengine VERB");
    check_run("$P -h", 0, "trains the model");
    check_run("$P --help", 0, "MMENGINE_PLUGIN_PATH");
    check_run("$P train --help", 0, "--cfg-options KEY=VALUE");
    check_run("$P train -h", 0, "usage: mmengine train CONFIG [options]");
    check_run("$P plugin new --help", 0, "usage: mmengine plugin new KIND NAME");
    check_run("$P plugin", 2, "usage: mmengine plugin VERB");
    check_run("$P help train", 0, "first interrupt");
    check_run("$P --version", 0, "(ABI 1), built for libtorch");
}

static void test_help_of_components(void **state)
{
    (void)state;
    check_run("$P help SGD", 0, "momentum=0.0");
    check_run("$P help optimizers", 0, "AdamW");
    check_run("$P help torch.nn.Linear", 0, "in_features");
    check_run("$P help mmpretrain.ResNet", 0, "mmpretrain");
    check_run("$P help Resnett", 2, "did you mean 'ResNet'?");
    check_run("$P help FasterRCNN", 2,
              "error: 'FasterRCNN' is not built here; known from mmdetection 3.3.0 "
              "(models)\n");
    check_run("$P help mmdet.models.FPN", 2, "known from mmdetection 3.3.0 (models)");
    check_run("$P help Qwertyuiop", 2, "nothing is called 'Qwertyuiop'");
}

static void test_list(void **state)
{
    (void)state;
    check_run("$P list", 0, "param_schedulers");
    check_run("$P list optimizers", 0, "SGD");
    check_run("$P list models --scope mmpretrain", 0, "ResNet");
    assert_null(strstr(program_text, "Linear "));
    check_run("$P list models --names", 0, "mmpretrain.ResNet\n");
    check_run("$P list optimisers", 2, "did you mean 'optimizers'?");
    check_run("$P list > /dev/full", 1, "could not write to standard output");
}

static void test_usage_errors(void **state)
{
    (void)state;
    check_run("$P trian", 2, "did you mean 'train'?");
    check_run("$P plugin nwe", 2, "did you mean 'new'?");
    check_run("$P train", 2, "CONFIG is missing");
    check_run("$P train cfg.py --work_dri x", 2, "did you mean '--work-dir'?");
    check_run("$P train \"$T/none.py\"", 2, "no such file");
    check_run("$P test cfg.py", 2, "CHECKPOINT is missing");
    check_run("$P test cfg.py a.pth --show", 2, "--show is not available yet");
    check_run("$P completion tcsh", 2, "SHELL takes one of bash|zsh|fish");
}

static void test_colors(void **state)
{
    (void)state;
    check_run("$P trian", 2, "error: unknown");
    check_run("FORCE_COLOR=1 $P trian", 2, "\033[1;31merror\033[0m: unknown");
    check_run("NO_COLOR=1 FORCE_COLOR=1 $P trian", 2, "error: unknown");
    check_run("NO_COLOR=1 $P train x --bad --color=always", 2, "error");
}

static void test_completion(void **state)
{
    (void)state;
    check_run("$P completion bash > $T/c.bash && bash -n $T/c.bash", 0, "");
    /* what bash makes of it */
    check_run(
        "bash -c '. $T/c.bash; COMP_WORDS=(mmengine tr); COMP_CWORD=1; _mmengine; "
        "echo \"${COMPREPLY[@]}\"'",
        0, "train");
    check_run("bash -c '. $T/c.bash; COMP_WORDS=(mmengine train --work); COMP_CWORD=2; "
              "_mmengine; echo \"${COMPREPLY[@]}\"'",
              0, "--work-dir");
    check_run(
        "bash -c '. $T/c.bash; PATH=$(dirname $P):$PATH; COMP_WORDS=(mmengine list "
        "opti); COMP_CWORD=2; _mmengine; echo \"${COMPREPLY[@]}\"'",
        0, "optimizers");
    check_run(
        "bash -c '. $T/c.bash; COMP_WORDS=(mmengine plugin new ho); COMP_CWORD=3; "
        "_mmengine; echo \"${COMPREPLY[@]}\"'",
        0, "hook");
    check_run("$P completion zsh", 0, "#compdef mmengine");
    check_run("$P completion fish", 0, "complete -c mmengine");
    check_run("$P __gen man", 0, ".TH MMENGINE 1");
    check_run("$P __gen reference", 0, "## SGD");
    check_run("$P __gen verbs", 0, "## plugin new");
}

/* Every skeleton compiles without a warning, loads, and names its component. */
static void test_skeletons(void **state)
{
    (void)state;
    static const char *const kinds[] = {"model",     "gan",    "loss", "dataset",
                                        "transform", "metric", "hook"};

    assert_int_equal(
        setenv("MMENGINE_CFLAGS", "-Wextra -Wpedantic -Wshadow -Werror", 1), 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char *command =
            mm_strfmt("cd $T && $P plugin new %s My%sThing2D", kinds[i], kinds[i]);
        char *said = mm_strfmt("wrote my%s_thing2_d.c", kinds[i]);

        check_run(command, 0, said);
        mm_free(command);
        mm_free(said);
        command = mm_strfmt("cd $T && $P plugin build my%s_thing2_d.c", kinds[i]);
        said = mm_strfmt("'My%sThing2D'", kinds[i]);
        check_run(command, 0, said);
        mm_free(command);
        mm_free(said);
    }
    assert_int_equal(unsetenv("MMENGINE_CFLAGS"), 0);
    check_run("cd $T && $P plugin new hook MyhookThing2D", 2, "is there already");
    check_run("cd $T && $P plugin new hook 'a b'", 2, "is no name");
    check_run("cd $T && $P plugin new layer A", 2, "KIND takes one of");
    check_run("cd $T && $P plugin new hook my_thing -o other.c", 0, "'MyThing'");
}

static void test_plugin_build_errors(void **state)
{
    (void)state;
    check_run("$P plugin build $T/none.c", 3, "no such file");
    check_run("echo 'int x = y;' > $T/bad.c; $P plugin build $T/bad.c", 4,
              "bad.c:1:9: error");
    check_run("echo 'int x = 1;' > $T/plain.c; $P plugin build $T/plain.c", 4,
              "is no plugin of mmengine");
    check_run("MMENGINE_CC=no-such-cc $P plugin build $T/plain.c", 4,
              "there is no compiler 'no-such-cc'");
}

struct audit {
    size_t count;
};

static void check_component(void *user, const mm_component *component)
{
    struct audit *audit = user;
    mm_error error;

    audit->count++;
    if (mm_component_check(component) != MM_OK) {
        (void)mm_error_take(&error);
        fail_msg("%s", error.message);
    }
    if (strlen(component->help) > 90 || strchr(component->help, '\n') != NULL) {
        fail_msg("help of '%s' is no short line", component->name);
    }
    char *help = mm_component_help(component, 80);

    assert_non_null(help);
    mm_free(help);
}

/* All that is built in is described well. */
static void test_components(void **state)
{
    (void)state;
    struct audit audit = {0};

    assert_int_equal(mm_init(), MM_OK);
    assert_int_equal(mm_register(mm_zoo_components), MM_OK);
    mm_component_each(NULL, check_component, &audit);
    assert_true(audit.count > 100);
    check_ok();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),       cmocka_unit_test(test_help_of_components),
        cmocka_unit_test(test_list),       cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_colors),     cmocka_unit_test(test_completion),
        cmocka_unit_test(test_skeletons),  cmocka_unit_test(test_plugin_build_errors),
        cmocka_unit_test(test_components),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
