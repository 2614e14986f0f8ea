#!/usr/bin/env python3
"""Which files MMEngine's CheckpointHook leaves at each step: checkpoint_hook.py OUT.json

Short runs of MMEngine's runner under many settings. Before each epoch (in iteration mode: each
iteration), before each validation and at the end: the files, what last_checkpoint names, the
hub's information about checkpoints. At the end also what is in each file. Needs mmengine.
"""
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings

os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'  # MMEngine reads its own files only so
warnings.simplefilter('ignore')

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

INFOS = re.compile('keep_ckpt_ids|last_ckpt|best_.*')
HASH = re.compile(r'-[0-9a-f]{8}\.pth')
ACC = [dict(acc=a, loss=1 - a) for a in (0.3, 0.5, 0.4, 0.7, 0.7, 0.9, 0.1)]
DOWN = [dict(loss=x, acc=x / 2) for x in (0.9, 0.7, 0.8, 0.2, 0.4, 0.3, 0.1)]


def epochs(n, interval=1):
    return dict(by_epoch=True, max_epochs=n, val_interval=interval)


def iters(n, interval=100):
    return dict(by_epoch=False, max_iters=n, val_interval=interval)


def case(train_cfg, *parts, scores=ACC, more=None, **hook):
    return dict(train_cfg=train_cfg, hook=hook, scores=scores, **(dict(then=more) if more else {}))


CASES = [
    case(epochs(3), interval=1),
    case(epochs(5), interval=2),
    case(epochs(5), interval=2, save_last=False),
    case(epochs(3)),
    case(epochs(3), interval=-1, save_last=False),
    case(epochs(5), interval=1, max_keep_ckpts=2),
    case(epochs(5), interval=2, max_keep_ckpts=1),
    case(epochs(6), interval=2, save_begin=3, max_keep_ckpts=2),
    case(epochs(3), interval=1, max_keep_ckpts=1, filename_tmpl='model_{}.pth'),
    case(epochs(3), interval=1, max_keep_ckpts=2, filename_tmpl='{:04d}_{{x}}.pth'),
    case(epochs(3), interval=1, max_keep_ckpts=2, filename_tmpl='w{0:3}.pth', save_best='auto'),
    case(epochs(3), interval=1, max_keep_ckpts=1, out_dir='elsewhere', save_best='auto'),
    case(epochs(6), interval=1, save_best='auto'),
    case(epochs(6), interval=1, save_best='auto', scores=DOWN),
    case(epochs(4), interval=1, save_best='auto', rule='less'),
    case(epochs(6), interval=2, save_best='toy/acc', max_keep_ckpts=1),
    case(epochs(4), interval=1, save_best='toy/acc', rule='less'),
    case(epochs(6), interval=1, save_best=['toy/acc', 'toy/loss'], max_keep_ckpts=2),
    case(epochs(4), interval=1, save_best=['toy/acc', 'toy/loss'], rule=['less', 'greater']),
    case(epochs(4), interval=1, save_best=['toy/acc', 'toy/loss'], rule=['greater']),
    case(epochs(4), interval=1, save_best=['toy/acc'], rule='greater'),
    case(epochs(5), save_best='toy/loss', save_last=False),
    case(epochs(3), interval=1, save_best='toy/score', greater_keys=['score'],
         scores=[dict(score=x) for x in (1, 3, 2)]),
    case(epochs(3), interval=1, save_best='toy/err', less_keys='err',
         scores=[dict(err=x) for x in (1.0, 3.0, 0.5)]),
    case(epochs(3), interval=1, save_optimizer=False, save_best='toy/acc'),
    case(epochs(3), interval=1, save_param_scheduler=False),
    case(epochs(3), interval=1, save_best='toy/acc', published_keys=['meta', 'state_dict']),
    case(epochs(3), interval=2, save_best=['toy/acc', 'toy/loss'], published_keys='state_dict'),
    case(epochs(3), interval=1, save_best='toy/acc', scores=[{}, dict(acc=1.0), {}]),
    case(epochs(4), interval=1, save_best='toy/acc',
         scores=[dict(acc=float('nan')), dict(acc=0.5), dict(acc=float('nan')), dict(acc=0.6)]),
    case(epochs(5, 2), interval=1, max_keep_ckpts=1, save_best='toy/acc'),
    case(iters(10, 4), by_epoch=False, interval=3, max_keep_ckpts=2, save_best='auto'),
    case(iters(9, 3), by_epoch=False, interval=3, max_keep_ckpts=1, save_best='toy/loss'),
    case(iters(10), by_epoch=False, interval=4, save_last=False),
    case(iters(10), by_epoch=False, interval=3, save_begin=5),
    case(iters(5, 2), interval=1, save_best='auto'),
    case(epochs(3), interval=1, by_epoch=False, max_keep_ckpts=2),
    case(epochs(3), interval=1, max_keep_ckpts=2, more=dict(train_cfg=epochs(5))),
    case(epochs(4), interval=1, max_keep_ckpts=3,
         more=dict(train_cfg=epochs(5), hook=dict(interval=1, max_keep_ckpts=1))),
    case(epochs(2), interval=1, save_best='toy/acc', more=dict(train_cfg=epochs(5))),
]


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(2, 1)

    def forward(self, x, y, mode='tensor'):
        return dict(loss=(self.out(x) - y).square().mean()) if mode == 'loss' else [dict()]


class Prepared(BaseMetric):
    default_prefix = 'toy'

    def __init__(self, scores):
        super().__init__()
        self.scores = iter(scores)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return next(self.scores)


class Recorder(Hook):
    priority = 0

    def __init__(self, root, by_epoch, records):
        self.root, self.by_epoch, self.records = root, by_epoch, records

    def record(self, runner, stage):
        infos = {key: self.relative(value) for key, value in runner.message_hub.runtime_info.items()
                 if INFOS.fullmatch(key)}
        self.records.append(dict(stage=stage, files=self.files(), infos=infos,
                                 last=self.last(runner.work_dir)))

    def relative(self, value):
        return os.path.relpath(value, self.root) if isinstance(value, str) else value

    def files(self):
        found = [os.path.relpath(os.path.join(at, name), self.root)
                 for at, _, names in os.walk(self.root) for name in names if name.endswith('.pth')]
        return sorted(HASH.sub('-HASH.pth', name) for name in found)

    def last(self, work_dir):
        path = os.path.join(work_dir, 'last_checkpoint')
        return self.relative(open(path).read()) if os.path.exists(path) else None

    def before_train_epoch(self, runner):
        if self.by_epoch:
            self.record(runner, 'before_train_epoch')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if not self.by_epoch:
            self.record(runner, 'before_train_iter')

    def before_val(self, runner):
        self.record(runner, 'before_val')

    def after_run(self, runner):
        self.record(runner, 'after_run')


def train(root, train_cfg, hook, scores, resume, name):
    records, hook = [], dict(hook)
    if 'out_dir' in hook:
        hook['out_dir'] = os.path.join(root, hook['out_dir'])
    data = [dict(x=torch.ones(2), y=torch.ones(1))] * 24
    loader = dict(batch_size=12, num_workers=0, dataset=data, collate_fn=dict(type='default_collate'),
                  sampler=dict(type='DefaultSampler', shuffle=False))
    Runner(model=Toy(), work_dir=os.path.join(root, 'work'), train_dataloader=loader, val_dataloader=loader,
           train_cfg=dict(train_cfg), val_cfg=dict(), val_evaluator=Evaluator(Prepared(scores)), resume=resume,
           optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
           param_scheduler=dict(type='MultiStepLR', milestones=[2]),
           default_hooks=dict(checkpoint=dict(hook, type='CheckpointHook')),
           custom_hooks=[Recorder(root, train_cfg['by_epoch'], records)],
           log_level='ERROR', experiment_name=name).train()
    return records


def contents(root):
    found = {}
    for at, _, names in os.walk(root):
        for name in names:
            if name.endswith('.pth'):
                path = os.path.join(at, name)
                content = torch.load(path, weights_only=False)
                meta, hub = content.get('meta', {}), content.get('message_hub', {'runtime_info': {}})
                found[HASH.sub('-HASH.pth', os.path.relpath(path, root))] = dict(
                    keys=sorted(content), epoch=meta.get('epoch'), iter=meta.get('iter'),
                    infos={key: os.path.relpath(v, root) if isinstance(v, str) else v
                           for key, v in hub['runtime_info'].items() if INFOS.fullmatch(key)})
    return found


def run(number, row):
    root = tempfile.mkdtemp()
    scores = iter(row['scores'])
    try:
        row['records'] = train(root, row['train_cfg'], row['hook'], scores, False, f'golden{number}')
        then = row.get('then')
        if then is not None:
            row['records_then'] = train(root, then['train_cfg'], then.get('hook', row['hook']), scores,
                                        True, f'golden{number}then')
        row['contents'] = contents(root)
    finally:
        logging.shutdown()
        shutil.rmtree(root)
    return row


def main(out):
    rows = [run(number, row) for number, row in enumerate(CASES)]
    with open(out, 'w') as f:
        f.write('[\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]\n')


if __name__ == '__main__':
    main(sys.argv[1])
