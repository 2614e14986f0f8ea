#!/usr/bin/env python3
"""Files with nearly everything that torch.save can write, read and written again by us:
objects.py PROGRAM. Protocols 2 to 5, zip and the older format. What comes back must be what
went in; only a frozenset may become a set, a bytearray bytes, a torch.Size a tuple. Needs torch, numpy, mmengine.
"""
import collections
import datetime
import decimal
import enum
import fractions
import functools
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import uuid

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging.history_buffer import HistoryBuffer

Color = enum.Enum('Color', 'RED GREEN')
Point = collections.namedtuple('Point', 'x y')


class Slots:
    __slots__ = ('a', )

    def __init__(self):
        self.a = 1

    def __eq__(self, other):
        return type(self) is type(other) and self.a == other.a


class Keywords:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1, ), {'z': 2}

    def __eq__(self, other):
        return type(self) is type(other)


class Listed(list):
    pass


def values():
    t = torch.arange(6.).reshape(2, 3)
    shared = [1, 2]
    return dict(
        scalars=[None, True, False, 0, -1, 255, 256, 65535, 65536, -2**31, 2**31, 2**63 - 1, -2**63, 2**64,
                 2**200, -2**200, 1.5, float('inf'), -0.0, '', 'ünï\n\'"', 'a\x00b', b'', b'\x00\xff',
                 b'x' * 300, 3 + 4j, bytearray(b'abc')],
        containers=[[], (), {}, set(), frozenset(), (1, ), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[[]]],
                    {1: {2: {}}}, {(1, 2): 3, None: 4, True: 5, 1.5: 6, b'x': 7}, {1, 'a', (2, )},
                    range(3), slice(1, 2, 3), Ellipsis, NotImplemented],
        collections=[collections.OrderedDict(a=1), collections.defaultdict(int, a=1),
                     collections.deque([1, 2], maxlen=3), collections.Counter('aab'), Point(1, 2),
                     types.SimpleNamespace(a=1)],
        objects=[Color.RED, decimal.Decimal('1.5'), datetime.datetime(2020, 1, 1), datetime.timedelta(1),
                 pathlib.PurePosixPath('/a/b'), fractions.Fraction(1, 3), uuid.UUID(int=5), Slots(),
                 Keywords(), Listed([1, 2]), int, len, os.path.join, np.float32],
        numpy=[np.float64(1.5), np.int64(3), np.bool_(True), np.arange(6).reshape(2, 3),
               np.array([1.5], '>f8'), np.array(['a', 'bc']), np.array([(1, 2.)], dtype='i4,f8'),
               np.zeros((0, 3)), np.asfortranarray(np.arange(6.).reshape(2, 3)),
               np.array([1, 'a', None], dtype=object), np.datetime64('2020-01-01'), np.complex128(1 + 2j)],
        torch=[t, t.t(), t[1], t[:, ::2], t.expand(2, 2, 3), torch.zeros(0, 3), torch.tensor(5), t.half(),
               t.bfloat16(), t.double(), t.int(), t.bool(), torch.complex(t, t), torch.Size([2, 3]),
               torch.float32, torch.device('cpu'), torch.nn.Parameter(t.clone()),
               t.clone().requires_grad_(), torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
               torch.zeros(2, 3).to_sparse()],
        marked=[torch.complex(t, t).conj(), torch.complex(t, t).conj().imag],
        state_dict=torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm2d(2)).state_dict(),
        shared=[shared, shared, (shared, )],
        mmengine=[HistoryBuffer([1., 2.], [1, 1]), ConfigDict(a=dict(b=[1, 2]), c=(1, ))],
        nested=functools.reduce(lambda inner, _: [inner], range(100), 1),
        module=torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)),
        optimizer=torch.optim.Adam(torch.nn.Linear(2, 2).parameters()).state_dict(),
        random=[torch.get_rng_state(), random.getstate(), np.random.get_state()])


def check_tensor(a, b, path):
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape, (path, a, b)
    assert a.requires_grad == b.requires_grad, path
    if a.layout == torch.strided:
        assert a.stride() == b.stride(), path
    else:
        a, b = a.to_dense(), b.to_dense()
    assert torch.equal(a, b), path


LOST = {frozenset: set, bytearray: bytes, torch.Size: tuple}


def check(a, b, path):
    if isinstance(a, torch.Tensor):
        return check_tensor(a, b, path)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all(), path
        return
    assert type(b) in (type(a), LOST.get(type(a))), (path, type(a), type(b))
    if isinstance(a, torch.nn.Module):
        check(a.state_dict(), b.state_dict(), path)
    elif isinstance(a, HistoryBuffer):
        check(list(a.data), list(b.data), path)
    elif isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            check(a[key], b[key], f'{path}.{key}')
        assert getattr(a, '_metadata', None) == getattr(b, '_metadata', None), path
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            check(x, y, f'{path}[{i}]')
    else:
        assert a == b or repr(a) == repr(b), (path, a, b)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f'{" ".join(command)}\n{done.stdout[-2000:]}'


def main(program):
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        first, second = f'{folder}/a.pth', f'{folder}/b.pth'
        for protocol in (2, 3, 4, 5):
            for is_zip in (True, False):
                for name, value in values().items():
                    torch.save({'state_dict': {'w': torch.zeros(1)}, 'x': value}, first,
                               pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
                    run(program, 'ckpt', 'convert', first, second)
                    run(program, 'ckpt', 'diff', '--exact', first, second)
                    a, b = (torch.load(f, weights_only=False)['x'] for f in (first, second))
                    check(a, b, f'{name}, protocol {protocol}')
                    count += 1
    print(f'{count} files came back as they were')


if __name__ == '__main__':
    main(os.path.abspath(sys.argv[1]))
