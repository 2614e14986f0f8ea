/* "Did you mean": the nearest of the names that would have been right. */
#ifndef MMI_BASE_SUGGEST_H
#define MMI_BASE_SUGGEST_H

#include "base/status.h"

enum { MMI_SUGGESTIONS = 3 };

/* Collects candidates one by one; zero-initialise but for `word`. Names are borrowed.
 */
typedef struct mmi_suggest {
    const char *word; /* what was written */
    const char *names[MMI_SUGGESTIONS];
    int distances[MMI_SUGGESTIONS];
    int count;
} mmi_suggest;

/* Keeps `name` if it is among the nearest and near enough. Raises nothing. */
void mmi_suggest_add(mmi_suggest *suggest, const char *name);
/* "'a', 'b' or 'c'" into `out`; returns the number of names. */
int mmi_suggest_text(const mmi_suggest *suggest, char *out, size_t out_size);
/* Sets the pending error's hint: "did you mean 'a' or 'b'?"; does nothing without
 * names. */
void mmi_suggest_hint(const mmi_suggest *suggest);

/* Edits (insert, remove, replace, swap neighbours) between two texts, ASCII case
 * counting half; in halves of an edit. Stops early above `limit`. */
int mmi_edit_distance(const char *a, const char *b, int limit);

#endif
