"""BenchHook for Python's MMEngine: see bench_hook.c."""
import json
import os.path as osp
import sys
import time

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

sys.path.insert(0, osp.join(osp.dirname(osp.abspath(__file__)), '../../tools/compare'))
import save_initial  # noqa: E402,F401  the MLP


@HOOKS.register_module()
class BenchHook(Hook):
    priority = 100
    first_iter = 0

    def __init__(self):
        self.epochs = []

    def before_train_epoch(self, runner):
        self.iters = 0
        self.begin = time.monotonic()

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.first_iter = self.first_iter or time.time()
        self.iters += 1

    def after_train_epoch(self, runner):
        self.epochs.append([self.iters, time.monotonic() - self.begin])

    def after_train(self, runner):
        with open(osp.join(runner.work_dir, 'bench.json'), 'w') as f:
            json.dump(dict(first_iter=self.first_iter, epochs=self.epochs), f)
