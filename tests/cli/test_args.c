/* The parser of the command line, on a table of its own. */
#include "check.h"

#include <string.h>

#include "cli/args.h"

static const struct cli_option arguments[] = {
    {.name = "CONFIG", .kind = CLI_VALUE, .help = "the config", .is_required = true},
    {.name = "MORE", .kind = CLI_PATHS, .help = "more files"},
    {0},
};

static const struct cli_option options[] = {
    {.name = "work-dir", .letter = 'w', .kind = CLI_VALUE, .value = "DIR", .help = "d"},
    {.name = "resume", .kind = CLI_MAYBE, .value = "PATH", .help = "r"},
    {.name = "amp", .help = "a"},
    {.name = "cfg-options", .kind = CLI_OVERRIDES, .value = "K=V", .help = "c"},
    {.name = "launcher", .kind = CLI_VALUE, .value = "L", .choices = "none|slurm"},
    {.name = "tta", .help = "t", .missing = "nobody wrote it"},
    {0},
};

static const struct cli_verb verb = {
    .name = "train", .help = "trains", .arguments = arguments, .options = options};

static const struct cli_option lone_arguments[] = {
    {.name = "CONFIG", .kind = CLI_VALUE, .help = "the config", .is_required = true},
    {0},
};
static const struct cli_verb lone = {
    .name = "test", .help = "tests", .arguments = lone_arguments, .options = options};

/* Splits a line at blanks and parses it. */
static bool parse(const struct cli_verb *which, const char *line, struct cli_args *out)
{
    static char text[512];
    static char *words[32];
    int count = 0;

    memset(out, 0, sizeof(*out));
    memset(text, 0, sizeof(text));
    (void)strncpy(text, line, sizeof(text) - 1);
    for (char *at = text; *at != '\0';) {
        words[count++] = at;
        at += strcspn(at, " ");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return cli_parse(which, count, words, out);
}

static void test_forms(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "cfg.py --work-dir runs --amp",   "--amp cfg.py --work_dir runs",
        "--work-dir=runs --amp cfg.py",   "--work_dir=runs cfg.py --amp",
        "-w runs --amp cfg.py",           "--work-dir old --amp cfg.py -w=runs",
        "--amp --work-dir runs -- cfg.py"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct cli_args args;

        assert_true(parse(&verb, lines[i], &args));
        assert_string_equal(cli_text(&args, "CONFIG"), "cfg.py");
        assert_string_equal(cli_text(&args, "work-dir"), "runs");
        assert_true(cli_is_given(&args, "amp"));
        assert_false(cli_is_given(&args, "resume"));
        cli_args_deinit(&args);
    }
}

static void test_resume(void **state)
{
    (void)state;
    struct cli_args args;

    assert_true(parse(&lone, "cfg.py --resume", &args));
    assert_true(cli_is_given(&args, "resume"));
    assert_null(cli_text(&args, "resume"));
    cli_args_deinit(&args);

    assert_true(parse(&lone, "cfg.py --resume last.pth", &args));
    assert_string_equal(cli_text(&args, "resume"), "last.pth");
    cli_args_deinit(&args);

    assert_true(parse(&lone, "--resume --amp cfg.py", &args));
    assert_null(cli_text(&args, "resume"));
    cli_args_deinit(&args);

    assert_true(parse(&lone, "cfg.py --resume a.b=1", &args));
    assert_null(cli_text(&args, "resume"));
    assert_string_equal(cli_text(&args, "cfg-options"), "a.b=1");
    cli_args_deinit(&args);

    /* the only word left is the config, not the checkpoint */
    assert_true(parse(&lone, "--resume cfg.py", &args));
    assert_true(cli_is_given(&args, "resume"));
    assert_null(cli_text(&args, "resume"));
    assert_string_equal(cli_text(&args, "CONFIG"), "cfg.py");
    cli_args_deinit(&args);

    assert_true(parse(&lone, "--resume last.pth cfg.py", &args));
    assert_string_equal(cli_text(&args, "resume"), "last.pth");
    assert_string_equal(cli_text(&args, "CONFIG"), "cfg.py");
    cli_args_deinit(&args);
}

static void test_overrides(void **state)
{
    (void)state;
    struct cli_args args;
    const struct cli_given *given = NULL;

    assert_true(parse(&verb,
                      "--cfg-options a.b=1 c=[1, (2,3), 'x]'] --amp cfg.py "
                      "train_cfg.max_epochs=3 --cfg-options d={'k': 1}",
                      &args));
    given = cli_get(&args, "cfg-options");
    assert_int_equal(given->count, 4);
    assert_string_equal(given->words[0], "a.b=1");
    assert_string_equal(given->words[1], "c=[1, (2,3), 'x]']");
    assert_string_equal(given->words[2], "train_cfg.max_epochs=3");
    assert_string_equal(given->words[3], "d={'k': 1}");
    assert_null(given->words[4]);
    assert_string_equal(cli_text(&args, "CONFIG"), "cfg.py");
    cli_args_deinit(&args);

    /* a path is no override, even with '=' in it */
    assert_true(parse(&verb, "runs/lr=0.1/cfg.py", &args));
    assert_string_equal(cli_text(&args, "CONFIG"), "runs/lr=0.1/cfg.py");
    assert_false(cli_is_given(&args, "cfg-options"));
    cli_args_deinit(&args);
}

static void test_paths(void **state)
{
    (void)state;
    struct cli_args args;

    assert_true(parse(&verb, "cfg.py a --amp b c", &args));
    assert_int_equal(cli_get(&args, "MORE")->count, 3);
    assert_string_equal(cli_get(&args, "MORE")->words[2], "c");
    cli_args_deinit(&args);
}

static void test_help(void **state)
{
    (void)state;
    struct cli_args args;

    assert_true(parse(&verb, "--help", &args));
    assert_true(args.wants_help);
    assert_false(args.wants_short_help);
    cli_args_deinit(&args);
    assert_true(parse(&verb, "cfg.py -h", &args));
    assert_true(args.wants_short_help);
    cli_args_deinit(&args);
    assert_true(parse(&verb, "cfg.py --color=never", &args));
    assert_string_equal(args.color, "never");
    cli_args_deinit(&args);
}

struct fault {
    const char *line;
    const char *error;
    const char *hint;
};

static void test_faults(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {"", "CONFIG is missing: the config", ""},
        {"cfg.py --work_dri x", "unknown option '--work_dri'",
         "did you mean '--work-dir'?"},
        {"cfg.py --qqqq", "unknown option '--qqqq'", ""},
        {"cfg.py -x", "unknown option '-x'", ""},
        {"cfg.py --work-dir", "--work-dir needs a value (DIR)", ""},
        {"cfg.py --work-dir --amp", "--work-dir needs a value (DIR)", ""},
        {"cfg.py --amp=1", "--amp takes no value, got '1'", ""},
        {"cfg.py --launcher mpi", "--launcher takes one of none|slurm, got 'mpi'", ""},
        {"cfg.py --cfg-options",
         "--cfg-options needs at least one key=value, got nothing", ""},
        {"cfg.py --cfg-options lr",
         "--cfg-options needs at least one key=value, got 'lr'", ""},
        {"cfg.py --cfg-options a=[1", "the brackets of 'a=[1' do not match", ""},
        {"cfg.py a=1)", "the brackets of 'a=1)' do not match", ""},
        {"cfg.py --tta", "--tta is not available yet: nobody wrote it", ""},
        {"cfg.py --color=blue", "--color takes one of auto|always|never, got 'blue'",
         ""},
    };
    struct cli_args args;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_false(parse(&verb, faults[i].line, &args));
        assert_string_equal(args.error, faults[i].error);
        assert_string_equal(args.hint, faults[i].hint);
        cli_args_deinit(&args);
    }
    assert_false(parse(&lone, "cfg.py more.py", &args));
    assert_string_equal(args.error, "unexpected argument 'more.py'");
    cli_args_deinit(&args);
}

/* Each verb of the program has a help, fits the parser's room, and no option twice. */
static void check_verb(const struct cli_verb *which)
{
    size_t count = 0;
    const struct cli_option *option = which->options;

    assert_non_null(which->help);
    assert_true((which->run != NULL) != (which->verbs != NULL));
    for (; option != NULL && option->name != NULL; option++, count++) {
        assert_non_null(option->help);
        assert_true(option->kind == CLI_FLAG || option->value != NULL);
        assert_null(strchr(option->name, '_'));
        for (const struct cli_option *other = which->options; other < option; other++) {
            assert_string_not_equal(other->name, option->name);
            assert_true(option->letter == 0 || other->letter != option->letter);
        }
    }
    assert_true(count < CLI_MAX_OPTIONS);
    count = 0;
    for (option = which->arguments; option && option->name; option++, count++) {
        assert_non_null(option->help);
    }
    assert_true(count < CLI_MAX_ARGUMENTS);
}

static void test_tables(void **state)
{
    (void)state;
    for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
        check_verb(v);
        for (const struct cli_verb *w = v->verbs; w != NULL && w->name != NULL; w++) {
            check_verb(w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_forms),  CLEAN_TEST(test_resume), CLEAN_TEST(test_overrides),
        CLEAN_TEST(test_paths),  CLEAN_TEST(test_help),   CLEAN_TEST(test_faults),
        CLEAN_TEST(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
