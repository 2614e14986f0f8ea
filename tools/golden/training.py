#!/usr/bin/env python3
"""First steps of three trainings in plain PyTorch: training.py DIGITS_DIR OUT.json.

Models, initial weights, order of data and arithmetic are those of MMPretrain's LeNet5, ResNet-18
and of our zoo's MLP under MMEngine's runner (tools/compare shows live that both agree bit for
bit); written out here so that any PyTorch can make a file of its own version. Everything is
drawn from seed 17, on one thread. Tolerance of the test that reads it: 1e-4, because oneDNN and
normal_ depend on the processor.
"""
import gzip
import json
import math
import struct
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SEED, BATCH, STEPS = 17, 32, 5


def read_idx(path):
    data = gzip.open(path).read()
    sizes = struct.unpack('>%dI' % data[3], data[4:4 + 4 * data[3]])
    return torch.tensor(list(data[4 + 4 * data[3]:]), dtype=torch.uint8).view(*sizes)


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
            nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh())
        self.classifier = nn.Sequential(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))

    def forward(self, x):
        return self.classifier(self.features(x).squeeze(-1).squeeze(-1))


class BasicBlock(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """MMPretrain's order of construction: a block's shortcut is made before the block."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inp, self.layers = 64, nn.ModuleList()
        for i, out in enumerate((64, 128, 256, 512)):
            for j in range(2):
                stride = 2 if i > 0 and j == 0 else 1
                shortcut = None
                if stride != 1 or inp != out:
                    shortcut = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False),
                                             nn.BatchNorm2d(out))
                block = BasicBlock(inp, out, stride)
                block.downsample = shortcut
                self.layers.append(block)
                inp = out
        self.head = nn.Linear(512, 10)

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)
        for block in self.layers:  # MMPretrain's zero_init_residual
            nn.init.zeros_(block.bn2.weight)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for block in self.layers:
            x = block(x)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(256, 10)

    def init_weights(self):
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        return self.head(self.layers(x.flatten(1)))


def summary(tensor):
    """First numbers and sums that say whether two tensors are the same."""
    t = tensor.detach().double().flatten()
    return dict(first=t[:4].tolist(), sum=t.sum().item(), norm=t.norm().item())


def train(model_type, images, labels, pad):
    torch.manual_seed(SEED)
    model = model_type()
    if hasattr(model, 'init_weights'):
        model.init_weights()
    initial = {name: summary(p) for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator()
    generator.manual_seed(SEED)
    order = torch.randperm(len(labels), generator=generator)
    torch.empty((), dtype=torch.int64).random_()  # what making a loader's iterator draws
    losses = []
    for step in range(STEPS):
        index = order[step * BATCH:(step + 1) * BATCH]
        x = F.pad(images[index], (0, pad, 0, pad)).unsqueeze(1).float()
        x = (x - torch.tensor(78.)) / torch.tensor(96.)
        loss = F.cross_entropy(model(x), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return dict(initial=list(initial.values()), names=list(initial), losses=losses)


def streams():
    torch.manual_seed(SEED)
    return dict(rand=torch.rand(5).tolist(), randn=torch.randn(20).tolist(),
                randperm=torch.randperm(10).tolist(),
                normal=torch.empty(20).normal_(1, 2).tolist(),
                uniform=torch.empty(5).uniform_(-math.sqrt(2), math.sqrt(2)).tolist(),
                random=torch.empty((), dtype=torch.int64).random_().item(),
                dropout=F.dropout(torch.ones(20), 0.3).tolist())


def main(folder, out):
    torch.set_num_threads(1)
    images = read_idx(f'{folder}/train-images-idx3-ubyte.gz')
    labels = read_idx(f'{folder}/train-labels-idx1-ubyte.gz').long()
    record = dict(script='tools/golden/training.py', torch=torch.__version__, seed=SEED,
                  tolerance=1e-4, streams=streams(),
                  lenet5=train(LeNet5, images, labels, 24),
                  resnet18=train(ResNet18, images, labels, 0),
                  mlp=train(MLP, images, labels, 0))
    with open(out, 'w') as f:
        json.dump(record, f, indent=1)
        f.write('\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
