/* Building from configs: every kind of option, defaults, nested components, inherited
 * tables, and the messages for what is wrong with a config. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "mmengine/component.h"
#include "registry/registry.h"

/* --- components to build --- */

struct base_part {
    double momentum;
    int64_t groups;
    const char *mode;
};

struct block {
    struct base_part base;
    bool with_cp;
    int64_t depth;
    mm_maybe_i64 limit;
    double ratio;
    mm_maybe_f64 clip;
    const char *name;
    int style;
    int64_t stride[2];
    mm_i64s widths;
    mm_f64s betas;
    mm_strs keys;
    mm_value *extra;
    mm_instance *norm;
    mm_instances stages;
    bool was_started;
};

struct norm {
    double eps;
    bool fails;
};

enum { STYLE_PYTORCH = 7, STYLE_CAFFE, STYLE_NONE };

static int num_deinits;
static char last_scope[32];

static mm_status norm_init(void *self)
{
    const struct norm *norm = self;
    const char *scope = mm_instance_scope(mm_instance_of(self));

    last_scope[0] = '\0';
    if (scope != NULL) {
        strncpy(last_scope, scope, sizeof(last_scope) - 1);
    }
    return norm->fails ? mm_raise(MM_ENUMERIC, "could not start the norm") : MM_OK;
}

static void count_deinit(void *self)
{
    (void)self;
    num_deinits++;
}

static mm_status block_init(void *self)
{
    struct block *block = self;

    block->was_started = true;
    return MM_OK;
}

static const mm_choice styles[] = {
    {"pytorch", STYLE_PYTORCH, "stride in the middle"},
    {"caffe", STYLE_CAFFE, "stride in front"},
    {"None", STYLE_NONE, "no stride"},
    {0},
};

#define MM_OPT_STRUCT struct base_part
static const mm_option base_options[] = {
    {"momentum", "pull", MM_OPT_F64(momentum, 0.1, 0.0, 1.0)},
    {"groups", "groups", MM_OPT_I64(groups, 1, 1, INT64_MAX)},
    {"mode", "mode", MM_OPT_STR(mode, "fan_in")},
    {0},
};
#undef MM_OPT_STRUCT

#define MM_OPT_STRUCT struct block
static const mm_option block_options[] = {
    {"with_cp", "saves memory", MM_OPT_BOOL(with_cp, false)},
    {"depth", "number of layers", MM_OPT_I64_REQUIRED(depth, 18, 152)},
    {"limit", "most", MM_OPT_I64_OR_NONE(limit, 0, 10)},
    {"ratio", "share", MM_OPT_F64(ratio, 0.5, 0.0, INFINITY)},
    {"clip", "bound", MM_OPT_F64_OR_NONE(clip, 0.0, INFINITY)},
    {"name", "its name", MM_OPT_STR(name, NULL)},
    {"style", "where the stride is", MM_OPT_CHOICE(style, STYLE_PYTORCH, styles)},
    {"stride", "step", MM_OPT_I64_N(stride, "1")},
    {"widths", "channels", MM_OPT_I64S(widths, "(64, 128)")},
    {"betas", "rates", MM_OPT_F64S(betas, NULL)},
    {"keys", "keys", MM_OPT_STRS(keys, "['a', 'b']")},
    {"extra", "anything", MM_OPT_VALUE(extra)},
    {"norm", "normalisation", MM_OPT_BUILD(norm, "models")},
    {"stages", "stages", MM_OPT_BUILDS(stages, "models")},
    {"", NULL, MM_OPT_INHERIT(base, base_options)},
    {"momentum", "pull, smaller", MM_OPT_F64(base.momentum, 0.01, 0.0, 1.0)},
    {0},
};
#undef MM_OPT_STRUCT

#define MM_OPT_STRUCT struct norm
static const mm_option norm_options[] = {
    {"eps", "added to the variance", MM_OPT_F64(eps, 1e-5, 0.0, 1.0)},
    {"fails", "for tests", MM_OPT_BOOL(fails, false)},
    {0},
};
#undef MM_OPT_STRUCT

struct bag {
    mm_value *rest;
    int64_t first;
    mm_maybe_f64 pull;
    mm_maybe_i64 period;
    mm_instance *norm;
};

#define MM_OPT_STRUCT struct bag
static const mm_option bag_options[] = {
    {"first", "one of its own", MM_OPT_I64(first, 3, 0, 9)},
    {"pull", "None: no pull", MM_OPT_F64_NULLABLE(pull, 0.1, 0.0, 1.0)},
    {"period", "None: never", MM_OPT_I64_NULLABLE(period, 5, 1, 9)},
    {"norm", "a norm without a type too", MM_OPT_BUILD_AS(norm, "models", "Norm")},
    {"", NULL, MM_OPT_REST(rest)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component block = {.registry = "models",
                                   .name = "Block",
                                   .help = "a block",
                                   .size = sizeof(struct block),
                                   .options = block_options,
                                   .init = block_init,
                                   .deinit = count_deinit,
                                   .interface = MM_INTERFACE_MODEL};
static const mm_component norm = {.registry = "models",
                                  .name = "Norm",
                                  .help = "a norm",
                                  .size = sizeof(struct norm),
                                  .options = norm_options,
                                  .init = norm_init,
                                  .deinit = count_deinit,
                                  .interface = MM_INTERFACE_MODULE};
static const mm_component scoped_norm = {.registry = "models",
                                         .scope = "mmdet",
                                         .name = "Norm",
                                         .help = "another norm",
                                         .size = sizeof(struct norm),
                                         .options = norm_options,
                                         .init = norm_init,
                                         .interface = MM_INTERFACE_MODULE};
static const mm_component bag = {.registry = "hooks",
                                 .name = "Bag",
                                 .help = "takes everything",
                                 .size = sizeof(struct bag),
                                 .options = bag_options,
                                 .interface = MM_INTERFACE_HOOK};
struct sequential {
    mm_instances modules;
};

#define MM_OPT_STRUCT struct sequential
static const mm_option sequential_options[] = {
    {"modules", "children", MM_OPT_BUILDS(modules, "models")},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component sequential = {.registry = "models",
                                        .name = "Sequential",
                                        .help = "one after the other",
                                        .size = sizeof(struct sequential),
                                        .options = sequential_options,
                                        .interface = MM_INTERFACE_MODULE};
static const mm_component *const parts[] = {&block, &norm,       &scoped_norm,
                                            &bag,   &sequential, NULL};

static int setup(void **state)
{
    (void)state;
    num_deinits = 0;
    return mm_register(parts) == MM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mmi_registry_clear();
    assert_int_equal(mm_live_instances(), 0);
    return check_clean(state);
}

/* --- configs --- */

/* A dict whose n-th entry stands in line n of cfg.py, at column 5. */
static mm_value *config_of(const char *type)
{
    mm_value *config = mm_value_new_dict();

    mm_dict_put_str(config, "type", type);
    mm_dict_set_source(config, "type", (mm_source){mm_intern("cfg.py"), 1, 5});
    return config;
}

static void put(mm_value *config, const char *key, mm_value *value)
{
    int32_t line = (int32_t)mm_value_len(config) + 1;

    mm_dict_take(config, key, value);
    mm_dict_set_source(config, key, (mm_source){mm_intern("cfg.py"), line, 5});
}

static mm_value *text_value(const char *text)
{
    mm_value *value = mmi_literal_parse(text);

    assert_non_null(value);
    return value;
}

static mm_value *block_config(void)
{
    mm_value *config = config_of("Block");

    put(config, "depth", mm_value_new_i64(50));
    return config;
}

static mm_instance *build(mm_value *config)
{
    return mm_build(&(mm_build_args){
        .registry = "models", .config = config, .path = "model.backbone"});
}

/* --- what is stored --- */

static void test_defaults(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_false(self->with_cp);
    assert_int_equal(self->depth, 50);
    assert_false(self->limit.has);
    assert_true(self->ratio == 0.5);
    assert_false(self->clip.has);
    assert_null(self->name);
    assert_int_equal(self->style, STYLE_PYTORCH);
    assert_int_equal(self->stride[0], 1);
    assert_int_equal(self->stride[1], 1);
    assert_int_equal(self->widths.count, 2);
    assert_int_equal(self->widths.data[1], 128);
    assert_null(self->betas.data);
    assert_int_equal(self->keys.count, 2);
    assert_string_equal(self->keys.data[1], "b");
    assert_null(self->extra);
    assert_null(self->norm);
    assert_int_equal(self->stages.count, 0);
    assert_true(self->base.momentum == 0.01);
    assert_int_equal(self->base.groups, 1);
    assert_string_equal(self->base.mode, "fan_in");
    assert_true(self->was_started);
    assert_ptr_equal(mm_instance_of(self), instance);
    assert_ptr_equal(mm_instance_component(instance), &block);
    assert_ptr_equal(mm_instance_config(instance), config);
    assert_true(mm_value_is_frozen(config));
    mm_value_unref(config);
    mm_instance_unref(mm_instance_ref(instance));
    assert_int_equal(num_deinits, 0);
    mm_instance_unref(instance);
    assert_int_equal(num_deinits, 1);
}

static void test_every_kind(void **state)
{
    (void)state;
    mm_value *config = block_config();

    put(config, "with_cp", mm_value_new_bool(true));
    put(config, "limit", mm_value_new_i64(7));
    put(config, "ratio", mm_value_new_i64(2));
    put(config, "clip", mm_value_new_f64(1.5));
    put(config, "name", mm_value_new_str("stem"));
    put(config, "style", mm_value_new_str("caffe"));
    put(config, "stride", text_value("(2, 3)"));
    put(config, "widths", text_value("[1, 2, 3]"));
    put(config, "betas", text_value("(0.9, 1)"));
    put(config, "keys", text_value("'only'"));
    put(config, "extra", text_value("[1, 'x']"));
    put(config, "momentum", mm_value_new_f64(0.25));
    put(config, "mode", mm_value_new_str("fan_out"));
    put(config, "init_cfg", text_value("None"));
    put(config, "priority", text_value("'LOW'"));
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_true(self->with_cp);
    assert_true(self->limit.has);
    assert_int_equal(self->limit.value, 7);
    assert_true(self->ratio == 2.0);
    assert_true(self->clip.has && self->clip.value == 1.5);
    assert_string_equal(self->name, "stem");
    assert_int_equal(self->style, STYLE_CAFFE);
    assert_int_equal(self->stride[0], 2);
    assert_int_equal(self->stride[1], 3);
    assert_int_equal(self->widths.count, 3);
    assert_int_equal(self->widths.data[2], 3);
    assert_int_equal(self->betas.count, 2);
    assert_true(self->betas.data[1] == 1.0);
    assert_int_equal(self->keys.count, 1);
    assert_string_equal(self->keys.data[0], "only");
    assert_int_equal(mm_value_len(self->extra), 2);
    assert_true(self->base.momentum == 0.25);
    assert_string_equal(self->base.mode, "fan_out");
    mm_value_unref(config);
    mm_instance_unref(instance);
}

static void test_none_and_whole_floats(void **state)
{
    (void)state;
    static const char *const nullable[] = {"limit", "clip",  "name", "style",
                                           "betas", "extra", "norm"};
    mm_value *config = config_of("Block");

    put(config, "depth", mm_value_new_f64(101.0));
    for (size_t i = 0; i < sizeof(nullable) / sizeof(nullable[0]); i++) {
        put(config, nullable[i], mm_value_new_none());
    }
    put(config, "stages", text_value("[]"));
    put(config, "widths", text_value("[]"));
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_int_equal(self->depth, 101);
    assert_false(self->limit.has);
    assert_false(self->clip.has);
    assert_null(self->name);
    assert_int_equal(self->style, STYLE_NONE);
    assert_null(self->betas.data);
    assert_null(self->extra);
    assert_null(self->norm);
    assert_int_equal(self->stages.count, 0);
    assert_int_equal(self->widths.count, 0);
    assert_non_null(self->widths.data);
    mm_value_unref(config);
    mm_instance_unref(instance);
}

static void test_nested(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_value *inner = config_of("Norm");
    mm_value *list = mm_value_new_list();

    put(inner, "eps", mm_value_new_f64(0.5));
    put(config, "norm", inner);
    mm_list_push(list, config_of("Norm"));
    mm_list_push(list, config_of("mmdet.Norm"));
    put(config, "stages", list);
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_true(((struct norm *)mm_instance_self(self->norm))->eps == 0.5);
    assert_int_equal(self->stages.count, 2);
    assert_ptr_equal(mm_instance_component(self->stages.data[1]), &scoped_norm);
    assert_int_equal(mm_live_instances(), 4);
    mm_value_unref(config);
    mm_instance_unref(instance);
    assert_int_equal(num_deinits, 3);
}

/* MMEngine's MODELS.build() makes a Sequential of a list. */
static void test_list_of_models(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_value *list = mm_value_new_list();

    mm_list_push(list, config_of("Norm"));
    mm_list_push(list, config_of("mmdet.Norm"));
    put(config, "norm", list);
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);
    const struct sequential *inner = mm_instance_self(self->norm);

    assert_ptr_equal(mm_instance_component(self->norm), &sequential);
    assert_int_equal(inner->modules.count, 2);
    assert_ptr_equal(mm_instance_component(inner->modules.data[1]), &scoped_norm);
    mm_instance_unref(instance);
    /* at the top too, and its faults have their path */
    instance = mm_build(&(mm_build_args){.registry = "models", .config = list});
    assert_ptr_equal(mm_instance_component(instance), &sequential);
    mm_instance_unref(instance);
    mm_value_unref(config);

    config = block_config();
    list = mm_value_new_list();
    mm_list_push(list, config_of("Nrm"));
    put(config, "norm", list);
    assert_null(build(config));
    check_error_text(MM_ECONFIG, "cfg.py:1:5: model.backbone.norm.modules[0].type: "
                                 "'Nrm' is not in registry 'models'");
    mm_value_unref(config);
}

static void test_ready_instance(void **state)
{
    (void)state;
    mm_instance *ready = mm_instance_new(&norm);

    ((struct norm *)mm_instance_self(ready))->eps = 0.75;
    assert_int_equal(mm_instance_start(ready), MM_OK);
    mm_value *config = block_config();

    put(config, "norm", mm_value_new_instance(ready));
    mm_instance_unref(ready);
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_true(((struct norm *)mm_instance_self(self->norm))->eps == 0.75);
    mm_value_unref(config);
    mm_instance_unref(instance);
}

static void test_scope(void **state)
{
    (void)state;
    /* `_scope_` holds for what is nested, "scope.Name" for the name alone. */
    mm_value *config = block_config();

    put(config, "_scope_", mm_value_new_str("mmdet"));
    put(config, "norm", config_of("Norm"));
    mm_instance *instance = build(config);

    check_ok();
    const struct block *self = mm_instance_self(instance);

    assert_ptr_equal(mm_instance_component(self->norm), &scoped_norm);
    assert_string_equal(mm_instance_scope(instance), "mmdet");
    assert_string_equal(last_scope, "mmdet");
    mm_value_unref(config);
    mm_instance_unref(instance);

    config = config_of("Norm");
    instance = mm_build(
        &(mm_build_args){.registry = "models", .config = config, .scope = "mmdet"});
    assert_ptr_equal(mm_instance_component(instance), &scoped_norm);
    mm_value_unref(config);
    mm_instance_unref(instance);

    config = block_config();
    put(config, "norm", config_of("Norm"));
    mm_dict_put_str(config, "type", "mmdet.Block");
    instance = build(config);
    check_ok();
    self = mm_instance_self(instance);
    assert_ptr_equal(mm_instance_component(self->norm), &norm);
    mm_value_unref(config);
    mm_instance_unref(instance);
}

static void test_rest(void **state)
{
    (void)state;
    mm_value *config = config_of("Bag");

    put(config, "first", mm_value_new_i64(4));
    put(config, "lr", mm_value_new_f64(0.5));
    put(config, "priority", mm_value_new_i64(30));
    mm_instance *instance =
        mm_build(&(mm_build_args){.registry = "hooks", .config = config});

    check_ok();
    const struct bag *self = mm_instance_self(instance);

    assert_int_equal(self->first, 4);
    assert_int_equal(mm_value_len(self->rest), 1);
    assert_true(mm_value_f64(mm_dict_get(self->rest, "lr")) == 0.5);
    assert_int_equal(mm_dict_source(self->rest, "lr")->line, 3);
    mm_value_unref(config);
    mm_instance_unref(instance);

    config = config_of("Bag");
    instance = mm_build(&(mm_build_args){.registry = "hooks", .config = config});
    assert_null(((struct bag *)mm_instance_self(instance))->rest);
    mm_value_unref(config);
    mm_instance_unref(instance);
}

static void test_default_type(void **state)
{
    (void)state;
    mm_value *config = mm_value_new_dict();
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "models", .config = config, .default_type = "Norm"});

    assert_ptr_equal(mm_instance_component(instance), &norm);
    mm_value_unref(config);
    mm_instance_unref(instance);
}

/* What is absent, None or given differs where a nullable option has a default. */
static void test_nullable_defaults(void **state)
{
    (void)state;
    mm_value *config = config_of("Bag");
    mm_instance *absent =
        mm_build(&(mm_build_args){.registry = "hooks", .config = config});
    const struct bag *self = mm_instance_self(absent);

    check_ok();
    assert_true(self->pull.has && self->pull.value == 0.1);
    assert_true(self->period.has && self->period.value == 5);
    assert_null(self->norm);
    mm_value_unref(config);
    config = config_of("Bag");
    put(config, "pull", mm_value_new_none());
    put(config, "period", mm_value_new_i64(7));
    put(config, "norm", mm_value_new_dict());
    mm_instance *given =
        mm_build(&(mm_build_args){.registry = "hooks", .config = config});

    check_ok();
    self = mm_instance_self(given);
    assert_false(self->pull.has);
    assert_true(self->period.has && self->period.value == 7);
    assert_ptr_equal(mm_instance_component(self->norm), &norm);
    char *help = mm_component_help(&bag, 0);

    assert_non_null(strstr(help, "0.1"));
    assert_int_equal(mm_component_check(&bag), MM_OK);
    mm_free(help);
    mm_value_unref(config);
    mm_instance_unref(absent);
    mm_instance_unref(given);
}

static void test_from_c(void **state)
{
    (void)state;
    mm_instance *instance = mm_instance_new(&block);
    struct block *self = mm_instance_self(instance);

    assert_int_equal(self->widths.count, 2);
    assert_int_equal(self->stride[1], 1);
    assert_false(self->was_started);
    self->depth = 18;
    self->norm = mm_instance_new(&norm); /* the instance becomes the owner */
    assert_int_equal(mm_instance_start(self->norm), MM_OK);
    assert_int_equal(mm_instance_start(instance), MM_OK);
    assert_true(self->was_started);
    assert_int_equal(mm_instance_start(instance), MM_ESTATE);
    check_error(MM_ESTATE);
    assert_null(mm_instance_config(instance));
    mm_instance_unref(instance);
    assert_int_equal(num_deinits, 2);
}

static void test_interfaces(void **state)
{
    (void)state;
    mm_instance *model = mm_instance_new(&block);
    mm_value *config = config_of("Norm");

    assert_true(mm_instance_is(model, MM_INTERFACE_MODEL));
    assert_true(mm_instance_is(model, MM_INTERFACE_MODULE));
    assert_false(mm_instance_is(model, MM_INTERFACE_HOOK));
    assert_null(mm_instance_ops(model, MM_INTERFACE_HOOK));
    check_error_text(MM_ETYPE, "could not use 'Block' as hook: it is a model");
    assert_null(mm_build(&(mm_build_args){.registry = "models",
                                          .config = config,
                                          .path = "model",
                                          .interface = MM_INTERFACE_MODEL}));
    check_error_text(MM_ECONFIG,
                     "cfg.py:1:5: model: 'Norm' is a module, a model is needed here");
    mm_value_unref(config);
    mm_instance_unref(model);
}

static int num_shells;

static void free_shell(void *shell)
{
    (void)shell;
    num_shells++;
    assert_int_equal(num_deinits, 0);
}

static void test_shell(void **state)
{
    (void)state;
    mm_instance *instance = mm_instance_new(&norm);

    num_shells = 0;
    assert_null(mm_instance_shell(instance));
    assert_int_equal(mm_instance_start(instance), MM_OK);
    mm_instance_attach(instance, &num_shells, free_shell);
    assert_ptr_equal(mm_instance_shell(instance), &num_shells);
    mm_instance_unref(instance);
    assert_int_equal(num_shells, 1);
    assert_int_equal(num_deinits, 1);
}

/* --- what is wrong with a config --- */

/* One entry more than a good config, and what is said about it. */
struct fault {
    const char *key;
    const char *text;
    const char *message;
    const char *hint; /* its beginning */
};

static const struct fault faults[] = {
    {"depht", "50", "3:5: model.backbone.depht: Block has no option 'depht'",
     "did you mean 'depth'?"},
    {"zzzz", "1", "3:5: model.backbone.zzzz: Block has no option 'zzzz'",
     "options of Block: groups, mode, with_cp, depth"},
    {"with_cp", "2", "3:5: model.backbone.with_cp: Block expects bool, got 2 (int)",
     "with_cp: saves memory"},
    {"depth", "'fifty'",
     "2:5: model.backbone.depth: Block expects int 18 to 152, got 'fifty' (str)",
     "depth: number of layers"},
    {"depth", "7",
     "2:5: model.backbone.depth: Block expects int 18 to 152, got 7 (int)", "depth: "},
    {"depth", "18.5",
     "2:5: model.backbone.depth: Block expects int 18 to 152, got 18.5 (float)", ""},
    {"depth", "True",
     "2:5: model.backbone.depth: Block expects int 18 to 152, got True (bool)", ""},
    {"depth", "None",
     "2:5: model.backbone.depth: Block expects int 18 to 152, got None", ""},
    {"limit", "11",
     "3:5: model.backbone.limit: Block expects int 0 to 10 or None, got 11 (int)",
     "limit: most"},
    {"ratio", "-0.5",
     "3:5: model.backbone.ratio: Block expects float >= 0.0, got -0.5 (float)", ""},
    {"ratio", "nan",
     "3:5: model.backbone.ratio: Block expects float >= 0.0, got nan (float)", ""},
    {"name", "3", "3:5: model.backbone.name: Block expects str or None, got 3 (int)",
     ""},
    {"style", "'tf'",
     "3:5: model.backbone.style: Block expects one of 'pytorch', 'caffe', None, got "
     "'tf' (str)",
     "style: where the stride is"},
    {"stride", "(1, 2, 3)",
     "3:5: model.backbone.stride: Block expects int or 2 ints, got (1, 2, 3) (tuple)",
     ""},
    {"stride", "(1, 'x')",
     "3:5: model.backbone.stride[1]: Block expects int, got 'x' (str)", ""},
    {"widths", "[1, None]",
     "3:5: model.backbone.widths[1]: Block expects int, got None", ""},
    {"widths", "None",
     "3:5: model.backbone.widths: Block expects int or list of ints, got None", ""},
    {"betas", "'x'",
     "3:5: model.backbone.betas: Block expects float or list of floats or None, got "
     "'x' (str)",
     ""},
    {"keys", "[1]", "3:5: model.backbone.keys[0]: Block expects str, got 1 (int)",
     "keys: keys"},
    {"norm", "'BN'",
     "3:5: model.backbone.norm: Block expects dict for 'models' or None, got 'BN' "
     "(str)",
     ""},
    {"_scope_", "1",
     "3:5: model.backbone._scope_: expected a str, got a value of type int", ""},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        mm_value *config = block_config();
        mm_error error;

        if (mm_dict_has(config, faults[i].key)) {
            mm_dict_take(config, faults[i].key, text_value(faults[i].text));
            mm_dict_set_source(config, faults[i].key,
                               (mm_source){mm_intern("cfg.py"), 2, 5});
        } else {
            put(config, faults[i].key, text_value(faults[i].text));
        }
        assert_null(build(config));
        assert_int_equal(mm_error_take(&error), MM_ECONFIG);
        assert_memory_equal(error.message, "cfg.py:", 7);
        assert_string_equal(error.message + 7, faults[i].message);
        error.hint[strlen(faults[i].hint)] = '\0';
        assert_string_equal(error.hint, faults[i].hint);
        mm_value_unref(config);
    }
    assert_int_equal(num_deinits, 0);
}

static void test_missing_option(void **state)
{
    (void)state;
    mm_value *config = config_of("Block");

    assert_null(build(config));
    check_error_text(MM_ECONFIG, "cfg.py:1:5: model.backbone: Block needs the option "
                                 "'depth' (int 18 to 152)");
    mm_value_unref(config);
}

static void test_type_faults(void **state)
{
    (void)state;
    mm_value *config = mm_value_new_dict();
    mm_error error;

    put(config, "depth", mm_value_new_i64(50));
    assert_null(build(config));
    check_error_text(MM_ECONFIG, "cfg.py:1:5: model.backbone: the dict has no 'type', "
                                 "which names a component of registry 'models'");
    put(config, "type", mm_value_new_i64(3));
    assert_null(build(config));
    check_error_text(MM_ECONFIG, "cfg.py:2:5: model.backbone.type: expected a str, got "
                                 "a value of type int");
    put(config, "type", mm_value_new_str("Blok"));
    assert_null(build(config));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_string_equal(
        error.message,
        "cfg.py:3:5: model.backbone.type: 'Blok' is not in registry 'models'");
    assert_string_equal(error.hint, "did you mean 'Block'?");
    mm_value_unref(config);

    config = mm_value_new_i64(3);
    assert_null(build(config));
    check_error_text(MM_ECONFIG, "model.backbone: expected a dict with 'type' for "
                                 "registry 'models', got a value of type int");
    mm_value_unref(config);
    assert_null(mm_build(NULL));
    check_error(MM_EINVAL);
    assert_null(mm_build(&(mm_build_args){.registry = "models"}));
    check_error(MM_EINVAL);
}

static void test_nested_faults_come_first(void **state)
{
    (void)state;
    /* The first stage would fail to start, but nothing is started: the second has an
     * unknown option. */
    mm_value *config = block_config();
    mm_value *bad = config_of("Norm");
    mm_value *list = mm_value_new_list();

    put(bad, "fails", mm_value_new_bool(true));
    mm_list_push(list, bad);
    bad = config_of("Norm");
    put(bad, "epz", mm_value_new_f64(0.5));
    mm_list_push(list, bad);
    put(config, "stages", list);
    assert_null(build(config));
    check_error_text(
        MM_ECONFIG,
        "cfg.py:2:5: model.backbone.stages[1].epz: Norm has no option 'epz'");
    assert_int_equal(num_deinits, 0);
    assert_false(mm_value_is_frozen(config));
    mm_value_unref(config);
}

static void test_failed_init(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_value *list = mm_value_new_list();
    mm_value *bad = config_of("Norm");
    mm_error error;

    mm_list_push(list, config_of("Norm"));
    put(bad, "fails", mm_value_new_bool(true));
    mm_list_push(list, bad);
    put(config, "stages", list);
    assert_null(build(config));
    assert_int_equal(mm_error_take(&error), MM_ENUMERIC);
    assert_string_equal(error.message, "could not start the norm");
    assert_int_equal(error.num_frames, 2);
    assert_string_equal(error.frames[0],
                        "while building model.backbone.stages[1] (Norm), cfg.py:1:5");
    assert_string_equal(error.frames[1],
                        "while building model.backbone (Block), cfg.py:1:5");
    assert_int_equal(num_deinits, 2); /* both norms; the block never started */
    mm_value_unref(config);
}

static void test_check(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_value *bad = config_of("Norm");
    mm_build_args args = {.registry = "models", .config = config, .path = "model"};

    put(config, "norm", bad);
    assert_int_equal(mm_build_check(&args), MM_OK);
    assert_false(mm_value_is_frozen(config));
    put(bad, "eps", mm_value_new_str("small"));
    assert_int_equal(mm_build_check(&args), MM_ECONFIG);
    check_error_text(MM_ECONFIG,
                     "cfg.py:2:5: model.norm.eps: Norm expects float 0.0 to "
                     "1.0, got 'small' (str)");
    mm_value_unref(config);
    assert_int_equal(num_deinits, 0);
}

static void test_pending_error_stops_a_build(void **state)
{
    (void)state;
    mm_value *config = block_config();
    mm_build_args args = {.registry = "models", .config = config};

    mm_raise(MM_EIO, "earlier");
    assert_null(build(config));
    assert_null(mm_instance_new(&norm));
    assert_int_equal(mm_build_check(&args), MM_EIO);
    check_error_text(MM_EIO, "earlier");
    mm_value_unref(config);
}

#ifdef MM_FAULTS
#include "base/memory.h"

/* Each allocation of a build fails once: no leak, no crash, MM_ENOMEM. */
static void test_no_memory(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        mm_value *config = block_config();
        mm_value *list = mm_value_new_list();

        mm_list_push(list, config_of("Norm"));
        put(config, "stages", list);
        put(config, "widths", text_value("[1, 2]"));
        put(config, "extra", mm_value_new_str("more"));
        mmi_fail_at(n);
        mm_instance *instance = build(config);

        mmi_fail_at(0);
        mm_value_unref(config);
        if (instance != NULL) {
            check_ok();
            mm_instance_unref(instance);
            assert_true(n > 5);
            return;
        }
        check_error(MM_ENOMEM);
        assert_int_equal(mm_live_instances(), 0);
    }
}
#endif

#define TEST(function) cmocka_unit_test_setup_teardown((function), setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_every_kind),
        TEST(test_none_and_whole_floats),
        TEST(test_nested),
        TEST(test_list_of_models),
        TEST(test_ready_instance),
        TEST(test_scope),
        TEST(test_rest),
        TEST(test_default_type),
        TEST(test_nullable_defaults),
        TEST(test_from_c),
        TEST(test_interfaces),
        TEST(test_shell),
        TEST(test_faults),
        TEST(test_missing_option),
        TEST(test_type_faults),
        TEST(test_nested_faults_come_first),
        TEST(test_failed_init),
        TEST(test_check),
        TEST(test_pending_error_stops_a_build),
#ifdef MM_FAULTS
        TEST(test_no_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
