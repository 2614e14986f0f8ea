"""Writes the case files of tests/base: numbers, reprs and equality as Python has them.

Run: python3 tools/golden/base_values.py tests/cases/base

Values are written in a small prefix code that the test reads back:
  N T F            None, True, False
  i<digits>;       int of any size
  f<16 hex>;       float, its bits
  s<hex>; b<hex>;  str as UTF-8, bytes
  l<n>; t<n>; e<n>; list, tuple, set of n items that follow
  d<n>;            dict of n pairs that follow
"""
import math
import os
import platform
import random
import struct
import sys
from decimal import Decimal, getcontext

SEED = 20240521
getcontext().prec = 1200


def bits(x):
    return struct.pack('>d', x).hex()


def encode(v):
    if v is None:
        return 'N'
    if v is True:
        return 'T'
    if v is False:
        return 'F'
    if isinstance(v, int):
        return f'i{v};'
    if isinstance(v, float):
        return f'f{bits(v)};'
    if isinstance(v, str):
        return f's{v.encode("utf-8", "surrogateescape").hex()};'
    if isinstance(v, bytes):
        return f'b{v.hex()};'
    if isinstance(v, dict):
        return f'd{len(v)};' + ''.join(encode(k) + encode(x) for k, x in v.items())
    code = {list: 'l', tuple: 't', set: 'e'}[type(v)]
    return f'{code}{len(v)};' + ''.join(encode(x) for x in v)


def numbers(rng):
    """Texts of floats: what Python reads, and the repr of that."""
    texts = ['0', '0.0', '-0.0', '-0', '.5', '5.', '1e5', '1E5', '1e+5', '1e-5', '1e400',
             '-1e400', '1e-400', '1' + '0' * 400 + 'e-400', '0.' + '0' * 500 + '1e501',
             '2.4703282292062327e-324', '2.4703282292062328e-324', '5e-324',
             '2.2250738585072011e-308', '2.2250738585072014e-308',
             '1.7976931348623157e308', '1.7976931348623158e308',
             '1.7976931348623159e308', '9007199254740992', '9007199254740993',
             '9007199254740993.0000000000000000000000000001', '9007199254740995',
             '123456789012345678901234567890', '0.1', '0.2', '0.3', '1e15', '1e16',
             '1e17', '123456789012345680', '1e22', '1e23', '0.0001', '0.00001',
             '9.999e22', '8.5e-5', 'inf', '-inf', 'Infinity', 'nan', '1e0000000000005']
    for e in range(-1074, 1024, 13):
        x = math.ldexp(1.0, e)
        texts.append(repr(x))
        middle = (Decimal(x) + Decimal(math.nextafter(x, math.inf))) / 2
        exact = f'{middle:e}'
        texts.append(exact)
        texts.append(exact.replace('e', '0000001e'))
    for _ in range(1500):
        x = struct.unpack('<d', struct.pack('<Q', rng.getrandbits(64)))[0]
        if math.isfinite(x):
            texts.append(repr(x))
    for _ in range(500):
        texts.append(repr(rng.uniform(-1, 1) * 10 ** rng.randint(-8, 8)))
        texts.append(repr(round(rng.uniform(-1000, 1000), rng.randint(0, 8))))
    for _ in range(500):
        digits = ''.join(rng.choice('0123456789') for _ in range(rng.randint(2, 60)))
        cut = rng.randint(1, len(digits))
        texts.append(f'{digits[:cut]}.{digits[cut:]}e{rng.randint(-345, 320)}')
    return [f'{t}\t{bits(float(t))}\t{float(t)!r}' for t in texts]


def formats(rng):
    """What '%' makes of floats."""
    values = [0.0, -0.0, 1.0, 0.5, 1.5, 2.5, 0.05, 1e-5, 123456.789, 1e22, 1e-10, 2 / 3,
              0.1, 99999.5, 999999.5, 1e300, math.inf, -math.inf, math.nan]
    values += [rng.uniform(-1, 1) * 10 ** rng.randint(-12, 12) for _ in range(200)]
    rows = []
    for x in values:
        for digits in (0, 1, 4, 6, 17):
            rows.append('\t'.join([bits(x), str(digits), '%.*f' % (digits, x),
                                   '%.*e' % (digits, x), '%.*g' % (digits, x)]))
    return rows


def samples(rng):
    """Values for repr()."""
    texts = ['', 'a', "it's", 'say "x"', 'both \' and "', 'tab\tline\nret\rnul\0', '\\',
             '\x7f\x80\xa0\xad', 'é', 'ß中文', '\u200b\u2028\ufeff', '\U0001f600',
             '\U000e0001', '\ud7ff\ue000\uffff', b'\xff\xfea'.decode('utf-8', 'surrogateescape'),
             '\x1b[31m', '\u0378', '\u3000']
    values = [None, True, False, 0, 1, -1, 255, 256, -8, -9, 2 ** 63 - 1, -2 ** 63, 2 ** 63,
              -2 ** 63 - 1, 10 ** 40, 0.0, -0.0, 1.0, 1e16, 1e-5, math.inf, -math.inf,
              math.nan, b'', b"it's", b'"\'', bytes(range(256)), [], (), {}, set(), [1],
              (1,), (1, 2), {1}, {'a': 1}, [[[]]], ((),), {'a': {'b': [1, (2,), {3: None}]}},
              {1: 'int', 'x': 2.5, None: [], (1, 2): 3}]
    values += texts
    for code in range(0x80, 0x3000, 7):
        values.append(chr(code))
    for _ in range(200):
        code = rng.randrange(0x3000, 0x110000)
        if not 0xD800 <= code < 0xE000:
            values.append(chr(code))
    values += [random_value(rng, 0) for _ in range(300)]
    return [f'{encode(v)}\t{repr(v)}' for v in values]


def random_value(rng, depth, hashable=False):
    kind = rng.randrange(7 if depth > 3 else 11)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randrange(-300, 300)
    if kind == 2:
        return rng.getrandbits(80) * rng.choice([1, -1])
    if kind == 3:
        return rng.choice([0.5, 1.0, -2.0, 1e100, rng.random()])
    if kind == 4:
        return ''.join(rng.choice('ab"\'\\\n é') for _ in range(rng.randrange(6)))
    if kind == 5:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(4)))
    items = [random_value(rng, depth + 1, hashable) for _ in range(rng.randrange(4))]
    if kind in (6, 7) or hashable:
        return tuple(items)
    if kind in (8, 9):
        return items
    return {random_value(rng, depth + 1, True): x for x in items}


def pairs():
    """Pairs of values and whether they are equal."""
    big = 2 ** 70
    values = [None, True, False, 0, 1, 2, -1, 0.0, -0.0, 1.0, -1.0, 0.5, 2 ** 53, 2 ** 53 + 1,
              float(2 ** 53), 2 ** 63, float(2 ** 63), 2 ** 63 - 1, -2 ** 63, float(-2 ** 63),
              -2 ** 63 - 1, big, float(big), big + 1, -big, float(-big), 10 ** 400,
              10 ** 22, 1e22, 10 ** 23, 1e23, int(1e300), 1e300, int(1e300) + 1, math.inf,
              -math.inf, 1e-300, '1', 'a', b'a', b'1', '', b'', [], (), [1], (1,), [1.0],
              (True,), [1, 2], [2, 1], {}, set(), {1}, {1.0}, {1, 2}, {2, 1}, {'a': 1},
              {'a': 1.0}, {'a': 1, 'b': 2}, {'b': 2, 'a': 1}, {1: 'x'}, {True: 'x'},
              [[1], [2.0]], [[1.0], [2]], ((1, 2), 'a'), ((1.0, 2), 'a')]
    return [f"{encode(a)}\t{encode(b)}\t{int(a == b)}"
            for i, a in enumerate(values) for b in values[i:]]


def main():
    rng = random.Random(SEED)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, rows in [('numbers', numbers(rng)), ('formats', formats(rng)),
                       ('reprs', samples(rng)), ('pairs', pairs())]:
        with open(os.path.join(folder, name + '.txt'), 'w', encoding='utf-8',
                  errors='surrogateescape', newline='\n') as f:
            f.write('\n'.join(rows) + '\n')
    with open(os.path.join(folder, 'provenance.txt'), 'w') as f:
        f.write(f'Made by tools/golden/base_values.py with Python '
                f'{platform.python_version()}, seed {SEED}. Tolerance: none, texts and '
                f'bits are compared as they are.\n')


main()
