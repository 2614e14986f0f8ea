/* What the tests of hooks share besides runner_parts.h: the toy model of
 * tools/golden/toy_runner.py, a hook that calls back, runs that are looked at. */
#ifndef TESTS_TORCH_HOOK_PARTS_H
#define TESTS_TORCH_HOOK_PARTS_H

#include "runner_parts.h"

#include "mmengine/fileio.h"

enum { MAX_ERRORS = 64 };

/* What the hook `ProbeHook` noted, and what it does when asked. */
typedef struct hook_probe {
    double errors[MAX_ERRORS]; /* 'toy/error' of each validation or test */
    size_t num_errors;
    bool stop_in_val;        /* asks to stop in the first validation iteration */
    const char *save_in_val; /* a file to write in the first after_val_epoch */
    void (*on_iter)(mm_runner *runner, const mm_iter *iter); /* after_train_iter */
} hook_probe;

extern hook_probe parts_probe;

/* Registers parts of both files once and forgets what was noted. */
int hook_parts_set_up(void **state);
/* The config of tools/golden/toy_runner.py: ToyNormModel, batches of six in order. */
extern const char hook_parts_config[];
/* A run of it with `more` behind; errors stay pending. */
void hook_parts_run(const char *dir, const char *more);
/* The file `name` of a folder as mm_checkpoint_load() reads it. */
mm_value *hook_parts_load(const char *dir, const char *name);
/* The logs of a folder's runs, one text; mm_free(). */
char *hook_parts_log(const char *dir);

#endif
