"""Golden random streams of PyTorch's CPU generator.

Writes tests/golden/tensor/random.bin: what torch draws after torch.manual_seed(42), in the
order the test draws it. Streams differ between some releases for some calls; the test says
which it expects of which release.

Usage: python tools/golden/tensor_random.py
"""
import math
import platform
import struct

import torch

OUT = 'tests/golden/tensor/random.bin'


def record(file, name, numbers):
    numbers = [float(x) for x in numbers]
    file.write(f'{name} f32 {len(numbers)}\n'.encode())
    file.write(struct.pack(f'<{len(numbers)}f', *numbers))


def record64(file, name, numbers):
    file.write(f'{name} f64 {len(numbers)}\n'.encode())
    file.write(struct.pack(f'<{len(numbers)}d', *numbers))


def split(x):
    """An int64 as two floats of 32 bits each, exact in double."""
    x &= (1 << 64) - 1
    return [float(x >> 32), float(x & 0xffffffff)]


def main():
    torch.manual_seed(42)
    with open(OUT, 'wb') as file:
        record(file, 'rand', torch.rand(20))
        record(file, 'randn_short', torch.randn(7))
        record(file, 'randn_long', torch.randn(40))
        record(file, 'randperm', torch.randperm(10))
        record(file, 'randint', torch.randint(0, 1000, (8,)))
        record64(file, 'randint_one', split(torch.randint(-5, 1 << 40, ()).item()))
        record64(file, 'random_i64', split(
            torch.empty((), dtype=torch.int64).random_().item()))
        record(file, 'normal_', torch.empty(5, 6).normal_(1.0, 2.0).flatten())
        record(file, 'uniform_', torch.empty(5, 6).uniform_(-0.25, 0.75).flatten())
        record(file, 'bernoulli_', torch.empty(12).bernoulli_(0.3))
        record(file, 'bernoulli', torch.bernoulli(torch.full((12,), 0.6)))
        w = torch.empty(8, 3, 3, 3)
        torch.nn.init.kaiming_normal_(w, mode='fan_out', nonlinearity='relu')
        record(file, 'kaiming_normal', w.flatten())
        torch.nn.init.kaiming_uniform_(w, a=math.sqrt(5))
        record(file, 'kaiming_uniform', w.flatten())
        record(file, 'dropout', torch.nn.functional.dropout(torch.ones(30), 0.4))
        record(file, 'multinomial', torch.multinomial(torch.tensor([1., 2., 3., 4.]), 6, True))
        record(file, 'rand_like', torch.rand_like(w[:1]).flatten())
        record(file, 'randn_like', torch.randn_like(w[:1]).flatten())
        record(file, 'state', torch.get_rng_state())
        own = torch.Generator().manual_seed(7)
        record(file, 'own_randperm', torch.randperm(10, generator=own))
        record(file, 'own_rand', torch.rand(5, generator=own))
        record(file, 'after', torch.rand(3))
    with open('tests/golden/tensor/random.provenance.txt', 'w') as file:
        file.write('random.bin: tools/golden/tensor_random.py, '
                   f'torch {torch.__version__}, Python {platform.python_version()}, '
                   'seed 42. Compared bit for bit.\n')


main()
