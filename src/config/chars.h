/* What characters mean to the lexer and the string methods, after UTF-8 is decoded. */
#ifndef MM_CONFIG_CHARS_H
#define MM_CONFIG_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/unicode.h"

/* Characters in `size` bytes. */
size_t mmi_utf8_count(const char *text, size_t size);

/* The byte offset of a character; `size` if there are not so many. */
size_t mmi_utf8_offset(const char *text, size_t size, size_t index);

/* May begin or continue a Python identifier. */
bool mmi_is_name_start(uint32_t character);
bool mmi_is_name_part(uint32_t character);

/* str.isspace() of one character. */
bool mmi_is_space(uint32_t character);

/* str.upper() and str.lower() of one character, for Latin, Greek and Cyrillic. */
uint32_t mmi_upper(uint32_t character);
uint32_t mmi_lower(uint32_t character);

/* True for letters that have case, or no case at all (CJK). */
bool mmi_is_alpha(uint32_t character);

/* str.isidentifier(). */
bool mmi_is_identifier(const char *text, size_t size);

/* True for Python's 35 keywords. */
bool mmi_is_keyword(const char *text, size_t size);

#endif
