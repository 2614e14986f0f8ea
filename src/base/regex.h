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

#endif
