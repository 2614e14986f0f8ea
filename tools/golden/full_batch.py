"""examples/plugins/full_batch.py in Python, with MMEngine: full_batch.py [OUT.json].

Writes tests/golden/training/full_batch.json: the losses that ten steps of LBFGS began with and
the last weights. Model, initial weights and data are those of the two plugins; the model's
train_step gives MMEngine's wrapper a closure. Needs torch and mmengine.
"""
import json
import math
import os
import sys
import tempfile

sys.modules['torchvision'] = None  # MMEngine lists its version where it is there; not needed

import torch  # noqa: E402
import torch.nn as nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from torch.utils.data import Dataset  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, '..', '..', 'tests', 'golden', 'training', 'full_batch.json')
PI = 3.14159265358979


class TwoMoons(Dataset):
    metainfo = dict()

    def __len__(self):
        return 256

    def __getitem__(self, index):
        label = index % 2
        angle = PI * (index // 2) / 128.0
        side = 1.0 if label == 0 else -1.0
        x = torch.tensor([side * math.cos(angle), side * math.sin(angle)], dtype=torch.float32)
        x = x + torch.tensor([float(label), 0.5 * label])
        return dict(inputs=x, labels=torch.tensor(label))


class FullBatchMLP(BaseModel):

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def train_step(self, data, optim_wrapper):
        data = self.data_preprocessor(data, True)

        def closure():
            optim_wrapper.zero_grad()
            loss = F.cross_entropy(self.net(data['inputs']), data['labels'])
            optim_wrapper.backward(loss)
            self.losses.append(loss.item())
            return loss

        self.losses = []
        optim_wrapper.step(closure=closure)
        return dict(loss=torch.tensor(self.losses[0]))

    def forward(self, *args, **kwargs):
        raise NotImplementedError


class Note(Hook):
    losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].item())


def train(folder):
    runner = Runner(
        model=FullBatchMLP(), work_dir=folder,
        train_dataloader=dict(batch_size=256, num_workers=0, dataset=TwoMoons(),
                              sampler=dict(type='DefaultSampler', shuffle=False),
                              collate_fn=dict(type='default_collate')),
        optim_wrapper=dict(optimizer=dict(type='LBFGS', max_iter=2, line_search_fn='strong_wolfe')),
        train_cfg=dict(by_epoch=True, max_epochs=10), randomness=dict(seed=5), custom_hooks=[Note()])
    runner.train()
    return runner


def main():
    torch.set_num_threads(1)
    torch.manual_seed(5)  # the runner draws nothing before a config's model is made
    with tempfile.TemporaryDirectory() as folder:
        runner = train(folder)
    weights = [w for p in runner.model.parameters() for w in p.detach().reshape(-1).tolist()]
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, 'w') as file:
        json.dump(dict(torch=torch.__version__, losses=Note.losses, weights=weights), file)
        file.write('\n')


if __name__ == '__main__':
    main()
