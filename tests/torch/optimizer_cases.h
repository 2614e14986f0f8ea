/* The cases of tools/golden/optimizers.py: what the list says, the numbers beside it,
 * and an optimizer of ours that goes through one of them. */
#ifndef TESTS_TORCH_OPTIMIZER_CASES_H
#define TESTS_TORCH_OPTIMIZER_CASES_H

#include "optim_support.h"

enum { CASE_PARAMS = 12, CASE_GROUPS = 2 };

struct optimizer_cases {
    mm_value *list;   /* optimizers.json */
    mm_value *others; /* cases whose states are others with this instruction set */
    bool is_fused;    /* ATen has fused multiply-add, as our kernels */
    struct golden numbers;
    struct golden common; /* what `numbers` lacks: it differs between CPUs in nothing */
    const char *folder;
    bool is_live;    /* written on this machine, with this libtorch */
    bool is_release; /* made with this release of libtorch */
    bool is_theirs;  /* the same, with these square roots */
    int64_t steps;
    int64_t half;
};

/* One optimizer on its way through a case. */
struct trial {
    const struct optimizer_cases *cases;
    const mm_value *spec;
    const mm_value *members; /* its set of parameters */
    mm_tensor *params[CASE_PARAMS];
    size_t num_params;
    mm_optimizer *optimizer;
    double rates[CASE_GROUPS]; /* the learning rates that a schedule starts from */
};

/* The files of the folder that MM_OPTIMIZER_CASES names, or the golden ones. */
struct optimizer_cases optimizer_cases_open(void);
void optimizer_cases_close(struct optimizer_cases *cases);

/* All numbers of a record as doubles; free() it. */
double *optimizer_cases_numbers(const struct optimizer_cases *cases, size_t *out_count,
                                const char *format, ...);

/* At the start of the case. Fails the test on any error. */
struct trial trial_new(const struct optimizer_cases *cases, const mm_value *spec,
                       mm_numerics numerics);
void trial_free(struct trial *trial);
/* Steps `from` up to `to` without it. */
void trial_run(struct trial *trial, int64_t from, int64_t to);

#endif
