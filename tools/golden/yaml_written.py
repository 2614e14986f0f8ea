"""What the YAML writer makes of the documents of yaml.txt, after PyYAML has read it back.

Usage, from the folder tests: python ../tools/golden/yaml_written.py PROGRAM [golden/fileio]

PROGRAM is the test program fileio_test_yaml. Without a folder it only checks. Nothing is written unless PyYAML reads every
text as the value of its document, types and (where it is kept) order included.
"""
import subprocess
import sys

import json

import yaml
from yaml import CLoader


def same(a, b, order):
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        keys = list(a) == list(b) if order else True
        return keys and len(a) == len(b) and all(
            k in b and same(v, b[k], order) for k, v in a.items() if k == k)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, order) for x, y in zip(a, b))
    return a == b or a != a and b != b


def load(text):
    value = yaml.load(text, Loader=CLoader)
    return json.loads(json.dumps(value)) if 'OrderedDict' in repr(value) else value


def main(program, folder=None):
    lines = subprocess.run([program, '--print'], check=True, capture_output=True,
                           text=True).stdout
    for line in lines.splitlines():
        row = json.loads(line)
        value = load(row['text'])
        for form in ('plain', 'kept'):
            if not same(load(row[form]), value, form == 'kept'):
                sys.exit(f'{row["text"]!r} is written as {row[form]!r}')
    if folder is not None:
        with open(f'{folder}/yaml_written.txt', 'w', encoding='utf-8') as out:
            out.write(lines)


main(*sys.argv[1:])
