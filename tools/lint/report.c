/* Findings: printed as `path:line: rule: what`, counted, or silenced by the line
 * itself. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lint.h"

static int findings;

int num_findings(void)
{
    return findings;
}

/* The text of a line, without its end. */
static const char *line_text(const struct source *source, int line, size_t *out_length)
{
    const char *at = source->text;

    for (int i = 1; i < line && at != NULL; i++) {
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL) {
        *out_length = 0;
        return "";
    }
    *out_length = strcspn(at, "\n");
    return at;
}

/* "lint: allow <rule>, <reason>" with a reason of at least one word. */
static bool allows(const struct source *source, int line, const char *rule)
{
    static const char mark[] = "lint: allow ";
    size_t length = 0;
    const char *at = line_text(source, line, &length);
    size_t rule_length = strlen(rule);
    size_t mark_length = sizeof(mark) - 1;

    for (size_t i = 0; i + mark_length + rule_length + 3 < length; i++) {
        const char *name = at + i + mark_length;

        if (strncmp(at + i, mark, mark_length) == 0 &&
            strncmp(name, rule, rule_length) == 0 && name[rule_length] == ',' &&
            name[rule_length + 1] == ' ' && is_word_char(name[rule_length + 2])) {
            return true;
        }
    }
    return false;
}

void report(const struct source *source, int line, const char *rule, const char *format,
            ...)
{
    va_list values;

    if (allows(source, line, rule) || (line > 1 && allows(source, line - 1, rule))) {
        return;
    }
    findings++;
    printf("%s:%d: %s: ", source->path, line, rule);
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
}
