#!/usr/bin/env python3
"""Parameter groups by rules in both engines: paramwise.py PROGRAM, in the root folder.

Each engine trains a ResNet-50 and a ViT-B (narrow ones: the same names and numbers of
parameters; FULL=1: the whole ones) for a few steps with several paramwise_cfg, also with
learning rates that decay by layers. Equal must be: what the log says of groups, word for word;
the optimizer of the checkpoint, groups, keys, values and states; losses and weights, bit for bit.

Needs mmengine and mmpretrain.
"""
import os
import re
import subprocess
import sys
import tempfile

from resume import CONFIG, DIGITS, losses, run, unpack_digits

FULL = os.environ.get('FULL') == '1'
RESNET = 'dict(type="ResNet", depth=50, in_channels=1{})'.format(
    '' if FULL else ', stem_channels=8, base_channels=8')
VIT = ('dict(type="VisionTransformer", arch={}, img_size=32, patch_size=16, in_channels=1, drop_rate=0.1,'
       ' drop_path_rate=0.1{{}})').format('"b"' if FULL else
                                          'dict(embed_dims=48, num_layers=12, num_heads=12, feedforward_channels=96)')
SGD = 'dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=1e-4)'
ADAMW = 'dict(type="AdamW", lr=4e-3, weight_decay=0.05)'
DECAY = 'constructor="LearningRateDecayOptimWrapperConstructor", '
CASES = {
    'resnet50 rules': (RESNET, SGD, '', 'dict(norm_decay_mult=0., bias_lr_mult=2, flat_decay_mult=0.5)'),
    'resnet50 custom keys': (RESNET, SGD, '', (
        'dict(bias_decay_mult=0., custom_keys={"backbone.layer1": dict(lr_mult=0.1, decay_mult=0.9), '
        '"layer1.0": dict(momentum=0.5), "head": dict(lr_mult=10), "bn": dict(decay_mult=0)})')),
    'vit rules': (VIT.format(', frozen_stages=2'), ADAMW, '', (
        'dict(norm_decay_mult=0., bias_decay_mult=0., custom_keys={".cls_token": dict(decay_mult=0.), '
        '".pos_embed": dict(decay_mult=0.), "layers.5": dict(betas=(0.8, 0.9))})')),
    'vit layers': (VIT.format(', layer_scale_init_value=0.1'), ADAMW, DECAY, (
        'dict(layer_decay_rate=0.65, custom_keys={".ln": dict(decay_mult=0.), ".bias": dict(decay_mult=0.), '
        '".cls_token": dict(decay_mult=0.)})')),
    'resnet50 layers': (RESNET, SGD, DECAY, 'dict(layer_decay_rate=0.7, norm_decay_mult=0., flat_decay_mult=0.)'),
}


def write_config(path, case):
    backbone, optimizer, constructor, rules = case
    is_vit = 'Vision' in backbone
    channels = (768 if FULL else 48) if is_vit else (2048 if FULL else 256)
    head = 'VisionTransformerClsHead' if is_vit else 'LinearClsHead'
    with open(path, 'w') as file:
        file.write(
            f'_base_ = {CONFIG!r}\n'
            'log_level = "DEBUG"\n'
            f'model = dict(backbone=dict(_delete_=True, **{backbone}),\n'
            f'             neck={"None" if is_vit else "dict(type=%r)" % "GlobalAveragePooling"},\n'
            f'             head=dict(_delete_=True, type={head!r}, num_classes=10, in_channels={channels}))\n'
            f'optim_wrapper = dict(_delete_=True, {constructor}optimizer={optimizer},\n'
            f'                     paramwise_cfg={rules})\n'
            'train_dataloader = dict(dataset=dict(indices=48))\n'
            'train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)\n'
            'custom_hooks = []\n')


def train_theirs(config, work_dir, data):
    """In a process of its own: registries and generators are the process's."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tools/compare'))
    import reference  # noqa: F401, makes mmpretrain importable
    import torch
    from mmengine.config import Config
    from mmengine.runner import Runner
    torch.set_num_threads(1)
    cfg = Config.fromfile(config)
    cfg.work_dir = work_dir
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = data
    Runner.from_cfg(cfg).train()


def said_of_groups(work_dir):
    """Lines about groups; those about layers have further lines that begin with a tab."""
    found = subprocess.run(f'cat {work_dir}/*/*.log', shell=True, stdout=subprocess.PIPE, text=True).stdout
    lines = []
    for line in found.splitlines():
        text = line.split(' - ', 3)[-1] if ' - mmengine - ' in line else line
        if re.match(r'paramwise_options -- |layer \d+ params |\t\S+: weight_decay=|.* is (skipped|duplicate)', text):
            lines.append(text)
    return lines


def same(path, a, b):
    import torch
    if isinstance(b, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(b, dict):
        assert list(a) == list(b), f'{path}: {list(a)}, expected {list(b)}'
        for key in b:
            same(f'{path}.{key}', a[key], b[key])
    elif isinstance(b, (list, tuple)):
        assert len(a) == len(b), f'{path}: {len(a)}, expected {len(b)}'
        for i, item in enumerate(b):
            same(f'{path}[{i}]', a[i], item)
    else:
        assert type(a) is type(b) and a == b, f'{path}: {a!r}, expected {b!r}'


def check(program, name, case, data, root):
    import torch
    config, ours, theirs = f'{root}/config.py', f'{root}/ours', f'{root}/theirs'
    write_config(config, case)
    run([sys.executable, __file__, '--theirs', config, theirs, data])
    run([program, 'train', config, '--work-dir', ours, '--cfg-options',
         f'train_dataloader.dataset.data_root={DIGITS}', f'val_dataloader.dataset.data_root={DIGITS}'])
    a, b = said_of_groups(ours), said_of_groups(theirs)
    assert len(b) > 50, f'{name}: {len(b)} lines'
    for i, line in enumerate(b):
        assert i < len(a) and a[i] == line, f'{name}, line {i}:\n{a[i:i + 1]}, expected\n{line}'
    assert len(a) == len(b), f'{name}: {len(a)} lines, expected {len(b)}'
    assert losses(ours) == losses(theirs), f'{name}: losses differ'
    a, b = (torch.load(f'{d}/epoch_1.pth', weights_only=False) for d in (ours, theirs))
    same(f'{name}: state_dict', a['state_dict'], dict(b['state_dict']))
    same(f'{name}: optimizer', a['optimizer'], b['optimizer'])
    same(f'{name}: schedulers', a['param_schedulers'], b['param_schedulers'])
    print(f'{name}: {len(b["optimizer"]["param_groups"])} groups, {len(said_of_groups(theirs))} lines, '
          'losses, weights and optimizer states are equal', flush=True)


def main(program):
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as root:
            unpack_digits(f'{root}/data')
            check(program, name, case, f'{root}/data', root)


if __name__ == '__main__':
    if sys.argv[1] == '--theirs':
        train_theirs(*sys.argv[2:])
    else:
        main(os.path.abspath(sys.argv[1]))
