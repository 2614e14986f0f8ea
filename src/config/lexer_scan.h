/* Parts of the lexer that only look ahead: where a string or a number ends. */
#ifndef MM_CONFIG_LEXER_SCAN_H
#define MM_CONFIG_LEXER_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a string prefix at `p` (letters before a quote), or SIZE_MAX. */
size_t mmi_string_prefix(const char *p, const char *end);
/* From the opening quote to behind the closing one, or NULL if there is none. */
const char *mmi_string_end(const char *quote, const char *end, bool formatted);
/* Behind the number that begins at `start`. */
const char *mmi_number_end(const char *start, const char *end);
/* Behind the letters and digits at `p` that no number may have there; `p` if it is
 * none or a keyword that may follow a number: `1if x else 2`. */
const char *mmi_number_tail(const char *p, const char *end);

#endif
