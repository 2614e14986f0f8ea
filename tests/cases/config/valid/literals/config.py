# every form of a literal
ints = [0, 00, 7, 1_000, 0x1F, 0Xff, 0o17, 0b101, 0x_f, 9223372036854775807, 9223372036854775808,
        -9223372036854775808, 123456789012345678901234567890]
floats = [1., .5, 0.1, 1e3, 1E-3, 1_0.0_1, 1e400, 5e-324, 1e16, 1e-5, 123456789.0, 0.1 + 0.2]
bools = [True, False, None]
strs = ['a', "b", '''c
d''', """e"f""", r'\n', R"\t", u'g', 'a' 'b' "c", 'x'
        'y']
escapes = '\a\b\f\n\r\t\v\\\'\"\0\101\x41\u00e9\U0001F600\
joined \d'
raws = [rb'\x', b'\x00\xff', Rb'a', br'b', b'a' b'b']
empty = [(), [], {}, '', b'']
nested = ((1,), [(2,), {'k': (3, [4])}], {1, 2})
keys = {1: 'int', 2.5: 'float', None: 'none', (1, 2): 'tuple', b'x': 'bytes', 'a-b': 'text', True: 'is one'}
