"""Writes tests/cases/base/regex.txt: what Python's re.search() finds.

Run: python3 tools/golden/regex_cases.py tests/cases/base
Rows: pattern, text, "1", "0" or "error". No tabs or newlines in them, and ASCII alone:
for POSIX a letter beyond is no \\w.
"""
import os
import re
import sys

PATTERNS = [
    '', '.*(loss|time|data_time|grad_norm).*', '^loss', 'loss$', '^loss$', r'\bloss\b', r'\d',
    r'loss_\d+$', r'\D', r'^\w+$', r'\W', r'\s', r'^\S*$', r'\.', r'a\.b', r'[\w.]+/loss',
    r'[^/]+$', '^[^/]*$', r'[\d]x', r'[]a]', r'[a\]]b', r'[a\-z]$', r'[\^a]', r'[a-c]+d', r'[[:]x',
    '(?:loss|time)_', '(?P<kind>loss)', '(?i)LOSS', 'l.*?s', 'los+?', 'a??b', 'a{2}', 'a{1,2}?b',
    'a{,2}b', 'x{', '{', 'a|b', '(a|b)c', 'a||b', r'\\', r'\(a\)', r'[.]', r'^$', r'\Aloss\Z', '*', '+a',
    '(*a)', '(loss', 'loss)', '[a', '[', 'a**', 'a\\', '(?', 'lr$|momentum', '(acc|loss)_[a-z]+',
    r'\+', r'a\|b', r'[|]', r'(a(b|c)){2}', '.', r'\t', 'x*', '^*', '(|a)b', r'\$', '$', 'a$b',
]
TEXTS = [
    '', 'loss', 'loss_cls', 'loss_0', 'train/loss', 'data_time', 'grad_norm', 'lr', 'base_lr', 'a.b',
    'a', 'b', 'ab', 'ac', 'abd', 'aab', 'aaab', 'x', 'x3', '3x', 'a-z', '-', ']', 'a]b', '^', '[:x', ':x',
    'LOSS', 'acc_top', 'with space', 'a+b', 'a|b', '(a)', 'x{', '{', 'a\\b', 'abac', '$', 'momentum',
    'aloss', 'loss b', ',2',
]


def main():
    with open(os.path.join(sys.argv[1], 'regex.txt'), 'w', newline='\n') as f:
        for pattern in PATTERNS:
            try:
                compiled = re.compile(pattern)
            except re.error:
                f.write(f'{pattern}\t\terror\n')
                continue
            for text in TEXTS:
                f.write(f'{pattern}\t{text}\t{int(compiled.search(text) is not None)}\n')


main()
