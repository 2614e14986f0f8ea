#!/usr/bin/env python3
"""`mmengine ckpt convert` and `average` against torch and safetensors: tools.py PROGRAM."""
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

DTYPES = ('float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool',
          'complex64')


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f'{" ".join(command)}\n{done.stdout[-2000:]}'
    return done.stdout


def same(a, b):
    assert set(a) == set(b), set(a) ^ set(b)
    for key in a:
        assert a[key].dtype == b[key].dtype and a[key].shape == b[key].shape, key
        assert torch.equal(a[key], b[key]), key


def check_safetensors(program, folder):
    weights = {name: (torch.randn(3, 4) * 9).to(getattr(torch, name)) for name in DTYPES}
    weights.update(empty=torch.zeros(0, 3), scalar=torch.tensor(1.5), view=torch.randn(4, 6).t()[1:])
    torch.save(dict(meta=dict(epoch=3), state_dict=weights), f'{folder}/a.pth')
    run(program, 'ckpt', 'convert', f'{folder}/a.pth', f'{folder}/a.safetensors')
    same(weights, load_file(f'{folder}/a.safetensors'))
    with safe_open(f'{folder}/a.safetensors', 'pt') as file:
        assert file.metadata()['format'] == 'pt' and '"epoch": 3' in file.metadata()['mmengine_meta']
    dense = {k: v.contiguous() for k, v in weights.items()}
    save_file(dense, f'{folder}/b.safetensors', metadata=dict(format='pt'))
    run(program, 'ckpt', 'convert', '--weights-only', f'{folder}/b.safetensors', f'{folder}/c.safetensors')
    assert open(f'{folder}/b.safetensors', 'rb').read() == open(f'{folder}/c.safetensors', 'rb').read()
    run(program, 'ckpt', 'convert', f'{folder}/b.safetensors', f'{folder}/b.pth')
    same(weights, torch.load(f'{folder}/b.pth', weights_only=True)['state_dict'])
    print('safetensors: both ways, the same bytes')


def check_dtypes(program, folder):
    bits = torch.randint(-2**31, 2**31 - 1, (100000, ), dtype=torch.int64).to(torch.int32)
    weights = dict(w=bits.view(torch.float32).nan_to_num(), d=torch.randn(10000, dtype=torch.float64))
    torch.save(weights, f'{folder}/a.pth')
    for name in ('float16', 'bfloat16', 'float32', 'float64'):
        run(program, 'ckpt', 'convert', '--to-dtype', name, f'{folder}/a.pth', f'{folder}/b.pth')
        same({k: v.to(getattr(torch, name)) for k, v in weights.items()},
             torch.load(f'{folder}/b.pth', weights_only=True))
    print('dtypes: rounded as PyTorch rounds')


def check_average(program, folder):
    files = [f'{folder}/{i}.pth' for i in range(4)]
    dicts = []
    for i, path in enumerate(files):
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).half() if i < 0 else \
            torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
        dicts.append(dict(model.state_dict(), half=torch.randn(50).half(), brain=torch.randn(50).bfloat16()))
        torch.save(dict(state_dict=dicts[-1]), path)
    shares = [0.1, 0.2, 0.3, 1.7]
    for weights in (None, shares):
        more = [] if weights is None else ['--weights', ','.join(map(str, weights))]
        run(program, 'ckpt', 'average', *files, '--out', f'{folder}/mean.pth', *more)
        got = torch.load(f'{folder}/mean.pth', weights_only=True)['state_dict']
        for key, first in dicts[0].items():
            if first.is_floating_point():
                parts = [d[key].double() for d in dicts]
                if weights is None:
                    expected = (sum(parts) / len(parts)).to(first.dtype)
                else:
                    expected = (sum(w * p for w, p in zip(weights, parts)) / sum(weights)).to(first.dtype)
            else:
                expected = first
            assert torch.equal(got[key], expected), key
    print('average: equal and weighted means are bit-identical')


def main(program):
    torch.manual_seed(0)
    for check in (check_safetensors, check_dtypes, check_average):
        with tempfile.TemporaryDirectory() as folder:
            check(program, folder)


if __name__ == '__main__':
    main(os.path.abspath(sys.argv[1]))
