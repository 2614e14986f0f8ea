/* A toy model, dataset, metric and hook, and calls that run configs with them. */
#ifndef TESTS_TORCH_RUNNER_PARTS_H
#define TESTS_TORCH_RUNNER_PARTS_H

#include <stdio.h>
#include <string.h>

#include "check.h"

#include "mmengine/mmengine.h"
#include "mmengine/runner.h"

enum { MAX_STAGES = 256 };

/* What the recording hook saw. */
typedef struct stage_record {
    const char *names[MAX_STAGES];
    size_t count;
    int64_t stop_at;     /* asks to stop in this iteration; -1: never */
    int64_t nan_at;      /* the loss is NaN from this iteration on; -1: never */
    int64_t stop_at_val; /* asks to stop in this validation, counted from 1; 0: never */
    bool gives_losses;   /* predictions end with losses */
} stage_record;

extern stage_record parts_record;

/* Beside ToyModel there is ToyPair: `first` and `second`, each with an optimizer of its
 * own. Registers the parts once. 0 on success. */
int parts_register(void);
/* A new empty folder; free with mm_free() after parts_remove_dir(). */
char *parts_new_dir(void);
void parts_remove_dir(char *dir);
/* The toy config with `more` (Python text) behind it; `dir` becomes work_dir. */
mm_config *parts_config(const char *dir, const char *more);
/* Trains it and returns the final weights as a state dict of copies; NULL on error. */
mm_value *parts_train(const char *dir, const char *more);
/* True if both hold the same tensors, bit for bit. */
bool parts_same_weights(const mm_value *a, const mm_value *b);

#endif
