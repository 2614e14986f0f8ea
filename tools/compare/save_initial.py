"""SaveInitialHook for Python's MMEngine, the twin of our zoo's MLP, and mixed precision on
the CPU, which PyTorch can and MMEngine refuses."""
import functools
import os.path as osp

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModule
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import amp

if not torch.cuda.is_available():
    amp_optimizer_wrapper.is_cuda_available = lambda: True
    amp_optimizer_wrapper.GradScaler = functools.partial(torch.amp.GradScaler, 'cpu')
    amp.autocast = lambda dtype=None: torch.autocast('cpu', dtype=dtype)


@HOOKS.register_module()
class SaveInitialHook(Hook):
    def before_train(self, runner):
        torch.save(dict(state_dict=runner.model.state_dict()),
                   osp.join(runner.work_dir, 'initial.pth'))


@MODELS.register_module()
class MLP(BaseModule):
    def __init__(self, in_features=784, hidden_sizes=(256, ), num_classes=-1, dropout=0.):
        super().__init__()
        layers = []
        for size in hidden_sizes:
            layers += [torch.nn.Linear(in_features, size), torch.nn.ReLU()]
            if dropout > 0:
                layers.append(torch.nn.Dropout(dropout))
            in_features = size
        if num_classes > 0:
            layers.append(torch.nn.Linear(in_features, num_classes))
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return (self.layers(x.flatten(1)), )
