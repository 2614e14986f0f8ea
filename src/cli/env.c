/* `env`: versions, libraries and devices, for bug reports. Secrets are never shown:
 * only the variables of the table are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* Variables that change what a run does. */
static const char *const variables[] = {
    "OMP_NUM_THREADS",      "MKL_NUM_THREADS",      "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES", "MMENGINE_CACHE_DIR",   "MMENGINE_CC",
    "MMENGINE_CFLAGS",      "MMENGINE_PLUGIN_PATH", "MMENGINE_WORK_DIR",
    "MMENGINE_LOG_LEVEL",   "MMENGINE_NUM_THREADS", "RANK",
    "WORLD_SIZE",           "LOCAL_RANK",           "SLURM_JOB_ID",
    "XDG_CACHE_HOME",
};

static void print_entry(const char *name, const char *value)
{
    (void)printf("%s: %s\n", name, value);
}

/* Entries of mm_collect_env(), each on a line. */
static void print_dict(const mm_value *env)
{
    for (size_t i = 0; i < mm_value_len(env); i++) {
        const mm_value *value = mm_dict_at(env, i);
        bool is_text = mm_value_kind(value) == MM_KIND_STR;
        char *repr = is_text ? NULL : mm_value_repr(value);

        print_entry(mm_dict_name_at(env, i), is_text        ? mm_value_str(value)
                                             : repr != NULL ? repr
                                                            : "?");
        mm_free(repr);
    }
}

static void count(void *user, const mm_component *component)
{
    (void)component;
    ++*(size_t *)user;
}

int cli_env(const struct cli_args *args)
{
    size_t num_components = 0;
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    if (cli_is_given(args, "no-torch")) {
        const char *built_for = mm_torch_built_for();

        print_entry("MMEngine", mm_version());
        print_entry("Built for libtorch", built_for != NULL ? built_for : "?");
    } else {
        mm_value *env = mm_collect_env();

        if (mm_has_error()) {
            mm_value_unref(env);
            return cli_report();
        }
        print_dict(env);
        mm_value_unref(env);
    }
    mm_component_each(NULL, count, &num_components);
    (void)printf("Plugin ABI: %d\nComponents: %zu\n", MM_ABI_VERSION, num_components);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);

        if (value != NULL) {
            print_entry(variables[i], value);
        }
    }
    return CLI_DONE;
}
