"""Writes what MMEngine's LogProcessor makes of many hubs, settings and places in a run:
tests/cases/logging/log_lines.jsonl (a case a line) and wrong_configs.jsonl.

Run: python3 tools/golden/log_lines.py tests/cases/logging   (needs mmengine)
"""
import json
import os
import platform
import random
import sys
from types import SimpleNamespace

import mmengine
import mmengine.runner.log_processor as module
import numpy as np
import torch
from mmengine.fileio import dump
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor

NAN, INF = float('nan'), float('inf')
rng = random.Random(20240101)
count = 0


def make_hub(scalars, info):
    global count
    count += 1
    hub = MessageHub(f'hub{count}')
    for key, updates in scalars:
        for update in updates:  # a number, or with its count
            value, n = update if isinstance(update, list) else (update, 1)
            hub.update_scalar(key, value, n)
    for key, value in info.items():
        if isinstance(value, dict) and 'tensor' in value:
            value = torch.tensor(value['tensor'])
        hub.update_info(key, value)
    return hub


def make_runner(place, hub, mode):
    loop = SimpleNamespace(dataloader=[0] * place['num_batches'])
    has_loop = place['has_train_loop']
    return SimpleNamespace(
        message_hub=hub, model=None, _train_loop=loop if has_loop else None,
        train_loop=loop, val_loop=loop, test_loop=loop,
        epoch=place['epoch'] if has_loop else 0, iter=place['iter'] if has_loop else 0,
        max_epochs=place['max_epochs'], max_iters=place['max_iters'])


def result(case):
    has_memory = case['place']['memory'] >= 0
    module.is_cuda_available = lambda: has_memory
    module.is_musa_available = lambda: False
    module.get_max_cuda_memory = lambda device=None: case['place']['memory']
    processor = LogProcessor(**json.loads(json.dumps(case['config'])))
    hub = make_hub(case['scalars'], case['info'])
    runner = make_runner(case['place'], hub, case['mode'])
    if case['call'] == 'iter':
        tag, line = processor.get_log_after_iter(runner, case['batch_idx'], case['mode'])
    else:
        tag, line = processor.get_log_after_epoch(
            runner, case['batch_idx'], case['mode'],
            with_non_scalar=case['mode'] == 'test')
    tag = {k: v for k, v in tag.items() if not isinstance(v, torch.Tensor)}
    return dump(tag, file_format='json'), line


def with_texts(case):
    """Tensors as the text they have in a line."""
    info = {k: {'tensor': str(torch.tensor(v['tensor']))}
            if isinstance(v, dict) and 'tensor' in v else v
            for k, v in case['info'].items()}
    return dict(case, info=info)


# ---- material ----

def number(kind):
    if kind == 'int':
        return rng.choice([0, 1, 7, -3, 1000, 123456789])
    if kind == 'odd':
        return rng.choice([NAN, INF, -INF, -0.0, 0.0, 1e-12, 1e12, 0.00005, 0.00015, 2.5])
    if kind == 'lr':
        return rng.choice([0.1, 0.01, 1e-3, 3.3e-5, 0.0, 1.25e-7, 1])
    return float(f'{rng.uniform(-1, 10) * 10 ** rng.randint(-4, 3):.6g}')


def history(kind, length=None):
    length = length or rng.choice([1, 2, 3, 9, 10, 11, 12, 25])
    counted = rng.random() < 0.2
    return [[number(kind), rng.randint(1, 4)] if counted else number(kind)
            for _ in range(length)]


TRAIN = [('lr', 'lr'), ('data_time', 'float'), ('grad_norm', 'float'), ('loss', 'float'),
         ('time', 'float')]
MORE = [('base_lr', 'lr'), ('generator.lr', 'lr'), ('head/lr', 'lr'), ('loss_cls', 'odd'),
        ('decode.loss_ce', 'float'), ('head/loss', 'float'), ('acc', 'float'),
        ('momentum', 'float'), ('num_pos', 'int'), ('loss_int', 'int'), ('mixed', 'mixed'),
        ('odd', 'odd'), ('deep/er/name', 'int'), ('val/loss', 'float'),
        ('name with space', 'float'), ('名', 'float')]
METRICS = [('coco/bbox_mAP', 'float'), ('accuracy/top1', 'float'), ('loss', 'float'),
           ('val/loss_seg', 'float'), ('val/loss_n', 'int'), ('count', 'int'),
           ('PSNR', 'odd'), ('mean_time', 'float'), ('wlr', 'lr')]
PATTERNS = ['.*(loss|time|data_time|grad_norm).*', '^loss', 'time$', '.*', 'acc|mAP', 'x^',
            '(loss|acc)_[a-z]+', r'\bloss\b', r'(?:loss|time)', r'\w+_\w+', r'loss_\D+$',
            r'[\w.]+/loss', r'^[^/]*$']


def some_history(kind):
    if kind == 'mixed':
        return history('int', 3) + history('float', 2)
    return history(kind)


def scalars(mode):
    rows = []
    if mode == 'train':
        rows = [r for r in TRAIN if rng.random() < 0.9]
    else:
        rows = [r for r in METRICS if rng.random() < 0.5]
        rows += [r for r in [('data_time', 'float'), ('time', 'float')]
                 if rng.random() < 0.85]
    for row in MORE:
        if rng.random() < (0.25 if mode == 'train' else 0.05):
            rows.insert(rng.randint(0, len(rows)), row)
    rows = [(f'{mode}/{name}', some_history(kind)) for name, kind in rows]
    if rng.random() < 0.1:
        rows.append((mode + 'ing_x', some_history('float')))
    other = 'val' if mode == 'train' else 'train'
    rows.insert(rng.randint(0, len(rows)), (f'{other}/loss', history('float')))
    return rows


def custom_rows(names, by_epoch):
    rows, taken = [], set()
    for _ in range(rng.randint(0, 4)):
        source = rng.choice(names)
        row = dict(data_src=source, method_name=rng.choice(['mean', 'max', 'min', 'current']))
        if rng.random() < 0.7:
            row['log_name'] = rng.choice(['global_loss', 'large_window', 'x/y', 'best', 'm_lr'])
        name = row.get('log_name', source)
        if name in taken:
            continue
        taken.add(name)
        windows = [1, 2, 5, 10, 1000, 'global'] + (['epoch'] if by_epoch else [])
        if row['method_name'] != 'current' and (not by_epoch or rng.random() < 0.8):
            row['window_size'] = rng.choice(windows)
        if row['method_name'] == 'current' and not by_epoch:
            continue  # MMEngine wants a window there, and refuses it later
        rows.append(row)
    return rows


def config(names):
    made = {}
    if rng.random() < 0.4:
        made['window_size'] = rng.choice([1, 2, 5, 10, 50])
    by_epoch = rng.random() < 0.6
    if not by_epoch or rng.random() < 0.3:
        made['by_epoch'] = by_epoch
    if rng.random() < 0.4:
        made['num_digits'] = rng.choice([0, 1, 2, 3, 6, 8])
    if rng.random() < 0.35:
        made['log_with_hierarchy'] = True
    if rng.random() < 0.35:
        made['mean_pattern'] = rng.choice(PATTERNS)
    if rng.random() < 0.6:
        made['custom_cfg'] = custom_rows(names, by_epoch)
    return made


def place():
    batches = rng.choice([1, 3, 9, 10, 99, 100, 3125])
    epochs = rng.choice([1, 2, 9, 12, 100, 1000])
    epoch = rng.randrange(epochs)
    batch = rng.randrange(batches)
    return dict(epoch=epoch, iter=epoch * batches + batch, max_epochs=epochs,
                max_iters=epochs * batches, num_batches=batches,
                has_train_loop=rng.random() < 0.85,
                memory=rng.choice([-1, -1, 0, 214, 11019])), batch


def info(mode):
    made = {'epoch': 3, 'seed': 1}
    if rng.random() < 0.8:
        made['eta'] = rng.choice([0, 0.4, 12.9, 3600, 22321.5, 86399.99, 86400, 86461.2,
                                  90061, 1e6, 172800, -5, -90000.5, 3])
    if mode != 'train' and rng.random() < 0.4:
        made[f'{mode}/classes'] = rng.choice([['a', 'b'], 'text as it is', None, True,
                                              [1, 2.5, 'x'], {'k': [1]}])
    if mode != 'train' and rng.random() < 0.25:
        made[f'{mode}/confusion/result'] = {'tensor': rng.choice(
            [[[1, 2], [30, 4]], [0.5, 1.5], [True, False]])}
    if rng.random() < 0.1:
        made[mode + 'er'] = 'no prefix'
    return made


def make_case(index):
    mode = ['train', 'train', 'val', 'test'][index % 4]
    where, batch = place()
    if mode == 'train':
        where['has_train_loop'] = True
    rows = scalars(mode)
    names = [key[len(mode) + 1:] if key.startswith(mode + '/') else key
             for key, _ in rows if key.startswith(mode)] + ['absent']
    if rng.random() < 0.1:
        names.append(f'{mode}/loss')  # never found: rows name scalars without their loop
    call = 'iter' if mode == 'train' or rng.random() < 0.4 else 'epoch'
    return dict(config=config(names), scalars=rows, info=info(mode), place=where, mode=mode,
                call=call, batch_idx=batch if call == 'iter' else where['num_batches'])


# ---- configs that are refused ----

WRONG = [
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', window_size='global'),
                     dict(data_src='loss', method_name='max', window_size=5)]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', log_name='a'),
                     dict(data_src='acc', method_name='max', log_name='a')]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', log_name='acc'),
                     dict(data_src='acc', method_name='max')]),
    dict(custom_cfg=[dict(method_name='mean')]),
    dict(custom_cfg=[dict(data_src='loss', window_size=3)]),
    dict(by_epoch=False, custom_cfg=[dict(data_src='loss', method_name='mean',
                                          window_size='epoch')]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', window_size='all')]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', window_size=2.5)]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', window_size=[1])]),
    dict(custom_cfg=[dict(data_src='loss', method_name='median', window_size=3)]),
    dict(custom_cfg=[dict(data_src='loss', method_name='mean', windowsize=3)]),
    dict(custom_cfg=[dict(data_src='loss', method='mean')]),
    dict(custom_cfg=['loss']),
    dict(custom_cfg=3),
    dict(mean_pattern='(loss'),
    dict(mean_pattern='[a'),
    dict(mean_pattern='*'),
    dict(window=3),
    dict(num_digits='four'),
]


def refusal(settings):
    """Where MMEngine raises: when it is built, or at the first line."""
    try:
        processor = LogProcessor(**settings)
    except Exception as error:
        return 'build', type(error).__name__, str(error)
    hub = make_hub([('train/loss', [1.0]), ('train/acc', [1.0])], {})
    runner = make_runner(dict(num_batches=4, has_train_loop=True, epoch=0, iter=0,
                              max_epochs=2, max_iters=8), hub, 'train')
    module.is_cuda_available = module.is_musa_available = lambda: False
    try:
        processor.get_log_after_iter(runner, 0, 'train')
    except Exception as error:
        return 'line', type(error).__name__, str(error)
    return 'never', '', ''


def main():
    folder = sys.argv[1]
    lines = []
    for index in range(360):
        case = make_case(index)
        tag, line = result(case)
        lines.append(json.dumps(dict(with_texts(case), tag=tag, line=line)))
    with open(os.path.join(folder, 'log_lines.jsonl'), 'w') as f:
        f.write('\n'.join(lines) + '\n')
    with open(os.path.join(folder, 'wrong_configs.jsonl'), 'w') as f:
        for settings in WRONG:
            when, name, text = refusal(settings)
            assert when != 'never', settings
            f.write(json.dumps(dict(config=settings, when=when, error=name)) + '\n')
    with open(os.path.join(folder, 'log_lines.provenance.txt'), 'w') as f:
        f.write(f'Made by tools/golden/log_lines.py with Python '
                f'{platform.python_version()}, NumPy {np.__version__}, MMEngine '
                f'{mmengine.__version__}. Tolerance: none.\n')


main()
