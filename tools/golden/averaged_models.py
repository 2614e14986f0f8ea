#!/usr/bin/env python3
"""Golden values of MMEngine's averaged models: averaged_models.py [OUT_DIR]

A small model (convolution, batch norm, linear) gets random weights and buffers before
each of seven updates; the averages after the fourth and the last go to
averaged_<capability>.bin, for each case of averaged.json. "default" is ATen without fused
multiply-adds, "avx2" with them ("avx512" is checked to equal "avx2"). Needs mmengine.
Records: a line "<name> <f32|f64> <count>", then count little-endian numbers.
"""
import json
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, STEPS, LOOKS = 20260801, 7, (3, 6)
EMA, SWA, ANNEALING = 'ExponentialMovingAverage', 'StochasticWeightAverage', 'MomentumAnnealingEMA'
CASES = [
    dict(type=EMA),
    dict(type=EMA, momentum=0.1),
    dict(type=EMA, momentum=0.7),
    dict(type=EMA, momentum=0.3, interval=2),
    dict(type=EMA, momentum=0.05, update_buffers=True),
    dict(type=EMA, momentum=0.05, update_buffers=True, interval=3),
    dict(type=SWA),
    dict(type=SWA, interval=2),
    dict(type=SWA, update_buffers=True),
    dict(type=ANNEALING),
    dict(type=ANNEALING, gamma=3),
    dict(type=ANNEALING, gamma=2, momentum=0.4, interval=2),
    dict(type=ANNEALING, gamma=5, update_buffers=True, device='cpu'),
]


def put(file, name, tensor):
    kind = 'f32' if tensor.is_floating_point() else 'f64'
    array = np.ascontiguousarray(tensor.numpy(), dtype='<f4' if kind == 'f32' else '<f8')
    file.write(f'{name} {kind} {array.size}\n'.encode())
    file.write(array.tobytes())


def shake(model):
    """New weights, as a step of training would leave them."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape) * 10.0**float(torch.randint(-3, 3, ())))
        else:
            tensor += 1


def write(path):
    from mmengine.registry import MODELS
    torch.set_num_threads(1)
    with open(path, 'wb') as file:
        for index, case in enumerate(CASES):
            torch.manual_seed(SEED)
            live = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(9, 5))
            average = MODELS.build(dict(case), default_args=dict(model=live))
            for step in range(STEPS):
                shake(live)
                average.update_parameters(live)
                if index == 0:
                    for name, tensor in live.state_dict().items():
                        put(file, f'live/{step}/{name}', tensor)
                if step in LOOKS:
                    for name, tensor in average.state_dict().items():
                        put(file, f'{index}/{step}/{name}', tensor)


def main(out):
    if len(sys.argv) > 2:
        return write(sys.argv[2])
    os.makedirs(out, exist_ok=True)
    made = {}
    for capability in ('default', 'avx2', 'avx512'):
        path = os.path.join(out, f'averaged_{capability}.bin')
        subprocess.check_call([sys.executable, __file__, out, path],
                              env=dict(os.environ, ATEN_CPU_CAPABILITY=capability))
        made[capability] = open(path, 'rb').read()
    assert made['avx2'] == made['avx512'] and made['avx2'] != made['default']
    os.remove(os.path.join(out, 'averaged_avx512.bin'))
    with open(os.path.join(out, 'averaged.json'), 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(case) for case in CASES) + '\n]\n')
    import mmengine
    with open(os.path.join(out, 'provenance.txt'), 'w') as file:
        file.write('averaged_default.bin, averaged_avx2.bin, averaged.json\n'
                   'script:    tools/golden/averaged_models.py\n'
                   f'versions:  mmengine {mmengine.__version__}, torch {torch.__version__}\n'
                   f'seed:      {SEED}\ntolerance: 0\n')


if __name__ == '__main__':
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, '..', '..', 'tests', 'golden', 'model'))
