/* `plot`: curves of one or several runs. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "mmengine/mmengine.h"

enum { MAX_KEYS = 64 };

/* "loss,lr" as an array into a copy of the text. */
static size_t split(char *text, const char **out)
{
    size_t count = 0;

    for (char *at = text; at != NULL && *at != '\0' && count < MAX_KEYS;) {
        char *comma = strchr(at, ',');

        out[count++] = at;
        if (comma != NULL) {
            *comma = '\0';
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return count;
}

static mm_status set_keys(mm_plot *plot, const char *keys)
{
    const char *names[MAX_KEYS];

    if (keys == NULL) {
        return mm_pending();
    }
    char *copy = mm_strdup(keys);

    if (copy != NULL) {
        (void)mm_plot_set_keys(plot, names, split(copy, names));
    }
    mm_free(copy);
    return mm_pending();
}

static mm_status write_one(const mm_plot *plot, const char *path)
{
    if (mm_plot_write(plot, path) == MM_OK) {
        (void)printf("wrote %s\n", path);
    }
    return mm_pending();
}

/* Both kinds, beside the first run's files. */
static mm_status write_both(const mm_plot *plot, const char *first)
{
    static const char *const names[] = {"curves.svg", "curves.png"};
    char *folder = mm_file_is_dir(first) ? mm_strdup(first) : mm_path_dirname(first);

    for (size_t i = 0; i < 2 && folder != NULL && !mm_has_error(); i++) {
        char *path = mm_path_join(folder, names[i]);

        if (path != NULL) {
            (void)write_one(plot, path);
        }
        mm_free(path);
    }
    mm_free(folder);
    return mm_pending();
}

int cli_plot(const struct cli_args *args)
{
    const struct cli_given *runs = cli_get(args, "WORK_DIR");
    const char *out = cli_text(args, "out");
    mm_plot *plot = mm_plot_new(NULL);

    for (size_t i = 0; i < runs->count && !mm_has_error(); i++) {
        (void)mm_plot_add_run(plot, runs->words[i], NULL);
    }
    if (!mm_has_error() && set_keys(plot, cli_text(args, "keys")) == MM_OK) {
        (void)(out != NULL ? write_one(plot, out) : write_both(plot, runs->words[0]));
    }
    mm_plot_free(plot);
    return cli_report();
}
