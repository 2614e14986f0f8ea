/* Config files: lexer, parser, evaluator, templates, merge, dump. The first byte
 * chooses the format. What is evaluated can be written and reads back as the same
 * value. */
#include "fuzz.h"

#include "config/load.h"

enum { MOST_STEPS = 20000, MOST_BYTES = 4 << 20, MOST_VALUES = 5000 };

static mm_value *load(const char *text, const char *format)
{
    static const mm_config_args args = {
        .limits = {.max_steps = MOST_STEPS, .max_bytes = MOST_BYTES}};
    mmi_load state = {.args = &args};
    mm_value *root = mmi_load_string(&state, text, format);

    mmi_load_deinit(&state);
    return root;
}

/* Sets have an order of their own; opaque values come back as texts. */
static bool is_exact(const char *json)
{
    return !shows(json, "__opaque__") && !shows(json, "__set__");
}

static void check_back(const mm_value *root)
{
    char *text = mm_config_dump(root, MM_CONFIG_SOURCE);
    mm_value *again = NULL;

    if (mm_dict_has(root, "_base_")) { /* a name of a lazy config; inherits elsewhere */
        mm_free(text);
        return;
    }
    if (text == NULL) {
        take_error(NULL);
        return;
    }
    again = load(text, ".py");
    if (again == NULL && mm_error_peek() != NULL &&
        (strstr(mm_error_peek()->message, "than") != NULL ||
         strstr(mm_error_peek()->message, "limit") != NULL ||
         strstr(mm_error_peek()->message, "many") != NULL)) {
        take_error(NULL); /* a limit */
    }
    if (again == NULL && mm_has_error()) {
        panic(text, mm_error_peek()->message, NULL);
    }
    char *one = mm_config_json(root);
    char *two = again == NULL ? mm_strdup(one) : mm_config_json(again);

    take_error("no JSON");
    if (is_exact(one) && strcmp(one, two) != 0) {
        panic(text, one, two);
    }
    mm_free(one);
    mm_free(two);
    mm_free(text);
    mm_value_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {".py", ".yaml", ".json"};
    const char *format = formats[0];
    char *text = mm_alloc(size + 1);

    if (size > 0) {
        memcpy(text, data, size);
        if (data[0] == 1 || data[0] == 2) {
            format = formats[data[0]];
            text[0] = ' ';
        }
    }
    mm_value *root = load(text, format);

    take_error(NULL);
    if (root != NULL && count_values(root, MOST_VALUES) < MOST_VALUES) {
        check_back(root);
    }
    mm_value_unref(root);
    mm_free(text);
    check_nothing_left();
    return 0;
}
