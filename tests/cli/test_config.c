/* `config show`, `diff`, `dump` and `--cfg-options`, as users meet them. */
#include "cli/program.h"

/* The command ends with `code` and says exactly `text`. */
static void check_said(const char *command, int code, const char *text)
{
    int ended = run(command);

    if (ended != code || strcmp(program_text, text) != 0) {
        fail_msg("%s\nended with %d, expected %d and\n%s\nsaid:\n%s", command, ended,
                 code, text, program_text);
    }
}

static void write_file(const char *name, const char *text)
{
    char path[600];

    (void)snprintf(path, sizeof(path), "%s/%s", getenv("T"), name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_configs(void)
{
    write_file("base.yaml", "model:\n  type: A\n  sizes: [1, 2]\n  depth: 50\n");
    write_file("a.py", "_base_ = 'base.yaml'\nmodel = dict(depth=101)\n"
                       "hooks = [dict(type='B', n=(1,))]\n");
    write_file("b.json", "{\"_base_\": \"base.yaml\", \"hooks\": [{\"type\": \"B\", "
                         "\"n\": 2}], \"x\": null}\n");
}

static void test_show(void **state)
{
    (void)state;
    write_configs();
    check_said(
        "cd $T && $P config show a.py", 0,
        "model = dict(\n    type='A',\n    sizes=[\n        1,\n        2,\n    ],\n"
        "    depth=101)\nhooks = [\n    dict(\n        type='B',\n        n=(\n"
        "            1,\n        )),\n]\n");
    check_said(
        "cd $T && $P config show a.py --format yaml --cfg-options model.depth=1", 0,
        "model:\n  type: A\n  sizes:\n  - 1\n  - 2\n  depth: 1\nhooks:\n- type: B\n"
        "  n: !!python/tuple\n  - 1\n");
    check_said("cd $T && $P config b.json --format json", 0,
               "{\"model\": {\"type\": \"A\", \"sizes\": [1, 2], \"depth\": 50}, "
               "\"hooks\": [{\"type\": \"B\", \"n\": 2}], \"x\": null}\n");
}

/* As MMEngine, which merges all options at once. */
static void test_delete(void **state)
{
    (void)state;
    write_configs();
    check_said("cd $T && $P config show b.json --format json model.type=C "
               "model._delete_=True hooks=[] x='a b'",
               0, "{\"model\": {\"type\": \"C\"}, \"hooks\": [], \"x\": \"ab\"}\n");
    check_said("cd $T && $P config show b.json --format json model=1 hooks.0.n=3 "
               "\"x='a b'\"",
               0,
               "{\"model\": 1, \"hooks\": [{\"type\": \"B\", \"n\": 3}], \"x\": "
               "\"a b\"}\n");
}

static void test_origin(void **state)
{
    (void)state;
    write_configs();
    check_said("cd $T && $P config show --origin a.py --cfg-options model.sizes.1=7", 0,
               "model.type = 'A'  # base.yaml:2:3\n"
               "model.sizes = [1, 7]  # base.yaml:3:3\n"
               "model.depth = 101  # a.py:2:14\n"
               "hooks.0.type = 'B'  # a.py:3:15\n"
               "hooks.0.n = (1,)  # a.py:3:25\n");
    check_run("cd $T && $P config show --origin a.py --color always", 0,
              "model.type = 'A'  \033[2m# base.yaml:2:3\033[0m\n");
}

static void test_diff(void **state)
{
    (void)state;
    write_configs();
    check_said("cd $T && $P config diff a.py a.py", 0, "");
    check_said("cd $T && $P config diff a.py b.json", 1,
               "--- a.py\n"
               "+++ b.json\n"
               "- model.depth = 101  # a.py:2:14\n"
               "+ model.depth = 50  # base.yaml:4:3\n"
               "- hooks.0.n = (1,)  # a.py:3:25\n"
               "+ hooks.0.n = 2  # b.json:1:49\n"
               "+ x = None  # b.json:1:59\n");
    check_run("cd $T && $P config diff a.py b.json --color always", 1,
              "\033[31m- model.depth = 101  \033[2m# a.py:2:14\033[0m\n\033[32m+");
    check_said("cd $T && $P config diff a.py c.py", 2,
               "error: could not open config 'c.py': no such file\n");
}

static void test_dump(void **state)
{
    (void)state;
    write_configs();
    check_said("cd $T && $P config dump a.py x.yaml && cat x.yaml", 0,
               "hooks:\n- n: !!python/tuple\n  - 1\n  type: B\nmodel:\n  depth: 101\n"
               "  sizes:\n  - 1\n  - 2\n  type: A\n");
    check_said("cd $T && $P config diff a.py x.yaml", 0, "");
    check_said("cd $T && $P config dump b.json x.json && cat x.json && echo", 0,
               "{\"model\": {\"type\": \"A\", \"sizes\": [1, 2], \"depth\": 50}, "
               "\"hooks\": [{\"type\": \"B\", \"n\": 2}], \"x\": null}\n");
    check_said(
        "cd $T && $P config dump b.json x.py x=3 && $P config diff b.json x.py", 1,
        "--- b.json\n+++ x.py\n- x = None  # b.json:1:59\n+ x = 3  # x.py:11:1\n");
    check_said("cd $T && $P config dump a.py x.toml", 2,
               "error: there is no config format 'toml'\n    while writing config "
               "'x.toml'\nhint: known are py, json, yaml and yml\n");
}

/* What may be added, and what is said of what may not. */
static void test_keys(void **state)
{
    (void)state;
    static const char *const known[] = {
        "load_from=x.pth",
        "randomness.seed=3",
        "randomness.deterministic=True",
        "train_dataloader.num_batch_per_epoch=4",
        "train_dataloader.sampler.shuffle=False",
        "env_cfg.cudnn_benchmark=True",
        "optim_wrapper.clip_grad.max_norm=1",
        "train_cfg.val_begin=2",
        "default_hooks.checkpoint.max_keep_ckpts=2",
        "model.init_cfg.type=Pretrained",
    };
    static const char *const unknown[][2] = {
        {"lod_from=x",
         "could not set 'lod_from': neither the config nor the runner has a "
         "key 'lod_from'\n    while applying the option lod_from=x\n"
         "hint: did you mean 'load_from'?\n"},
        {"randomness.sed=3", "could not set 'randomness.sed': 'randomness' has no key "
                             "'sed'\n    while applying the option randomness.sed=3\n"
                             "hint: did you mean 'seed'?\n"},
        {"train_dataloader.batchsize=3",
         "could not set 'train_dataloader.batchsize': DataLoader has no option "
         "'batchsize'\n    while applying the option train_dataloader.batchsize=3\n"
         "hint: did you mean 'batch_size'?\n"},
        {"optim_wrapper.optimizer.lrr=1",
         "could not set 'optim_wrapper.optimizer.lrr': AdamW has no option 'lrr'\n"
         "    while applying the option optim_wrapper.optimizer.lrr=1\n"
         "hint: did you mean 'lr'?\n"},
        {"model.backbone.modules.0.kernel_siz=3",
         "could not set 'model.backbone.modules.0.kernel_siz': Conv2d has no option "
         "'kernel_siz'\n    while applying the option "
         "model.backbone.modules.0.kernel_siz=3\nhint: did you mean 'kernel_size'?\n"},
        {"model.backbone.modules.99.kernel_size=3",
         "model.backbone.modules.99: index 99 exceeds the length 7 of the list\n    "
         "while applying the option model.backbone.modules.99.kernel_size=3\n"},
    };
    char command[400];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        (void)snprintf(command, sizeof(command),
                       "cd .. && $P config show configs/demo/digits.py '%s' | wc -l",
                       known[i]);
        check_run(command, 0, "");
        assert_null(strstr(program_text, "error"));
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        char expected[600];

        (void)snprintf(command, sizeof(command),
                       "cd .. && $P config show configs/demo/digits.py '%s'",
                       unknown[i][0]);
        (void)snprintf(expected, sizeof(expected), "error: %s", unknown[i][1]);
        check_said(command, 2, expected);
    }
    write_file("seg.py", "default_scope = 'mmseg'\nmodel = dict(type='ResNet')\n");
    check_run("cd $T && $P config show seg.py model.with_cp=True", 0, "with_cp=True");
    write_file("pre.py", "model = dict(type='mmpretrain.ResNet')\n");
    check_said(
        "cd $T && $P config show pre.py model.dept=50", 2,
        "error: could not set 'model.dept': ResNet has no option 'dept'\n"
        "    while applying the option model.dept=50\nhint: did you mean 'depth'?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show),   cmocka_unit_test(test_delete),
        cmocka_unit_test(test_origin), cmocka_unit_test(test_diff),
        cmocka_unit_test(test_dump),   cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
