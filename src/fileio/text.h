/* UTF-8 as Python's str may hold it: lone surrogates pass, coded as three bytes. */
#ifndef MMI_FILEIO_TEXT_H
#define MMI_FILEIO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool mmi_text_is_utf8(const char *text, size_t size);
/* The code point at `text`, which is valid; its bytes are returned. */
size_t mmi_text_decode(const char *text, uint32_t *out_code);
/* At most 4 bytes; returns their number. `code` is at most 0x10FFFF. */
size_t mmi_text_encode(uint32_t code, char *out);
/* Value of a hex digit or -1. */
int mmi_hex_digit(char c);

#endif
