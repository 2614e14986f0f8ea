/* Regular expressions through the system's library. Patterns come from configs and are
 * Python's, so what Python writes differently is first put into POSIX's words: classes
 * as \d, groups that are not captured, lazy repeats (whether a text matches does not
 * depend on them), escapes inside brackets. What POSIX has no words for is refused. */
#include <regex.h>
#include <string.h>

#include "base/regex.h"
#include "base/str.h"

enum { MAX_GROUPS = 10 };

struct mmi_regex {
    regex_t compiled;
    bool is_lazy;    /* a match may end elsewhere than Python's */
    bool is_shifted; /* groups have other numbers than Python's */
};

/* A pattern that is being rewritten. */
struct rewrite {
    const char *pattern;
    const char *at;
    mmi_str out;
    bool can_repeat; /* something stands before `at` that a repeat applies to */
    bool ignores_case;
    bool is_lazy, is_shifted;
    size_t depth; /* groups that are open */
};

static mm_status refuse(const struct rewrite *work, mm_status code, const char *why)
{
    return mm_raise(code, "could not read the pattern '%s': %s at character %zu",
                    work->pattern, why, (size_t)(work->at - work->pattern) + 1);
}

/* The class behind a letter of \d, \w, \s; NULL for another letter. */
static const char *class_of(char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return "0-9";
    case 'w':
    case 'W':
        return "[:alnum:]_";
    case 's':
    case 'S':
        return "[:space:]";
    default:
        return NULL;
    }
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The character that \n, \t and the like, or an escaped sign, stand for; 0: none. */
static char plain_escape(char letter)
{
    static const char letters[] = "ntrfv", signs[] = "\n\t\r\f\v";
    const char *found = letter != '\0' ? strchr(letters, letter) : NULL;

    return found != NULL ? signs[found - letters] : is_word(letter) ? '\0' : letter;
}

/* At a backslash outside brackets. */
static void rewrite_escape(struct rewrite *work)
{
    char letter = work->at[1];
    const char *set = class_of(letter);
    char plain = plain_escape(letter);

    if (set != NULL)
        mmi_str_addf(&work->out, letter < 'a' ? "[^%s]" : "[%s]", set);
    else if (letter == 'A' || letter == 'Z')
        mmi_str_add_char(&work->out, letter == 'A' ? '^' : '$');
    else if (letter == 'b' || letter == 'B')
        mmi_str_addf(&work->out, "\\%c", letter);
    else if (plain != '\0' && letter == plain)
        mmi_str_addf(&work->out, "\\%c", plain);
    else if (plain != '\0')
        mmi_str_add_char(&work->out, plain);
    else
        (void)refuse(work, letter == '\0' ? MM_EINVAL : MM_EUNSUPPORTED,
                     "an escape that is not known");
    if (mmi_is_pending())
        return;
    work->at += 2;
    work->can_repeat = strchr("AZbB", letter) == NULL;
}

/* One character of a set, in the form that no neighbour can change. */
static void put_in_set(mmi_str *out, char c)
{
    mmi_str_addf(out, strchr("]-^[", c) != NULL ? "[.%c.]" : "%c", c);
}

/* At a backslash inside brackets. */
static void rewrite_set_escape(struct rewrite *work)
{
    char letter = work->at[1];
    const char *set = class_of(letter);
    char plain = letter != '\0' ? plain_escape(letter) : '\0';

    if (set != NULL && letter > 'Z')
        mmi_str_add(&work->out, set);
    else if (plain != '\0')
        put_in_set(&work->out, plain);
    else
        (void)refuse(work, letter == '\0' ? MM_EINVAL : MM_EUNSUPPORTED,
                     "an escape that is not known in a set");
    if (!mmi_is_pending())
        work->at += 2;
}

/* At '['. */
static void rewrite_set(struct rewrite *work)
{
    mmi_str_add_char(&work->out, *work->at++);
    if (*work->at == '^')
        mmi_str_add_char(&work->out, *work->at++);
    for (bool is_first = true; *work->at != ']' || is_first; is_first = false) {
        if (mmi_is_pending())
            return;
        if (*work->at == '\0') {
            (void)refuse(work, MM_EINVAL, "a set without its end");
            return;
        }
        if (*work->at == '\\') {
            rewrite_set_escape(work);
        } else {
            char c = *work->at++;

            if (c == '[')
                put_in_set(&work->out, c);
            else
                mmi_str_add_char(&work->out, c);
        }
    }
    mmi_str_add_char(&work->out, *work->at++);
    work->can_repeat = true;
}

/* At '('. */
static void rewrite_group(struct rewrite *work)
{
    const char *end = strchr(work->at, '>');

    mmi_str_add_char(&work->out, '(');
    work->depth++;
    if (strncmp(work->at, "(?:", 3) == 0) {
        work->at += 3;
        work->is_shifted = true;
    } else if (strncmp(work->at, "(?P<", 4) == 0 && end != NULL) {
        work->at = end + 1;
    } else if (strncmp(work->at, "(?", 2) == 0) {
        (void)refuse(work, MM_EUNSUPPORTED, "a group of a kind that is not known");
    } else {
        work->at++;
    }
    work->can_repeat = false;
}

/* At '*', '+', '?' or the '{' of a count. */
static void rewrite_repeat(struct rewrite *work)
{
    size_t size = *work->at == '{' ? strcspn(work->at, "}") + 1 : 1;

    if (!work->can_repeat) {
        (void)refuse(work, MM_EINVAL, "nothing to repeat");
        return;
    }
    if (strncmp(work->at, "{,", 2) == 0)
        mmi_str_addf(&work->out, "{0%.*s", (int)size - 1, work->at + 1);
    else
        mmi_str_add_n(&work->out, work->at, size);
    work->at += size;
    if (*work->at == '?') { /* lazy: the same texts match */
        work->at++;
        work->is_lazy = true;
    }
    work->can_repeat = *work->at != '*' && *work->at != '+' && *work->at != '?';
}

static bool is_count(const char *at)
{
    size_t size = strspn(at + 1, "0123456789,");

    return *at == '{' && size > 0 && at[1 + size] == '}';
}

static void rewrite_next(struct rewrite *work)
{
    char c = *work->at;

    if (c == '\\') {
        rewrite_escape(work);
    } else if (c == '[') {
        rewrite_set(work);
    } else if (c == '(') {
        rewrite_group(work);
    } else if (c == '*' || c == '+' || c == '?' || is_count(work->at)) {
        rewrite_repeat(work);
    } else if (c == ')' && work->depth-- == 0) {
        (void)refuse(work, MM_EINVAL, "a group that was not begun");
    } else {
        mmi_str_addf(&work->out, c == '{' || c == '}' ? "\\%c" : "%c", c);
        work->at++;
        work->can_repeat = c != '|' && c != '^';
    }
}

/* POSIX's form; mm_free(). */
static char *rewrite(struct rewrite *work)
{
    if (strncmp(work->at, "(?i)", 4) == 0) {
        work->ignores_case = true;
        work->at += 4;
    }
    while (*work->at != '\0' && !mmi_is_pending())
        rewrite_next(work);
    return mmi_str_take(&work->out);
}

mmi_regex *mmi_regex_new(const char *pattern)
{
    struct rewrite work = {.pattern = pattern, .at = pattern};
    mmi_regex *regex = mm_alloc(sizeof(*regex));
    char *text = regex == NULL ? NULL : rewrite(&work);

    if (regex == NULL || mmi_is_pending()) {
        mm_free(text);
        mm_free(regex);
        return NULL;
    }
    int code = regcomp(&regex->compiled, text == NULL ? "" : text,
                       REG_EXTENDED | (work.ignores_case ? REG_ICASE : 0));
    mm_free(text);
    regex->is_lazy = work.is_lazy;
    regex->is_shifted = work.is_shifted;
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

/* --- replacing --- */

/* The group that a replacement names at `at`, "\1" or "\g<1>"; -1: none. Moves *at to
 * its last byte. */
static int group_at(const char **at)
{
    const char *text = *at;

    if (text[1] >= '0' && text[1] <= '9') {
        *at = text + 1;
        return text[1] - '0';
    }
    if (strncmp(text + 1, "g<", 2) == 0 && text[3] >= '0' && text[3] <= '9' &&
        text[4] == '>') {
        *at = text + 4;
        return text[3] - '0';
    }
    return -1;
}

static void add_replacement(mmi_str *out, const char *replacement, const char *text,
                            const regmatch_t groups[MAX_GROUPS])
{
    for (const char *at = replacement; *at != '\0'; at++) {
        int group = *at == '\\' ? group_at(&at) : -1;

        if (group >= 0 && groups[group].rm_so >= 0)
            mmi_str_add_n(out, text + groups[group].rm_so,
                          (size_t)(groups[group].rm_eo - groups[group].rm_so));
        else if (group < 0 && *at == '\\' && at[1] == '\\')
            mmi_str_add_char(out, *at++);
        else if (group < 0)
            mmi_str_add_char(out, *at);
    }
}

char *mmi_regex_replace(const mmi_regex *regex, const char *text,
                        const char *replacement)
{
    regmatch_t groups[MAX_GROUPS];
    mmi_str out = {0};
    int flags = 0;

    if (regex->is_lazy || (regex->is_shifted && strchr(replacement, '\\') != NULL)) {
        (void)mm_raise(MM_EUNSUPPORTED,
                       "could not replace by '%s': the pattern has lazy repeats, or "
                       "groups that are not captured",
                       replacement);
        return NULL;
    }
    mmi_str_add(&out, "");
    while (!mmi_is_pending() &&
           regexec(&regex->compiled, text, MAX_GROUPS, groups, flags) == 0) {
        size_t begin = (size_t)groups[0].rm_so, end = (size_t)groups[0].rm_eo;

        mmi_str_add_n(&out, text, begin);
        add_replacement(&out, replacement, text, groups);
        if (begin == end) { /* goes on behind the next character */
            if (text[end] == '\0')
                return mmi_str_take(&out);
            mmi_str_add_char(&out, text[end++]);
        }
        text += end;
        flags = REG_NOTBOL;
    }
    mmi_str_add(&out, text);
    return mmi_str_take(&out);
}
