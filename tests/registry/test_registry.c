/* The table of components: identity, aliases, MMEngine's order of look-up, class paths,
 * and what is said about names that are not there. */
#include "check.h"

#include <string.h>

#include "mmengine/component.h"
#include "registry/registry.h"

struct nothing {
    int unused;
};

#define PART(variable, registry_, scope_, name_)                                       \
    static const mm_component variable = {.registry = (registry_),                     \
                                          .scope = (scope_),                           \
                                          .name = (name_),                             \
                                          .help = "a part",                            \
                                          .size = sizeof(struct nothing)}

static const char *const conv_aliases[] = {"Conv", "torch.nn.modules.Conv2d", NULL};

PART(relu, "models", NULL, "ReLU");
static const mm_component conv = {.registry = "models",
                                  .name = "Conv2d",
                                  .aliases = conv_aliases,
                                  .help = "a part",
                                  .source = "torch.nn.Conv2d",
                                  .size = sizeof(struct nothing)};
PART(root_head, "models", NULL, "Head");
PART(cls_head, "models", "mmpretrain", "Head");
PART(cls_resnet, "models", "mmpretrain", "ResNet");
PART(det_resnet, "models", "mmdet", "ResNet");
PART(det_fpn, "models", "mmdet", "FPN");
PART(accuracy, "metrics", NULL, "Accuracy");
PART(sgd, "optimizers", NULL, "SGD");
PART(ema, "hooks", "mmengine", "EMAHook");

static const mm_component *const parts[] = {
    &relu,    &conv,     &root_head, &cls_head, &cls_resnet, &det_resnet,
    &det_fpn, &accuracy, &sgd,       &ema,      NULL,
};

static int setup(void **state)
{
    (void)state;
    return mm_register(parts) == MM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mmi_registry_clear();
    return check_clean(state);
}

static void test_names(void **state)
{
    (void)state;
    const char *const *names = mm_registry_names();
    size_t count = 0;

    while (names[count] != NULL) {
        count++;
    }
    assert_int_equal(count, 23);
    assert_int_equal(mmi_registry_index("hooks"), 3);
    assert_int_equal(mmi_registry_index("hook"), -1);
    assert_int_equal(mmi_registry_index(NULL), -1);
}

static void test_find_order(void **state)
{
    (void)state;
    /* own scope, then the root */
    assert_ptr_equal(mm_component_find("models", "mmpretrain", "Head"), &cls_head);
    assert_ptr_equal(mm_component_find("models", NULL, "Head"), &root_head);
    assert_ptr_equal(mm_component_find("models", "mmdet", "Head"), &root_head);
    assert_ptr_equal(mm_component_find("models", "mmpretrain", "ReLU"), &relu);
    /* the root sees no scope, a scope no other */
    assert_null(mm_component_find("models", NULL, "ResNet"));
    assert_null(mm_component_find("models", "mmpretrain", "FPN"));
    /* "scope.Name" wins over the scope in force and also falls back to the root */
    assert_ptr_equal(mm_component_find("models", "mmpretrain", "mmdet.ResNet"),
                     &det_resnet);
    assert_ptr_equal(mm_component_find("models", NULL, "mmpretrain.ResNet"),
                     &cls_resnet);
    assert_ptr_equal(mm_component_find("models", "mmpretrain", "mmdet.ReLU"), &relu);
    assert_ptr_equal(mm_component_find("models", "mmpretrain", "mmengine.Head"),
                     &root_head);
    /* a registry is part of the identity */
    assert_null(mm_component_find("hooks", NULL, "ReLU"));
    assert_null(mm_component_find("no_such", NULL, "ReLU"));
    assert_false(mm_has_error());
}

static void test_aliases_and_class_paths(void **state)
{
    (void)state;
    assert_ptr_equal(mm_component_find("models", NULL, "Conv"), &conv);
    assert_ptr_equal(mm_component_find("models", "mmdet", "Conv"), &conv);
    assert_ptr_equal(mm_component_find("models", NULL, "torch.nn.modules.Conv2d"),
                     &conv);
    assert_ptr_equal(mm_component_find("models", NULL, "torch.nn.ReLU"), &relu);
    assert_ptr_equal(mm_component_find("optimizers", "mmdet", "torch.optim.SGD"), &sgd);
    assert_ptr_equal(mm_component_find("hooks", NULL, "mmengine.hooks.EMAHook"), &ema);
    assert_ptr_equal(
        mm_component_find("models", NULL, "mmpretrain.models.backbones.ResNet"),
        &cls_resnet);
    assert_ptr_equal(mm_component_find("models", "mmdet", "mmcv.cnn.Head"), &root_head);
    assert_null(mm_component_find("models", NULL, "tensorflow.keras.ReLU"));
    assert_null(mm_component_find("models", NULL, ".ReLU"));
    assert_null(mm_component_find("models", NULL, "torch."));

    assert_int_equal(mmi_package_add("my_models"), MM_OK);
    assert_ptr_equal(mm_component_find("models", NULL, "my_models.lenet.Head"),
                     &root_head);
}

static void check_missing(const char *registry, const char *scope, const char *name,
                          const char *message, const char *hint)
{
    mm_error error;

    assert_null(mm_component_get(registry, scope, name));
    assert_int_equal(mm_error_take(&error), MM_EKEY);
    assert_string_equal(error.message, message);
    assert_string_equal(error.hint, hint);
}

static void test_missing(void **state)
{
    (void)state;
    check_missing("models", "mmpretrain", "RestNet",
                  "'RestNet' is not in registry 'models' (scope 'mmpretrain')",
                  "did you mean 'ResNet' or 'Res2Net'?");
    check_missing("models", NULL, "RestNet", "'RestNet' is not in registry 'models'",
                  "did you mean 'mmdet.ResNet'?");
    check_missing("models", NULL, "FPN", "'FPN' is not in registry 'models'",
                  "scope 'mmdet' has it: write type='mmdet.FPN' or set "
                  "default_scope='mmdet'");
    check_missing("models", NULL, "Accuracy", "'Accuracy' is not in registry 'models'",
                  "'Accuracy' is in registry 'metrics' instead");
    check_missing("hooks", NULL, "mmdet.ResNet",
                  "'mmdet.ResNet' is not in registry 'hooks' (scope 'mmdet')",
                  "'ResNet' is in registry 'models' of scope 'mmdet' instead");
    check_missing("models", NULL, "nowhere.Qqqq",
                  "'nowhere.Qqqq' is not in registry 'models', and nothing is known of "
                  "its package",
                  "'mmengine list models' shows what there is; components of your own "
                  "come through custom_imports");
    check_missing("model", NULL, "ResNet", "there is no registry 'model'",
                  "did you mean 'models'?");
}

static void test_get(void **state)
{
    (void)state;
    assert_ptr_equal(mm_component_get("metrics", NULL, "Accuracy"), &accuracy);
    assert_null(mm_component_get(NULL, NULL, "Accuracy"));
    check_error(MM_EINVAL);
    assert_null(mm_component_get("metrics", NULL, NULL));
    check_error(MM_EINVAL);
    mm_raise(MM_EIO, "earlier");
    assert_null(mm_component_get("metrics", NULL, "Accuracy"));
    check_error_text(MM_EIO, "earlier");
}

static void test_taken(void **state)
{
    (void)state;
    PART(other_fpn, "models", "mmdet", "FPN");
    PART(other_conv, "models", NULL, "Conv");
    PART(twin_a, "models", NULL, "Twin");
    PART(twin_b, "models", NULL, "Twin");
    PART(twin_scoped, "models", "mmseg", "Twin");
    static const mm_component *const same_name[] = {&other_fpn, NULL};
    static const mm_component *const same_alias[] = {&other_conv, NULL};
    static const mm_component *const in_batch[] = {&twin_a, &twin_b, NULL};
    static const mm_component *const fine[] = {&twin_a, &twin_scoped, NULL};

    assert_int_equal(mm_register(same_name), MM_EKEY);
    check_error_text(MM_EKEY, "could not register 'FPN' in registry 'models' of scope "
                              "'mmdet': the name is taken by the component 'FPN'");
    assert_int_equal(mm_register(same_alias), MM_EKEY);
    check_error_text(MM_EKEY,
                     "could not register 'Conv' in registry 'models' of scope "
                     "'mmengine': the name is taken by the component 'Conv2d' of "
                     "torch.nn.Conv2d");
    assert_int_equal(mm_register(in_batch), MM_EKEY);
    check_error(MM_EKEY);
    assert_null(mm_component_find("models", NULL, "Twin"));
    assert_int_equal(mm_register(fine), MM_OK);
    assert_ptr_equal(mm_component_find("models", "mmseg", "Twin"), &twin_scoped);
    /* the same table again changes nothing */
    assert_int_equal(mm_register(parts), MM_OK);
    assert_int_equal(mm_register(fine), MM_OK);
}

static void test_faulty(void **state)
{
    (void)state;
    PART(no_name, "models", NULL, "");
    PART(no_registry, "modles", NULL, "Thing");
    static const mm_component no_size = {
        .registry = "models", .name = "Thing", .help = "a part"};
    static const mm_component *const table_a[] = {&no_name, NULL};
    static const mm_component *const table_b[] = {&no_registry, NULL};
    static const mm_component *const table_c[] = {&no_size, NULL};
    mm_error error;

    assert_int_equal(mm_register(table_a), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mm_register(table_b), MM_EINVAL);
    assert_int_equal(mm_error_take(&error), MM_EINVAL);
    assert_string_equal(error.hint, "did you mean 'models'?");
    assert_int_equal(mm_register(table_c), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mm_register(NULL), MM_EINVAL);
    check_error(MM_EINVAL);
}

struct seen {
    const mm_component *components[32];
    size_t count;
};

static void see(void *user, const mm_component *component)
{
    struct seen *seen = user;

    seen->components[seen->count++] = component;
}

static void test_each(void **state)
{
    (void)state;
    struct seen seen = {.count = 0};

    mm_component_each("models", see, &seen);
    const mm_component *const expected[] = {
        &det_fpn, &det_resnet, &conv, &root_head, &relu, &cls_head, &cls_resnet};

    assert_int_equal(seen.count, 7);
    for (size_t i = 0; i < seen.count; i++) {
        assert_ptr_equal(seen.components[i], expected[i]);
    }
    seen.count = 0;
    mm_component_each(NULL, see, &seen);
    assert_int_equal(seen.count, 10);
    assert_ptr_equal(seen.components[0], &ema);
    assert_ptr_equal(seen.components[9], &accuracy);
    seen.count = 0;
    mm_component_each("loops", see, &seen);
    mm_component_each("no_such", see, &seen);
    assert_int_equal(seen.count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown((function), setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),   TEST(test_find_order), TEST(test_aliases_and_class_paths),
        TEST(test_missing), TEST(test_get),        TEST(test_taken),
        TEST(test_faulty),  TEST(test_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
