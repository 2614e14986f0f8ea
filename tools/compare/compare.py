#!/usr/bin/env python3
"""Lays our run of a config over MMEngine's: compare.py PROGRAM DATA_ROOT [CONFIG...].

Both train on the same machine, libtorch and number of threads. Compared bit for bit: the
initial weights, every loss and learning rate in scalars.json, the final weights; field by
field: the log lines, numbers aside. Exit code 1 if anything differs.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
TIMES = ('time', 'data_time')


def run(command, **env):
    done = subprocess.run(command, env=dict(os.environ, **env), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)} failed:\n{done.stdout[-3000:]}')


def newest(pattern):
    return max(glob.glob(pattern), key=os.path.getmtime)


def scalars(work_dir):
    lines = open(newest(f'{work_dir}/*/vis_data/scalars.json')).read().splitlines()
    records = [json.loads(line) for line in lines]
    return [{k: v for k, v in r.items() if k not in TIMES} for r in records]


def layout(work_dir):
    """Log lines of iterations and metrics with every number replaced by its width."""
    text = open(newest(f'{work_dir}/*/*.log')).read()
    lines = [line for line in text.splitlines() if re.search(r'(Epoch|Iter)\((train|val)\)', line)]
    lines = [line.split(' - ', 3)[-1] for line in lines]
    lines = [re.sub(r'eta: (\d+ days?, )?\d+:\d\d:\d\d', 'eta: T', line) for line in lines]
    return [re.sub(r'\d', '9', line) for line in lines]


def weights(path):
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def compare_weights(name, ours, theirs):
    if list(ours) != list(theirs):
        return [f'{name}: names differ: {set(ours) ^ set(theirs)}']
    return [f'{name}: {k} differs by {(ours[k].double() - theirs[k].double()).abs().max():.3g}'
            for k in ours if not torch.equal(ours[k], theirs[k])]


def compare_lists(name, ours, theirs):
    faults = [] if len(ours) == len(theirs) else [f'{name}: {len(ours)} against {len(theirs)}']
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b or (isinstance(a, dict) and list(a) != list(b)):
            faults.append(f'{name} {i}:\n  ours   {a}\n  theirs {b}')
            break
    return faults


def compare(program, data_root, config):
    threads = os.environ.get('OMP_NUM_THREADS', '2')
    env = dict(OMP_NUM_THREADS=threads, MMENGINE_NUM_THREADS=threads, OPENBLAS_NUM_THREADS='1')
    with tempfile.TemporaryDirectory() as root:
        ours, theirs = f'{root}/ours', f'{root}/theirs'
        run([sys.executable, f'{HERE}/reference.py', config, theirs, data_root], **env)
        run([program, 'train', config, '--work-dir', ours, '--cfg-options',
             f'train_dataloader.dataset.data_root={data_root}',
             f'val_dataloader.dataset.data_root={data_root}'], **env)
        a, b = scalars(ours), scalars(theirs)
        faults = compare_weights('initial weights', weights(f'{ours}/initial.pth'),
                                 weights(f'{theirs}/initial.pth'))
        faults += compare_lists('scalars', a, b)
        faults += compare_lists('log line', layout(ours), layout(theirs))
        last = os.path.basename(open(f'{theirs}/last_checkpoint').read())
        faults += compare_weights('final weights', weights(f'{ours}/{last}'),
                                  weights(f'{theirs}/{last}'))
        files = [sorted(os.path.basename(f) for f in glob.glob(f'{d}/*.*')) for d in (ours, theirs)]
        faults += compare_lists('files', *files)
    losses = sum('loss' in r for r in a)
    print(f'{os.path.basename(config)}: ' + ('\n'.join(faults) if faults else
          f'{losses} losses, {len(a)} records, initial and final weights bit-identical'))
    return not faults


def main(program, data_root, *configs):
    configs = configs or [f'{HERE}/{name}.py' for name in ('lenet5', 'mlp', 'resnet18')]
    results = [compare(program, data_root, config) for config in configs]
    sys.exit(0 if all(results) else 1)


if __name__ == '__main__':
    main(*sys.argv[1:])
