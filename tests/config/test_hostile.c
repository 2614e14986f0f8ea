/* Configs that would hang or exhaust the host end in an error that says why. The limits
 * are small here, so that each takes milliseconds. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"

static const mm_config_args small = {
    .limits = {.max_steps = 200000, .max_bytes = 8 << 20}};

/* The folder that the files of a test stand in. */
static char *folder;

static char *path_of(const char *name)
{
    return mm_path_join(folder, name);
}

static void write_file(const char *name, const char *text)
{
    char *path = path_of(name);

    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_free(path);
}

/* Reads a file of the folder; the error without the folder's name must be `expected`.
 */
static void check_refused(const char *name, const char *expected)
{
    char *path = path_of(name);
    mm_config *config = mm_config_from_file(path, &small);
    mm_error error;
    char text[2000];
    char plain[2000];
    size_t size = 0;

    assert_null(config);
    assert_true(mm_error_take(&error) < 0);
    (void)mm_error_format(&error, text, sizeof text);
    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, folder, strlen(folder)) == 0) {
            p += strlen(folder); /* and the '/' */
        } else {
            plain[size++] = *p;
        }
    }
    plain[size] = '\0';
    assert_string_equal(plain, expected);
    mm_free(path);
}

/* ---- texts ---- */

struct text_case {
    const char *text, *error;
};

static const struct text_case text_cases[] = {
    {"while True:\n    pass\n",
     "config.py:3:5: the config takes more than 200000 steps to evaluate"},
    {"a = [i for i in range(10**9)]\n",
     "config.py:2:6: the config needs more than 8388608 bytes to evaluate"},
    {"a = 10**10**8\n", "config.py:2:5: the result of '**' is too large"},
    {"a = 'x' * 10**10\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = [0] * 10**10\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = 1 << 10**12\n", "config.py:2:5: the result of '<<' is too large"},
    {"a = '%999999999999d' % 1\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = f'{1:>99999999}'\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = [[]]\nfor i in range(40):\n    a = a + a\n",
     "config.py:4:9: the config needs more than 8388608 bytes to evaluate"},
    {"a = []\nfor i in range(60):\n    a = [a, a]\n",
     "config.py:3:10: the config needs more than 8388608 bytes to evaluate"},
    {"a = {}\na['a'] = a\n", "config.py:3:1: a dict cannot contain itself"},
    {"a = []\na.append(a)\nb = a == a, a < a\nc = str(a)\ndel a\n",
     "config.py:3:1: a list cannot contain itself"},
    {"def f(n):\n    return f(n + 1)\na = f(0)\n",
     "config.py:3:12: f() is called more than 200 levels deep\n"
     "  while calling f(), config.py:3:12\n"
     "  while calling f(), config.py:4:5"},
    {"a = eval('eval(' * 3 + 'x' + ')' * 3)\n", "<eval>:1:16: name 'x' is not defined\n"
                                                "  in eval() at config.py:2:5"},
    {"def f():\n    return eval('f()')\na = f()\n",
     "<eval>:1:1: f() is called more than 200 levels deep\n"
     "  in eval() at config.py:3:12\n"
     "  while calling f(), <eval>:1:1\n"
     "  in eval() at config.py:3:12\n"
     "  while calling f(), <eval>:1:1\n"
     "  in eval() at config.py:3:12\n"
     "  while calling f(), <eval>:1:1\n"
     "  in eval() at config.py:3:12\n"
     "  while calling f(), <eval>:1:1"},
    {"from itertools import product\na = list(product(range(1000), repeat=9))\n",
     "config.py:3:10: the config needs more than 8388608 bytes to evaluate"},
    {"from itertools import combinations\na = list(combinations(range(99), 50))\n",
     "config.py:3:10: the config needs more than 8388608 bytes to evaluate"},
    {"from itertools import repeat\na = list(repeat(0, 10**12))\n",
     "config.py:3:10: the config needs more than 8388608 bytes to evaluate"},
    {"from functools import partial\ndef f(*a):\n    return g()\ng = partial(f)\na = "
     "g()\n",
     "config.py:4:12: f() is called more than 200 levels deep\n"
     "  while calling f(), config.py:4:12\n"
     "  while calling f(), config.py:6:5"},
    {"a = open('/dev/zero').read()\n",
     "config.py:2:5: could not open '/dev/zero': it is no regular file"},
    {"a = open('.').read()\n",
     "config.py:2:5: could not open '.': it is no regular file"},
    {"a = ('x',) * 3000000\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = int('9' * 100000)\nb = str(a * a * a * a)\n",
     "config.py:2:5: the config takes more than 200000 steps to evaluate"},
    {"a = range(10**30)\n",
     "config.py:2:5: a range of ints beyond 64 bits is not supported"},
    {"a = sum(range(10**15))\n",
     "config.py:2:5: the config takes more than 200000 steps to evaluate"},
    {"a = dict.fromkeys(range(10**9))\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = 'a'.replace('', 'b' * 1000000).replace('b', 'c' * 1000)\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = ' '.join(['x' * 1000000] * 1000)\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"import math\na = math.factorial(10**7)\n",
     "config.py:3:5: the config takes more than 200000 steps to evaluate"},
    {"a = 'x'.ljust(10**12)\n",
     "config.py:2:5: the config needs more than 8388608 bytes to evaluate"},
    {"a = pow(3, 10**9)\n", "config.py:2:5: the result of '**' is too large"},
    {"a = 1 .__class__\n", "config.py:2:5: int has no attribute '__class__'"},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof text_cases / sizeof text_cases[0]; i++) {
        char *text = mm_strfmt("_base_ = []\n%s", text_cases[i].text);

        write_file("config.py", text);
        check_refused("config.py", text_cases[i].error);
        mm_free(text);
    }
}

/* ---- files ---- */

static void test_pipe(void **state)
{
    (void)state;
    char *path = path_of("pipe.py");

    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused("pipe.py", "could not read config 'pipe.py': it is no regular file");
    write_file("config.py", "_base_ = 'pipe.py'\n");
    check_refused("config.py", "config.py:1:10: could not read config 'pipe.py': it is "
                               "no regular file");
    mm_free(path);
}

static void test_folder(void **state)
{
    (void)state;
    char *path = path_of("folder.py");

    assert_int_equal(mkdir(path, 0700), 0);
    check_refused("folder.py", "could not read config 'folder.py': it is a folder");
    mm_free(path);
}

static void test_device(void **state)
{
    (void)state;
    char *path = path_of("zeros.py");

    assert_int_equal(symlink("/dev/zero", path), 0);
    check_refused("zeros.py",
                  "could not read config 'zeros.py': it is no regular file");
    mm_free(path);
}

static void check_steps(const char *name)
{
    char *path = path_of(name);
    mm_error error;

    assert_null(mm_config_from_file(path, &small));
    assert_true(mm_error_take(&error) < 0);
    assert_non_null(
        strstr(error.message, "the config takes more than 200000 steps to evaluate"));
    mm_free(path);
}

/* Every file inherits the next one twice: 2^40 readings. */
static void test_fork(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        char name[32];
        char text[64];

        (void)snprintf(name, sizeof name, "fork%d.py", i);
        (void)snprintf(text, sizeof text, "_base_ = ['fork%d.py', './fork%d.py']\n",
                       i + 1, i + 1);
        write_file(name, text);
    }
    write_file("fork40.py", "");
    check_steps("fork0.py");
}

/* The same of lazy files: the two names are different modules of one file. */
static void test_lazy_fork(void **state)
{
    (void)state;
    char *path = path_of("lazy");

    assert_int_equal(mkdir(path, 0700), 0);
    mm_free(path);
    for (int i = 0; i < 40; i++) {
        char name[32];
        char text[200];

        (void)snprintf(name, sizeof name, "lazy/fork%d.py", i);
        (void)snprintf(text, sizeof text,
                       "with read_base():\n    from .fork%d import *\n"
                       "    from ..lazy.fork%d import *\n",
                       i + 1, i + 1);
        write_file(name, text);
    }
    write_file("lazy/fork40.py", "");
    check_steps("lazy/fork0.py");
}

/* A file larger than the limit is not read. */
static void test_size(void **state)
{
    (void)state;
    char *path = path_of("large.py");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fseek(file, 1L << 40, SEEK_SET), 0);
    assert_int_equal(fputc('\n', file), '\n');
    assert_int_equal(fclose(file), 0);
    check_refused("large.py", "the config needs more than 8388608 bytes to evaluate");
    assert_int_equal(mm_file_remove(path), MM_OK);
    mm_free(path);
}

/* ---- bytes ---- */

static void check_value(const char *text, const char *expected)
{
    char *path = path_of("config.py");

    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_config *config = mm_config_from_file(path, &small);
    check_ok();
    char *json = mm_config_json(mm_config_root(config));

    assert_string_equal(json, expected);
    mm_free(json);
    mm_free(path);
    mm_config_unref(config);
}

static void test_bytes(void **state)
{
    (void)state;
    static const char latin[] = "a = 1\nb = 'd\xF6ner'\n";
    static const char zero[] = "a = '\0'\n";
    char *path = path_of("config.py");

    check_value("\xEF\xBB\xBF"
                "a = 1\r\nb = '''x\r\ny'''\rc = 2",
                "{\"a\": 1, \"b\": \"x\\ny\", \"c\": 2}");
    check_value("", "{}");
    check_value("a = 'C:\\\\data\\\\new'\nb = r'\\\\host\\d'",
                "{\"a\": \"C:\\\\data\\\\new\", \"b\": \"\\\\\\\\host\\\\d\"}");
    assert_int_equal(mm_file_write(path, latin, sizeof latin - 1), MM_OK);
    check_refused("config.py", "config.py:2:7: this byte is not UTF-8 text\n"
                               "hint: save the file as UTF-8");
    assert_int_equal(mm_file_write(path, zero, sizeof zero - 1), MM_OK);
    check_refused("config.py", "config.py:1:6: a config may not hold zero bytes");
    mm_free(path);
}

/* ---- nesting ---- */

struct nesting {
    const char *open, *inner, *close;
};

static const struct nesting nestings[] = {
    {"[", "", "]"},
    {"(", "1", ")"},
    {"{1:", "1", "}"},
    {"-", "1", ""},
    {"not ", "1", ""},
    {"f(", "1", ")"},
    {"x[", "1", "]"},
    {"lambda:", "1", ""},
    {"1 if 1 else ", "1", ""},
    {"[i for i in ", "x", "]"},
};

static void add(char **end, const char *text, int count)
{
    for (int i = 0; i < count; i++) {
        size_t size = strlen(text);

        memcpy(*end, text, size + 1);
        *end += size;
    }
}

/* Thousands of levels of each kind. */
static void test_nesting(void **state)
{
    (void)state;
    enum { LEVELS = 5000 };

    for (size_t i = 0; i < sizeof nestings / sizeof nestings[0]; i++) {
        char *text = mm_alloc(LEVELS * 40);
        char *end = text;
        mm_error error;

        add(&end, "a = ", 1);
        add(&end, nestings[i].open, LEVELS);
        add(&end, nestings[i].inner, 1);
        add(&end, nestings[i].close, LEVELS);
        assert_null(mm_config_from_string(text, ".py"));
        assert_true(mm_error_take(&error) < 0);
        if (strstr(error.message, "nested") == NULL) {
            fail_msg("%s: %s", nestings[i].open, error.message);
        }
        mm_free(text);
    }
}

static int make_folder(void **state)
{
    (void)state;
    folder = mmi_os_temp_dir("mm-hostile-");
    return folder == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    int code = mmi_os_remove_tree(folder);

    mm_free(folder);
    return code;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_texts),  CLEAN_TEST(test_pipe),  CLEAN_TEST(test_folder),
        CLEAN_TEST(test_device), CLEAN_TEST(test_fork),  CLEAN_TEST(test_lazy_fork),
        CLEAN_TEST(test_size),   CLEAN_TEST(test_bytes), CLEAN_TEST(test_nesting),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
