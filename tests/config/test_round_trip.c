/* Configs written as Python, YAML and JSON read back as equal configs, order and types
 * included, wherever the format can hold the value. Without arguments: the configs of
 * this repository. With folders: every config below them; a line for each that does not
 * come back, and counts. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"

/* What a format cannot hold, as marks of mm_config_json(). */
struct form {
    const char *name;
    const char *lacks[7];
    int64_t same, lacking, different;
};

static struct form forms[] = {
    {.name = "py", .lacks = {"{\"__opaque__\": "}},
    {.name = "yaml", .lacks = {"{\"__opaque__\": ", "{\"__range__\": "}},
    {.name = "json",
     .lacks = {"{\"__opaque__\": ", "{\"__range__\": ", "{\"__tuple__\": ",
               "{\"__set__\": ", "{\"__bytes__\": ", "{\"__dict__\": "}},
};

enum { NUM_FORMS = sizeof(forms) / sizeof(forms[0]) };

static int64_t num_files, num_rejected;

static bool can_hold(const struct form *form, const char *json)
{
    for (size_t i = 0; form->lacks[i] != NULL; i++) {
        if (strstr(json, form->lacks[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static void complain(struct form *form, const char *path, const char *what)
{
    form->different++;
    (void)printf("%s: %s: %.300s\n", path, form->name, what);
}

static void check_form(struct form *form, const char *path, const mm_value *root,
                       const char *json)
{
    char *text = mm_config_format(root, form->name, MM_CONFIG_SOURCE);
    char format[8];
    mm_error error = {0};

    (void)snprintf(format, sizeof(format), ".%s", form->name);
    mm_config *again = text == NULL ? NULL : mm_config_from_string(text, format);
    char *back = again == NULL ? NULL : mm_config_json(mm_config_root(again));

    if (!can_hold(form, json)) {
        form->lacking++;
        (void)mm_error_take(NULL);
    } else if (mm_error_take(&error) != MM_OK) {
        complain(form, path, error.message);
    } else if (strcmp(json, back) != 0) {
        size_t at = 0;

        while (json[at] == back[at]) {
            at++;
        }
        complain(form, path, back + (at > 40 ? at - 40 : 0));
    } else {
        form->same++;
    }
    mm_free(text);
    mm_free(back);
    mm_config_unref(again);
}

static void check_file(const char *path)
{
    mm_config *config = mm_config_from_file(path, NULL);
    char *json = config == NULL ? NULL : mm_config_json(mm_config_root(config));

    num_files++;
    if (json == NULL) {
        num_rejected++;
        (void)mm_error_take(NULL);
    }
    for (size_t i = 0; json != NULL && i < NUM_FORMS; i++) {
        check_form(&forms[i], path, mm_config_root(config), json);
    }
    mm_free(json);
    mm_config_unref(config);
}

static bool is_config(const char *path)
{
    static const char *const extensions[] = {".py", ".yaml", ".yml", ".json"};

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(mm_path_extension(path), extensions[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void check_folder(const char *folder)
{
    mm_value *names = mm_list_dir(folder);

    check_ok();
    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *path = mm_path_join(folder, name);

        if (mm_file_is_dir(path)) {
            if (name[0] != '.') {
                check_folder(path);
            }
        } else if (is_config(name)) {
            check_file(path);
        }
        mm_free(path);
    }
    mm_value_unref(names);
}

static int64_t count_different(void)
{
    int64_t different = 0;

    for (size_t i = 0; i < NUM_FORMS; i++) {
        different += forms[i].different;
    }
    return different;
}

static int check_folders(int count, char **folders)
{
    for (int i = 0; i < count; i++) {
        check_folder(folders[i]);
    }
    (void)printf("%lld files, %lld of them are no configs\n", (long long)num_files,
                 (long long)num_rejected);
    for (size_t i = 0; i < NUM_FORMS; i++) {
        (void)printf("%-4s  %lld come back, %lld the format cannot hold, %lld differ\n",
                     forms[i].name, (long long)forms[i].same,
                     (long long)forms[i].lacking, (long long)forms[i].different);
    }
    return count_different() > 0;
}

static void test_repository(void **state)
{
    (void)state;
    check_folder("cases/config/valid");
    check_folder("../configs");
    assert_int_equal(count_different(), 0);
    assert_true(forms[0].same > 50);
    assert_true(forms[1].same > 50);
    assert_true(forms[2].same > 20);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_repository),
    };

    if (argc > 1) {
        return check_folders(argc - 1, argv + 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
