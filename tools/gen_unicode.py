"""Writes src/base/unicode_table.c: which characters Python's repr() escapes.

Run: python3 tools/gen_unicode.py > src/base/unicode_table.c   (then clang-format it)
"""
import sys
import unicodedata


def main():
    ranges = []
    for code in range(0x80, 0x110000):
        if not chr(code).isprintable():
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    print('/* Characters that are not printable, as ranges of first and last. Made by')
    print(f' * tools/gen_unicode.py from Unicode {unicodedata.unidata_version}. */')
    print('#include "base/unicode_table.h"\n')
    print('const uint32_t mmi_unicode_unprintable[][2] = {')
    for first, last in ranges:
        print(f'    {{0x{first:X}, 0x{last:X}}},')
    print('};\n')
    print('const size_t mmi_unicode_num_unprintable =')
    print('    sizeof mmi_unicode_unprintable / sizeof mmi_unicode_unprintable[0];')
    print(f'{len(ranges)} ranges', file=sys.stderr)


main()
