"""Documents and what PyYAML makes of them, as MMEngine loads them.

Usage: python tools/golden/yaml_values.py tests/golden/fileio/yaml.txt

Each line is a JSON object: "text", and "repr" of the value or "error": true.
"""
import collections
import json
import sys

import yaml
from yaml import CLoader

SCALARS = '''
yes Yes YES yEs no No NO on On ON off Off OFF true True TRUE tRue false False FALSE y n Y N
~ null Null NULL nULL "" '' "~" 'null' None nil
0 1 -1 +1 007 012 -012 +0_7 08 09 0o7 0o12 0x1F -0xff 0xFFFF_FFFF 0x_ 0x 0b101 -0b1_1 0b_ 0b 0b2
1_000 _1 1__0 1_ 0_ 00 -0 +0 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
123456789012345678901234567890 0xFFFFFFFFFFFFFFFFFFFFFFFF -0b1111111111111111111111111111111111111111111111111111111111111111111111
0777777777777777777777777777777
1:30 1:30:20 190:20:30 -1:30 +1:30 1:60 1:5 0:30 1:30:99 1::2 01:30 1:30:20.5 1:30. -1:30.25 1:2:3:4:5:6:7 1_0:30
0.1 .1 -.1 +.1 1. 1.0 -1.5 +1.5 1e3 1E3 1.e3 1.0e3 1.0e+3 1.e+3 1.5E-7 1.5e-07 .5e+1 .5e1 1_0.5_0 1_.5 0_.5 ._5 . ._ .e+1
1.7976931348623157e+308 1.0e+400 5.0e-324 1.0e-400 0.1e+1 12345678901234567890.0
.inf .Inf .INF .iNF -.inf +.inf inf -inf .nan .NaN .NAN .Nan nan -.nan
2020-01-01 2020-1-1 2020-02-29 2021-02-29 2020-13-01 0000-01-01 20-01-01 2020-01-01T10:20:30 2020-01-01t1:20:30
2020-01-01T10:20:30Z 2020-01-01T10:20:30.5+01:30 2020-01-01T10:20:30-5 2020-01-01T25:00:00 2020-01-01T10:20 2020-01-01T10:20:30.123456789012Z
2020-01-01T10:20:30+24:00 2020-01-01T10:20:30-00:00 2020-01-01T10:20:30.Z 2020-01-01x
= << - -- --- ... a:b a::b :a ?a -a #a a#b @a `a %a !a &a *a |a >a a,b [ ] { }
1,000 1,2 1.2.3 1-2 v1.0 1e 0e0 e5 +-1 -+1 + 0.0.0 1/2 50% $x a=b a& a* x!
'''.split()

TAGGED = '''!!str 5|!!str yes|!!str ~|!!str|!!int 5|!!int "5"|!!int " 12 "|!!int "0o17"|!!int abc|!!int ""|!!int 1.5|!!int "1:30"
!!float 5|!!float "1e3"|!!float infinity|!!float " 2.5 "|!!float x|!!float ""|!!bool yes|!!bool "On"|!!bool 1|!!null x|!!null ""
!!binary aGVsbG8=|!!binary "aGVs bG8="|!!binary aGVsbG8|!!binary "a"|!!binary ""|!!binary "YQ=="|!!binary "YWI="|!!binary "é"|!!binary "!!!!"
!!timestamp 2020-1-1|!!timestamp "2020-01-01"|!!timestamp x|!!seq []|!!seq x|!!map {}|!!map []|!!map x|!!str []|!!str {}|!!int []
!!python/tuple [1, 2]|!!python/tuple []|!!python/tuple {a: 1}|!!python/tuple x|!!python/list [1]|!!python/dict {a: 1}|!!python/str 5
!!python/unicode 5|!!python/int 5|!!python/long 5|!!python/float 5|!!python/bool yes|!!python/none x|!!python/bytes YQ==
!!set {a}|!!set {1, 2, 3}|!!set {}|!!set [a]|!!omap [a: 1, b: 2]|!!omap {a: 1}|!!omap [1]|!!omap [{a: 1, b: 2}]|!!pairs [a: 1, a: 2]
!foo 1|!!foo 1|!!foo [1]|!!foo {a: 1}|! 12|! "12"|! [1]|! {a: 1}|!<tag:yaml.org,2002:int> "5"|!<tag:yaml.org,2002:str> 5|!!value x|!!merge x|{!!value x: 1}|{!!merge x: {a: 1}}|1234567890123:5
!!python/object/apply:collections.OrderedDict [[[a, 1], [b, 2]]]'''.replace('\n', '|').split('|')

DOCUMENTS = [
    '', '# nothing\n', '---\n', '--- 5\n', '---\n...\n', '%YAML 1.1\n--- yes\n', '%YAML 2.0\n--- 1\n',
    'a: 1\n---\nb: 2\n', 'a: 1\n...\n', 'a: 1\n...\nb: 2\n', '%TAG ! tag:yaml.org,2002:\n--- !int "5"\n',
    'a: 1\nb: 2\na: 3\n', '{a: 1, a: 2}', '1: a\n1.0: b\ntrue: c\n', 'a: &x [1, 2]\nb: *x\n',
    'a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n', 'a: &x {b: 1}\nc:\n  b: 2\n  <<: *x\n',
    'x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  c: 5\n  <<: [*x, *y]\n  d: 6\n',
    'x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y, c: 3}\n', '<<: {a: 1}\n<<: {b: 2}\n',
    '<<: 5\n', '<<: [1]\n', '<<: []\n', '<<: {}\na: 1\n', '"<<": {a: 1}\n', '- <<\n', 'a: <<\n', '{=: 5}', 'a: =\n', '- =\n',
    '<<: !!set {a, b}\nc: 1\n', 'a: *x\n', '[&a 1, &a 2]', '&a [*a]', '&a {b: *a}', 'a: &b 1\nc: *b\n', '&a a: *a\n',
    '? [a]\n: b\n', '? {a: 1}\n: b\n', '? !!python/tuple [a, 1]\n: b\n', '? !!python/tuple [[a]]\n: b\n', '? a\n: b\n? c\n',
    '2020-01-01: x\n', '2020-01-01: x\n2020-01-01: y\n', '? 2020-01-01 10:00:00\n: x\n', '.nan: 1\n', '~: 1\n', ': 1\n', 'a:\n',
    'a: b: c\n', 'a: [1, 2\n', 'a: {b: 1\n', 'a\nb: 1\n', 'a: 1\n b: 2\n', 'a:\n  b: 1\n c: 2\n', '- a\nb: 1\n', 'a: 1\n- b\n',
    '\ta: 1\n', 'a:\n\t- b\n', 'a: "x\n', "a: 'x\n", '"\\x41\\u00e9\\U0001F600\\n\\t\\\\\\"\\/\\_\\N\\L\\P\\e\\0\\a"', '"\\x4"', '"\\ud800"', '"\\q"',
    "'it''s'", '"a\n  b\n\n  c"', "'a\n  b\n\n  c'", 'a\n b\n\n c\n', 'a: |\n  x\n   y\n\n  z\n', 'a: >\n  x\n  y\n\n  z\n   w\n', 'a: |-\n  x\n', 'a: |+\n  x\n\n',
    'a: |2\n    x\n', 'a: |0\n  x\n', 'a: >-\n\n  x\n', '- - 1\n  - 2\n- [3]\n', '- a: 1\n  b: 2\n-\n  c: 3\n', 'a:\n- 1\n- 2\nb:\n  - 3\n',
    '[a, b, ]', '[a, , b]', '{a, b: , c: 1}', '[a: 1, b]', '{a: [b, {c: d}]}', '[]', '{}', '[[]]', '- \n- \n', 'a: # c\n  1 # d\n', 'a: x#y\n', 'a: x #y\n',
    'a:1\n', 'a:  \n', 'a :1\n', 'a : 1\n', '"a":1\n', '{"a":1}', '{a:1}', '{a: 1,b: 2}', 'a: -\n', '-a\n', '-1\n', '- -1\n', '--- a\n--- b\n',
    'é: ü\n', '日本: [語, 😀]\n', 'a: \u00a0b\n', 'a: \u2028b\n', 'a: \x85b\n', 'a: \x01\n', 'a: \x7f\n', '\ufeffa: 1\n', 'a: \ufeff1\n', 'a: \ufffe\n',
    'a: 1\r\nb: 2\r\n', 'a: 1\rb: 2\r', 'a: |\r\n  x\r\n  y\r\n', '@a\n', '`a\n', 'a: @b\n', 'a: %b\n', '%b\n', '|\n x\n', '>\n x\n y\n', '"a" b\n', 'a: "b" c\n',
    'a: 1\n\n\n\nb: 2', '&a', '!!str', '*', '&', '!', 'a: !', 'a: &x', 'key with spaces: v\n', 'a' * 1000 + ': 1\n', 'a' * 1030 + ': 1\n', '? ' + 'a' * 1030 + '\n: 1\n',
    '- ' * 60 + 'x\n', '[' * 60 + ']' * 60, '{a: ' * 40 + '1' + '}' * 40, '9' * 4300, '9' * 4301,
]


def plain(value):
    """An OrderedDict is a dict for us."""
    if isinstance(value, list):
        return [plain(v) for v in value] if value and plain(value[0]) is not value[0] else value
    return dict(value) if isinstance(value, collections.OrderedDict) else value


def main(path):
    texts = [f'{s}' for s in SCALARS] + [f'a: {s}\n' for s in SCALARS]
    texts += [f'[{s}]' for s in SCALARS] + [f'{s}: 1\n' for s in SCALARS]
    texts += TAGGED + [f'- {s}\n' for s in TAGGED] + DOCUMENTS
    with open(path, 'w', encoding='utf-8') as out:
        for text in texts:
            try:
                row = {'text': text, 'repr': repr(plain(yaml.load(text, Loader=CLoader)))}
                if '...' in row['repr'] and '[...]' in row['repr'] or '{...}' in row['repr']:
                    continue  # a value that contains itself
            except Exception:
                row = {'text': text, 'error': True}
            out.write(json.dumps(row) + '\n')


main(sys.argv[1])
