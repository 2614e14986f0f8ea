/* The catalogue: names as MMEngine finds them, class paths, what a library's name does
 * to the root's, and what is said of a name that is known but not built. */
#include "check.h"

#include <string.h>

#include "mmengine/component.h"
#include "registry/catalogue.h"
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

PART(root_resize, "transforms", NULL, "Resize");
PART(root_flip, "transforms", NULL, "RandomFlip");
PART(root_sgd, "optimizers", NULL, "SGD");

static const mm_component *const parts[] = {&root_resize, &root_flip, &root_sgd, NULL};

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

/* The line is found and says `scope` and `module`. */
static void check_known(const char *registry, const char *scope, const char *type,
                        const char *home, const char *module)
{
    struct mmi_known known;

    assert_true(mmi_catalogue_find(registry, scope, type, &known));
    assert_string_equal(known.scope, home);
    assert_string_equal(known.module, module);
}

static void check_unknown(const char *registry, const char *scope, const char *type)
{
    struct mmi_known known;

    assert_false(mmi_catalogue_find(registry, scope, type, &known));
}

static void test_names(void **state)
{
    (void)state;
    check_known("models", "mmdet", "ResNet", "mmdet", ".models.backbones.resnet");
    check_known("models", "mmpretrain", "ResNet", "mmpretrain",
                ".models.backbones.resnet");
    check_known("models", "mmpretrain", "mmdet.ResNet", "mmdet",
                ".models.backbones.resnet");
    check_known("models", "mmdet", "BN", "mmengine", "torch.nn.modules.batchnorm");
    check_known("hooks", NULL, "EMAHook", "mmengine", ".hooks.ema_hook");
    check_known("hooks", "mmpretrain", "EMAHook", "mmpretrain",
                ".engine.hooks.ema_hook");
    check_known("transforms", "mmpretrain", "torchvision/RandomCrop", "mmpretrain",
                "torchvision.transforms");
    check_known(NULL, "mmrazor", "MSRAHeatmap", "mmpose", ".codecs.msra_heatmap");
    check_unknown("models", NULL, "ResNet");
    check_unknown("hooks", "mmdet", "ResNet");
    check_unknown("hooks", "mmdet", "mmdet.ResNet");
    check_unknown("models", "mmdet", "");
    check_unknown("models", "mmdet", "#mmdet");
    check_unknown("models", "mmdet", "zzzz");
}

static void test_class_paths(void **state)
{
    (void)state;
    check_known("models", NULL, "mmpretrain.models.ResNet", "mmpretrain",
                ".models.backbones.resnet");
    check_known("models", NULL, "mmpretrain.models.backbones.resnet.ResNet",
                "mmpretrain", ".models.backbones.resnet");
    check_known("optimizers", "mmdet", "torch.optim.SGD", "mmengine", "torch.optim");
    /* registered under another name, or under none */
    check_known("models", "mmdet", "torch.nn.BatchNorm2d", "mmengine",
                "torch.nn.modules.batchnorm");
    check_known("models", "xtuner",
                "mmengine.runner.checkpoint.CheckpointLoader.from_pretrained",
                "mmengine", ".runner.checkpoint");
    check_unknown("models", NULL, "mmpretrain.models.RestNet");
    check_unknown("models", NULL, "nowhere.ResNet.");
    check_unknown("models", NULL, ".");
    check_unknown("models", NULL, "mmdet.");
}

/* A path may name any package on the way to a class, and what packages hand on. */
static void test_modules(void **state)
{
    (void)state;
    assert_true(mmi_catalogue_has_module_of("mmdet.models.ResNet"));
    assert_true(mmi_catalogue_has_module_of("mmdet.models.backbones.resnet.ResNet"));
    assert_true(mmi_catalogue_has_module_of("mmdet.datasets.LoadImageFromFile"));
    assert_true(mmi_catalogue_has_module_of("mmdet.ResNet"));
    assert_true(mmi_catalogue_has_module_of("transformers.models.AutoModel"));
    assert_true(mmi_catalogue_has_module_of("ResNet"));
    assert_true(mmi_catalogue_has_module_of(""));
    assert_false(mmi_catalogue_has_module_of("mmdet.model.ResNet"));
    assert_false(mmi_catalogue_has_module_of("mmdet.models.backbones.resne.ResNet"));
    assert_false(mmi_catalogue_has_module_of("mmdet.models.backbone.ResNet"));
}

static void test_libraries(void **state)
{
    (void)state;
    struct mmi_library library;
    struct mmi_known known;
    char package[32];

    assert_true(mmi_catalogue_library("mmdet", &library));
    assert_string_equal(library.package, "mmdet");
    assert_string_equal(library.distribution, "mmdetection");
    assert_string_equal(library.version, "3.3.0");
    assert_false(mmi_catalogue_library("mmdetection", &library));
    assert_false(mmi_catalogue_library("", &library));
    assert_true(mmi_catalogue_find("optimizers", NULL, "SGD", &known));
    mmi_catalogue_package(&known, package, sizeof(package));
    assert_string_equal(package, "torch");
}

/* mmdet has a Resize of its own: the root's is not what its configs mean. mmpretrain
 * registers mmcv's RandomFlip again: that one is. */
static void test_hiding(void **state)
{
    (void)state;
    assert_ptr_equal(mm_component_find("transforms", NULL, "Resize"), &root_resize);
    assert_null(mm_component_find("transforms", "mmdet", "Resize"));
    assert_null(mm_component_find("transforms", NULL, "mmdet.Resize"));
    assert_ptr_equal(mm_component_find("transforms", "mmpretrain", "RandomFlip"),
                     &root_flip);
    assert_ptr_equal(mm_component_find("transforms", "mmocr", "mmengine.Resize"),
                     &root_resize);
    assert_ptr_equal(mm_component_find("optimizers", "mmdet", "SGD"), &root_sgd);
}

static void check_missing(const char *registry, const char *scope, const char *name,
                          mm_status code, const char *message, const char *hint)
{
    mm_error error;

    assert_null(mm_component_get(registry, scope, name));
    assert_int_equal(mm_error_take(&error), code);
    assert_string_equal(error.message, message);
    assert_string_equal(error.hint, hint);
}

static void test_messages(void **state)
{
    (void)state;
    check_missing(
        "transforms", "mmdet", "Resize", MM_EUNSUPPORTED,
        "'Resize' is known from mmdetection 3.3.0, but not built here",
        "a C plugin can add it: 'mmengine plugin new transform Resize' begins "
        "one");
    check_missing("optimizers", "mmdet", "Lion", MM_EUNSUPPORTED,
                  "'Lion' is known from lion_pytorch, but not built here",
                  "a C plugin can add it: custom_imports");
    check_missing("models", "mmpretrain", "FasterRCNN", MM_EKEY,
                  "'FasterRCNN' is not in registry 'models' (scope 'mmpretrain')",
                  "scope 'mmdet' has it (not built here): write "
                  "type='mmdet.FasterRCNN' or set default_scope='mmdet'");
    check_missing("models", "mmdet", "CocoDatset", MM_EKEY,
                  "'CocoDatset' is not in registry 'models' (scope 'mmdet')",
                  "'mmengine list models' shows what there is; components of your own "
                  "come through custom_imports");
    check_missing("datasets", "mmdet", "CocoDatset", MM_EKEY,
                  "'CocoDatset' is not in registry 'datasets' (scope 'mmdet')",
                  "did you mean 'CocoDataset'?");
    check_missing("models", "mmdet", "CocoDataset", MM_EKEY,
                  "'CocoDataset' is not in registry 'models' (scope 'mmdet')",
                  "'CocoDataset' is in registry 'datasets' of scope 'mmdet' instead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_class_paths),
        cmocka_unit_test(test_modules), cmocka_unit_test(test_libraries),
        cmocka_unit_test(test_hiding),  cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
