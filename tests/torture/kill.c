/* The kill test: trainings are ended by SIGKILL, at random and at chosen moments, and
 * resumed until they are done; what they leave must be what an undisturbed run leaves,
 * bit for bit.
 *
 *   kill PROGRAM FAULTS SOURCE [--kills N] [--seed N] [--quick] [--keep]
 *
 * The matrix is {epoch, iter} x {plain, accumulation, EMA, AMP} x workers {0, 3}.
 * --quick takes four of the sixteen, chosen by the seed. The seed is printed and comes
 * from the clock unless given. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "torture.h"

enum { MAX_KEEP = 2, NUM_VARIANTS = 16, NUM_MOMENTS = 4, RUNS_AT_MOST = 100 };

/* ---- numbers by chance ---- */

static uint64_t chance;

static uint64_t draw(uint64_t below) /* splitmix64 */
{
    uint64_t z = chance += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static double draw_seconds(double most)
{
    return most * (double)draw(1000001) * 1e-6;
}

/* ---- the matrix ---- */

typedef enum kind { PLAIN, ACCUMULATION, EMA, AMP } kind;

struct variant {
    bool by_iter;
    kind kind;
    bool has_workers;
    /* what happened */
    int runs, kills, faults;
    int by_moment[NUM_MOMENTS];
    double start_seconds, train_seconds; /* of the reference */
};

static const char *const kind_names[] = {"plain", "accumulation", "EMA", "AMP bf16"};
static struct variant variants[NUM_VARIANTS];

static void make_matrix(void)
{
    for (int i = 0; i < NUM_VARIANTS; i++)
        variants[i] = (struct variant){.by_iter = (i & 1) != 0,
                                       .kind = (kind)(i / 2 % 4),
                                       .has_workers = i >= NUM_VARIANTS / 2};
}

static void make_run(const struct variant *variant, const char *name,
                     struct tt_run *out)
{
    size_t count = 0;
    bool ema = variant->kind == EMA;

    *out = (struct tt_run){.name = name};
    if (ema)
        out->config = variant->by_iter ? "ema_iter.py" : "ema_epoch.py";
    else
        out->config = variant->by_iter ? "iter.py" : "epoch.py";
    if (variant->kind == ACCUMULATION)
        out->options[count++] = "optim_wrapper.accumulative_counts=4";
    if (variant->kind == ACCUMULATION && variant->by_iter) /* data that end */
        out->options[count++] = "train_dataloader.sampler.type=DefaultSampler";
    if (variant->kind == PLAIN && variant->has_workers) /* what is chosen is kept */
        out->options[count++] = "memory_format=auto";
    if (variant->kind == AMP) {
        out->options[count++] = "optim_wrapper.type=AmpOptimWrapper";
        out->options[count++] = "optim_wrapper.dtype=bfloat16";
    }
    if (variant->has_workers) {
        out->options[count++] = "train_dataloader.num_workers=3";
        out->options[count++] = "val_dataloader.num_workers=3";
        if (variant->kind == AMP)
            out->options[count++] = "train_dataloader.persistent_workers=True";
    }
}

static void print_variant(const struct variant *variant)
{
    (void)printf("%-5s %-12s %d workers", variant->by_iter ? "iter" : "epoch",
                 kind_names[variant->kind], variant->has_workers ? 3 : 0);
}

/* ---- moments ---- */

typedef enum moment_kind { IN_FILES, IN_VALIDATION, IN_TRAINING, AT_START } moment_kind;

/* When a run is killed. */
struct moment {
    moment_kind kind;
    char fault[64]; /* IN_FILES: for faults.c */
    char text[64];  /* killed some time after this was said; "": after the start */
    double seconds;
};

static const char training_begins[] = "Checkpoints will be saved to";

/* An operation on a file: checkpoints mostly, then the pointer, then any. */
static void choose_fault(struct moment *out)
{
    static const char *const ops[] = {"create", "write", "sync", "rename", "remove"};
    static const char *const times[] = {"before", "after", "half"};
    uint64_t op = draw(5);
    uint64_t part = draw(10);
    const char *file = part < 7 ? ".pth" : part < 9 ? "last_checkpoint" : "*";
    bool is_log = file[0] == '*';

    (void)snprintf(out->fault, sizeof(out->fault), "%s %s %d %s", ops[op], file,
                   1 + (int)draw(is_log    ? 60
                                 : op == 1 ? 30
                                           : 8),
                   times[draw(op == 1 ? 3 : 2)]);
}

/* The save before one of the validations, or what follows within some milliseconds. */
static void choose_validation(const struct variant *variant, struct moment *out)
{
    int which = 1 + (int)draw(4);

    (void)snprintf(out->text, sizeof(out->text), "Saving checkpoint at %d %s",
                   variant->by_iter ? 14 * which : 2 * which,
                   variant->by_iter ? "iterations" : "epochs");
    out->seconds = draw_seconds(0.006);
}

static void choose_moment(const struct variant *variant, struct moment *out)
{
    uint64_t what = draw(100);

    *out = (struct moment){.seconds = 0.0};
    (void)snprintf(out->text, sizeof(out->text), "%s", training_begins);
    out->kind = what < 45   ? IN_FILES
                : what < 60 ? IN_VALIDATION
                : what < 90 ? IN_TRAINING
                            : AT_START;
    switch (out->kind) {
    case IN_FILES:
        choose_fault(out);
        break;
    case IN_VALIDATION:
        choose_validation(variant, out);
        break;
    case IN_TRAINING:
        out->seconds = draw_seconds(variant->train_seconds);
        break;
    case AT_START:
        out->seconds = draw_seconds(variant->start_seconds);
        out->text[0] = '\0';
        break;
    }
}

static void print_moment(const struct moment *moment)
{
    if (moment->kind == IN_FILES)
        (void)printf("%s", moment->fault);
    else
        (void)printf("%.1f ms after '%s'", moment->seconds * 1e3,
                     moment->text[0] == '\0' ? "start" : moment->text);
}

/* Starts the run and ends it at the moment. Its code: 137 if it was killed. */
static int run_until(struct tt_run *run, const struct moment *moment)
{
    run->fault = moment->kind == IN_FILES ? moment->fault : NULL;
    pid_t process = tt_start(run);

    if (moment->kind != IN_FILES) {
        if (moment->text[0] != '\0')
            (void)tt_wait_for(run->name, moment->text, process);
        tt_sleep(moment->seconds);
        (void)kill(process, SIGKILL);
    }
    run->fault = NULL;
    return tt_wait(process);
}

/* ---- one training, killed and resumed ---- */

/* The undisturbed run. It moves away afterwards, so that the others have its path. */
static int train_reference(struct variant *variant)
{
    const char *name = "train";
    char from[1024], to[1024];

    struct tt_run run;
    double begin = tt_seconds();

    make_run(variant, name, &run);
    run.resume = ""; /* as the others: it is in the config that checkpoints hold */
    pid_t process = tt_start(&run);

    (void)tt_wait_for(name, training_begins, process);
    double middle = tt_seconds();
    int code = tt_wait(process);

    variant->start_seconds = middle - begin;
    variant->train_seconds = tt_seconds() - middle;
    if (code != 0) {
        (void)printf("the undisturbed run ended with %d\n", code);
        tt_print_end_of_output(name);
        return 1;
    }
    (void)snprintf(from, sizeof(from), "%s/train", tt_places.folder);
    (void)snprintf(to, sizeof(to), "%s/expected", tt_places.folder);
    return rename(from, to) == 0 ? 0 : 1;
}

/* Kills a training up to `most` times, then lets it end. */
static int torture(struct variant *variant, const char *name, int most)
{
    struct tt_run run;
    int code = 137, faults = 0;
    struct moment moment;

    make_run(variant, name, &run);
    run.resume = "";
    for (int i = 0; i < most && code == 137 && faults == 0; i++) {
        choose_moment(variant, &moment);
        code = run_until(&run, &moment);
        variant->runs++;
        variant->kills += code == 137;
        variant->by_moment[moment.kind] += code == 137;
        faults += tt_check_folder(name, MAX_KEEP);
    }
    if (code == 137 && faults == 0) {
        code = tt_train(&run);
        variant->runs++;
    }
    if (faults != 0 || code != 0) {
        (void)printf("  ended with %d; the last moment chosen: ", code);
        print_moment(&moment);
        (void)printf("\n");
        tt_print_end_of_output(name);
        return faults + 1;
    }
    return 0;
}

static void clear(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", tt_places.folder, name);
    tt_remove_tree(path);
}

/* Leaves the folders of a failed comparison under other names, to look at. */
static void put_aside(int number)
{
    static const char *const names[] = {"train", "expected"};
    char from[1024], to[1024];

    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof(from), "%s/%s", tt_places.folder, names[i]);
        (void)snprintf(to, sizeof(to), "%s/%s-%d", tt_places.folder, names[i], number);
        (void)rename(from, to);
    }
}

/* One reference and as many trainings as `kills` need. */
static void torture_variant(struct variant *variant, int kills)
{
    int most = kills < 6 ? 3 : 6;

    variant->faults += train_reference(variant);
    for (int i = 0; variant->kills < kills && i < RUNS_AT_MOST && variant->faults == 0;
         i++) {
        uint64_t seed = chance;

        clear("train");
        variant->faults += torture(variant, "train", 2 + (int)draw((uint64_t)most));
        if (variant->faults == 0)
            variant->faults += tt_compare_runs("train", "expected");
        if (variant->faults != 0) {
            print_variant(variant);
            (void)printf(": failed in training %d, its seed 0x%" PRIx64 "\n", i, seed);
        }
    }
    if (variant->faults != 0)
        put_aside((int)(variant - variants));
    clear("train");
    clear("expected");
}

/* ---- all of them ---- */

static void torture_all(int kills)
{
    for (int i = 0; i < NUM_VARIANTS; i++)
        torture_variant(&variants[i], (kills + NUM_VARIANTS - 1) / NUM_VARIANTS);
}

/* One variant of each kind: two of each mode, two with workers. */
static void torture_some(int kills)
{
    int mode = (int)draw(2), workers = (int)draw(2);

    for (int i = 0; i < 4; i++)
        torture_variant(&variants[2 * i + (i + mode) % 2 + 8 * ((i / 2 + workers) % 2)],
                        kills);
}

static int print_table(void)
{
    int kills = 0, runs = 0, faults = 0;

    (void)printf("\n%-28s %5s %6s  in files, validation, training, at start\n", "",
                 "runs", "kills");
    for (int i = 0; i < NUM_VARIANTS; i++) {
        const struct variant *variant = &variants[i];

        if (variant->runs == 0 && variant->faults == 0)
            continue;
        print_variant(variant);
        (void)printf("  %5d %6d  %8d %11d %9d %9d  %s\n", variant->runs, variant->kills,
                     variant->by_moment[IN_FILES], variant->by_moment[IN_VALIDATION],
                     variant->by_moment[IN_TRAINING], variant->by_moment[AT_START],
                     variant->faults == 0 ? "equal" : "FAILED");
        kills += variant->kills;
        runs += variant->runs;
        faults += variant->faults;
    }
    (void)printf("%d kills in %d runs, %d faults\n", kills, runs, faults);
    return faults;
}

struct options {
    int kills;
    bool quick, keep;
};

static bool read_options(int argc, char **argv, struct options *out)
{
    *out = (struct options){.kills = 208};
    chance = (uint64_t)time(NULL);
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            out->quick = true;
        else if (strcmp(argv[i], "--keep") == 0)
            out->keep = true;
        else if (strcmp(argv[i], "--kills") == 0 && i + 1 < argc)
            out->kills = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            chance = strtoull(argv[++i], NULL, 0);
        else
            return false;
    }
    return argc >= 4;
}

int main(int argc, char **argv)
{
    struct options options;

    if (!read_options(argc, argv, &options) || !tt_setup(argv[1], argv[2], argv[3])) {
        (void)fprintf(stderr, "usage: kill PROGRAM FAULTS SOURCE [--kills N] "
                              "[--seed N] [--quick] [--keep]\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)printf("seed 0x%" PRIx64 "\n", chance);
    make_matrix();
    if (options.quick)
        torture_some(4);
    else
        torture_all(options.kills);
    int faults = print_table();

    if (faults == 0 || !options.keep)
        tt_remove_tree(tt_places.folder);
    else
        (void)printf("left in %s\n", tt_places.folder);
    return faults == 0 ? 0 : 1;
}
