/* JSON: any bytes are a value or an error, and what is written of a value reads back as
 * the same value. */
#include "fuzz.h"

static void check_back(const mm_value *value, const mm_json_args *args)
{
    char *text = mm_json_format(value, args);
    mm_value *again = NULL;

    take_error("a value of JSON has no text");
    again = mm_json_parse(text, strlen(text), NULL);
    take_error("what was written does not parse");
    char *one = mm_value_repr(value);
    char *two = mm_value_repr(again);

    take_error("no repr");
    if (!args->sort_keys && strcmp(one, two) != 0) {
        panic(text, one, two);
    }
    mm_free(one);
    mm_free(two);
    mm_free(text);
    mm_value_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mm_json_args forms[] = {{0},
                                         {.indent = 2},
                                         {.sort_keys = true, .no_spaces = true},
                                         {.keep_utf8 = true}};
    mm_value *value = mm_json_parse((const char *)data, size, "x.json");

    take_error(NULL);
    for (size_t i = 0; value != NULL && i < sizeof(forms) / sizeof(forms[0]); i++) {
        check_back(value, &forms[i]);
    }
    mm_value_unref(value);
    value = mm_json_parse_lines((const char *)data, size, NULL);
    take_error(NULL);
    mm_value_unref(value);
    check_nothing_left();
    return 0;
}
