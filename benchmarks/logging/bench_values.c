/* Nanoseconds of the operations that run for each sample and iteration. Prints one
 * line per operation; takes the best of many rounds. Build: ninja
 * logging_bench_values, in a build folder of the release preset. */
#include <inttypes.h>
#include <stdio.h>

#include "base/os.h"
#include "mmengine/hub.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"
#include "mmengine/scope.h"

enum { REPEATS = 2000, ROUNDS = 500 }; /* short rounds: some meet a quiet machine */

static mm_value *dict;
static mm_hub *hub;
static mm_history *history;
static double sink; /* keeps results from being optimised away */

static void make_dict(int i)
{
    mm_value *made = mm_value_new_dict();
    mm_dict_put_f64(made, "inputs", i);
    mm_dict_put_f64(made, "label", 0.5);
    mm_value_unref(made);
}

static void find_key(int i)
{
    (void)i;
    sink += mm_value_f64(mm_dict_find(dict, "label"));
}

static void make_f64(int i)
{
    mm_value_unref(mm_value_new_f64(i));
}

static void ref_unref(int i)
{
    (void)i;
    mm_value_unref(mm_value_ref(dict));
}

static void scope_of_ten(int i)
{
    mm_scope scope = mm_scope_open();
    for (int j = 0; j < 10; j++) {
        mm_scoped(mm_value_new_f64(i + j));
    }
    mm_scope_close(scope);
}

static void copy_dict(int i)
{
    (void)i;
    mm_value_unref(mm_value_copy(dict));
}

static void update_by_key(int i)
{
    mm_hub_update_scalar(hub, "train/loss", i);
}

static void update_by_handle(int i)
{
    mm_history_update(history, i, 1);
}

static void mean_of_ten(int i)
{
    (void)i;
    sink += mm_history_mean(history, 10);
}

static void format_f64(int i)
{
    char text[MM_F64_TEXT_SIZE];
    sink += (double)mm_f64_format(i * 0.1234567, text);
}

static void scan_f64(int i)
{
    double value = 0.0;
    (void)i;
    mm_f64_scan("0.12345678901234567", 19, &value);
    sink += value;
}

static const struct {
    const char *name;
    void (*run)(int i);
} cases[] = {
    {"make and free a dict of 2 floats", make_dict},
    {"find a key and read its float", find_key},
    {"make and free a float", make_f64},
    {"one reference more and less", ref_unref},
    {"scope that owns 10 floats", scope_of_ten},
    {"copy a dict of 2 floats", copy_dict},
    {"update a scalar by key", update_by_key},
    {"update a scalar by handle", update_by_handle},
    {"mean of the last 10", mean_of_ten},
    {"write a float", format_f64},
    {"read a float of 17 digits", scan_f64},
};

int main(void)
{
    dict = mm_value_new_dict();
    mm_dict_put_f64(dict, "inputs", 1.0);
    mm_dict_put_f64(dict, "label", 0.5);
    hub = mm_hub_new("bench");
    history = mm_hub_scalar(hub, "val/loss");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int64_t best_ns = INT64_MAX;
        for (int round = 0; round < ROUNDS; round++) {
            int64_t begin_ns = mmi_clock_ns();
            for (int i = 0; i < REPEATS; i++) {
                cases[c].run(i);
            }
            int64_t passed_ns = mmi_clock_ns() - begin_ns;
            best_ns = passed_ns < best_ns ? passed_ns : best_ns;
        }
        printf("%-34s %8.1f ns\n", cases[c].name, (double)best_ns / REPEATS);
    }
    mm_hub_free(hub);
    mm_value_unref(dict);
    return mm_has_error() || mm_live_blocks() != 0 || sink == 0.25;
}
