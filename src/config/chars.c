/* Character classes. Python takes them from the Unicode database; here a table of
 * ranges that are *not* letters decides: punctuation, symbols and blanks outside ASCII.
 * It covers what is met in practice, above all full-width punctuation typed by mistake.
 */
#include "config/chars.h"

#include <string.h>

typedef struct range {
    uint32_t first, last;
} range;

/* No letters, digits or marks: never part of a name. Ascending. */
static const range others[] = {
    {0x80, 0xA9},     {0xAB, 0xB4},       {0xB6, 0xB6},       {0xB8, 0xB9},
    {0xBB, 0xBF},     {0xD7, 0xD7},       {0xF7, 0xF7},       {0x2C2, 0x2C5},
    {0x2D2, 0x2DF},   {0x37E, 0x37E},     {0x589, 0x58A},     {0x60C, 0x60D},
    {0x61B, 0x61F},   {0x66A, 0x66D},     {0x6D4, 0x6D4},     {0x1680, 0x1680},
    {0x2000, 0x203E}, {0x2041, 0x2053},   {0x2055, 0x2070},   {0x2074, 0x207E},
    {0x2080, 0x208E}, {0x20A0, 0x20CF},   {0x2100, 0x2101},   {0x2103, 0x2106},
    {0x2108, 0x2109}, {0x2116, 0x2117},   {0x2120, 0x2123},   {0x2150, 0x215F},
    {0x2190, 0x2BFF}, {0x2E00, 0x3004},   {0x3008, 0x3020},   {0x3030, 0x3030},
    {0x303D, 0x3040}, {0x3098, 0x309C},   {0x30A0, 0x30A0},   {0x30FB, 0x30FB},
    {0x3190, 0x319F}, {0x31C0, 0x31EF},   {0x3200, 0x33FF},   {0x4DC0, 0x4DFF},
    {0xA490, 0xA4CF}, {0xD800, 0xF8FF},   {0xFD3E, 0xFD3F},   {0xFE10, 0xFE1F},
    {0xFE30, 0xFE32}, {0xFE35, 0xFE4C},   {0xFE50, 0xFE6F},   {0xFEFF, 0xFF0F},
    {0xFF1A, 0xFF20}, {0xFF3B, 0xFF3E},   {0xFF40, 0xFF40},   {0xFF5B, 0xFF65},
    {0xFFE0, 0xFFFF}, {0x1F000, 0x1FBEF}, {0xE0000, 0xE00FF}, {0xF0000, 0x10FFFF},
};

/* May continue a name but not begin it. Ascending. */
static const range marks[] = {
    {0xB7, 0xB7},     {0x300, 0x36F},   {0x387, 0x387},   {0x483, 0x487},
    {0x591, 0x5BD},   {0x610, 0x61A},   {0x64B, 0x669},   {0x6F0, 0x6F9},
    {0x900, 0x903},   {0x93A, 0x94D},   {0x966, 0x96F},   {0x203F, 0x2040},
    {0x2054, 0x2054}, {0x20D0, 0x20F0}, {0x302A, 0x302F}, {0x3099, 0x309A},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFE33, 0xFE34}, {0xFE4D, 0xFE4F},
    {0xFF10, 0xFF19}, {0xFF3F, 0xFF3F},
};

static bool is_in(const range *ranges, size_t count, uint32_t character)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (character > ranges[middle].last) {
            low = middle + 1;
        } else if (character < ranges[middle].first) {
            high = middle;
        } else {
            return true;
        }
    }
    return false;
}

size_t mmi_utf8_count(const char *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++) {
        count += ((unsigned char)text[i] & 0xC0U) != 0x80U;
    }
    return count;
}

size_t mmi_utf8_offset(const char *text, size_t size, size_t index)
{
    size_t at = 0;

    for (; at < size; at++) {
        if (((unsigned char)text[at] & 0xC0U) != 0x80U && index-- == 0) {
            break;
        }
    }
    return at;
}

bool mmi_is_name_start(uint32_t c)
{
    if (c < 0x80) {
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    return !is_in(others, sizeof(others) / sizeof(others[0]), c) &&
           !is_in(marks, sizeof(marks) / sizeof(marks[0]), c);
}

bool mmi_is_name_part(uint32_t c)
{
    if (c < 0x80) {
        return mmi_is_name_start(c) || (c >= '0' && c <= '9');
    }
    return !is_in(others, sizeof(others) / sizeof(others[0]), c);
}

bool mmi_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 ||
           c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

uint32_t mmi_upper(uint32_t c)
{
    if (c < 0x80) {
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    }
    if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) ||
        (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) || (c >= 0x430 && c <= 0x44F)) {
        return c - 32;
    }
    if (c >= 0x450 && c <= 0x45F) {
        return c - 80;
    }
    if ((c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14A && c <= 0x177) ||
        (c >= 0x460 && c <= 0x481)) {
        return c & ~1U;
    }
    return c;
}

uint32_t mmi_lower(uint32_t c)
{
    if (c < 0x80) {
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F)) {
        return c + 32;
    }
    if (c >= 0x400 && c <= 0x40F) {
        return c + 80;
    }
    if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14A && c <= 0x177) ||
        (c >= 0x460 && c <= 0x481)) {
        return c | 1U;
    }
    return c;
}

bool mmi_is_alpha(uint32_t c)
{
    return c != '_' && mmi_is_name_start(c);
}

bool mmi_is_identifier(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t c = 0;
        size_t step = mmi_utf8_decode(text + at, size - at, &c);

        if (step == 0) {
            return false;
        }
        if (at == 0 ? !mmi_is_name_start(c) : !mmi_is_name_part(c)) {
            return false;
        }
        at += step;
    }
    return size > 0;
}
