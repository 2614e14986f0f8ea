/* SignalHook: sends signals to its own process at a chosen call of a stage, as in
 * MM_SIGNAL="after_val_iter 2 INT TERM" (the second call; INT, then TERM). PARENT sends
 * SIGUSR1 to the parent process and waits for what it answers. Without the variable the
 * hook does nothing. */
#include <mmengine/mmengine.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct signal_hook {
    char stage[32], names[2][8];
    int nth, calls;
};

static mm_status init(void *data)
{
    struct signal_hook *self = data;
    const char *text = getenv("MM_SIGNAL");

    if (text != NULL && sscanf(text, "%31s %d %7s %7s", self->stage, &self->nth,
                               self->names[0], self->names[1]) < 3)
        return mm_raise(MM_EINVAL, "MM_SIGNAL is '%s'", text);
    return MM_OK;
}

static mm_status send(struct signal_hook *self, const char *stage)
{
    if (strcmp(stage, self->stage) != 0 || ++self->calls != self->nth)
        return MM_OK;
    for (int i = 0; i < 2; i++) {
        const char *name = self->names[i];
        int number = strcmp(name, "INT") == 0    ? SIGINT
                     : strcmp(name, "TERM") == 0 ? SIGTERM
                     : strcmp(name, "USR1") == 0 ? SIGUSR1
                     : strcmp(name, "KILL") == 0 ? SIGKILL
                                                 : 0;

        if (number != 0)
            (void)kill(getpid(), number);
        else if (strcmp(name, "PARENT") == 0 && kill(getppid(), SIGUSR1) == 0)
            (void)nanosleep(&(struct timespec){.tv_sec = 20},
                            NULL); /* a signal ends it */
    }
    return MM_OK;
}

static mm_status after_train_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)runner;
    (void)iter;
    return send(self, "after_train_iter");
}

static mm_status after_train_epoch(void *self, mm_runner *runner)
{
    (void)runner;
    return send(self, "after_train_epoch");
}

static mm_status after_val_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)runner;
    (void)iter;
    return send(self, "after_val_iter");
}

static mm_status after_val_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)runner;
    (void)metrics;
    return send(self, "after_val_epoch");
}

static mm_status before_train(void *self, mm_runner *runner)
{
    (void)runner;
    return send(self, "before_train");
}

static const mm_hook_ops ops = {
    .before_train = before_train,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_val_iter = after_val_iter,
    .after_val_epoch = after_val_epoch,
};

static const mm_component signal_hook = {
    .registry = "hooks",
    .name = "SignalHook",
    .help = "sends signals to its own process",
    .size = sizeof(struct signal_hook),
    .init = init,
    MM_HOOK(&ops),
};
MM_PLUGIN_OF(&signal_hook)
