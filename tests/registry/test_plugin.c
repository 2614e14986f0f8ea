/* Plugins: found beside the config, compiled once, loaded, refused if they do not fit.
 * The tests write sources into a folder of their own and use the system's compiler. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "mmengine/file.h"
#include "mmengine/mmengine.h"
#include "registry/plugin.h"
#include "registry/registry.h"

static char *home; /* folder of this run */

static const char source[] =
    "#include <mmengine/mmengine.h>\n"
    "#include \"%s.h\"\n"
    "struct part { int64_t n; };\n"
    "#define MM_OPT_STRUCT struct part\n"
    "static const mm_option options[] = {\n"
    "    {\"n\", \"a number\", MM_OPT_I64(n, NUMBER, 0, 99)},\n"
    "    {0}};\n"
    "static const mm_component part = {.registry = \"hooks\",\n"
    "    .name = \"%s\", .help = \"a part\",\n"
    "    .size = sizeof(struct part), .options = options};\n"
    "static const mm_component *const all[] = {&part, NULL};\n"
    "MM_PLUGIN(all)\n";

static char *in_home(const char *name)
{
    return mm_path_join(home, name);
}

static void write_text(const char *name, const char *text)
{
    char *path = in_home(name);
    char *folder = mm_path_dirname(path);

    assert_int_equal(mm_make_dirs(folder), MM_OK);
    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_free(folder);
    mm_free(path);
}

/* my_models/<stem>.c with component <name>, and its header. */
static void write_plugin(const char *stem, const char *name, int number)
{
    char *text = mm_strfmt(source, stem, name);
    char *path = mm_strfmt("my_models/%s.c", stem);

    write_text(path, text);
    mm_free(path);
    mm_free(text);
    path = mm_strfmt("my_models/%s.h", stem);
    text = mm_strfmt("#define NUMBER %d\n", number);
    write_text(path, text);
    mm_free(path);
    mm_free(text);
}

static mm_status import(const char *module)
{
    mm_value *imports = mm_value_new_dict();
    mm_value *list = mm_value_new_list();
    char *config = in_home("cfg.py");

    mm_list_push(list, mm_value_new_str(module));
    mm_list_set_source(list, 0, (mm_source){mm_intern("cfg.py"), 3, 31});
    mm_dict_take(imports, "imports", list);
    mm_status status =
        mm_plugin_import(&(mm_import_args){.imports = imports, .config_file = config});

    mm_value_unref(imports);
    mm_free(config);
    return status;
}

static int64_t default_of(const char *name)
{
    const mm_component *component = mm_component_get("hooks", NULL, name);

    check_ok();
    return component->options[0].u.i64.value;
}

/* Entries of a kind in the cache's folder of a source. */
static size_t count_cached(const char *prefix, const char *ending)
{
    char *cache = mmi_plugin_cache_dir();
    mm_value *folders = mm_list_dir(cache);
    size_t found = 0;

    for (size_t i = 0; i < mm_value_len(folders); i++) {
        const char *name = mm_value_str(mm_list_get(folders, i));

        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            char *folder = mm_path_join(cache, name);
            mm_value *files = mm_list_dir(folder);

            for (size_t k = 0; k < mm_value_len(files); k++) {
                const char *file = mm_value_str(mm_list_get(files, k));

                found += strcmp(mm_path_extension(file), ending) == 0 ? 1 : 0;
            }
            mm_value_unref(files);
            mm_free(folder);
        }
    }
    mm_value_unref(folders);
    mm_free(cache);
    check_ok();
    return found;
}

/* Times the compiler ran: a script counts its calls. */
static size_t count_runs(void)
{
    char *path = in_home("runs");
    char *text = mm_file_exists(path) ? mm_file_read(path, NULL) : NULL;
    size_t count = 0;

    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        count += *at == '\n' ? 1 : 0;
    }
    mm_free(text);
    mm_free(path);
    return count;
}

static void test_import(void **state)
{
    (void)state;
    size_t runs = count_runs();

    write_plugin("first", "FirstHook", 3);
    assert_int_equal(import("my_models.first"), MM_OK);
    check_ok();
    assert_int_equal(default_of("FirstHook"), 3);
    assert_int_equal(default_of("my_models.first.FirstHook"), 3);
    assert_int_equal(count_cached("first-", ".so"), 1);
    assert_int_equal(count_runs(), runs + 1);
    /* again: nothing is compiled, nothing is registered twice */
    assert_int_equal(import("my_models.first"), MM_OK);
    check_ok();
    assert_int_equal(count_runs(), runs + 1);
    assert_int_equal(count_cached("first-", ".so"), 1);
    assert_int_equal(count_cached("first-", ".tmp"), 0);
}

static void test_cache(void **state)
{
    (void)state;
    char *path = in_home("my_models/second.c");
    size_t runs = count_runs();

    write_plugin("second", "SecondHook", 3);
    char *library = mmi_plugin_cached(path);
    char *again = mmi_plugin_cached(path);

    assert_non_null(library);
    assert_string_equal(library, again);
    assert_int_equal(count_runs(), runs + 1);
    mm_free(again);
    /* an included header is part of it */
    write_text("my_models/second.h", "#define NUMBER 4\n");
    again = mmi_plugin_cached(path);
    assert_non_null(again);
    assert_string_not_equal(library, again);
    assert_int_equal(count_runs(), runs + 2);
    mm_free(again);
    /* so are flags */
    assert_int_equal(setenv("MMENGINE_CFLAGS", "-DEXTRA=1  -O1", 1), 0);
    again = mmi_plugin_cached(path);
    assert_non_null(again);
    assert_int_equal(count_runs(), runs + 3);
    assert_int_equal(unsetenv("MMENGINE_CFLAGS"), 0);
    mm_free(again);
    /* a library that is gone is made again */
    again = mmi_plugin_cached(path);
    assert_int_equal(mm_file_remove(again), MM_OK);
    mm_free(again);
    again = mmi_plugin_cached(path);
    assert_true(mm_file_exists(again));
    mm_free(again);
    mm_free(library);
    mm_free(path);
    check_ok();
}

static void test_broken_source(void **state)
{
    (void)state;
    mm_error error;

    write_text("my_models/broken.c", "#include <mmengine/mmengine.h>\n\n"
                                     "static int number = seven;\n");
    assert_int_equal(import("my_models.broken"), MM_EPLUGIN);
    assert_int_equal(mm_error_take(&error), MM_EPLUGIN);
    assert_non_null(strstr(error.message, "my_models/broken.c' ("));
    assert_non_null(strstr(error.message, "my_models/broken.c:3:21: error: "));
    assert_non_null(strstr(error.message, "seven"));
    assert_int_equal(count_cached("broken-", ".so"), 0);
    assert_int_equal(count_cached("broken-", ".tmp"), 0);
}

static void test_no_compiler(void **state)
{
    (void)state;
    mm_error error;
    const char *before = getenv("MMENGINE_CC");
    char *kept = mm_strdup(before);

    write_plugin("third", "ThirdHook", 5);
    assert_int_equal(setenv("MMENGINE_CC", "no-such-compiler --fast", 1), 0);
    assert_int_equal(import("my_models.third"), MM_EPLUGIN);
    assert_int_equal(mm_error_take(&error), MM_EPLUGIN);
    assert_non_null(strstr(error.message, "there is no compiler 'no-such-compiler"));
    /* a library beside the source serves a machine without a compiler */
    assert_int_equal(setenv("MMENGINE_CC", kept, 1), 0);
    char *path = in_home("my_models/third.c");
    char *library = in_home("my_models/third.so");

    assert_int_equal(mm_plugin_build(path, NULL), MM_OK);
    assert_true(mm_file_exists(library));
    assert_int_equal(setenv("MMENGINE_CC", "no-such-compiler", 1), 0);
    assert_int_equal(import("my_models.third"), MM_OK);
    check_ok();
    assert_int_equal(default_of("ThirdHook"), 5);
    assert_int_equal(setenv("MMENGINE_CC", kept, 1), 0);
    mm_free(library);
    mm_free(path);
    mm_free(kept);
}

static void test_not_found(void **state)
{
    (void)state;
    mm_error error;

    assert_int_equal(import("my_models.absent"), MM_ECONFIG);
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    char *start = mm_strfmt("cfg.py:3:31: could not import 'my_models.absent': no such "
                            "plugin (.c or .so) in '%s', '.'",
                            home);

    assert_memory_equal(error.message, start, strlen(start));
    mm_free(start);
    assert_int_equal(import("../evil"), MM_ECONFIG);
    check_error(MM_ECONFIG);
    assert_int_equal(import(".a"), MM_ECONFIG);
    check_error(MM_ECONFIG);
    /* packages whose components are built in */
    assert_int_equal(import("mmengine.hooks"), MM_OK);
    assert_int_equal(import("torch.nn"), MM_OK);
    assert_int_equal(import("mmdet.models"), MM_ECONFIG);
    check_error(MM_ECONFIG);
}

static void test_import_forms(void **state)
{
    (void)state;
    mm_import_args args = {0};

    assert_int_equal(mm_plugin_import(&args), MM_OK);
    args.imports = mm_value_new_dict();
    assert_int_equal(mm_plugin_import(&args), MM_OK);
    mm_dict_put_str(args.imports, "imports", "no.such.module");
    assert_int_equal(mm_plugin_import(&args), MM_ECONFIG);
    check_error(MM_ECONFIG);
    mm_dict_put_bool(args.imports, "allow_failed_imports", true);
    assert_int_equal(mm_plugin_import(&args), MM_OK);
    mm_dict_put_i64(args.imports, "imports", 3);
    assert_int_equal(mm_plugin_import(&args), MM_ECONFIG);
    check_error_text(MM_ECONFIG, "custom_imports: module names are strings, got int");
    mm_dict_put_i64(args.imports, "import", 3);
    assert_int_equal(mm_plugin_import(&args), MM_ECONFIG);
    check_error_text(MM_ECONFIG, "custom_imports takes imports and "
                                 "allow_failed_imports, got 'import'");
    mm_value_unref(args.imports);
    assert_int_equal(mm_plugin_import(NULL), MM_EINVAL);
    check_error(MM_EINVAL);
}

/* Compiles a text and loads it; the status of loading. */
static mm_status load_text(const char *name, const char *text)
{
    char *path = mm_strfmt("%s/%s.c", home, name);

    write_text(mm_path_basename(path), text);
    mm_status status = mm_plugin_load(path);

    mm_free(path);
    return status;
}

static const char strange[] =
    "#include <mmengine/mmengine.h>\n"
    "struct part { int n; };\n"
    "static const mm_component part = {.registry = \"hooks\", .name = \"%s\",\n"
    "    .help = \"a part\", .size = sizeof(struct part)};\n"
    "static const mm_component *const all[] = {&part, NULL};\n"
    "static const size_t sizes[] = {%s};\n"
    "static const int other;\n"
    "MM_EXPORT const mm_plugin *mm_plugin_entry(void);\n"
    "const mm_plugin *mm_plugin_entry(void)\n"
    "{\n"
    "    static mm_plugin plugin = {%s, sizeof(mm_plugin), \"9.0.0\", NULL, sizes,\n"
    "        sizeof(sizes) / sizeof(sizes[0]), all};\n"
    "    (void)other;\n"
    "    plugin.token = %s;\n"
    "    return &plugin;\n"
    "}\n";

static void check_refused(const char *name, const char *sizes, const char *abi,
                          const char *token, const char *message)
{
    char *text = mm_strfmt(strange, name, sizes, abi, token);
    mm_error error;

    assert_int_equal(load_text(name, text), MM_EABI);
    assert_int_equal(mm_error_take(&error), MM_EABI);
    assert_non_null(strstr(error.message, message));
    assert_null(mm_component_find("hooks", NULL, name));
    mm_free(text);
}

static void test_handshake(void **state)
{
    (void)state;
    mm_error error;

    check_refused("Older", "sizeof(mm_component)", "MM_ABI_VERSION + 1",
                  "mm_host_token()", "was made for ABI 2 of mmengine, this is ABI 1");
    check_refused("Stranger", "sizeof(mm_component)", "MM_ABI_VERSION", "&other",
                  "bound to another copy of libmmengine");
    check_refused("Smaller", "sizeof(mm_component) - 8", "MM_ABI_VERSION",
                  "mm_host_token()", "its mm_component has ");
    assert_int_equal(load_text("plain", "int plain(void);\nint plain(void)\n{\n"
                                        "    return 1;\n}\n"),
                     MM_EPLUGIN);
    assert_int_equal(mm_error_take(&error), MM_EPLUGIN);
    assert_non_null(strstr(error.message, "it is no plugin of mmengine"));
    assert_int_equal(load_text("loose", "#include <mmengine/mmengine.h>\n"
                                        "int no_such_function(void);\n"
                                        "MM_EXPORT int call(void);\n"
                                        "int call(void)\n{\n"
                                        "    return no_such_function();\n}\n"),
                     MM_EPLUGIN);
    assert_int_equal(mm_error_take(&error), MM_EPLUGIN);
    assert_non_null(strstr(error.message, "no_such_function"));
}

static void test_faulty_component(void **state)
{
    (void)state;
    mm_error error;

    assert_int_equal(
        load_text("faulty", "#include <mmengine/mmengine.h>\n"
                            "struct part { int64_t n; };\n"
                            "#define MM_OPT_STRUCT struct part\n"
                            "static const mm_option rows[] = {\n"
                            "    {\"n\", \"a number\", MM_OPT_I64(n, 9, 0, 5)}, {0}};\n"
                            "static const mm_component part = {.registry = \"hooks\",\n"
                            "    .name = \"Faulty\", .help = \"a part\",\n"
                            "    .size = sizeof(struct part), .options = rows};\n"
                            "static const mm_component *const all[] = {&part, NULL};\n"
                            "MM_PLUGIN(all)\n"),
        MM_EINVAL);
    assert_int_equal(mm_error_take(&error), MM_EINVAL);
    assert_string_equal(
        error.message,
        "component 'Faulty', option 'n': the default is out of its range");
}

static void check_rule(const char *rule, size_t count, const char *last)
{
    mm_value *files = mmi_plugin_parse_rule(rule);

    assert_int_equal(mm_value_len(files), count);
    if (count > 0) {
        assert_string_equal(mm_value_str(mm_list_get(files, count - 1)), last);
    }
    mm_value_unref(files);
    check_ok();
}

static void test_rules(void **state)
{
    (void)state;
    check_rule("a.so: a.c", 1, "a.c");
    check_rule("a.so: a.c b.h \\\n  dir/c.h\n", 3, "dir/c.h");
    check_rule("a.so: a.c my\\ file.h\nother: x\n", 2, "my file.h");
    check_rule("a.so: a$$b.h\n", 1, "a$b.h");
    check_rule("a.so: a\\#b.h\\\n c.h", 2, "c.h");
    check_rule("", 0, NULL);
}

static int setup(void **state)
{
    (void)state;
    home = mmi_os_temp_dir("mmengine-test");
    char *cache = in_home("cache");
    char *script = in_home("cc.sh");
    char *call = mm_strfmt("sh %s", script);
    char *text = mm_strfmt("case \"$*\" in *--version*) ;; *) echo run >> %s/runs ;; "
                           "esac\nexec cc \"$@\"\n",
                           home);

    write_text("cc.sh", text);
    assert_int_equal(unsetenv("MMENGINE_CACHE_DIR"), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", cache, 1), 0);
    assert_int_equal(setenv("MMENGINE_CC", call, 1), 0);
    assert_int_equal(unsetenv("MMENGINE_PLUGIN_PATH"), 0);
    const size_t sizes[] = {MM_ABI_STRUCTS(MM_ABI_SIZE_)};

    mmi_plugin_set_layout(sizes, sizeof(sizes) / sizeof(sizes[0]));
    mm_free(text);
    mm_free(call);
    mm_free(script);
    mm_free(cache);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mmi_os_remove_tree(home), MM_OK);
    mm_free(home);
    return 0;
}

static int no_error_left(void **state)
{
    (void)state;
    check_ok();
    assert_int_equal(mm_live_values(), 0);
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown((function), no_error_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rules),         TEST(test_import),      TEST(test_cache),
        TEST(test_broken_source), TEST(test_no_compiler), TEST(test_not_found),
        TEST(test_import_forms),  TEST(test_handshake),   TEST(test_faulty_component),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
