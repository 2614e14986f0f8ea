/* Wrong optimizers and wrappers in a config: `mmengine train` says where the mistake
 * stands, what is wrong and what was probably meant, before training starts. */
#include "cli/program.h"

/* A line of a config and what is said about it: the column and the message; a hint. */
struct mistake {
    const char *line;
    const char *said;
    const char *hint;
};

#define ADAM "optimizer=dict(type='Adam', lr=0.1)"
#define SGD "optimizer=dict(type='SGD', lr=0.1)"

static const struct mistake mistakes[] = {
    /* the optimizer */
    {"dict(optimizer=dict(type='Adam', lrr=0.02))",
     ":34: optim_wrapper.optimizer.lrr: Adam has no option 'lrr'",
     "did you mean 'lr'?"},
    {"dict(optimizer=dict(type='Adam', lr='fast'))",
     ":34: optim_wrapper.optimizer.lr: Adam expects float >= 0.0, got 'fast' (str)",
     "learning rate"},
    {"dict(optimizer=dict(type='Adam', lr=-0.1))",
     ":34: optim_wrapper.optimizer.lr: Adam expects float >= 0.0, got -0.1 (float)",
     ""},
    {"dict(optimizer=dict(type='Adam', lr=0.1, betas=(0.9, 1.5)))", ":42: betas", ""},
    {"dict(optimizer=dict(type='Adam', lr=0.1, betas=0.9))", ":42: betas is 0.9", ""},
    {"dict(optimizer=dict(type='SGD', lr=0.1, nesterov=True))", ":41: nesterov", ""},
    {"dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=-1))",
     ":41: optim_wrapper.optimizer.weight_decay: SGD expects float >= 0.0", ""},
    {"dict(optimizer=dict(type='AdamX', lr=0.1))",
     ":21: optim_wrapper.optimizer.type: 'AdamX' is not in registry 'optimizers'",
     "did you mean 'Adam'"},
    {"dict(optimizer=dict(lr=0.1))",
     ":21: optim_wrapper.optimizer: the dict has no 'type'", ""},
    {"dict(optimizer='SGD')",
     ":6: optim_wrapper.optimizer: OptimWrapper expects dict for 'optimizers'", ""},
    /* the wrapper */
    {"dict(type='OptimWrapper')", "optim_wrapper: there is no 'optimizer' in it", ""},
    {"dict(optimzer=dict(type='SGD', lr=0.1))",
     ":6: optim_wrapper.optimzer: OptimWrapper has no option 'optimzer'",
     "did you mean 'optimizer'?"},
    {"'OptimWrapper'", "optim_wrapper is of type str: a dict is needed", ""},
    {"dict(type='AmpOptimWraper', " SGD ")",
     ":6: optim_wrapper.type: 'AmpOptimWraper' is not in registry 'optim_wrappers'",
     "did you mean 'AmpOptimWrapper'?"},
    {"dict(accumulative_counts=0, " SGD ")",
     ":6: optim_wrapper.accumulative_counts: OptimWrapper expects int 1 to", ""},
    {"dict(accumulative_counts=2.5, " SGD ")",
     ":6: optim_wrapper.accumulative_counts: OptimWrapper expects int 1 to", ""},
    {"dict(accumulative_count=2, " SGD ")",
     ":6: optim_wrapper.accumulative_count: OptimWrapper has no option",
     "did you mean 'accumulative_counts'?"},
    {"dict(constructor='DefaultOptimWraperConstructor', " SGD ")",
     ":6: optim_wrapper.constructor: 'DefaultOptimWraperConstructor' is not in",
     "did you mean 'DefaultOptimWrapperConstructor'?"},
    {"dict(paramwise_cfg=dict(norm_decay_mul=0.), " SGD ")",
     ":25: optim_wrapper.paramwise_cfg.norm_decay_mul: ",
     "did you mean 'norm_decay_mult'?"},
    /* clipping */
    {"dict(clip_grad=dict(max_nrom=1), " SGD ")",
     ":21: clip_grad has no option 'max_nrom'", "did you mean 'max_norm'?"},
    {"dict(clip_grad=dict(max_norm=-1), " SGD ")",
     ":21: clip_grad.max_norm is -1: 0 or more is needed", ""},
    {"dict(clip_grad=dict(max_norm='much'), " SGD ")",
     ":21: clip_grad.max_norm is 'much': a number or 'inf' is needed", ""},
    {"dict(clip_grad=dict(max_norm=1, norm_type='two'), " SGD ")",
     ":33: clip_grad.norm_type is 'two': a number or 'inf' is needed", ""},
    {"dict(clip_grad=dict(max_norm=1, error_if_nonfinite=1), " SGD ")",
     ":33: clip_grad.error_if_nonfinite is of type int: True or False is needed", ""},
    {"dict(clip_grad=dict(type='nrom', max_norm=1), " SGD ")",
     ":21: clip_grad.type is 'nrom': 'norm' or 'value' is needed", ""},
    {"dict(clip_grad=dict(type='value', max_norm=1), " SGD ")",
     ":35: clip_grad has no option 'max_norm' with type='value'", ""},
    {"dict(clip_grad=dict(type='value'), " SGD ")", ":6: clip_grad needs clip_value",
     ""},
    {"dict(clip_grad={}, " SGD ")", ":6: clip_grad needs max_norm", ""},
    {"dict(clip_grad=35, " SGD ")", ":6: clip_grad is of type int: a dict is needed",
     "clip_grad=dict(max_norm=35, norm_type=2)"},
    /* mixed precision */
    {"dict(loss_scale='dynamic', " SGD ")",
     ":6: optim_wrapper.loss_scale: OptimWrapper has no option 'loss_scale'", ""},
    {"dict(loss_scale='dynmic', type='AmpOptimWrapper', " SGD ")",
     ":6: loss_scale is 'dynmic': 'dynamic', a number or a dict is needed", ""},
    {"dict(loss_scale=0.0, type='AmpOptimWrapper', " SGD ")",
     ":6: loss_scale is 0: a number above 0 is needed", ""},
    {"dict(loss_scale=dict(init_scal=2.), type='AmpOptimWrapper', " SGD ")",
     ":22: loss_scale has no option 'init_scal'", "did you mean 'init_scale'?"},
    {"dict(loss_scale=dict(init_scale=-2.), type='AmpOptimWrapper', " SGD ")",
     ":22: loss_scale.init_scale is -2: a number above 0 is needed", ""},
    {"dict(loss_scale=dict(growth_factor=0.5), type='AmpOptimWrapper', " SGD ")",
     ":22: loss_scale.growth_factor is 0.5: a factor above 1 is needed", ""},
    {"dict(loss_scale=dict(backoff_factor=1.), type='AmpOptimWrapper', " SGD ")",
     ":22: loss_scale.backoff_factor is 1: a factor between 0 and 1 is needed", ""},
    {"dict(loss_scale=dict(growth_interval=-1), type='AmpOptimWrapper', " SGD ")",
     ":22: loss_scale.growth_interval is -1: 0 or more steps are needed", ""},
    {"dict(dtype='float61', type='AmpOptimWrapper', " SGD ")", ":6: dtype is 'float61'",
     "did you mean 'float16' or 'float64'?"},
    {"dict(opt_level='O4', type='ApexOptimWrapper', " SGD ")",
     ":6: optim_wrapper.opt_level: ApexOptimWrapper expects", ""},
    {"dict(loss_scale='big', type='ApexOptimWrapper', " SGD ")",
     ":6: loss_scale is 'big'", ""},
    {"dict(type='DeepSpeedOptimWrapper', " SGD ")",
     ":6: DeepSpeedOptimWrapper needs its strategy", "DeepSpeedStrategy"},
    /* several */
    {"dict(head=dict(" SGD "), backbne=dict(" SGD "))",
     "optim_wrapper.backbne: the model has no part 'backbne'",
     "did you mean 'backbone'?"},
    {"dict(head=dict(clip_grad=dict(max_nrm=1), " SGD "))",
     ":31: clip_grad has no option 'max_nrm'", "did you mean 'max_norm'?"},
};

/* The digits of the repository with another wrapper, on line 3. */
static void write_config(const char *line)
{
    char *path = mm_strfmt("%s/wrong.py", getenv("T"));
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "_base_ = 'digits.py'\noptim_wrapper = \\\n%s\n", line);
    assert_int_equal(fclose(file), 0);
    mm_free(path);
}

static void test_mistakes(void **state)
{
    (void)state;
    check_run("sed \"s#'data/digits'#'$PWD/../data/digits'#; /^optim_wrapper/d\" "
              "../configs/demo/digits.py > $T/digits.py; grep -c . $T/digits.py",
              0, "");
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const struct mistake *mistake = &mistakes[i];

        write_config(mistake->line);
        check_run("cd $T && OMP_NUM_THREADS=1 $P train wrong.py --work-dir out", 2,
                  "error: wrong.py:");
        if (strstr(program_text, mistake->said) == NULL ||
            strstr(program_text, mistake->hint) == NULL)
            fail_msg("%s\nexpected '%s' and '%s', said:\n%s", mistake->line,
                     mistake->said, mistake->hint, program_text);
        assert_null(strstr(program_text, "Epoch(train)"));
    }
    check_run("test -e $T/out/last_checkpoint", 1, "");
}

/* What is right in the same places trains. */
static void test_right_ones(void **state)
{
    static const char *const lines[] = {
        "dict(clip_grad=dict(type='value', clip_value=0.5), " SGD ")",
        "dict(clip_grad=dict(max_norm=35, norm_type='inf', foreach=True), " ADAM ")",
        "dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=512, " SGD ")",
        "dict(type='ApexOptimWrapper', opt_level='O2', loss_scale='128.0', " SGD ")",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        write_config(lines[i]);
        check_run("cd $T && OMP_NUM_THREADS=1 $P train wrong.py --work-dir right "
                  "train_cfg.max_epochs=1 --no-validate "
                  "default_hooks.checkpoint.save_best=None",
                  0, "Epoch(train) [1]");
    }
    assert_non_null(strstr(program_text, "ApexOptimWrapper, O2: trained as by "));
}

/* The first losses overflow: steps are skipped, which the log says. */
static void test_skipped_steps(void **state)
{
    (void)state;
    write_config("dict(type='AmpOptimWrapper', dtype='bfloat16', "
                 "loss_scale=dict(init_scale=2.**127), " SGD ")");
    check_run("cd $T && OMP_NUM_THREADS=1 $P train wrong.py --work-dir skipped "
              "train_cfg.max_epochs=1 --no-validate model.head.loss.loss_weight=1e6 "
              "default_hooks.checkpoint.save_best=None default_hooks.logger.interval=5",
              0,
              "WARNING - a step was skipped: gradients were not finite at loss scale");
    assert_non_null(strstr(program_text, "  skipped_steps: "));
    assert_non_null(strstr(program_text, "  grad_scale: "));
    check_run("grep -c '\"grad_scale\": ' $T/skipped/*/vis_data/scalars.json", 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_right_ones),
        cmocka_unit_test(test_skipped_steps),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
