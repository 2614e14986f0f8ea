#!/usr/bin/env python3
"""Seconds that metrics take here and in Python: metrics.py PROGRAM MMSEGMENTATION [THREADS]

PROGRAM is bench_metrics (ninja bench_metrics). Accuracy over 50,000 samples of 1,000 classes, IoUMetric
over 500 maps of 512 x 1024; the data are made before the clock starts. Both sides run in turn, three times;
the best of each counts. Memory is how much the process grew meanwhile. Needs mmengine, mmpretrain,
prettytable and a checkout of MMSegmentation.
"""
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../../tools/golden'))
import torch  # noqa: E402
from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
import metrics as golden  # noqa: E402


def score_batch():
    scores = torch.randn(250, 1000).softmax(1)
    return [dict(pred_score=scores[i], gt_label=torch.tensor([i * 7 % 1000])) for i in range(250)]


def random_map(noise):
    blocks = torch.rand(1, 16, 32).repeat_interleave(32, 1).repeat_interleave(32, 2)
    return (torch.where(torch.rand(1, 512, 1024) < noise, torch.rand(1, 512, 1024), blocks) * 19).long()


def run(name, evaluator, batches, rounds):
    before, start, size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), 0
    for i in range(rounds):
        batch = batches[i % len(batches)]
        size += len(batch)
        evaluator.process(batch)
    evaluator.evaluate(size)
    return name, time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def theirs(mmseg):
    yield run('Accuracy', Evaluator(golden.mmp.Accuracy(topk=(1, 5))), [score_batch() for _ in range(8)], 200)
    maps = [[dict(pred_sem_seg=dict(data=random_map(0.02)), gt_sem_seg=dict(data=random_map(0)))] for _ in range(10)]
    evaluator = Evaluator(mmseg())
    evaluator.dataset_meta = dict(classes=['class'] * 19)
    yield run('IoUMetric', evaluator, maps, 500)


def ours(program, threads):
    out = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        name, seconds, size = line.split()
        yield name, float(seconds), float(size)


def main(program, mmseg, threads='2'):
    torch.set_num_threads(int(threads))
    MMLogger.get_instance('bench', log_level='ERROR')
    best = {}
    for _ in range(3):
        for side, rows in (('ours', ours(program, threads)), ('python', theirs(golden.load_mmseg(mmseg)))):
            for name, seconds, size in rows:
                had = best.get((name, side), (seconds, size))
                best[name, side] = min(had[0], seconds), max(had[1], size)
        golden.METRICS._module_dict.pop('IoUMetric', None)
    for name in ('Accuracy', 'IoUMetric'):
        a, b = best[name, 'ours'], best[name, 'python']
        print(f'{name:10s} ours {a[0]:7.3f} s, {a[1]:6.1f} MB   python {b[0]:7.3f} s, {b[1]:6.1f} MB   '
              f'{b[0] / a[0]:.1f} times as fast')


if __name__ == '__main__':
    main(*sys.argv[1:])
