"""The toy run that the golden scripts of hooks share: 24 points of a plane, a model of two
linear layers around a batch norm, the mean absolute error. tests/torch/hook_parts.c has the
same. Needs mmengine.
"""
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset

sys.modules['torchvision'] = None  # MMEngine lists its version where it is there; not needed

SEED = 3


@DATASETS.register_module()
class ToyPoints(Dataset):
    metainfo = dict()

    def __init__(self, size=24):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        x = np.array([np.float32(index % 5) / np.float32(5), np.float32(index % 7) / np.float32(7)], np.float32)
        y = np.array([x[0] - np.float32(2) * x[1]], np.float32)
        return dict(x=torch.from_numpy(x), y=torch.from_numpy(y))


@MODELS.register_module()
class ToyNormModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 4)
        self.norm = nn.BatchNorm1d(4)
        self.out = nn.Linear(4, 1)

    def forward(self, x, y, mode='tensor'):
        predicted = self.out(F.relu(self.norm(self.hidden(x))))
        if mode == 'loss':
            return dict(loss=F.mse_loss(predicted, y))
        return [dict(error=e) for e in predicted - y]


@METRICS.register_module()
class ToyMetric(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [abs(sample['error'].item()) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(error=sum(results) / len(results), acc=-sum(results))


def config(work_dir, **more):
    data = dict(batch_size=6, dataset=dict(type='ToyPoints'), sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='default_collate'))
    cfg = dict(
        model=dict(type='ToyNormModel'), work_dir=work_dir, train_dataloader=data, val_dataloader=dict(data),
        val_evaluator=dict(type='ToyMetric'), val_cfg=dict(), train_cfg=dict(by_epoch=True, max_epochs=4),
        test_dataloader=dict(data), test_evaluator=dict(type='ToyMetric'), test_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        param_scheduler=dict(type='MultiStepLR', milestones=[2], by_epoch=True),
        randomness=dict(seed=SEED), default_scope='mmengine', log_level='ERROR')
    cfg.update(more)
    return cfg


def make_runner(**more):
    """A runner in a new folder of its own."""
    torch.set_num_threads(1)
    work_dir = tempfile.mkdtemp()
    return Runner.from_cfg(__import__('mmengine').Config(config(work_dir, experiment_name=work_dir[-8:], **more)))
