/* The table of names that did not fit when weights were loaded, and guesses at why. The
 * usual reason is a prefix: a backbone's file for a whole model, or the other way
 * round.
 */
#include "runner/load_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

enum { MAX_SHOWN = 20, MAX_TRIED = 8, MAX_PREFIX = 120 };

/* --- the table --- */

static const char *name_of(const mm_value *item)
{
    return mm_value_str(mm_value_kind(item) == MM_KIND_TUPLE ? mm_list_get(item, 0)
                                                             : item);
}

static size_t width_of(const mm_value *list)
{
    size_t width = 0;

    for (size_t i = 0; i < mm_value_len(list) && i < MAX_SHOWN; i++) {
        size_t size = strlen(name_of(mm_list_get(list, i)));

        width = size > width ? size : width;
    }
    return width;
}

static void add_sizes(mmi_str *out, const mm_value *item)
{
    char *there = mm_value_repr(mm_list_get(item, 1));
    char *here = mm_value_repr(mm_list_get(item, 2));

    mmi_str_addf(out, "  %s in the file, %s in the model", there != NULL ? there : "",
                 here != NULL ? here : "");
    mm_free(there);
    mm_free(here);
}

static void add_section(mmi_str *out, const char *title, const mm_value *list)
{
    size_t count = list == NULL ? 0 : mm_value_len(list);
    size_t width = count > 0 ? width_of(list) : 0;

    if (count == 0)
        return;
    mmi_str_addf(out, "\n  %zu %s", count, title);
    for (size_t i = 0; i < count && i < MAX_SHOWN; i++) {
        const mm_value *item = mm_list_get(list, i);
        bool has_sizes = mm_value_kind(item) == MM_KIND_TUPLE;

        mmi_str_addf(out, "\n      %-*s", has_sizes ? (int)width : 0, name_of(item));
        if (has_sizes)
            add_sizes(out, item);
    }
    if (count > MAX_SHOWN)
        mmi_str_addf(out, "\n      and %zu more", count - MAX_SHOWN);
}

void mmi_load_report_log(const mm_load_report *report, const char *path)
{
    size_t lost = mm_value_len(report->missing) + mm_value_len(report->mismatched);
    bool is_whole = lost == 0 && mm_value_len(report->unexpected) == 0;
    mmi_str out = {0};

    if (is_whole)
        mmi_str_addf(&out, "Loaded all %" PRId64 " tensors of the model from %s",
                     report->matched, path);
    else
        mmi_str_addf(&out,
                     "Loaded %" PRId64 " of the model's %" PRId64 " tensors from %s",
                     report->matched, report->matched + (int64_t)lost, path);
    add_section(&out, "missing in the file, they stay as they are:", report->missing);
    add_section(&out, "in the file that the model has not:", report->unexpected);
    add_section(&out, "of another shape, they stay as they are:", report->mismatched);
    if (!mm_has_error())
        mm_log(is_whole ? MM_LOG_INFO : MM_LOG_WARN, "%s", mmi_str_text(&out));
    mmi_str_deinit(&out);
}

/* --- guesses --- */

/* A change of prefix, and how many of the file's names the model has after it. */
struct guess {
    char cut[MAX_PREFIX]; /* goes from the front of the file's names; or */
    char put[MAX_PREFIX]; /* comes to the front */
    size_t matches;
};

static size_t count_matches(const mm_value *own, const mm_value *weights,
                            const struct guess *guess)
{
    size_t skip = strlen(guess->cut), count = 0;
    char name[512];

    for (size_t i = 0; i < mm_value_len(weights); i++) {
        const char *given = mm_dict_name_at(weights, i);

        if (strncmp(given, guess->cut, skip) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s%s", guess->put, given + skip);
        count += mm_dict_has(own, name) ? 1 : 0;
    }
    return count;
}

/* The first bytes of `longer` if `shorter` is the rest and begins behind a dot. */
static bool prefix_of(const char *longer, const char *shorter, char out[MAX_PREFIX])
{
    size_t size = strlen(longer), rest = strlen(shorter);
    size_t cut = size > rest ? size - rest : 0;

    if (cut == 0 || cut >= MAX_PREFIX || longer[cut - 1] != '.' ||
        strcmp(longer + cut, shorter) != 0)
        return false;
    memcpy(out, longer, cut);
    out[cut] = '\0';
    return true;
}

static void try_name(const mm_value *own, const mm_value *weights, const char *given,
                     struct guess *best)
{
    for (size_t i = 0; i < mm_value_len(own); i++) {
        const char *name = mm_dict_name_at(own, i);
        struct guess guess = {0};

        if (!prefix_of(given, name, guess.cut) && !prefix_of(name, given, guess.put))
            continue;
        guess.matches = count_matches(own, weights, &guess);
        if (guess.matches > best->matches)
            *best = guess;
        return;
    }
}

/* "backbone." if all names of the file begin with it. */
static bool common_prefix(const mm_value *weights, char out[MAX_PREFIX])
{
    const char *first = mm_dict_name_at(weights, 0);
    const char *dot = first != NULL ? strchr(first, '.') : NULL;
    size_t size = dot != NULL ? (size_t)(dot - first) + 1 : 0;

    if (size == 0 || size >= MAX_PREFIX)
        return false;
    for (size_t i = 1; i < mm_value_len(weights); i++) {
        if (strncmp(mm_dict_name_at(weights, i), first, size) != 0)
            return false;
    }
    memcpy(out, first, size);
    out[size] = '\0';
    return true;
}

static void set_hint(const struct guess *best, size_t now, size_t total,
                     const mm_value *weights)
{
    static const char otherwise[] = "--allow-partial (load_cfg.allow_partial) loads "
                                    "what fits";
    char prefix[MAX_PREFIX];

    if (best->matches > now && best->cut[0] != '\0')
        (void)mm_error_hint("without '%s' in front %zu of the file's %zu names would "
                            "match: load_cfg=dict(prefix='%.*s'); %s",
                            best->cut, best->matches, total, (int)strlen(best->cut) - 1,
                            best->cut, otherwise);
    else if (best->matches > now)
        (void)mm_error_hint("with '%s' in front %zu of the file's %zu names would "
                            "match: load_cfg=dict(revise_keys=[('^', '%s')]); %s",
                            best->put, best->matches, total, best->put, otherwise);
    else if (common_prefix(weights, prefix))
        (void)mm_error_hint("all names in the file begin with '%s'; %s", prefix,
                            otherwise);
    else
        (void)mm_error_hint("%s", otherwise);
}

void mmi_load_report_hint(mm_module *model, const mm_value *weights)
{
    mm_error error;
    struct guess best = {0};
    const struct guess as_is = {0};

    (void)mm_error_take(&error);
    mm_value *own = mm_module_state_dict(model);

    if (own != NULL) {
        size_t total = mm_value_len(weights), tried = 0;

        for (size_t i = 0; i < total && tried < MAX_TRIED; i++) {
            const char *given = mm_dict_name_at(weights, i);

            if (!mm_dict_has(own, given)) {
                try_name(own, weights, given, &best);
                tried++;
            }
        }
        size_t now = count_matches(own, weights, &as_is);

        (void)mm_error_take(NULL);
        mm_error_restore(&error);
        set_hint(&best, now, total, weights);
    } else {
        (void)mm_error_take(NULL);
        mm_error_restore(&error);
    }
    mm_value_unref(own);
}
