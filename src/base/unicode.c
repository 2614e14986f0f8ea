/* UTF-8 as RFC 3629 has it: shortest form only, no surrogates, up to U+10FFFF. */
#include "base/unicode.h"

#include <string.h>

#include "base/unicode_table.h"

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t mmi_utf8_decode(const char *text, size_t size, uint32_t *out_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (size == 0) {
        return 0;
    }
    unsigned char lead = (unsigned char)text[0];
    if (lead < 0x80) {
        *out_code = lead;
        return 1;
    }
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || length > size) {
        return 0;
    }
    uint32_t code = lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(text[i])) {
            return 0;
        }
        code = (code << 6) | ((unsigned char)text[i] & 0x3Fu);
    }
    if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return 0;
    }
    *out_code = code;
    return length;
}

bool mmi_utf8_is_surrogate(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;

    return size >= 3 && bytes[0] == 0xed && bytes[1] >= 0xa0 && bytes[1] < 0xc0 &&
           (bytes[2] & 0xc0) == 0x80;
}

size_t mmi_utf8_encode(uint32_t code, char *out)
{
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return 0;
    }
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80u | (code & 0x3Fu));
        code >>= 6;
    }
    out[0] = (char)(lead[length] | code);
    return length;
}

bool mmi_utf8_is_valid(const char *text, size_t size)
{
    uint32_t code = 0;
    for (size_t i = 0; i < size;) {
        size_t length = mmi_utf8_decode(text + i, size - i, &code);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

bool mmi_unicode_is_printable(uint32_t code)
{
    if (code < 0x80) {
        return code >= 0x20 && code != 0x7F;
    }
    size_t low = 0;
    size_t high = mmi_unicode_num_unprintable;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mmi_unicode_unprintable[middle][1] < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == mmi_unicode_num_unprintable || code < mmi_unicode_unprintable[low][0];
}

size_t mmi_utf8_cut(const char *text, size_t most)
{
    size_t size = strlen(text);

    if (size <= most)
        return size;
    for (size = most; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
        continue;
    return size;
}
