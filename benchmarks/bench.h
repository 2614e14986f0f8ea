/** @file
 * What the files of our side of `make bench` share.
 */
#ifndef BENCH_H
#define BENCH_H

#include <mmengine/mmengine.h>

enum { MAX_PARAMS = 200 };

/** Tensors of the sizes of a model's parameters. */
struct params {
    mm_tensor *all[MAX_PARAMS];
    int count;
    int64_t elements;
};

/** Parameters of ResNet-50, in order; peer.py has the same list. Scope-owned. */
void bench_add_resnet50(struct params *params);
/** Those of ViT-B/16 with a linear head. */
void bench_add_vit(struct params *params);

/** Seconds on the monotonic clock. */
double bench_now(void);

/** The entry `key` of a config in text. Yours. */
mm_value *bench_config_entry(const char *text, const char *key);

/** Part "optim": answers each line of standard input, the name of a case such as
 * "vit.adamw", by one line of JSON. bench.py asks our process and Python's in turn. */
void bench_optim(void);

extern const mm_component bench_weights;

#endif
