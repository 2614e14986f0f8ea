#!/usr/bin/env python3
"""Writes the UCI digits as IDX files: make_digits.py digits.csv.gz OUT_DIR.

digits.csv.gz is scikit-learn's copy (1,797 rows: 64 pixels from 0 to 16, then the label).
The first 1,437 rows are for training, the last 360 for testing. Pixels are scaled to
0..255. The files are the same for every run: their gzip headers carry no time.
"""
import csv
import gzip
import struct
import sys


def write_idx(path, sizes, data):
    header = struct.pack('>BBBB', 0, 0, 8, len(sizes)) + struct.pack('>%dI' % len(sizes), *sizes)
    with open(path, 'wb') as raw:
        with gzip.GzipFile('', 'wb', 9, raw, mtime=0) as out:
            out.write(header + bytes(data))


def main(source, folder):
    rows = [[int(float(x)) for x in row] for row in csv.reader(gzip.open(source, 'rt'))]
    for name, part in (('train', rows[:1437]), ('t10k', rows[1437:])):
        pixels = [round(x * 255 / 16) for row in part for x in row[:64]]
        write_idx(f'{folder}/{name}-images-idx3-ubyte.gz', (len(part), 8, 8), pixels)
        write_idx(f'{folder}/{name}-labels-idx1-ubyte.gz', (len(part),), [row[64] for row in part])


if __name__ == '__main__':
    main(*sys.argv[1:])
