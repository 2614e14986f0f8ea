"""Writes the case files of tests/logging: what MMEngine's HistoryBuffer and MMFormatter
give for the same input.

Run: python3 tools/golden/logging_cases.py tests/cases/logging   (needs mmengine and NumPy)
"""
import logging
import os
import platform
import struct
import sys

import mmengine
import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.logging.logger import MMFormatter

def bits(x):
    return struct.pack('>d', float(x)).hex()


def history_rows():
    """One row per statistic: values and counts so far come from a simple generator that
    the test repeats, so only length, window and results are written."""
    rows = []
    for length in (1, 2, 7, 8, 9, 15, 16, 100, 127, 128, 129, 130, 255, 256, 257, 300,
                   1000, 4097, 10000):
        state = length
        buffer_values, buffer_counts = [], []
        for i in range(length):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            buffer_values.append((state >> 11) / 2 ** 53 * 10 - 3)
            buffer_counts.append(1 + (state >> 60) % 4)
        plain = HistoryBuffer(buffer_values, [1] * length)
        counted = HistoryBuffer(buffer_values, buffer_counts)
        windows = {None, 1, 2, 7, 8, 10, 50, 128, 200, 1000, 5000}
        for window in sorted(windows, key=lambda w: w or 0):
            rows.append('\t'.join([
                str(length), str(window or 0), bits(plain.mean(window)),
                bits(counted.mean(window)), bits(plain.max(window)),
                bits(plain.min(window)), bits(plain.current())]))
    return rows


def line_rows():
    """Log lines of the file handler's form at a fixed time."""
    rows = []
    for level, name in ((10, 'DEBUG'), (20, 'INFO'), (30, 'WARNING'), (40, 'ERROR')):
        for datefmt in ('%m/%d %H:%M:%S', '%Y/%m/%d %H:%M:%S'):
            record = logging.LogRecord('mmengine', level, 'src/x.c', 12, 'loss: %.1f', (2.5,),
                                       None, 'train')
            record.created = 1700000000.0
            formatter = MMFormatter(color=False, datefmt=datefmt)
            formatter.converter = __import__('time').gmtime
            rows.append(f'{name}\t{formatter.format(record)}')
    return rows


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, rows in (('history', history_rows()), ('lines', line_rows())):
        with open(os.path.join(folder, name + '.txt'), 'w', newline='\n') as f:
            f.write('\n'.join(rows) + '\n')
    with open(os.path.join(folder, 'provenance.txt'), 'w') as f:
        f.write(f'Made by tools/golden/logging_cases.py with Python {platform.python_version()}, '
                f'NumPy {np.__version__}, MMEngine {mmengine.__version__}. '
                f'Tolerance: none, bits and texts are compared as they are.\n')


main()
