/* Regular expressions of names, in the form of Python's re.search(). */
#ifndef MMI_BASE_REGEX_H
#define MMI_BASE_REGEX_H

#include "base/status.h"

typedef struct mmi_regex mmi_regex;

/* MM_EINVAL with the reason if the pattern cannot be read, MM_EUNSUPPORTED if only
 * Python can (looking ahead or behind, named references). */
MM_OWNED mmi_regex *mmi_regex_new(const char *pattern);
void mmi_regex_free(mmi_regex *regex);
/* True if the pattern matches somewhere in `text`. Raises nothing. */
bool mmi_regex_matches(const mmi_regex *regex, const char *text);
/* `text` with every match replaced, as re.sub() does: \1 to \9 and \g<1> are groups.
 * Yours. Of several alternatives the longest is taken, where Python takes the first.
 * MM_EUNSUPPORTED for lazy repeats, and for groups beside some that are not captured.
 */
MM_OWNED char *mmi_regex_replace(const mmi_regex *regex, const char *text,
                                 const char *replacement);

#endif
