#!/usr/bin/env python3
"""What MMEngine's EMAHook does in real runs: ema_hook.py OUT_DIR

ema_hook.json: for each case the metrics of every validation, and of every epoch's checkpoint
the keys and numbers of state_dict and ema_state_dict; ema_hook.pth: the file of the first
case's second epoch. Needs mmengine; torch 2.6 and later also
TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1, to read its own files.
"""
import json
import os
import shutil
import sys

import torch  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.registry import HOOKS  # noqa: E402

import toy_runner  # noqa: E402

CASES = [
    dict(momentum=0.1),
    dict(ema_type='StochasticWeightAverage', begin_epoch=2),
    dict(ema_type='MomentumAnnealingEMA', gamma=4, begin_iter=6, update_buffers=True),
    dict(momentum=0.3, interval=3, update_buffers=True, strict_load=True),
]


@HOOKS.register_module()
class NoteMetrics(Hook):
    priority = 'LOWEST'
    noted = []

    def after_val_epoch(self, runner, metrics=None):
        self.noted.append(metrics['toy/error'])


def numbers(state):
    return {name: tensor.double().flatten().tolist() for name, tensor in state.items()}


def run(options, out, index):
    NoteMetrics.noted.clear()
    runner = toy_runner.make_runner(custom_hooks=[dict(options, type='EMAHook'), dict(type='NoteMetrics')])
    runner.train()
    epochs = []
    for epoch in range(1, 5):
        path = os.path.join(runner.work_dir, f'epoch_{epoch}.pth')
        checkpoint = torch.load(path, weights_only=False)
        epochs.append(dict(keys=list(checkpoint), state_dict=numbers(checkpoint['state_dict']),
                           ema_state_dict=numbers(checkpoint['ema_state_dict'])))
        if index == 0 and epoch == 2:
            shutil.copy(path, os.path.join(out, 'ema_hook.pth'))
    shutil.rmtree(runner.work_dir)
    return dict(options=options, errors=list(NoteMetrics.noted), epochs=epochs)


def main(out):
    cases = [run(options, out, index) for index, options in enumerate(CASES)]
    with open(os.path.join(out, 'ema_hook.json'), 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(case) for case in cases) + '\n]\n')


if __name__ == '__main__':
    main(sys.argv[1])
