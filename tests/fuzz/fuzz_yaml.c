/* YAML: any bytes are a value or an error, and what is written of a value reads back as
 * the same value. */
#include "fuzz.h"

static void check_back(const mm_value *value)
{
    char *text = mm_yaml_format(value, &(mm_yaml_args){.keep_order = true});
    mm_value *again = NULL;

    if (text == NULL) { /* surrogates, and depth that tuples in keys add */
        take_error(NULL);
        return;
    }
    again = mm_yaml_parse(text, strlen(text), NULL);
    take_error("what was written does not parse");
    char *one = mm_value_repr(value);
    char *two = mm_value_repr(again);

    take_error("no repr");
    if (strcmp(one, two) != 0) {
        panic(text, one, two);
    }
    mm_free(one);
    mm_free(two);
    mm_free(text);
    mm_value_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mm_value *value = mm_yaml_parse((const char *)data, size, "x.yaml");

    take_error(NULL);
    if (value != NULL && count_values(value, 5000) < 5000) {
        check_back(value);
    }
    mm_value_unref(value);
    value = mm_yaml_parse_all((const char *)data, size, NULL);
    take_error(NULL);
    mm_value_unref(value);
    check_nothing_left();
    return 0;
}
