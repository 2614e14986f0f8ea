#!/usr/bin/env python3
"""A checkpoint of Python MMEngine in the middle of a run, and how that run went on:
python_resume.py OUT_DIR

python.pth: the second of four epochs, with an averaged model, a message hub full of histories,
Adam with groups of its own, schedulers of lr and momentum by iteration and by epoch, and the
state of a gradient scaler (AmpOptimWrapper itself needs a GPU; the scaler is PyTorch's).
python.json: records of the whole run, the last weights, and the scaler's state.
Needs mmengine; torch 2.6 and later also TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1.
"""
import glob
import json
import os
import shutil
import sys

import torch

import toy_runner

OPTIONS = dict(
    optim_wrapper=dict(
        optimizer=dict(type='AdamW', lr=0.02, weight_decay=0.1),
        paramwise_cfg=dict(norm_decay_mult=0., custom_keys={'out': dict(lr_mult=0.5)})),
    param_scheduler=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6),
        dict(type='CosineAnnealingLR', by_epoch=True, begin=1, end=4, T_max=3),
        dict(type='LinearMomentum', start_factor=0.9, by_epoch=False, begin=0, end=12),
    ],
    custom_hooks=[dict(type='EMAHook', momentum=0.1)],
    log_processor=dict(window_size=1),
    default_hooks=dict(logger=dict(type='LoggerHook', interval=1)))


def main(out):
    runner = toy_runner.make_runner(**OPTIONS)
    runner.train()
    work_dir = runner.work_dir
    half = torch.load(f'{work_dir}/epoch_2.pth', weights_only=False)
    scaler = torch.amp.GradScaler('cpu', init_scale=1024., growth_interval=100)
    scaler.scale(torch.tensor(1.))
    half['optimizer']['loss_scaler'] = scaler.state_dict()
    torch.save(half, os.path.join(out, 'python.pth'))
    records = [json.loads(line) for line in open(glob.glob(f'{work_dir}/*/vis_data/scalars.json')[0])]
    for record in records:
        for key in ('time', 'data_time'):
            record.pop(key, None)
    end = torch.load(f'{work_dir}/epoch_4.pth', weights_only=False)
    numbers = {key: {k: v.double().flatten().tolist() for k, v in end[key].items()}
               for key in ('state_dict', 'ema_state_dict')}
    with open(os.path.join(out, 'python.json'), 'w') as file:
        json.dump(dict(records=records, end=numbers, scaler=scaler.state_dict()), file)
        file.write('\n')
    shutil.rmtree(work_dir)


if __name__ == '__main__':
    main(sys.argv[1])
