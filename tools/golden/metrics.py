#!/usr/bin/env python3
"""Numbers of the public metrics: metrics.py MMSEGMENTATION OUT

Runs the metrics of MMPretrain and MMSegmentation (a checkout of the latter) on random and
awkward data. OUT/metrics.pkl gets a list of cases: config, data by column, and the numbers, or
the kind of exception. OUT/tables.json gets the tables that IoUMetric logs. Needs mmengine,
mmpretrain and prettytable; TorchVision is not looked at.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import os
import pickle
import sys
import types

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import METRICS


class Hollow(types.ModuleType):
    """A module that has every name."""
    __path__ = []

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), {})


class Hollower(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """MMPretrain imports TorchVision, which its metrics do not need."""

    def find_spec(self, name, path, target=None):
        if name.split('.')[0] == 'torchvision':
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Hollow(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Hollower())
import mmpretrain.evaluation as mmp  # noqa: E402
if not hasattr(np, 'in1d'):  # RetrievalRecall calls what NumPy 2.4 has no more
    np.in1d = np.isin


def load_mmseg(folder):
    registry = types.ModuleType('mmseg.registry')
    registry.METRICS = METRICS
    sys.modules['mmseg'] = Hollow('mmseg')
    sys.modules['mmseg.registry'] = registry
    path = os.path.join(folder, 'mmseg/evaluation/metrics/iou_metric.py')
    spec = importlib.util.spec_from_file_location('iou_metric', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.IoUMetric


def samples_of(columns, plain, count):
    """One dict per sample; "a.b" is b in a dict a."""
    samples = []
    for i in range(count):
        sample = {}
        for key, column in list(columns.items()) + list(plain.items()):
            value = column[i]
            if key in columns and not torch.is_tensor(value):
                value = torch.tensor(value, dtype=torch.int64)
            elif torch.is_tensor(value) and value.ndim == 0:
                value = value[None]
            at = sample
            *path, last = key.split('.')
            for part in path:
                at = at.setdefault(part, {})
            at[last] = value.clone() if torch.is_tensor(value) else value
        samples.append(sample)
    return samples


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


class Writer:
    def __init__(self):
        self.cases, self.tables = [], {}
        self.log = Lines()
        logger = MMLogger.get_instance('golden', log_level='ERROR')
        logger.setLevel(logging.INFO)
        logger.addHandler(self.log)

    def add(self, make, columns, config=None, plain=None, meta=None, chunk=4, size=None):
        config, plain = config or {}, plain or {}
        count = len(next(iter(columns.values())))
        case = dict(name=f'{make.__name__} {len(self.cases)}',
                    config=dict(config, type=make.__name__), columns=columns, plain=plain,
                    count=count, meta=meta, chunk=chunk, size=size)
        self.log.lines = []
        try:
            evaluator = Evaluator(make(**config))
            evaluator.dataset_meta = meta
            samples = samples_of(columns, plain, count)
            for i in range(0, count, chunk):
                evaluator.process(samples[i:i + chunk])
            result = evaluator.evaluate(count if size is None else size)
            case['result'] = {k: v if torch.is_tensor(v) or isinstance(v, (list, int)) else float(v)
                              for k, v in result.items()}
        except Exception as error:
            case['error'] = f'{type(error).__name__}: {error}'[:80]
        for line in self.log.lines:
            if line.startswith('\n+'):
                self.tables[case['name']] = line
        self.cases.append(case)


def scores(shape, style):
    x = torch.randn(shape)
    if style == 'softmax':
        return x.softmax(-1)
    if style == 'tied':
        return (x.softmax(-1) * 4).round() / 4
    if style == 'equal':
        return torch.full(shape, 0.25)
    if style == 'nan':
        x[torch.rand(shape) < 0.1] = float('nan')
    if style == 'inf':
        x[torch.rand(shape) < 0.1] = float('inf')
    if style == 'half':
        return x.softmax(-1).half()
    if style == 'bfloat':
        return x.softmax(-1).bfloat16()
    if style == 'double':
        return x.double().softmax(-1)
    return x


STYLES = ['softmax', 'logits', 'tied', 'equal', 'nan', 'inf', 'half', 'bfloat', 'double']


def accuracy(w):
    for style in STYLES:
        for classes, config in [(5, dict(topk=(1, 3))), (70, dict(topk=(1, 5, 70), thrs=None))]:
            n = 17
            columns = dict(pred_score=scores((n, classes), style),
                           gt_label=torch.randint(0, classes, (n, )))
            w.add(mmp.Accuracy, columns, config)
    n = 20
    tenths = (torch.rand(n, 4) * 10).round() / 10
    label = torch.randint(0, 4, (n, ))
    for thrs in [(0.1, 0.3, 0.7), (None, 0.5), 0.7, [0.0, None], (0.25, )]:
        w.add(mmp.Accuracy, dict(pred_score=tenths, gt_label=label), dict(topk=(1, 2), thrs=thrs))
        w.add(mmp.Accuracy, dict(pred_score=tenths.double(), gt_label=label), dict(topk=(1, 2), thrs=thrs))
    one = dict(pred_score=tenths, gt_label=label)
    w.add(mmp.Accuracy, one, dict(topk=1), size=7)
    w.add(mmp.Accuracy, one, dict(topk=2, prefix='mine'))
    w.add(mmp.Accuracy, one, dict(topk=2, prefix=''))
    w.add(mmp.Accuracy, one, dict(topk=5))
    w.add(mmp.Accuracy, dict(pred_score=tenths, gt_label=label - 1))
    w.add(mmp.Accuracy, dict(pred_score=tenths, gt_label=label + 2))
    w.add(mmp.Accuracy, dict(pred_label=torch.randint(0, 4, (n, )), gt_label=label))
    w.add(mmp.Accuracy, dict(pred_label=torch.randint(0, 4, (n, )), gt_label=label), dict(topk=(1, 3)), size=3)
    w.add(mmp.Accuracy, dict(pred_score=torch.zeros(0, 4), gt_label=torch.zeros(0)))
    w.add(mmp.Accuracy, dict(pred_score=scores((1, 3), 'softmax'), gt_label=torch.tensor([1])))


def single_label(w):
    make = mmp.SingleLabelMetric
    every = ('precision', 'recall', 'f1-score', 'support')
    for style in STYLES:
        for average in ['macro', 'micro', None]:
            n, classes = 19, 6
            columns = dict(pred_score=scores((n, classes), style), gt_label=torch.randint(0, classes, (n, )))
            w.add(make, columns, dict(average=average, items=every))
    n = 23
    tenths = (torch.rand(n, 70) * 10).round() / 10
    label = torch.randint(0, 9, (n, ))
    for thrs in [0.9, None, (0.5, None, 0.9), (0.1, )]:
        for average in ['macro', None]:
            w.add(make, dict(pred_score=tenths, gt_label=label), dict(thrs=thrs, average=average, items=every))
            w.add(make, dict(pred_score=tenths.half(), gt_label=label), dict(thrs=thrs, average=average, items=every))
    pred = torch.randint(0, 9, (n, ))
    for average in ['macro', 'micro', None]:
        w.add(make, dict(pred_label=pred, gt_label=label), dict(average=average, num_classes=9))
        w.add(make, dict(pred_label=pred, gt_label=label), dict(average=average), plain=dict(num_classes=[12] * n))
    w.add(make, dict(pred_label=pred, gt_label=label))
    w.add(make, dict(pred_label=pred, gt_label=label), dict(num_classes=5))
    w.add(make, dict(pred_score=tenths, gt_label=label - 3))
    w.add(make, dict(pred_score=tenths, gt_label=label), dict(items=('precision', 'speed')))
    w.add(make, dict(pred_score=tenths, gt_label=label), dict(items=('support', )), size=5)
    w.add(make, dict(pred_score=tenths, gt_label=label), dict(average='weighted'))


def confusion(w):
    make = mmp.ConfusionMatrix
    for style in STYLES:
        for classes in (3, 9):
            n = 21
            w.add(make, dict(pred_score=scores((n, classes), style), gt_label=torch.randint(0, classes, (n, ))))
    pred, label = torch.randint(0, 4, (2, 30))
    w.add(make, dict(pred_label=pred, gt_label=label), dict(num_classes=4))
    w.add(make, dict(pred_label=pred, gt_label=label), dict(num_classes=6), size=11)
    w.add(make, dict(pred_label=pred, gt_label=label))
    w.add(make, dict(pred_label=pred, gt_label=label), dict(num_classes=2))


def multi_labels(n, classes, empty=0.2):
    return [torch.randperm(classes)[:0 if torch.rand(1) < empty else int(torch.randint(1, classes, (1, )))].tolist()
            for _ in range(n)]


def multi_label(w):
    make = mmp.MultiLabelMetric
    every = ('precision', 'recall', 'f1-score', 'support')
    for style in STYLES:
        for config in [dict(), dict(topk=2, average=None), dict(thr=0.3, average='micro')]:
            n, classes = 12, 7
            if style == 'nan' and 'topk' in config:
                continue
            columns = dict(pred_score=scores((n, classes), style), gt_label=multi_labels(n, classes))
            w.add(make, columns, dict(config, items=every))
    n, classes = 14, 5
    tenths = (torch.rand(n, classes) * 10).round() / 10
    target = torch.randint(-1, 2, (n, classes))
    soft = torch.rand(n, classes) * 1.5
    for average in ['macro', 'micro', None]:
        for gt in (target, soft, target.float()):
            w.add(make, dict(pred_score=tenths, gt_score=gt), dict(thr=0.7, average=average, items=every))
        w.add(make, dict(pred_score=tenths, gt_score=target), dict(thr=0.5, topk=3, average=average))
    w.add(make, dict(pred_score=tenths, gt_score=target), dict(thr=0.0))
    w.add(make, dict(pred_score=tenths, gt_score=target), dict(thr=0.0, topk=2))
    w.add(make, dict(pred_score=tenths, gt_score=target), dict(topk=6))
    w.add(make, dict(pred_score=tenths, gt_label=[[1, 1, 2]] * n), dict(items=every))
    w.add(make, dict(pred_score=tenths, gt_label=[[1, 5]] * n))
    w.add(make, dict(pred_score=tenths, gt_score=target), dict(items=('recall', )), size=6)
    w.add(make, dict(pred_score=tenths[:0], gt_score=target[:0]))
    for positive in (None, True, False):
        for more in (dict(), dict(thr=0.4, average=None), dict(topk=2)):
            w.add(mmp.VOCMultiLabelMetric, dict(pred_score=tenths, gt_label=multi_labels(n, classes)),
                  dict(more, difficult_as_positive=positive, items=every),
                  plain=dict(gt_label_difficult=multi_labels(n, classes)))


def average_precision(w):
    make = mmp.AveragePrecision
    for style in STYLES:
        for average in ['macro', None]:
            n, classes = 30, 4
            columns = dict(pred_score=scores((n, classes), style), gt_label=multi_labels(n, classes))
            w.add(make, columns, dict(average=average))
    n, classes = 40, 5
    tenths = (torch.rand(n, classes) * 10).round() / 10
    target = torch.randint(-1, 2, (n, classes))
    soft = (torch.rand(n, classes) * 4).round() / 2 - 0.5
    for average in ['macro', None]:
        w.add(make, dict(pred_score=tenths, gt_score=target), dict(average=average))
        w.add(make, dict(pred_score=tenths, gt_score=soft), dict(average=average))
        w.add(make, dict(pred_score=tenths, gt_score=torch.zeros(n, classes)), dict(average=average))
        w.add(make, dict(pred_score=tenths, gt_score=torch.ones(n, classes)), dict(average=average), size=9)
    w.add(make, dict(pred_score=scores((300, 2), 'tied'), gt_score=torch.randint(0, 2, (300, 2))))
    w.add(make, dict(pred_score=scores((300, 2), 'logits'), gt_score=torch.randint(0, 2, (300, 2))))
    w.add(make, dict(pred_score=tenths[:3], gt_score=-torch.ones(3, classes)))
    w.add(make, dict(pred_score=tenths, gt_score=target), dict(average='micro'))
    for positive in (None, True, False):
        for average in ('macro', None):
            w.add(mmp.VOCAveragePrecision, dict(pred_score=tenths, gt_label=multi_labels(n, classes)),
                  dict(average=average, difficult_as_positive=positive),
                  plain=dict(gt_label_difficult=multi_labels(n, classes)))


def retrieval(w):
    for style in STYLES:
        n, size = 9, 12
        labels = dict(pred_score=scores((n, size), style), gt_label=multi_labels(n, size, 0))
        marks = dict(pred_score=scores((n, size), style), gt_score=(torch.rand(n, size) < 0.3).float(),
                     gt_label=[[]] * n)
        w.add(mmp.RetrievalRecall, labels, dict(topk=(1, 5)))
        w.add(mmp.RetrievalRecall, marks, dict(topk=3))
        for mode in ('IR', 'integrate'):
            w.add(mmp.RetrievalAveragePrecision, labels, dict(topk=10, mode=mode))
            w.add(mmp.RetrievalAveragePrecision, marks, dict(topk=4, mode=mode))
    marks = dict(pred_score=scores((5, 200), 'logits'), gt_score=torch.eye(5, 200), gt_label=[[]] * 5)
    w.add(mmp.RetrievalRecall, marks, dict(topk=(1, 2, 100, 200)))
    w.add(mmp.RetrievalRecall, marks, dict(topk=(1, 10)), size=2)
    w.add(mmp.RetrievalRecall, marks, dict(topk=201))
    w.add(mmp.RetrievalRecall, marks, dict(topk=(1, 0)))
    w.add(mmp.RetrievalRecall, dict(marks, gt_score=torch.zeros(5, 200)), dict(topk=2))
    w.add(mmp.RetrievalAveragePrecision, marks, dict(topk=1, mode='IR'))
    w.add(mmp.RetrievalAveragePrecision, marks, dict(topk=200, mode='integrate'))
    w.add(mmp.RetrievalAveragePrecision, marks, dict(topk=0))
    w.add(mmp.RetrievalAveragePrecision, marks, dict(topk=3, mode='other'))


def multi_tasks(w):
    n = 10
    columns = {'color.pred_score': scores((n, 3), 'softmax'), 'color.gt_label': torch.randint(0, 3, (n, )),
               'shape.pred_score': scores((n, 5), 'softmax'), 'shape.gt_label': torch.randint(0, 5, (n, ))}
    tasks = dict(color=[dict(type='mmpretrain.Accuracy', topk=(1, 2)), dict(type='mmpretrain.SingleLabelMetric')],
                 shape=[dict(type='mmpretrain.Accuracy')])
    for color, shape in ((1, 1), (0.5, 0.5), (0, 1), (0, 0)):
        plain = {'color.eval_mask': (torch.rand(n) < color).tolist(),
                 'shape.eval_mask': (torch.rand(n) < shape).tolist()}
        w.add(mmp.MultiTasksMetric, columns, dict(task_metrics=tasks), plain=plain)


def maps(n, classes, style):
    pred = torch.randint(0, classes, (n, 1, 12, 17))
    gt = torch.where(torch.rand(pred.shape) < 0.5, pred, torch.randint(0, classes, pred.shape))
    if style == 'absent':
        pred, gt = pred.clamp(max=1), gt.clamp(max=1)
    if style == 'missed':
        pred = pred.clamp(max=0)
    if style == 'blocks':
        pred = pred[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2)
        gt = gt[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2)
    if style == 'outside':
        pred = pred + (torch.rand(pred.shape) < 0.1) * 3
        gt = gt + (torch.rand(pred.shape) < 0.1) * 3
    if style == 'negative':
        gt = gt - (torch.rand(pred.shape) < 0.1) * 5
    return pred, gt


def iou(w, make):
    names = ['road', 'sidewalk', 'traffic light', 'é', 'a very long name of a class', 'sky', 'x']
    sets = [['mIoU'], ['mDice'], ['mFscore'], ['mIoU', 'mDice', 'mFscore'], ['mFscore', 'mIoU']]
    for i, style in enumerate(['random', 'absent', 'missed', 'blocks', 'outside', 'negative']):
        for classes in (2, 7):
            pred, gt = maps(5, classes, style)
            gt[torch.rand(gt.shape) < 0.1] = 255
            for config in [dict(), dict(iou_metrics=sets[i % 5], nan_to_num=-1), dict(iou_metrics=sets[(i + 3) % 5], beta=2),
                           dict(ignore_index=1)]:
                w.add(make, {'pred_sem_seg.data': pred, 'gt_sem_seg.data': gt}, config,
                      meta=dict(classes=names[:classes]))
    pred, gt = maps(4, 7, 'random')
    for p, g in [(torch.uint8, torch.int64), (torch.int64, torch.uint8), (torch.uint8, torch.uint8),
                 (torch.int32, torch.int16), (torch.int16, torch.int64)]:
        w.add(make, {'pred_sem_seg.data': pred.to(p), 'gt_sem_seg.data': gt.to(g)}, meta=dict(classes=names), size=3)
    one = {'pred_sem_seg.data': pred, 'gt_sem_seg.data': gt}
    w.add(make, one, meta=dict(classes=['all']))
    w.add(make, {'pred_sem_seg.data': pred, 'gt_sem_seg.data': torch.full_like(gt, 255)}, meta=dict(classes=names))
    w.add(make, {'pred_sem_seg.data': pred, 'gt_sem_seg.data': torch.full_like(gt, 255)}, dict(nan_to_num=0),
          meta=dict(classes=names))
    w.add(make, {'pred_sem_seg.data': pred[:, 0], 'gt_sem_seg.data': gt}, meta=dict(classes=names))
    w.add(make, one, dict(iou_metrics=['mIoU', 'IoU']), meta=dict(classes=names))
    w.add(make, one, dict(prefix='seg'), meta=dict(classes=[f'c{i}' for i in range(150)]))
    w.add(make, {k: v[:0] for k, v in one.items()}, meta=dict(classes=names))


def main(mmseg, out):
    torch.manual_seed(11)
    torch.set_num_threads(1)
    w = Writer()
    for part in (accuracy, single_label, confusion, multi_label, average_precision, retrieval, multi_tasks):
        part(w)
    iou(w, load_mmseg(mmseg))
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, 'metrics.pkl'), 'wb') as file:
        pickle.dump(w.cases, file, protocol=2)
    with open(os.path.join(out, 'tables.json'), 'w') as file:
        json.dump(w.tables, file, indent=0)


if __name__ == '__main__':
    main(*sys.argv[1:])
