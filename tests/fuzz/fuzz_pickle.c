/* Pickles: any bytes are a value or an error, nothing is executed, and what is written
 * of a value reads back as what it was. */
#include "fuzz.h"

/* The bytes that are written of what was read must be stable: read again and written
 * again they are the same. */
static void check_back(const mm_value *value)
{
    size_t sizes[2] = {0};
    void *one = mm_pickle_format(value, &sizes[0]);
    mm_value *again = NULL;

    if (one == NULL) { /* nested deeper than the writer goes */
        take_error(NULL);
        return;
    }
    again = mm_pickle_parse(one, sizes[0], NULL);
    take_error("what was written does not parse");
    void *two = mm_pickle_format(again, &sizes[1]);

    take_error("what was read again has no form");
    if (sizes[0] != sizes[1] || memcmp(one, two, sizes[0]) != 0) {
        panic("what is written of a pickle changes when it is read again", NULL, NULL);
    }
    char *text = mm_value_repr(value);
    char *same = mm_value_repr(again);

    take_error("no repr");
    if (strcmp(text, same) != 0) {
        panic("another value", text, same);
    }
    mm_free(text);
    mm_free(same);
    mm_free(one);
    mm_free(two);
    mm_value_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mm_value *value = mm_pickle_parse(data, size, "x.pkl");

    take_error(NULL);
    if (value != NULL && count_values(value, 100000) < 100000) {
        check_back(value);
    }
    mm_value_unref(value);
    check_nothing_left();
    return 0;
}
