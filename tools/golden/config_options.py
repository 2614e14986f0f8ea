"""Texts of `--cfg-options` values and what MMEngine's DictAction makes of them.

Usage: python tools/golden/config_options.py tests/golden/config

Each line of options.txt is a JSON object: "text", and "value" in the form of
mm_config_json(), or "error": true. Texts with blanks between quotes are left out: they
keep their blanks here.
"""
import json
import os
import random
import sys

from mmengine.config import DictAction

TEXTS = '''1 -1 +1 007 1_000 1__0 _1 1_ 0x10 0b1 0o7 1.5 1. .5 . -.5 1e3 1E3 1e-3 1e 1e+ nan NaN inf -inf Infinity infinit
1_0.5 1.5_0 1_e3 1e1_0 true True TRUE tRUE false FALSE none None NONE null yes on abc a.b a:b a=b = == "" '' "1" '1' "a" 'a"
1,2 1,2,3 1, ,1 , ,, a,b "a,b" 'a','b' [1] [1,2] [] [,] [1,] (1) (1,) (1,2) () (,) [[]] [()] ([]) ((1,2),(3,4)) [(1,2),[a,b],c]
[1 1] (1 1) [1) (1] [1,2 ([)] [1],[2] (1),(2) [1][2] [1]a a[1] a[1,2] [a](b) 1,(2,3) 1,[2,3],4 "[1,2]" '(1,)' "[(1,2),(3,4)]" ['a','b'] ["a",'b']
{a:1} {a:1,b:2} {'a':1} a-b a/b/c ./x.py s3://a/b $HOME ~/x * 1/2 1*2 12345678901234567890 -9223372036854775808 9223372036854775808
1e400 -1e400 1e-400 é 日本 é,日本 [é] 'é'''.split() + [
    '1, 2', '[1, 2]', '( 1 , 2 )', ' 1', '1 ', 'a b', 'a b,c d', '[ ]', '( )', ' ', '', 'None ', ' None', 'tr ue', '1 000',
    '-  1', '1e -3', '[1, [2, (3, )]]', '[a b, c]', '\t1', '1\t', '[1,\t2]', '"', "'", '""', '"\'a\'"', '1\n', 'a\nb',
]


def random_texts(count):
    draw = random.Random(3)
    pieces = ['(', ')', '[', ']', ',', '"', "'", ' ', '1', '0', '-', '+', '.', 'e', '_', 'a', 'None', 'true', 'x=']
    weights = [3, 3, 3, 3, 5, 1, 1, 1, 5, 2, 1, 1, 1, 1, 1, 3, 1, 1, 1]
    for _ in range(count):
        yield ''.join(draw.choices(pieces, weights, k=draw.randint(1, 12)))


def nested(count):
    draw = random.Random(4)

    def make(depth):
        kind = draw.randint(0, 4 if depth < 4 else 1)
        if kind < 2:
            return draw.choice(['1', '-2.5', 'a', 'None', 'False', '1e-5', "'x'", '1_0', 'inf'])
        inner = draw.choice([',', ', ']).join(make(depth + 1) for _ in range(draw.randint(0, 4)))
        return draw.choice(['({})', '[{}]', '[{},]', '({},)']).format(inner)

    for _ in range(count):
        yield make(0)


def encode(value):
    if isinstance(value, tuple):
        return {'__tuple__': [encode(v) for v in value]}
    return [encode(v) for v in value] if isinstance(value, list) else value


def keeps_blanks(text):
    return any(c in text for c in ' \t\n') and any(c in text for c in '"\'')


def main(folder):
    with open(os.path.join(folder, 'options.txt'), 'w', encoding='utf-8') as out:
        for text in dict.fromkeys([*TEXTS, *random_texts(1500), *nested(400)]):
            if keeps_blanks(text):
                continue
            row = {'text': text}
            try:
                row['value'] = encode(DictAction._parse_iterable(text))
            except (AssertionError, RecursionError):
                row['error'] = True
            out.write(json.dumps(row, ensure_ascii=False) + '\n')


main(sys.argv[1])
