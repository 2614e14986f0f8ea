#!/usr/bin/env python3
"""When MMEngine's hooks do what, in real toy runs: hook_runs.py OUT_DIR

logger_hook.json: for each case the heads of the log lines that LoggerHook writes, the steps
of scalars.json, the files that went to out_dir and those left in the log folder.
hook_order.json: every call of a hook in a run of two epochs with the default hooks, EMAHook
and EarlyStoppingHook, as [stage, hook], and the table that is logged at start. Needs mmengine.
"""
import glob
import json
import logging
import os
import re
import shutil
import sys
import tempfile

import toy_runner  # noqa: E402

HEAD = re.compile(r'Exp name|(?:Epoch|Iter)\(\w+\)\s+(?:\[[^\]]*\])+')
EPOCHS = dict(by_epoch=True, max_epochs=2)
ITERS = dict(by_epoch=False, max_iters=14, val_interval=6)
CASES = [
    dict(train=EPOCHS, batch=6, hook={}),
    dict(train=EPOCHS, batch=2, hook=dict(interval=5)),
    dict(train=EPOCHS, batch=2, hook=dict(interval=5, ignore_last=False)),
    dict(train=EPOCHS, batch=2, hook=dict(interval=12)),
    dict(train=EPOCHS, batch=2, hook=dict(interval=13)),
    dict(train=EPOCHS, batch=2, hook=dict(interval=4, interval_exp_name=7)),
    dict(train=EPOCHS, batch=2, hook=dict(interval=3, log_metric_by_epoch=False)),
    dict(train=ITERS, batch=2, hook=dict(interval=5)),
    dict(train=ITERS, batch=4, hook=dict(interval=5, ignore_last=False, log_metric_by_epoch=False)),
    dict(train=ITERS, batch=6, hook=dict(interval=20, interval_exp_name=3)),
    dict(train=EPOCHS, batch=6, hook=dict(interval=2, out_dir='OUT')),
    dict(train=EPOCHS, batch=6, hook=dict(interval=2, out_dir='OUT', out_suffix='.json', keep_local=False)),
    dict(train=EPOCHS, batch=6, hook=dict(interval=2, out_dir='OUT', out_suffix=('.log', '.py'), keep_local=False)),
]


def files(folder, timestamp):
    """Names below a folder, TIME for the timestamp."""
    found = [os.path.relpath(path, folder) for path in glob.glob(folder + '/**', recursive=True) if os.path.isfile(path)]
    return sorted(name.replace(timestamp, 'TIME') for name in found)


def logger_case(case):
    out = tempfile.mkdtemp()
    hook = dict(case['hook'], type='LoggerHook')
    if 'out_dir' in hook:
        hook['out_dir'] = out
    data = toy_runner.config('')['train_dataloader']
    runner = toy_runner.make_runner(
        train_cfg=dict(case['train']), train_dataloader=dict(data, batch_size=case['batch']),
        val_dataloader=dict(data, batch_size=case['batch']), default_hooks=dict(logger=hook), log_level='INFO',
        log_processor=dict(by_epoch=case['train']['by_epoch']),
        param_scheduler=dict(type='MultiStepLR', milestones=[20], by_epoch=case['train']['by_epoch']))
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(HEAD.findall(record.getMessage()))
    runner.logger.addHandler(handler)
    scalars = []
    add = runner.visualizer.add_scalars
    runner.visualizer.add_scalars = lambda tag, step=0, **more: (scalars.append(step), add(tag, step=step, **more))
    runner.train()
    row = dict(case, lines=lines, steps=scalars)
    if 'out_dir' in hook:
        row['uploaded'] = files(os.path.join(out, os.path.basename(runner.work_dir)), runner.timestamp)
        row['left'] = files(runner.log_dir, runner.timestamp)
    shutil.rmtree(out)
    shutil.rmtree(runner.work_dir)
    return row


def order():
    runner = toy_runner.make_runner(
        train_cfg=dict(by_epoch=True, max_epochs=2), default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='EMAHook'), dict(type='EarlyStoppingHook', monitor='toy/error', rule='less')])
    table = runner.get_hooks_info()
    calls = []

    def record(hook, stage):
        method = getattr(hook, stage)

        def call(*args, **kwargs):
            calls.append([stage, type(hook).__name__])
            return method(*args, **kwargs)

        setattr(hook, stage, call)

    for hook in runner.hooks:
        for stage in hook.get_triggered_stages():
            record(hook, stage)
    runner.train()
    runner.test()
    shutil.rmtree(runner.work_dir)
    return dict(table=table, calls=calls)


def main(out):
    cases = [logger_case(case) for case in CASES]
    with open(os.path.join(out, 'logger_hook.json'), 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(case) for case in cases) + '\n]\n')
    with open(os.path.join(out, 'hook_order.json'), 'w') as file:
        json.dump(order(), file)
        file.write('\n')


if __name__ == '__main__':
    main(sys.argv[1])
