/* Formats, origins and differences of configs, with full texts. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"

static mm_config *read_text(const char *text, const char *format)
{
    mm_config *config = mm_config_from_string(text, format);

    check_ok();
    return config;
}

static void check_format(const char *text, const char *format, mm_config_order order,
                         const char *expected)
{
    mm_config *config = read_text(text, ".py");
    char *got = mm_config_format(mm_config_root(config), format, order);

    check_ok();
    assert_string_equal(got, expected);
    mm_free(got);
    mm_config_unref(config);
}

static const char CONFIG[] =
    "model = dict(type='A', sizes=(1, 2), empty=[], none=None)\n"
    "lr = 1e-5\n"
    "steps = range(0, 6, 2)\n"
    "names = {'b c': b'x', 1: {2}}\n"
    "text = lambda: 1\n"
    "title = 'é {{ x }}'\n";

static void test_formats(void **state)
{
    (void)state;
    check_format(CONFIG, "yaml", MM_CONFIG_SOURCE,
                 "model:\n"
                 "  type: A\n"
                 "  sizes: !!python/tuple\n"
                 "  - 1\n"
                 "  - 2\n"
                 "  empty: []\n"
                 "  none: null\n"
                 "lr: 1.0e-05\n"
                 "steps:\n"
                 "- 0\n"
                 "- 2\n"
                 "- 4\n"
                 "names:\n"
                 "  b c: !!binary \"eA==\"\n"
                 "  1: !!set\n"
                 "    2: null\n"
                 "title: \"é {\\x7B x }}\"\n");
    check_format("b = 1\na = dict(d=2, c='{{'  '}}')\n", ".yml", MM_CONFIG_SORTED,
                 "a:\n  c: \"{\\x7B}}\"\n  d: 2\nb: 1\n");
    check_format(
        "b = 1.0\na = dict(d=(2,), c='{{{ x')\nr = range(3)\n", ".json",
        MM_CONFIG_SORTED,
        "{\"b\": 1.0, \"a\": {\"d\": [2], \"c\": \"{\\u007b{ x\"}, \"r\": [0, 1, "
        "2]}");
    check_format("b = 1.0\na = dict(c='x')\n", "py", MM_CONFIG_SORTED,
                 "a = dict(c='x')\nb = 1.0\n");
}

/* Keys of a config may have the names that its text needs. */
static void test_hidden_names(void **state)
{
    (void)state;
    mm_config *config =
        read_text("globals: 1\nfloat: .inf\nset: !!set {}\n'a b': -.inf\n"
                  "dict: {c: .nan}\n",
                  ".yaml");
    char *text = mm_config_format(mm_config_root(config), "py", MM_CONFIG_SOURCE);

    check_ok();
    assert_string_equal(text, "__globals = globals\n__float = float\n__set = set\n"
                              "globals = 1\nfloat = __float('inf')\nset = __set()\n"
                              "__globals()['a b'] = __float('-inf')\n"
                              "dict = {'c': __float('nan')}\n");
    mm_config *again = read_text(text, ".py");
    char *one = mm_config_json(mm_config_root(config));
    char *two = mm_config_json(mm_config_root(again));

    assert_string_equal(one, two);
    mm_free(one);
    mm_free(two);
    mm_free(text);
    mm_config_unref(config);
    mm_config_unref(again);
    check_format("x = range(1, 5, 2)\nrange = range(3)\n", "py", MM_CONFIG_SORTED,
                 "__range = range\nrange = __range(0, 3)\nx = __range(1, 5, 2)\n");
}

static void test_format_errors(void **state)
{
    (void)state;
    mm_config *config = read_text("a = {(1, 2): 3}\n", ".py");
    const mm_value *root = mm_config_root(config);

    assert_null(mm_config_format(root, "toml", MM_CONFIG_SOURCE));
    assert_string_equal(mm_error_peek()->hint, "known are py, json, yaml and yml");
    check_error_text(MM_EINVAL, "there is no config format 'toml'");
    assert_null(mm_config_format(root, "json", MM_CONFIG_SOURCE));
    check_error_text(MM_ETYPE, "could not write JSON: a key is of type 'tuple'");
    (void)mm_config_save(config, "x.txt");
    assert_string_equal(mm_error_peek()->frames[0], "while writing config 'x.txt'");
    check_error_text(MM_EINVAL, "there is no config format 'txt'");
    (void)mm_config_save(config, "no/such/folder/x.py");
    check_error(MM_ENOENT);
    mm_config_unref(config);
}

static void test_save(void **state)
{
    (void)state;
    static const char *const names[] = {"x.py", "x.yaml", "x.yml", "x.json"};
    static const char *const texts[] = {"a = 2\nb = dict(c=1.5)\n",
                                        "a: 2\nb:\n  c: 1.5\n", "a: 2\nb:\n  c: 1.5\n",
                                        "{\"b\": {\"c\": 1.5}, \"a\": 2}"};
    mm_config *config = read_text("b = dict(c=1.5)\na = 2\n", ".py");
    char *folder = mmi_os_temp_dir("mm-config-");

    for (size_t i = 0; i < 4; i++) {
        char *path = mm_path_join(folder, names[i]);

        assert_int_equal(mm_config_save(config, path), MM_OK);
        char *text = mm_file_read(path, NULL);

        check_ok();
        assert_string_equal(text, texts[i]);
        mm_free(text);
        mm_free(path);
    }
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
    mm_config_unref(config);
}

/* Rows as lines: "path = value @ source" or "path: old @ source -> new @ source". */
static void check_rows(mm_value *rows, const char *expected)
{
    static const char *const keys[] = {"path",       "value", "source",    "old",
                                       "old_source", "new",   "new_source"};
    static const char *const marks[] = {"", " = ", " @ ", " -", " @ ", " +", " @ "};
    char got[2000] = "";

    check_ok();
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            const mm_value *value = mm_dict_find(mm_list_get(rows, i), keys[k]);
            size_t used = strlen(got);

            if (value != NULL) {
                (void)snprintf(got + used, sizeof(got) - used, "%s%s", marks[k],
                               mm_value_str(value));
            }
        }
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "\n");
    }
    assert_string_equal(got, expected);
    mm_value_unref(rows);
}

static void test_origins(void **state)
{
    (void)state;
    mm_config *config =
        mm_config_from_file("cases/config/valid/inherit_chain/config.py", NULL);

    assert_int_equal(mm_config_override(config, "x.a=5", NULL, NULL), MM_OK);
    check_rows(mm_config_origins(mm_config_root(config)),
               "x.a = 5 @ --cfg-options:1:5\n"
               "x.b.c = 2 @ cases/config/valid/inherit_chain/b.py:2:17\n"
               "x.b.d = 4 @ cases/config/valid/inherit_chain/config.py:2:17\n"
               "x.b.e = 3 @ cases/config/valid/inherit_chain/b.py:2:22\n"
               "y = [2] @ cases/config/valid/inherit_chain/config.py:3:1\n"
               "z = 'b' @ cases/config/valid/inherit_chain/b.py:3:1\n");
    mm_config_unref(config);
    config = read_text("a: [{b: 1}, 2, [3]]\nc: {}\nd: {1: {x: y}}\n", ".yaml");
    check_rows(mm_config_origins(mm_config_root(config)),
               "a.0.b = 1 @ <string>:1:6\n"
               "a.1 = 2 @ <string>:1:13\n"
               "a.2 = [3] @ <string>:1:16\n"
               "c = dict() @ <string>:2:1\n"
               "d.1.x = 'y' @ <string>:3:9\n");
    mm_config_unref(config);
}

static void check_diff(const char *from, const char *to, const char *expected)
{
    mm_config *a = read_text(from, ".py");
    mm_config *b = read_text(to, ".py");

    check_rows(mm_config_diff(mm_config_root(a), mm_config_root(b)), expected);
    mm_config_unref(a);
    mm_config_unref(b);
}

static void test_diff(void **state)
{
    (void)state;
    check_diff("a = 1\nb = dict(c=2, d=3)\n", "b = dict(d=3, c=2)\na = 1\n", "");
    check_diff("a = 1\nb = dict(c=2)\nx = 0\n",
               "a = 1.0\nb = dict(c=2, e=[4])\ny = 0\n",
               "a -1 @ <string>:1:1 +1.0 @ <string>:1:1\n"
               "b.e +[4] @ <string>:2:15\n"
               "x -0 @ <string>:3:1\n"
               "y +0 @ <string>:3:1\n");
    check_diff("a = True\n", "a = 1\n", "a -True @ <string>:1:1 +1 @ <string>:1:1\n");
    check_diff("a = (1,)\n", "a = [1]\n",
               "a -(1,) @ <string>:1:1 +[1] @ <string>:1:1\n");
    check_diff("a = float('nan')\n", "a = float('nan')\n", "");
    check_diff("a = dict(x=1)\n", "a = None\n",
               "a -dict(x=1) @ <string>:1:1 +None @ <string>:1:1\n");
    /* a list of dicts: item by item */
    check_diff("p = [dict(t=1), dict(t=2)]\n", "p = [dict(t=1), dict(t=3)]\n",
               "p.1.t -2 @ <string>:1:22 +3 @ <string>:1:22\n");
    check_diff("p = [dict(t=1), dict(t=3)]\n",
               "p = [dict(t=1), dict(t=2), dict(t=3)]\n",
               "p.1 +dict(t=2) @ <string>:1:17\n");
    check_diff("p = [dict(t=1), dict(t=2), dict(t=3)]\n", "p = [dict(t=3)]\n",
               "p.0 -dict(t=1) @ <string>:1:6\np.1 -dict(t=2) @ <string>:1:17\n");
    mm_value *list = mm_value_new_list();

    assert_null(mm_config_diff(list, list));
    check_error_text(MM_ETYPE, "a config is a dict, not list");
    assert_null(mm_config_origins(list));
    check_error_text(MM_ETYPE, "a config is a dict, not list");
    mm_value_unref(list);
}

static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(mmi_os_set_env("MM_TEST_DEPTH", "7"), MM_OK);
    mm_config *config =
        read_text("a: {{$MM_TEST_DEPTH:1}}\nb: {{'$MM_TEST_NONE:2'}}\n", ".yaml");
    char *env = mm_value_repr(mm_config_env_variables(config));

    assert_string_equal(env, "{'MM_TEST_DEPTH': '7'}");
    assert_int_equal(mm_value_i64(mm_config_get(config, "a")), 7);
    assert_int_equal(mm_value_i64(mm_config_get(config, "b")), 2);
    mm_free(env);
    mm_config_unref(config);
    assert_null(mm_config_from_string("a: 1\nb: {{$MM_TEST_NONE:}}\n", ".yaml"));
    assert_string_equal(mm_error_peek()->hint,
                        "set MM_TEST_NONE, or write {{$MM_TEST_NONE:default}}");
    check_error_text(MM_ECONFIG,
                     "<string>:2:4: the environment variable 'MM_TEST_NONE' "
                     "is not set and has no default here");
}

/* Places behind templates are those of the file. */
static void test_places_behind_templates(void **state)
{
    (void)state;
    static const char yaml[] =
        "a: {{$MM_TEST_NONE:a_long_default}}\nb: {{$MM_TEST_NONE:x}"
        "} : 1\n";
    static const char json[] = "{\"a\": \"{{$MM_TEST_NONE:a_long_default}}\", 5}";

    assert_null(mm_config_from_string(yaml, ".yaml"));
    check_error_text(MM_ECONFIG,
                     "<string>:2:24: could not parse YAML: mapping values are "
                     "not allowed in this context");
    assert_null(mm_config_from_string(json, ".json"));
    check_error_text(MM_ECONFIG,
                     "<string>:1:43: could not parse JSON: expected a key in "
                     "quotes");
}

static void test_text(void **state)
{
    (void)state;
    mm_config *config =
        mm_config_from_file("cases/config/valid/yaml_child/config.yaml", NULL);
    check_ok();
    const char *text = mm_config_text(config);
    const char *base = strstr(text, "yaml_child/base.py\nmodel = dict(type='A'");
    const char *own = strstr(text, "\n/");

    assert_non_null(base); /* bases first, each below its path */
    assert_true(own > base);
    assert_non_null(strstr(own, "yaml_child/config.yaml\n_base_: ./base.py\n"));
    mm_config_unref(config);
}

static void test_reserved_options(void **state)
{
    (void)state;
    mm_config *config = read_text("a = 1\n", ".py");

    (void)mm_config_override(config, "_base_.x=1", NULL, NULL);
    check_error_text(MM_ECONFIG,
                     "could not set '_base_.x': the bases have been read before");
    (void)mm_config_override(config, "text=1", NULL, NULL);
    check_error_text(MM_ECONFIG, "could not set 'text': 'text' is a reserved name and "
                                 "cannot be a key of a config");
    (void)mm_config_override(config, "a=\xff", NULL, NULL);
    check_error_text(MM_EINVAL, "an option is not UTF-8 text");
    mm_config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_formats),
        CLEAN_TEST(test_hidden_names),
        CLEAN_TEST(test_format_errors),
        CLEAN_TEST(test_save),
        CLEAN_TEST(test_origins),
        CLEAN_TEST(test_diff),
        CLEAN_TEST(test_reserved_options),
        CLEAN_TEST(test_environment),
        CLEAN_TEST(test_places_behind_templates),
        CLEAN_TEST(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
