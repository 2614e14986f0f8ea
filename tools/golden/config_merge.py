"""Random dicts, options for them, and what MMEngine's Config.merge_from_dict makes of both.

Usage: python tools/golden/config_merge.py tests/golden/config

Each line of merge.txt is a JSON object: "base", "options", and "value" or "error": true.
Options that set an item of a list to something that is no dict are left out: they are
errors there and work here.
"""
import copy
import json
import os
import random
import sys

from mmengine.config import Config

DRAW = random.Random(7)
KEYS = ['a', 'b', 'c', 'd']


def value(depth):
    kind = DRAW.randint(0, 6 if depth < 3 else 3)
    if kind < 4:
        return DRAW.choice([1, 2.5, 'x', None, True, [], [1, 2], {}])
    if kind == 4:
        return [value(depth + 1) for _ in range(DRAW.randint(0, 3))]
    made = {k: value(depth + 1) for k in DRAW.sample(KEYS, DRAW.randint(0, 3))}
    if depth > 0 and DRAW.random() < 0.15:
        made['_delete_'] = DRAW.choice([True, True, False])
    return made


def path():
    parts = [DRAW.choice(KEYS)]
    while DRAW.random() < 0.5:
        parts.append(DRAW.choice(KEYS + ['0', '1', '2', '7']))
    if DRAW.random() < 0.05:
        parts.append('_delete_')
    return '.'.join(parts)


def main(folder):
    with open(os.path.join(folder, 'merge.txt'), 'w', encoding='utf-8') as out:
        for _ in range(700):
            base = {k: value(0) for k in DRAW.sample(KEYS, DRAW.randint(1, 4))}
            options = {path(): value(1) for _ in range(DRAW.randint(1, 3))}
            row = {'base': base, 'options': options}
            try:
                config = Config(copy.deepcopy(base))
                config.merge_from_dict(copy.deepcopy(options))
                row['value'] = config.to_dict()
            except AttributeError:
                continue
            except Exception:
                row['error'] = True
            out.write(json.dumps(row) + '\n')


main(sys.argv[1])
