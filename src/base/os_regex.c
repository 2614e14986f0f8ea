/* Regular expressions through the system's library. */
#include <regex.h>

#include "base/memory.h"
#include "base/regex.h"

struct mmi_regex {
    regex_t compiled;
};

mmi_regex *mmi_regex_new(const char *pattern)
{
    mmi_regex *regex = mm_alloc(sizeof(*regex));

    if (regex == NULL)
        return NULL;
    int code = regcomp(&regex->compiled, pattern, REG_EXTENDED | REG_NOSUB);
    if (code == 0)
        return regex;
    char reason[128];
    (void)regerror(code, &regex->compiled, reason, sizeof(reason));
    mm_free(regex);
    (void)mm_raise(MM_EINVAL, "could not read the pattern '%s': %s", pattern, reason);
    return NULL;
}

void mmi_regex_free(mmi_regex *regex)
{
    if (regex == NULL)
        return;
    regfree(&regex->compiled);
    mm_free(regex);
}

bool mmi_regex_matches(const mmi_regex *regex, const char *text)
{
    return regexec(&regex->compiled, text, 0, NULL, 0) == 0;
}
