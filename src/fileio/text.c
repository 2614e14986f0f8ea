/* UTF-8 with lone surrogates, which JSON escapes and pickles of Python can produce. */
#include "fileio/text.h"

bool mmi_text_is_utf8(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;

    while (i < size) {
        unsigned char lead = bytes[i++];
        if (lead < 0x80) {
            continue;
        }
        size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || size - i < more ||
            (lead == 0xe0 && bytes[i] < 0xa0) || (lead == 0xf0 && bytes[i] < 0x90) ||
            (lead == 0xf4 && bytes[i] > 0x8f)) {
            return false;
        }
        for (; more > 0; more--) {
            if ((bytes[i++] & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

size_t mmi_text_decode(const char *text, uint32_t *out_code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    uint32_t code = size == 1 ? bytes[0] : bytes[0] & (0xffU >> (size + 1));

    for (size_t i = 1; i < size; i++) {
        code = code << 6 | (bytes[i] & 0x3fU);
    }
    *out_code = code;
    return size;
}

size_t mmi_text_encode(uint32_t code, char *out)
{
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};

    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out[0] = (char)(leads[more] | (code >> (6 * more)));
    for (size_t i = 1; i <= more; i++) {
        out[i] = (char)(0x80 | ((code >> (6 * (more - i))) & 0x3f));
    }
    return more + 1;
}

int mmi_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}
