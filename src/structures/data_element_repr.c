/* The printed form of data elements: MMEngine's nested text, spaces included. */
#include "structures/structures.h"

#include <string.h>

#include "base/str.h"
#include "mmengine/memory.h"

/* Adds text, every line but the first indented by four. */
static void add_indented(mmi_str *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        mmi_str_add_char(out, *c);
        if (*c == '\n') {
            mmi_str_add(out, "    ");
        }
    }
}

static char *dump(const mm_value *value)
{
    mm_data_element *element = mm_value_find_data_element(value);

    return element != NULL ? mm_data_element_repr(element) : mm_value_repr(value);
}

/* "\nkey: value" for each entry; a nested dict in the same way. */
static char *dump_dict(const mm_value *dict)
{
    mmi_str out = {0};
    size_t count = dict != NULL ? mm_value_len(dict) : 0;

    mmi_str_add(&out, "");
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const mm_value *item = mm_dict_at(dict, i);
        char *text = mm_value_kind(item) == MM_KIND_DICT ? dump_dict(item) : dump(item);

        mmi_str_addf(&out, "\n%s: ", mm_dict_name_at(dict, i));
        if (text != NULL) {
            add_indented(&out, text);
        }
        mm_free(text);
    }
    return mmi_str_take(&out);
}

static void add_section(mmi_str *out, const char *title, const mm_value *dict)
{
    char *text = dump_dict(dict);

    mmi_str_addf(out, "\n\n    %s", title);
    if (text != NULL) {
        add_indented(out, text);
    }
    mm_free(text);
}

char *mm_data_element_repr(const mm_data_element *element)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (element == NULL) {
        mm_raise(MM_EINVAL, "could not print a data element: none given");
        return NULL;
    }
    mmi_str out = {0};

    mmi_str_addf(&out, "<%s(", mm_data_element_type(element));
    add_section(&out, "META INFORMATION", mm_data_element_metainfo(element));
    add_section(&out, "DATA FIELDS", mm_data_element_fields(element));
    mmi_str_addf(&out, "\n) at %p>", (const void *)element);
    return mmi_str_take(&out);
}

static void add_keys(mmi_str *out, const mm_value *dict)
{
    size_t count = dict != NULL ? mm_value_len(dict) : 0;

    for (size_t i = 0; i < count; i++) {
        mmi_str_addf(out, "%s'%s'", out->size > 0 ? ", " : "",
                     mm_dict_name_at(dict, i));
    }
}

char *mmi_data_element_keys(const mm_data_element *element)
{
    mmi_str out = {0};

    add_keys(&out, mm_data_element_fields(element));
    add_keys(&out, mm_data_element_metainfo(element));
    if (out.size == 0) {
        mmi_str_add(&out, "nothing");
    }
    return mmi_str_take(&out);
}
