#!/usr/bin/env python3
"""After which validation MMEngine's EarlyStoppingHook ends training: early_stopping.py OUT.json

Rows of random scores under random settings. Needs mmengine.
"""
import json
import logging
import random
import sys
import types

from mmengine.hooks import EarlyStoppingHook


def ends_after(settings, values):
    hook = EarlyStoppingHook(**settings)
    runner = types.SimpleNamespace(logger=logging.getLogger('golden'),
                                   train_loop=types.SimpleNamespace(stop_training=False))
    for n, value in enumerate(values, 1):
        hook.after_val_epoch(runner, {settings['monitor']: value})
        if runner.train_loop.stop_training:
            return n
    return 0


def main(out):
    draw = random.Random(7)
    cases = []
    for n in range(60):
        settings = dict(monitor=draw.choice(['toy/acc', 'toy/loss']), min_delta=draw.choice([0.0, 0.1, 0.25]),
                        patience=draw.choice([0, 1, 2, 3, 5]))
        if draw.random() < 0.4:
            settings['rule'] = draw.choice(['greater', 'less'])
        if draw.random() < 0.3:
            settings['stopping_threshold'] = draw.choice([0.2, 0.5, 0.9])
        settings['check_finite'] = draw.random() < 0.7
        values = [draw.randrange(0, 20) / 20 for _ in range(8)]
        if draw.random() < 0.3:
            values[draw.randrange(8)] = draw.choice([float('nan'), float('inf'), float('-inf')])
        cases.append(dict(settings=settings, values=values, ends_after=ends_after(settings, values)))
    with open(out, 'w') as f:
        f.write('[\n' + ',\n'.join(json.dumps(case) for case in cases) + '\n]\n')


if __name__ == '__main__':
    main(sys.argv[1])
