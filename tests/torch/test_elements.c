/* Data elements against MMEngine's (tools/golden/structures.py): programs of set, get,
 * index, cut and join, what is printed after each step, and which steps fail. */
#include "nn_check.h"

#include "mmengine/ops.h"
#include "mmengine/structures.h"

/* Elements by their one-letter names. */
struct machine {
    mm_data_element *regs[128];
};

static const char *word(const mm_value *op, size_t index)
{
    return mm_value_str(mm_list_get(op, index));
}

/* As Python's dict, that is a KeyError if an earlier step has made none. */
static mm_data_element *reg(struct machine *machine, const mm_value *op, size_t index)
{
    mm_data_element *element = machine->regs[(int)word(op, index)[0]];

    if (element == NULL)
        (void)mm_raise(MM_EKEY, "there is no element '%s'", word(op, index));
    return element;
}

/* Puts an element into the register that operand 1 names. */
static mm_data_element *keep(struct machine *machine, const mm_value *op,
                             MM_TAKES mm_data_element *element)
{
    mm_data_element **at = &machine->regs[(int)word(op, 1)[0]];

    if (element != NULL) {
        mm_data_element_unref(*at);
        *at = element;
    }
    return element;
}

/* --- values --- */

/* The elements of nested lists, one behind the other. */
static void flatten(const mm_value *list, double *out, int64_t *count)
{
    if (mm_value_kind(list) != MM_KIND_LIST) {
        out[(*count)++] = mm_value_f64(list);
        return;
    }
    for (size_t i = 0; i < mm_value_len(list); i++)
        flatten(mm_list_get(list, i), out, count);
}

static mm_tensor *tensor_of(const mm_value *value)
{
    static double data[4096];
    const mm_value *list = mm_dict_get(value, "$t"), *at = list;
    int64_t sizes[8] = {0}, count = 0;
    mm_dtype dtype = MM_DTYPE_NONE;
    int ndim = 0;

    for (; mm_value_kind(at) == MM_KIND_LIST; at = mm_list_get(at, 0)) {
        sizes[ndim++] = (int64_t)mm_value_len(at);
        if (mm_value_len(at) == 0)
            break;
    }
    flatten(list, data, &count);
    assert_int_equal(mm_dtype_parse(mm_value_str(mm_dict_get(value, "$d")), &dtype),
                     MM_OK);
    return mm_cast(mm_from_data(data, MM_DTYPE_F64, ndim, sizes), dtype);
}

static mm_value *value_of(struct machine *machine, const mm_value *value);

static mm_value *items_of(struct machine *machine, const mm_value *list,
                          MM_TAKES mm_value *out)
{
    for (size_t i = 0; i < mm_value_len(list); i++)
        mm_list_push(out, value_of(machine, mm_list_get(list, i)));
    return out;
}

/* Yours. */
static mm_value *value_of(struct machine *machine, const mm_value *value)
{
    if (mm_value_kind(value) == MM_KIND_LIST)
        return items_of(machine, value, mm_value_new_list());
    if (mm_value_kind(value) != MM_KIND_DICT)
        return mm_value_copy(value);
    if (mm_dict_has(value, "$t"))
        return mm_value_new_tensor(tensor_of(value));
    if (mm_dict_has(value, "$tuple"))
        return items_of(machine, mm_dict_get(value, "$tuple"), mm_value_new_tuple());
    if (mm_dict_has(value, "$e"))
        return mm_value_new_data_element(
            machine->regs[(int)mm_value_str(mm_dict_get(value, "$e"))[0]]);
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(value); i++)
        mm_dict_take(out, mm_dict_name_at(value, i),
                     value_of(machine, mm_dict_at(value, i)));
    return out;
}

/* A number, or [start, stop, step] with nulls. */
static mm_slice slice_of(const mm_value *value)
{
    if (mm_value_kind(value) != MM_KIND_LIST)
        return mm_slice_at(mm_value_i64(value));
    size_t count = mm_value_len(value);
    const mm_value *start = mm_list_get(value, 0), *stop = mm_list_get(value, 1);
    const mm_value *step = count > 2 ? mm_list_get(value, 2) : NULL;

    return (mm_slice){
        .has_start = !mm_value_is_none(start),
        .start = mm_value_is_none(start) ? 0 : mm_value_i64(start),
        .has_stop = !mm_value_is_none(stop),
        .stop = mm_value_is_none(stop) ? 0 : mm_value_i64(stop),
        .step = mm_value_is_none(step) ? 0 : mm_value_i64(step),
    };
}

/* --- steps --- */

static char *print(const mm_data_element *element)
{
    return mm_has_error() ? NULL : mm_data_element_repr(element);
}

static char *print_value(MM_TAKES mm_value *value)
{
    char *text = mm_has_error() ? NULL : mm_value_repr(value);

    mm_value_unref(value);
    return text;
}

static mm_data_element *made(struct machine *machine, const mm_value *op)
{
    static const char *const names[] = {"BaseDataElement", "InstanceData", "PixelData",
                                        "LabelData"};
    int kind = 0;

    while (strcmp(names[kind], word(op, 2)) != 0)
        kind++;
    mm_data_element *element = mm_data_element_new_of((mm_element_kind)kind, NULL);
    mm_value *meta = value_of(machine, mm_list_get(op, 3));
    mm_value *data = value_of(machine, mm_list_get(op, 4));

    mm_data_element_put_metainfo(element, meta);
    mm_data_element_put_fields(element, data);
    mm_value_unref(meta);
    mm_value_unref(data);
    return element;
}

static mm_data_element *made_like(struct machine *machine, const mm_value *op)
{
    mm_value *meta = value_of(machine, mm_list_get(op, 3));
    mm_value *data = value_of(machine, mm_list_get(op, 4));
    mm_data_element *element = mm_data_element_new_like(
        reg(machine, op, 2), mm_value_is_none(meta) ? NULL : meta,
        mm_value_is_none(data) ? NULL : data);

    mm_value_unref(meta);
    mm_value_unref(data);
    return element;
}

static mm_value *names_of(const mm_value *dict, MM_TAKES mm_value *list)
{
    for (size_t i = 0; i < mm_value_len(dict); i++)
        mm_list_append(list, mm_dict_key_at(dict, i));
    return list;
}

static mm_value *keys_of(const mm_data_element *element)
{
    mm_value *out = mm_value_new_list();
    const mm_value *fields = mm_data_element_fields(element);
    const mm_value *metainfo = mm_data_element_metainfo(element);

    mm_list_push(out, names_of(fields, mm_value_new_list()));
    mm_list_push(out, names_of(metainfo, mm_value_new_list()));
    mm_list_push(out, names_of(fields, names_of(metainfo, mm_value_new_list())));
    return out;
}

static mm_data_element *joined(struct machine *machine, const mm_value *op)
{
    mm_data_element *elements[8] = {NULL};
    const mm_value *names = mm_list_get(op, 2);

    for (size_t i = 0; i < mm_value_len(names); i++)
        elements[i] = machine->regs[(int)mm_value_str(mm_list_get(names, i))[0]];
    return mm_instance_data_cat(elements, mm_value_len(names));
}

/* Steps that give another element; NULL without an error: it is none of them. */
static mm_data_element *derive(struct machine *machine, const mm_value *op)
{
    const char *name = word(op, 0);
    mm_dtype dtype = MM_DTYPE_NONE;

    if (strcmp(name, "new") == 0)
        return made(machine, op);
    if (strcmp(name, "newlike") == 0)
        return made_like(machine, op);
    if (strcmp(name, "clone") == 0)
        return mm_data_element_clone(reg(machine, op, 2));
    if (strcmp(name, "detach") == 0)
        return mm_data_element_detach(reg(machine, op, 2));
    if (strcmp(name, "numpy") == 0)
        return mm_data_element_numpy(reg(machine, op, 2));
    if (strcmp(name, "cpu") == 0 || strcmp(name, "to") == 0)
        return mm_data_element_to(reg(machine, op, 2), "cpu");
    if (strcmp(name, "cast") == 0 && mm_dtype_parse(word(op, 3), &dtype) == MM_OK)
        return mm_data_element_cast(reg(machine, op, 2), dtype);
    if (strcmp(name, "slice") == 0)
        return mm_instance_data_slice(reg(machine, op, 2),
                                      slice_of(mm_list_get(op, 3)));
    if (strcmp(name, "crop") == 0)
        return mm_pixel_data_crop(reg(machine, op, 2), slice_of(mm_list_get(op, 3)),
                                  slice_of(mm_list_get(op, 4)));
    if (strcmp(name, "cat") == 0)
        return joined(machine, op);
    if (strcmp(name, "index") != 0)
        return NULL;
    mm_value *index = value_of(machine, mm_list_get(op, 3));
    mm_data_element *element = mm_instance_data_index(reg(machine, op, 2), index);

    mm_value_unref(index);
    return element;
}

/* Steps that change an element; false: it is none of them. */
static bool change(struct machine *machine, const mm_value *op)
{
    const char *name = word(op, 0);
    bool changes = strcmp(name, "put") == 0 || strcmp(name, "meta") == 0 ||
                   strcmp(name, "update") == 0 || strcmp(name, "del") == 0;
    mm_data_element *element = changes ? reg(machine, op, 1) : NULL;

    if (strcmp(name, "put") == 0) {
        mm_value *value = value_of(machine, mm_list_get(op, 3));

        mm_data_element_put(element, word(op, 2), value);
        mm_value_unref(value);
        return true;
    }
    if (strcmp(name, "meta") == 0) {
        mm_value *value = value_of(machine, mm_list_get(op, 2));

        mm_data_element_put_metainfo(element, value);
        mm_value_unref(value);
        return true;
    }
    if (strcmp(name, "update") == 0) {
        mm_data_element_update(element, reg(machine, op, 2));
        return true;
    }
    if (strcmp(name, "del") != 0)
        return false;
    if (!mm_data_element_remove(element, word(op, 2)))
        (void)mm_raise(MM_EKEY, "nothing to remove");
    return true;
}

/* Steps that say something; NULL without an error: it is none of them. */
static char *ask(struct machine *machine, const mm_value *op)
{
    const char *name = word(op, 0);
    int64_t shape[2] = {0};

    if (strcmp(name, "get") == 0)
        return print_value(
            mm_value_ref(mm_data_element_get(reg(machine, op, 1), word(op, 2))));
    if (strcmp(name, "pop") == 0)
        return print_value(mm_data_element_pop(reg(machine, op, 1), word(op, 2)));
    if (strcmp(name, "has") == 0)
        return print_value(
            mm_value_new_bool(mm_data_element_has(reg(machine, op, 1), word(op, 2))));
    if (strcmp(name, "keys") == 0)
        return print_value(keys_of(reg(machine, op, 1)));
    if (strcmp(name, "dict") == 0)
        return print_value(mm_data_element_to_dict(reg(machine, op, 1)));
    if (strcmp(name, "len") == 0)
        return print_value(mm_value_new_i64(mm_instance_data_len(reg(machine, op, 1))));
    if (strcmp(name, "shape") == 0)
        return mm_pixel_data_shape(reg(machine, op, 1), shape)
                   ? mm_strfmt("(%d, %d)", (int)shape[0], (int)shape[1])
                   : mm_strdup("None"); /* NULL if there is no element */
    if (strcmp(name, "onehot") == 0)
        return mm_tensor_repr(mm_label_to_onehot(tensor_of(mm_list_get(op, 1)),
                                                 mm_value_i64(mm_list_get(op, 2))));
    return strcmp(name, "label") == 0
               ? mm_tensor_repr(mm_onehot_to_label(tensor_of(mm_list_get(op, 1))))
               : NULL;
}

static bool is_question(const char *name)
{
    static const char *const names[] = {"get", "pop",   "has",    "keys", "dict",
                                        "len", "shape", "onehot", "label"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static char *step(struct machine *machine, const mm_value *op)
{
    if (is_question(word(op, 0)))
        return ask(machine, op);
    if (change(machine, op))
        return mm_has_error() ? NULL : print(reg(machine, op, 1));
    mm_data_element *element = derive(machine, op);

    if (mm_has_error()) {
        mm_data_element_unref(element);
        return NULL;
    }
    return print(keep(machine, op, element));
}

/* --- comparing --- */

/* Addresses are of no interest: "0x7f.." becomes "0x0". */
static void blind(char *text)
{
    char *out = text;

    for (const char *at = text; *at != '\0';) {
        *out++ = *at;
        if (at[0] == '0' && at[1] == 'x') {
            *out++ = 'x';
            *out++ = '0';
            for (at += 2; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f');)
                at++;
        } else {
            at++;
        }
    }
    *out = '\0';
}

/* What each kind of exception may be here. */
static bool is_same_kind(const char *exception, mm_status code)
{
    if (strcmp(exception, "AttributeError") == 0 || strcmp(exception, "KeyError") == 0)
        return code == MM_EKEY;
    if (strcmp(exception, "IndexError") == 0)
        return code == MM_ERANGE || code == MM_ETORCH || code == MM_EDTYPE;
    if (strcmp(exception, "TypeError") == 0)
        return code == MM_ETYPE;
    if (strcmp(exception, "AssertionError") == 0)
        return code == MM_ESHAPE || code == MM_EDTYPE || code == MM_ETYPE ||
               code == MM_EKEY || code == MM_EINVAL || code == MM_ERANGE;
    return code == MM_EINVAL || code == MM_ETYPE || code == MM_ERANGE; /* ValueError */
}

static void check_step(const mm_value *op, char *text, const char *wanted)
{
    mm_error error = {0};
    mm_status code = mm_error_take(&error);
    bool should_fail = strncmp(wanted, "error:", 6) == 0;

    if (text != NULL)
        blind(text);
    if (should_fail ? code < 0 && is_same_kind(wanted + 6, code)
                    : code == MM_OK && text != NULL && strcmp(text, wanted) == 0)
        return;
    char *program = mm_value_repr(op);

    print_error("%.2000s\nwanted %s\ngot    %s\n", program, wanted,
                code < 0 ? error.message : text);
    fail();
}

static void run_case(const mm_value *one)
{
    struct machine machine = {{NULL}};
    const mm_value *ops = mm_dict_get(one, "ops");
    const mm_value *results = mm_dict_get(one, "results");

    for (size_t i = 0; i < mm_value_len(ops); i++) {
        mm_scope scope = mm_scope_open();
        const mm_value *op = mm_list_get(ops, i);
        const char *wanted = mm_value_str(mm_list_get(results, i));
        char *text = step(&machine, op);

        check_step(op, text, wanted);
        mm_free(text);
        mm_scope_close(scope);
    }
    for (size_t i = 0; i < 128; i++)
        mm_data_element_unref(machine.regs[i]);
}

static void test_programs(void **state)
{
    mm_value *cases = nn_json_file("golden/structures/cases.json");

    (void)state;
    assert_true(mm_value_len(cases) >= 100);
    for (size_t i = 0; i < mm_value_len(cases); i++)
        run_case(mm_list_get(cases, i));
    mm_value_unref(cases);
}

static void test_arguments(void **state)
{
    mm_data_element *base = mm_data_element_new(NULL);
    mm_data_element *pixels = mm_data_element_new_of(MM_ELEMENT_PIXEL, "Map");

    (void)state;
    assert_int_equal(mm_data_element_kind(pixels), MM_ELEMENT_PIXEL);
    assert_string_equal(mm_data_element_type(pixels), "Map");
    assert_null(mm_instance_data_at(base, 0));
    check_error(MM_ETYPE);
    assert_null(mm_pixel_data_crop(base, (mm_slice){0}, (mm_slice){0}));
    check_error(MM_ETYPE);
    assert_null(mm_instance_data_select(NULL, NULL));
    check_error(MM_EINVAL);
    assert_null(mm_instance_data_slice(base, (mm_slice){.step = -1}));
    check_error(MM_ETYPE);
    mm_data_element_put_metainfo(base, NULL);
    check_error(MM_EINVAL);
    assert_null(mm_onehot_to_label(NULL));
    check_error(MM_EINVAL);
    assert_null(mm_data_element_cast(NULL, MM_DTYPE_F32));
    check_error(MM_EINVAL);
    mm_data_element_unref(pixels);
    mm_data_element_unref(base);
}

int test_elements(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_programs, nn_set_up, nn_tear_down),
        cmocka_unit_test_setup_teardown(test_arguments, nn_set_up, nn_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
