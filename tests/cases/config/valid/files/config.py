import json
import os

_base_ = []
here = '{{ fileDirname }}'
with open(os.path.join(here, 'classes.txt'), encoding='utf-8') as f:
    classes = [line.strip() for line in f if line.strip()]
with open(here + '/data.json') as f, open(here + '/classes.txt') as g:
    data = json.load(f)
    first = g.readline()
    rest = g.readlines()
size = len(open(here + '/classes.txt', 'rb').read())
part = open(here + '/classes.txt').read(3)
both = json.loads('{"a": [1, 2.0, null, NaN]}')
try:
    open(here + '/none.txt')
except FileNotFoundError as e:
    caught = True
there = 'data.json' in os.listdir(here), 'other' in os.listdir(here)
exists = os.path.exists(here + '/classes.txt'), os.path.isdir(here)
relative = os.path.relpath(here + '/x/y', here), os.path.relpath('/a/b', '/a/c/d')
del here, f, g
