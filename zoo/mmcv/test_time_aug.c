/* TestTimeAug: one sample becomes several, one for each way of taking one transform
 * from every list. Each field of the result is the list of what it is in each of them.
 * Source: mmcv/transforms/processing.py. */
#include "mmengine/dataset.h"
#include "mmengine/memory.h"

/* The transforms of one list. */
struct choice {
    mm_instance **items;
    size_t count;
};

struct test_time_aug {
    mm_value *transforms;
    struct choice *choices;
    size_t num_choices;
};

#define MM_OPT_STRUCT struct test_time_aug
static const mm_option options[] = {
    {"transforms",
     "list of lists of transforms; a sample goes through one of each list, in all ways",
     MM_OPT_VALUE_REQUIRED(transforms)},
    {0},
};
#undef MM_OPT_STRUCT

static bool is_list(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_LIST ||
           mm_value_kind(value) == MM_KIND_TUPLE;
}

static mm_status build_choice(struct choice *choice, const mm_value *list,
                              size_t number, const char *scope)
{
    if (!is_list(list) || mm_value_len(list) == 0)
        return mm_raise(MM_ECONFIG,
                        "transforms[%zu] of TestTimeAug must be a list of transforms",
                        number);
    choice->items = mm_alloc_array(mm_value_len(list), sizeof(mm_instance *));
    for (size_t i = 0; i < mm_value_len(list) && !mm_has_error(); i++) {
        char *path = mm_strfmt("transforms[%zu][%zu]", number, i);

        choice->items[i] = mm_build(&(mm_build_args){
            .registry = "transforms",
            .config = mm_list_get(list, i),
            .scope = scope,
            .path = path,
            .interface = MM_INTERFACE_TRANSFORM,
        });
        choice->count = i + 1;
        mm_free(path);
    }
    return mm_pending();
}

static mm_status init(void *data)
{
    struct test_time_aug *self = data;
    const char *scope = mm_instance_scope(mm_instance_of(data));
    size_t count = is_list(self->transforms) ? mm_value_len(self->transforms) : 0;

    if (count == 0)
        return mm_raise(
            MM_ECONFIG,
            "transforms of TestTimeAug must be a list of lists of transforms");
    self->choices = mm_alloc_array(count, sizeof(*self->choices));
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        self->num_choices = i + 1;
        (void)build_choice(&self->choices[i], mm_list_get(self->transforms, i), i,
                           scope);
    }
    return mm_pending();
}

static void deinit(void *data)
{
    struct test_time_aug *self = data;

    for (size_t i = 0; i < self->num_choices; i++) {
        for (size_t k = 0; k < self->choices[i].count; k++)
            mm_instance_unref(self->choices[i].items[k]);
        mm_free(self->choices[i].items);
    }
    mm_free(self->choices);
}

/* The transform of list `choice` in way `number`: the last list turns fastest. */
static mm_instance *pick(const struct test_time_aug *self, size_t choice, size_t number)
{
    for (size_t i = self->num_choices - 1; i > choice; i--)
        number /= self->choices[i].count;
    return self->choices[choice].items[number % self->choices[choice].count];
}

static mm_status run_one(const struct test_time_aug *self, mm_sample *sample,
                         size_t number)
{
    for (size_t i = 0; i < self->num_choices; i++) {
        mm_instance *transform = pick(self, i, number);
        const mm_transform_ops *ops =
            mm_instance_ops(transform, MM_INTERFACE_TRANSFORM);
        mm_status status = ops == NULL
                               ? mm_pending()
                               : ops->apply(mm_instance_self(transform), sample);

        if (mm_has_error())
            return mm_error_frame("in way %zu of TestTimeAug (%s)", number,
                                  mm_instance_component(transform)->name);
        if (status == MM_END)
            return mm_raise(MM_EDATA, "a %s of TestTimeAug dropped a sample",
                            mm_instance_component(transform)->name);
    }
    return MM_OK;
}

/* Appends each field to the list of that name. */
static void collect(mm_value *lists, const mm_value *fields)
{
    for (size_t i = 0; i < mm_value_len(fields) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(fields, i);

        if (!mm_dict_has(lists, name)) {
            mm_value *list = mm_value_new_list();

            mm_dict_take(lists, name, list);
        }
        mm_list_append(mm_dict_find(lists, name), mm_dict_at(fields, i));
    }
}

static mm_status apply(void *data, mm_sample *sample)
{
    const struct test_time_aug *self = data;
    mm_value *original = mm_value_copy(mm_sample_dict(sample));
    mm_value *lists = mm_value_new_dict();
    size_t ways = 1;

    for (size_t i = 0; i < self->num_choices; i++)
        ways *= self->choices[i].count;
    for (size_t i = 0; i < ways && !mm_has_error(); i++) {
        mm_value *fresh = mm_value_copy(original);

        mm_sample_replace(sample, fresh);
        mm_value_unref(fresh);
        if (run_one(self, sample, i) == MM_OK)
            collect(lists, mm_sample_dict(sample));
    }
    mm_sample_replace(sample, lists);
    mm_value_unref(lists);
    mm_value_unref(original);
    return mm_has_error() ? mm_pending() : mm_sample_status(sample);
}

static const mm_transform_ops ops = {.apply = apply};

const mm_component mmz_test_time_aug = {
    .registry = "transforms",
    .name = "TestTimeAug",
    .help = "makes several samples of one, for a model that merges their predictions",
    .source = "mmcv/transforms/processing.py",
    .size = sizeof(struct test_time_aug),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_TRANSFORM(&ops),
};
