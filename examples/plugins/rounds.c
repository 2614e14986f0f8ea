/* A training loop of its own: rounds of a few iterations, with stages that no other
 * loop has. A hook hears of them by name. The loop brings one hook along itself. */
#include <string.h>

#include <mmengine/mmengine.h>

/* hook: counts rounds, and says so where others can see it */

struct round_notice {
    int64_t rounds; /* state */
};

static mm_status on_stage(void *data, mm_runner *runner, const char *stage,
                          mm_value *args)
{
    struct round_notice *self = data;

    if (strcmp(stage, "after_round") != 0)
        return MM_OK;
    self->rounds++;
    mm_hub_update_info_i64(mm_runner_hub(runner), "rounds", self->rounds);
    mm_hub_update_info(mm_runner_hub(runner), "last_round", mm_dict_get(args, "round"));
    return mm_pending();
}

static const mm_hook_ops notice_ops = {.custom = on_stage};
static const mm_component round_notice = {.registry = "hooks",
                                          .name = "RoundNotice",
                                          .help = "counts rounds",
                                          .size = sizeof(struct round_notice),
                                          MM_HOOK(&notice_ops)};

/* loop */

struct rounds_loop {
    int64_t rounds, length;
};

#define MM_OPT_STRUCT struct rounds_loop
static const mm_option loop_options[] = {
    {"rounds", "rounds to train", MM_OPT_I64_REQUIRED(rounds, 1, 1000000)},
    {"length", "iterations of a round", MM_OPT_I64(length, 5, 1, 1000000)},
    {0},
};

/* Before the run: how long it will be, and the hook that belongs to it. */
static mm_status start(void *data, mm_runner *runner)
{
    const struct rounds_loop *self = data;
    mm_instance *notice = mm_instance_new(&round_notice);

    mm_runner_set_lengths(runner, false, 1, self->rounds * self->length);
    if (notice != NULL && mm_instance_start(notice) == MM_OK)
        (void)mm_runner_register_hook(runner, notice, MM_PRIORITY_LOW);
    mm_instance_unref(notice);
    return mm_pending();
}

static mm_status call(mm_runner *runner, const char *stage, int64_t round)
{
    mm_value *args = mm_value_new_dict();

    mm_dict_put_i64(args, "round", round);
    (void)mm_runner_call_hook(runner, stage, args);
    mm_value_unref(args);
    return mm_pending();
}

/* One round; the data begin again where they end. */
static mm_status run_round(const struct rounds_loop *self, mm_runner *runner,
                           mm_loader *loader)
{
    mm_status status = MM_OK;

    for (int64_t i = 0; i < self->length && status == MM_OK; i++) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status == MM_END && mm_loader_begin(loader, 0) == MM_OK)
            status = mm_loader_next(loader, &batch);
        if (status == MM_OK)
            status = mm_runner_train_iter(runner, i, batch);
    }
    return status;
}

static mm_status run(void *data, mm_runner *runner)
{
    const struct rounds_loop *self = data;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_status status = mm_runner_call_hook(runner, "before_train", NULL);

    if (status == MM_OK)
        status = mm_loader_begin(loader, 0);
    for (int64_t i = 0; i < self->rounds && status == MM_OK; i++) {
        status = call(runner, "before_round", i);
        if (status == MM_OK)
            status = run_round(self, runner, loader);
        if (status == MM_OK)
            status = call(runner, "after_round", i);
    }
    return status == MM_OK ? mm_runner_call_hook(runner, "after_train", NULL) : status;
}

static const mm_loop_ops loop_ops = {.start = start, .run = run};
static const mm_component rounds_loop = {.registry = "loops",
                                         .name = "RoundsLoop",
                                         .help = "trains in rounds",
                                         .size = sizeof(struct rounds_loop),
                                         .options = loop_options,
                                         MM_LOOP(&loop_ops)};

MM_PLUGIN_OF(&rounds_loop, &round_notice)
