"""Writes src/base/pow10_table.c: the leading 128 bits of the powers of ten.

Run: python3 tools/gen_pow10.py > src/base/pow10_table.c
"""
FIRST, LAST = -342, 324


def leading_bits(exponent):
    """floor(10**exponent * 2**s) for the s that makes it fill 128 bits."""
    if exponent >= 0:
        power = 10 ** exponent
        shift = power.bit_length() - 128
        return power >> shift if shift > 0 else power << -shift
    power = 10 ** -exponent
    quotient = (1 << (power.bit_length() + 128)) // power
    return quotient >> (quotient.bit_length() - 128)


def main():
    print('/* 10^e for e from MMI_POW10_FIRST to MMI_POW10_LAST: its leading 128 bits,')
    print(' * rounded down. Made by tools/gen_pow10.py. */')
    print('#include "base/pow10_table.h"\n')
    print('const uint64_t mmi_pow10[MMI_POW10_LAST - MMI_POW10_FIRST + 1][2] = {')
    for exponent in range(FIRST, LAST + 1):
        bits = leading_bits(exponent)
        print(f'    {{0x{bits >> 64:016X}u, 0x{bits & (2**64 - 1):016X}u}},')
    print('};')


main()
