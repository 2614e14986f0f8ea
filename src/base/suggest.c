/*
 * The nearest names, by Damerau and Levenshtein's distance (insert, remove, replace,
 * swap of neighbours). Distances are in halves of an edit, so that a wrong case counts
 * less than a wrong letter: 'resnet' is near 'ResNet'.
 */
#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 /* longer names are not compared */ };

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int replace_cost(char a, char b)
{
    return a == b ? 0 : lower(a) == lower(b) ? 1 : 2;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int mmi_edit_distance(const char *a, const char *b, int limit)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    /* Three rows of the table: two lines above, one above, this. */
    int rows[3][LONGEST + 1];
    if (a_size > LONGEST || b_size > LONGEST) {
        return strcmp(a, b) == 0 ? 0 : limit + 1;
    }
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = 2 * (int)j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i - 1) % 3];
        int best = row[0] = 2 * (int)i;
        for (size_t j = 1; j <= b_size; j++) {
            int cost = above[j - 1] + replace_cost(a[i - 1], b[j - 1]);
            cost = least(cost, least(above[j], row[j - 1]) + 2);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                cost = least(cost, rows[(i - 2) % 3][j - 2] + 2);
            }
            row[j] = cost;
            best = least(best, cost);
        }
        if (best > limit + 2) {
            return limit + 1; /* a swap reaches back one row, so one edit of slack */
        }
    }
    return rows[a_size % 3][b_size];
}

/* How far a name may be off: a third of its letters, at least one edit. */
static int limit_for(const char *word)
{
    int limit = 2 * (int)((strlen(word) + 2) / 3);
    return limit < 2 ? 2 : limit > 8 ? 8 : limit;
}

static bool starts_with(const char *name, const char *word)
{
    size_t i = 0;
    while (word[i] != '\0' && lower(word[i]) == lower(name[i])) {
        i++;
    }
    return word[i] == '\0' && i >= 3;
}

void mmi_suggest_add(mmi_suggest *suggest, const char *name)
{
    if (suggest->word == NULL || name == NULL || name[0] == '\0') {
        return;
    }
    int limit = limit_for(suggest->word);
    int distance = mmi_edit_distance(suggest->word, name, limit);
    if (distance > limit && starts_with(name, suggest->word)) {
        distance = limit; /* the beginning of a name, as far away as allowed */
    }
    if (distance > limit) {
        return;
    }
    int place = suggest->count;
    while (place > 0 && suggest->distances[place - 1] > distance) {
        place--;
    }
    if (place == MMI_SUGGESTIONS) {
        return;
    }
    for (int i = 0; i < suggest->count; i++) {
        if (strcmp(suggest->names[i], name) == 0) {
            return;
        }
    }
    int moved = least(suggest->count, MMI_SUGGESTIONS - 1);
    for (int i = moved; i > place; i--) {
        suggest->names[i] = suggest->names[i - 1];
        suggest->distances[i] = suggest->distances[i - 1];
    }
    suggest->names[place] = name;
    suggest->distances[place] = distance;
    suggest->count = moved + 1;
}

/* Names not much farther away than the nearest: the others only distract. */
static int count_near(const mmi_suggest *suggest)
{
    int count = 0;
    while (count < suggest->count &&
           suggest->distances[count] <= suggest->distances[0] + 1) {
        count++;
    }
    return count;
}

int mmi_suggest_text(const mmi_suggest *suggest, char *out, size_t out_size)
{
    size_t used = 0;
    int count = count_near(suggest);
    if (out_size > 0) {
        out[0] = '\0';
    }
    for (int i = 0; i < count && used < out_size; i++) {
        const char *before = i == 0 ? "" : i == count - 1 ? " or " : ", ";
        int size =
            snprintf(out + used, out_size - used, "%s'%s'", before, suggest->names[i]);
        used += size > 0 ? (size_t)size : 0;
    }
    return count;
}

void mmi_suggest_hint(const mmi_suggest *suggest)
{
    char names[MM_ERROR_HINT_SIZE - 32];
    if (mmi_suggest_text(suggest, names, sizeof names) > 0) {
        mm_error_hint("did you mean %s?", names);
    }
}

mm_status mm_error_hint_nearest(const char *word, const char *const *names,
                                size_t count)
{
    mmi_suggest suggest = {.word = word};

    for (size_t i = 0; word != NULL && names != NULL && i < count; i++) {
        mmi_suggest_add(&suggest, names[i]);
    }
    mmi_suggest_hint(&suggest);
    return mm_pending();
}
