/* UTF-8 and the few properties of characters that we need. */
#ifndef MMI_BASE_UNICODE_H
#define MMI_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the first character: its bytes are returned. 0: not valid UTF-8. */
size_t mmi_utf8_decode(const char *text, size_t size, uint32_t *out_code);
/* True if it begins with half of a surrogate pair, coded as three bytes as if it were a
 * character: what JSON and pickles of Python can hold. */
bool mmi_utf8_is_surrogate(const char *text, size_t size);
/* Encodes a character into at most 4 bytes; returns their number, 0 for no character.
 */
size_t mmi_utf8_encode(uint32_t code, char *out);
/* True if all of it is valid UTF-8. */
bool mmi_utf8_is_valid(const char *text, size_t size);
/* The bytes of the first whole characters of `text` that fit into `most`; its length if
 * all do. */
size_t mmi_utf8_cut(const char *text, size_t most);
/* Python's str.isprintable() of one character. */
bool mmi_unicode_is_printable(uint32_t code);

#endif
