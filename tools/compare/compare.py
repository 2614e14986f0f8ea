#!/usr/bin/env python3
"""Lays our run of a config over MMEngine's: compare.py PROGRAM DATA_ROOT [CONFIG...].

Both train on the same machine, libtorch and number of threads. Compared bit for bit: the
initial weights; scalars.json, values and order of keys; every checkpoint that is left: weights,
averaged weights, optimizer, schedulers, what the message hub knows; pictures. Compared word for word: log
lines of iterations, validations and checkpoints, the table of hooks, names of files. Left out:
times, what follows from them, and where the folders are. Exit code 1 if anything differs.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import torch
from mmengine.config import Config

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


def log_text(work_dir):
    """Log lines without date and level, the folder's name replaced."""
    text = open(newest(f'{work_dir}/*/*.log')).read().replace(work_dir, 'WORK')
    return re.sub(r'_\d{8}_\d{6}', '_TIME', text)


def lines(work_dir):
    """What iterations, validations and checkpoints said, times aside."""
    said = re.compile(r'(Epoch|Iter)\((train|val)\)|heckpoint|Exp name')
    found = [line.split(' - ', 3)[-1].strip() for line in log_text(work_dir).splitlines()
             if ' - mmengine - ' in line and said.search(line)]
    return [re.sub(r'\b(eta|time|data_time|memory): (\d+ days?, )?[\d:.]+ *', '', line)
            for line in found if ' = ' not in line]


# Stages at which a hook does something in one engine and has nothing to do in the other: MMEngine's
# timer forgets its sums there, its early stopping asserts; our timer's clock is set anew.
NOTHING_TO_DO = {('before_run:', 'EarlyStoppingHook'), ('after_train_epoch:', 'IterTimerHook'),
                 ('after_val_epoch:', 'IterTimerHook'), ('after_test_epoch:', 'IterTimerHook'),
                 ('after_val:', 'IterTimerHook')}


def hook_table(work_dir):
    """The hooks of each stage, in the order in which they are called."""
    text = log_text(work_dir).split('following order:')[1]
    rows, stage = [], ''
    for line in text.splitlines():
        if re.match(r'\d{4}/|Name of parameter', line):
            break
        line = line.rstrip()
        stage = line if line.endswith(':') else stage
        if line and (stage, line.split()[-1]) not in NOTHING_TO_DO:
            rows.append(line)
    return rows


def load(path):
    return torch.load(path, map_location='cpu', weights_only=False)


def plain(value, work_dir):
    """Nested data as lists of (path, leaf); tuples and lists are one kind."""
    if isinstance(value, dict):
        return [(f'.{k}{path}', leaf) for k, v in value.items() for path, leaf in plain(v, work_dir)]
    if isinstance(value, (list, tuple)) and value:
        return [(f'[{i}]{path}', leaf) for i, v in enumerate(value)
                for path, leaf in plain(v, work_dir)]
    if isinstance(value, str):
        value = re.sub(r'_\d{8}_\d{6}', '_TIME', value.replace(work_dir, 'WORK'))
    return [('', value)]


def same(a, b):
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and torch.equal(a, b)
    return type(a) is type(b) and (a == b or (a != a and b != b)) or (not a and not b)


def compare_plain(name, ours, theirs):
    ours, theirs = dict(ours), dict(theirs)
    faults = [f'{name}: {kind}: {keys}' for kind, keys in (
        ('missing', [k for k in theirs if k not in ours]),
        ('unexpected', [k for k in ours if k not in theirs])) if keys]
    faults += [f'{name}{k}: {str(ours[k])[:200]}, expected {str(theirs[k])[:200]}'
               for k in theirs if k in ours and not same(ours[k], theirs[k])]
    return faults


# What is another by nature: the writer, the text of the config, times.
OTHERS = re.compile(r'(^|\.)(cfg|time|eta|mmengine_version)$')
# Ours are written at the end of the stage, when a best file's step is among the kept ones.
OTHERS_OF_BEST = re.compile(r'(^|\.)(cfg|time|eta|mmengine_version|last_ckpt|keep_ckpt_ids.*)$')


def raw_weights(checkpoint):
    """The weights before EMAHook exchanged them with their average."""
    averaged = checkpoint.get('ema_state_dict')
    if averaged is None:
        return checkpoint['state_dict']
    return {k[len('module.'):]: v for k, v in averaged.items() if k.startswith('module.')}


def compare_checkpoints(ours, theirs, name):
    a, b = load(f'{ours}/{name}'), load(f'{theirs}/{name}')
    others = OTHERS_OF_BEST if name.startswith('best_') else OTHERS
    faults = compare_weights(name, a['state_dict'], b['state_dict'])
    for key in ('ema_state_dict', 'optimizer', 'param_schedulers', 'meta'):
        if key in a or key in b:
            faults += compare_plain(f'{name}: {key}', *[
                [x for x in plain(c.get(key), d) if not others.search(x[0])]
                for c, d in ((a, ours), (b, theirs))])
    infos = [[x for x in plain(c['message_hub']['runtime_info'], d) if not others.search(x[0])]
             for c, d in ((a, ours), (b, theirs))]
    return faults + compare_plain(f'{name}: message_hub', *infos)


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


def pictures(work_dir):
    """Pixels by name."""
    paths = sorted(glob.glob(f'{work_dir}/*/vis_data/vis_image/*.png'))
    return [(os.path.basename(path), cv2.imread(path)) for path in paths]


def compare_pictures(ours, theirs):
    a, b = pictures(ours), pictures(theirs)
    faults = compare_lists('pictures', [name for name, _ in a], [name for name, _ in b])
    return faults + [f'{name}: other pixels' for (name, x), (_, y) in zip(a, b)
                     if not np.array_equal(x, y)]


def compare(program, data_root, config):
    threads = os.environ.get('OMP_NUM_THREADS', '2')
    env = dict(OMP_NUM_THREADS=threads, MMENGINE_NUM_THREADS=threads, OPENBLAS_NUM_THREADS='1',
               MMENGINE_PLUGIN_PATH=f'{HERE}/../../examples/plugins')
    loaders = [f'{mode}_dataloader' for mode in ('train', 'val')
               if f'{mode}_dataloader' in Config.fromfile(config, import_custom_modules=False)]
    with tempfile.TemporaryDirectory() as root:
        ours, theirs = f'{root}/ours', f'{root}/theirs'
        run([sys.executable, f'{HERE}/reference.py', config, theirs, data_root], **env)
        run([program, 'train', config, '--work-dir', ours, '--cfg-options'] +
            [f'{loader}.dataset.data_root={data_root}' for loader in loaders], **env)
        a, b = scalars(ours), scalars(theirs)
        faults = compare_weights('initial weights', raw_weights(load(f'{ours}/initial.pth')),
                                 load(f'{theirs}/initial.pth')['state_dict'])
        faults += compare_lists('scalars', a, b)
        faults += compare_lists('log line', lines(ours), lines(theirs))
        faults += compare_lists('row of the table of hooks', hook_table(ours), hook_table(theirs))
        files = [sorted(os.path.basename(f) for f in glob.glob(f'{d}/*.*')) for d in (ours, theirs)]
        faults += compare_lists('files', *files)
        names = [f for f in files[1] if f.endswith('.pth') and f != 'initial.pth' and f in files[0]]
        for name in names:
            faults += compare_checkpoints(ours, theirs, name)
        faults += compare_pictures(ours, theirs)
        pointers = [os.path.basename(open(f'{d}/last_checkpoint').read()) for d in (ours, theirs)]
        faults += compare_lists('last_checkpoint', pointers[:1], pointers[1:])
        shown = len(pictures(ours))
    losses = sum('loss' in key for record in a for key in record)
    print(f'{os.path.basename(config)}: ' + ('\n'.join(faults) if faults else
          f'{losses} losses, {len(a)} records, {len(names)} checkpoints' +
          (f', {shown} pictures' if shown else '') + ' bit-identical'))
    return not faults


def main(program, data_root, *configs):
    configs = configs or [f'{HERE}/{name}.py' for name in (
        'lenet5', 'mlp', 'amp_bf16', 'amp_fp16', 'resnet18', 'whole_epoch', 'whole_iter', 'gan',
        'gan_fast')]
    results = [compare(program, data_root, config) for config in configs]
    sys.exit(0 if all(results) else 1)


if __name__ == '__main__':
    main(*sys.argv[1:])
