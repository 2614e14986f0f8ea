#!/usr/bin/env python3
"""What MMEngine's data elements do: structures.py OUT.json

Programs on BaseDataElement, InstanceData, PixelData and LabelData, some by hand and some drawn, with
what they print after each step, or the kind of exception. Needs mmengine. The sets of names are kept in
order of insertion, which Python leaves open.
"""
import json
import random
import re
import sys
import warnings

import torch
from mmengine.structures import base_data_element
from mmengine.structures import BaseDataElement, InstanceData, LabelData, PixelData


class OrderedSet(dict):
    def __init__(self, items=()):
        super().__init__((x, None) for x in items)

    def add(self, item):
        self[item] = None

    def remove(self, item):
        del self[item]

    def __sub__(self, other):
        return OrderedSet(x for x in self if x not in other)


base_data_element.set = OrderedSet
TYPES = dict(BaseDataElement=BaseDataElement, InstanceData=InstanceData, PixelData=PixelData,
             LabelData=LabelData)


def text(x):
    return re.sub(r'0x[0-9a-f]+', '0x0', repr(x))


class Machine:
    def __init__(self):
        self.regs = {}

    def value(self, v):
        if isinstance(v, dict) and '$t' in v:
            return torch.tensor(v['$t'], dtype=getattr(torch, v['$d'])).reshape(v.get('$s', ()) or
                                                                           torch.tensor(v['$t']).shape)
        if isinstance(v, dict) and '$tuple' in v:
            return tuple(self.value(x) for x in v['$tuple'])
        if isinstance(v, dict) and '$e' in v:
            return self.regs[v['$e']]
        if isinstance(v, dict):
            return {k: self.value(x) for k, x in v.items()}
        if isinstance(v, list):
            return [self.value(x) for x in v]
        return v

    def index(self, i):
        return slice(*i) if isinstance(i, list) else i

    def step(self, op, *a):
        r = self.regs
        if op == 'new':
            r[a[0]] = TYPES[a[1]](metainfo=self.value(a[2]), **self.value(a[3]))
            return r[a[0]]
        if op == 'put':
            setattr(r[a[0]], a[1], self.value(a[2]))
            return r[a[0]]
        if op == 'meta':
            r[a[0]].set_metainfo(self.value(a[1]))
            return r[a[0]]
        if op == 'update':
            r[a[0]].update(r[a[1]])
            return r[a[0]]
        if op == 'newlike':
            r[a[0]] = r[a[1]].new(metainfo=self.value(a[2]), **(self.value(a[3]) or {}))
            return r[a[0]]
        if op in ('clone', 'detach', 'cpu'):
            r[a[0]] = getattr(r[a[1]], op)()
            return r[a[0]]
        if op == 'numpy':
            r[a[0]] = r[a[1]].numpy().to_tensor()
            return r[a[0]]
        if op == 'to':
            r[a[0]] = r[a[1]].to(a[2])
            return r[a[0]]
        if op == 'cast':
            r[a[0]] = r[a[1]].to(getattr(torch, a[2]))
            return r[a[0]]
        if op == 'get':
            return getattr(r[a[0]], a[1])
        if op == 'pop':
            return r[a[0]].pop(a[1])
        if op == 'del':
            delattr(r[a[0]], a[1])
            return r[a[0]]
        if op == 'has':
            return a[1] in r[a[0]]
        if op == 'keys':
            return [r[a[0]].keys(), r[a[0]].metainfo_keys(), r[a[0]].all_keys()]
        if op == 'dict':
            return r[a[0]].to_dict()
        if op == 'len':
            return len(r[a[0]])
        if op == 'index':
            r[a[0]] = r[a[1]][self.value(a[2])]
            return r[a[0]]
        if op == 'slice':
            r[a[0]] = r[a[1]][slice(*a[2])]
            return r[a[0]]
        if op == 'cat':
            r[a[0]] = InstanceData.cat([r[x] for x in a[1]])
            return r[a[0]]
        if op == 'crop':
            r[a[0]] = r[a[1]][self.index(a[2]), self.index(a[3])]
            return r[a[0]]
        if op == 'shape':
            return r[a[0]].shape
        if op == 'onehot':
            return LabelData.label_to_onehot(self.value(a[0]), a[1])
        if op == 'label':
            return LabelData.onehot_to_label(self.value(a[0]))
        raise SystemExit(op)


def run(ops):
    machine, results = Machine(), []
    for op in ops:
        try:
            results.append(text(machine.step(*op)))
        except Exception as error:
            results.append('error:' + type(error).__name__)
    return dict(ops=ops, results=results)


def t(data, dtype='float32', shape=None):
    out = {'$t': data, '$d': dtype}
    if shape:
        out['$s'] = shape
    return out


def tup(items):
    return {'$tuple': items}


def by_hand():
    meta = dict(img_shape=tup([800, 1196, 3]), path='a/b.jpg', scale=[1.5, 2.0], nested=dict(a=1, b=dict(c=None)))
    base = [['new', 'x', 'BaseDataElement', meta, dict(score=t([0.5, 0.25]), name='cat', n=3)]]
    yield base + [['get', 'x', 'score'], ['get', 'x', 'path'], ['get', 'x', 'none'], ['has', 'x', 'score'],
                  ['has', 'x', 'path'], ['has', 'x', 'none'], ['keys', 'x'], ['dict', 'x']]
    yield base + [['put', 'x', 'path', 1], ['meta', 'x', dict(score=1)], ['put', 'x', 'score', 'again'],
                  ['meta', 'x', dict(path='new', more=True)], ['keys', 'x']]
    yield base + [['pop', 'x', 'score'], ['pop', 'x', 'score'], ['pop', 'x', 'path'], ['put', 'x', 'path', 2],
                  ['meta', 'x', dict(score=7)], ['keys', 'x']]
    yield base + [['del', 'x', 'score'], ['del', 'x', 'score'], ['del', 'x', 'path'], ['del', 'x', 'nothing']]
    yield base + [['put', 'x', '_data_fields', 1], ['put', 'x', '_metainfo_fields', 1], ['del', 'x', '_data_fields']]
    yield base + [['newlike', 'y', 'x', None, None], ['newlike', 'y', 'x', dict(a=1), None],
                  ['newlike', 'y', 'x', None, dict(b=2)], ['newlike', 'y', 'x', dict(a=1), dict(b=2)], ['clone', 'z', 'x'],
                  ['put', 'z', 'n', 9], ['get', 'x', 'n'], ['newlike', 'y', 'x', None, dict(path=2)]]
    yield base + [['new', 'y', 'BaseDataElement', dict(path='c', other=2), dict(n=4, more=[1])], ['update', 'x', 'y'],
                  ['update', 'y', 'x'], ['keys', 'y']]
    yield base + [['new', 'y', 'BaseDataElement', dict(score=1), dict()], ['update', 'x', 'y']]
    inner = [['new', 'i', 'InstanceData', dict(k='v'), dict(labels=t([1, 2, 3], 'int64'), boxes=t([[0.1, 2.5]] * 3))]]
    yield inner + base + [['put', 'x', 'gt', {'$e': 'i'}], ['dict', 'x'], ['clone', 'y', 'x'], ['to', 'y', 'x', 'cpu'],
                          ['cast', 'y', 'x', 'float16'], ['detach', 'y', 'x'], ['cpu', 'y', 'x'], ['put', 'y', 'listed', [{'$e': 'i'}]]]
    yield base + [['numpy', 'y', 'x'], ['cast', 'y', 'x', 'int64'], ['cast', 'y', 'x', 'float64']]
    # tensors as they are printed
    numbers = [[0.0], [1.0, 2.0, -3.0], [1e-5, 1.0], [1e5, 1.0], [123456.0, 0.5], [1e9], [0.1, 1000.0], [1e-7, 1e-8],
               [float('nan'), 1.0, float('inf')], [float('-inf'), 0.001], [-0.0, 1.5], [100.0, 0.25, -7.125],
               [float('nan')], [0.0, 0.0], [1e10, 1.0], [5e-324, 1.0] if False else [2e-4, 0.1], [99999.0, 1.0]]
    for dtype in ('float32', 'float64', 'float16'):
        data = {f'x{i}': t(x, dtype) for i, x in enumerate(numbers)
                if dtype != 'float16' or not any(abs(v) > 6e4 and v != float('inf') and v != float('-inf') for v in x)}
        yield [['new', 'x', 'BaseDataElement', {}, data]]
    yield [['new', 'x', 'BaseDataElement', {}, dict(
        a=t([True, False], 'bool'), b=t([1, -200, 30000], 'int32'), c=t([], 'float32'), d=t([], 'int64'),
        e=t([[], []], 'float32'), f=t(3, 'int64'), g=t(2.5), h=t(1, 'uint8'), i=t([[1, 2], [3, 4]], 'int64'),
        j=t([[[1., 2.], [3., 4.]], [[5., 6.], [7., 8.5]]]), k=t(list(range(40)), 'int64'), l=t([0.5] * 30))]]
    yield [['new', 'x', 'BaseDataElement', {}, dict(
        a=t(list(range(1200)), 'int64'), b=t([[float(i * 50 + j) for j in range(50)] for i in range(30)]),
        c=t([[[i + j + k / 2 for k in range(9)] for j in range(9)] for i in range(14)], 'float64'),
        d=t([[1, 2, 3]] * 400, 'int16'), e=t([[[[0.25] * 2] * 3] * 2] * 2), f=t([1.0] * 1001, 'float16'))]]
    # instances
    boxes, labels = t([[0.5 * i, 1.0 * i, 2.0, 3.0] for i in range(4)]), t([3, 1, 2, 0], 'int64')
    data = dict(boxes=boxes, labels=labels, names=['a', 'b', 'c', 'd'], word='wxyz', pair=tup([1, 2, 3, 4]))
    four = [['new', 'x', 'InstanceData', dict(img_shape=tup([4, 5])), data]]
    yield four + [['len', 'x'], ['keys', 'x'], ['get', 'x', 'boxes']]
    for bad in (3, None, 2.5, True, t(1.0), t([1.0, 2.0]), [1, 2, 3], 'abc', dict(a=1), tup([])):
        yield four + [['put', 'x', 'bad', bad]]
    for good in (t([[1], [2], [3], [4]]), [None] * 4, 'abcd', tup([1, 2, 3, 4]), dict(a=1, b=2, c=3, d=4)):
        yield four + [['put', 'x', 'good', good]]
    for i in range(-6, 6):
        yield four + [['index', 'y', 'x', i], ['len', 'y']]
    for s in ([None, None, None], [1, 3, None], [None, None, 2], [-2, None, None], [3, 1, None], [0, 100, 3], [5, 9, None]):
        yield four + [['slice', 'y', 'x', s]]
    for i in ([0, 2], [3, 3, 1], [-1, 0], [True, False, True, False], [False] * 4, t([0, 3], 'int64'), t([], 'int64'),
              t([True, True, False, True], 'bool'), t([False] * 4, 'bool'), t([True, False], 'bool'), t([[0]], 'int64'),
              t([0, 1], 'int32'), t([0.0, 1.0]), t([4], 'int64'), t([-4, -1], 'int64'), 'labels'):
        yield four + ([['get', 'x', i]] if isinstance(i, str) else [['index', 'y', 'x', i]])
    yield four + [['put', 'x', 'inner', {'$e': 'x'}], ['index', 'y', 'x', [1, 1]], ['slice', 'z', 'x', [0, 1, None]],
                  ['cat', 'w', ['y', 'z']]] if False else four + [['clone', 'i', 'x'], ['put', 'x', 'inner', {'$e': 'i'}],
                                                                 ['index', 'y', 'x', [1, 1]], ['slice', 'z', 'x', [0, 1, None]],
                                                                 ['cat', 'w', ['y', 'z']], ['index', 'v', 'x', t([True, False, False, True], 'bool')]]
    yield four + [['put', 'x', 'odd', dict(a=1, b=2, c=3, d=4)], ['index', 'y', 'x', [0]], ['slice', 'y', 'x', [0, 1, None]],
                  ['cat', 'y', ['x', 'x']]]
    yield four + [['cat', 'y', ['x']], ['cat', 'y', ['x', 'x', 'x']], ['len', 'y'], ['cat', 'y', []]]
    yield four + [['clone', 'y', 'x'], ['del', 'y', 'word'], ['cat', 'z', ['x', 'y']], ['put', 'y', 'other', 'abcd'],
                  ['cat', 'z', ['x', 'y']]]
    yield four + [['clone', 'y', 'x'], ['put', 'y', 'names', tup([1, 2, 3, 4])], ['cat', 'z', ['x', 'y']]]
    yield [['new', 'x', 'InstanceData', {}, {}], ['len', 'x'], ['index', 'y', 'x', 0], ['slice', 'y', 'x', [0, 2, None]],
           ['put', 'x', 'a', t([], 'float32')], ['put', 'x', 'b', [1, 2]], ['len', 'x'], ['cat', 'y', ['x', 'x']]]
    # pixels
    cube = t([[[float(c * 100 + y * 10 + x) for x in range(5)] for y in range(4)] for c in range(2)])
    pixels = [['new', 'x', 'PixelData', dict(k=1), dict(map=cube)]]
    flat = t([[x * y for x in range(5)] for y in range(4)], 'int64')
    yield pixels + [['shape', 'x'], ['put', 'x', 'flat', flat], ['shape', 'x'], ['keys', 'x']]
    for bad in (3, [[1, 2]], 'a', t([1.0]), t(2.0), t([[1.0, 2.0]]), t([[[[1.0] * 5] * 4]]), t([[1.0] * 4] * 5)):
        yield pixels + [['put', 'x', 'bad', bad]]
        yield [['new', 'x', 'PixelData', {}, {}], ['shape', 'x'], ['put', 'x', 'bad', bad], ['shape', 'x']]
    for rows, columns in [(1, 2), (-1, -1), ([0, 2], [1, None]), ([None, None, 2], [None, None, 3]), ([1, 3], 4), (9, 1), (3, [4, 2]),
                          ([-3, -1], [-10, 2])]:
        yield pixels + [['put', 'x', 'flat', flat], ['crop', 'y', 'x', rows, columns], ['shape', 'y']]
    # labels
    for label, n in [([0, 2], 4), ([], 3), ([3], 3), ([1, 1], 2), ([-1], 3), ([0], 1), ([-4], 3)]:
        yield [['onehot', t(label, 'int64'), n]]
    for row, dtype in [([0, 1, 1], 'int64'), ([0, 0], 'int64'), ([0.5, 0.0, 1.0], 'float32'), ([2, 0], 'int64'), ([-1, 0], 'int64'),
                       ([[0, 1]], 'int64'), ([True, False], 'bool'), ([], 'float32')]:
        yield [['label', t(row, dtype)]]


def drawn(draw):
    def field(n):
        kind = draw.randrange(5)
        if kind == 0:
            return t([round(draw.uniform(-5, 5), 2) for _ in range(n)], draw.choice(['float32', 'float64']))
        if kind == 1:
            return t([[draw.randrange(99) for _ in range(3)] for _ in range(n)], 'int64', [n, 3])
        if kind == 2:
            return [draw.choice([1, 'a', None, 2.5]) for _ in range(n)]
        if kind == 3:
            return ''.join(draw.choice('abé') for _ in range(n))
        return tup([draw.randrange(9) for _ in range(n)])

    for _ in range(60):
        n = draw.randrange(1, 7)
        names = draw.sample(['boxes', 'labels', 'scores', 'names', 'masks'], draw.randrange(1, 5))
        ops = [['new', 'x', 'InstanceData', dict(m=draw.randrange(9)), {k: field(n) for k in names}]]
        for step in range(4):
            source, kind = draw.choice(['x', 'x', 'y'] if step else ['x']), draw.randrange(4)
            if kind == 0:
                index = [draw.randrange(-n, n) for _ in range(draw.randrange(1, 5))]
                ops.append(['index', 'y', source, draw.choice([index, t(index, 'int64'), index[0]])])
            elif kind == 1:
                mask = [draw.random() < 0.5 for _ in range(n)]
                ops.append(['index', 'y', source, draw.choice([mask, t(mask, 'bool')])])
            elif kind == 2:
                bound = [draw.choice([None, draw.randrange(-8, 8)]) for _ in range(2)]
                ops.append(['slice', 'y', source, bound + [draw.choice([None, 1, 2, 9])]])
            else:
                ops.append(['cat', 'y', ['x', source]])
        yield ops


def main(out):
    warnings.simplefilter('ignore')
    cases = [run(ops) for ops in list(by_hand()) + list(drawn(random.Random(5)))]
    with open(out, 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(case) for case in cases) + '\n]\n')
    print(len(cases), 'cases', sum(len(c['ops']) for c in cases), 'steps',
          sum(r.startswith('error:') for c in cases for r in c['results']), 'errors')


if __name__ == '__main__':
    main(sys.argv[1])
