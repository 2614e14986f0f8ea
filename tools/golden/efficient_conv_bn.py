#!/usr/bin/env python3
"""MMEngine's efficient_conv_bn_eval: efficient_conv_bn.py OUT.json

Outputs and gradients of a small network with batch norms in evaluation mode. Needs torch and mmengine.
"""
import json
import sys

import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from torch import nn


def numbers(tensor):
    return dict(sizes=list(tensor.shape), data=tensor.detach().flatten().tolist())


def main(out):
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2, padding=1, padding_mode='reflect'), nn.BatchNorm2d(4, affine=False), nn.Sigmoid(),
        nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2, eps=1e-3), nn.Conv2d(2, 2, 1))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                module.weight.data.normal_()
                module.bias.data.normal_()
            module.eval()
    model = nn.Module()
    model.net = net
    state = {name: numbers(tensor) for name, tensor in net.state_dict().items()}
    x = torch.randn(2, 3, 7, 7)
    turn_on_efficient_conv_bn_eval(model, 'net')
    y = net(x)
    y.square().sum().backward()
    grads = {name: numbers(param.grad) for name, param in net.named_parameters()}
    with open(out, 'w') as file:
        json.dump(dict(source='tools/golden/efficient_conv_bn.py, torch 2.13.0, mmengine 0.10.7, seed 5', state=state,
                       x=numbers(x), y=numbers(y), grads=grads), file)
        file.write('\n')


if __name__ == '__main__':
    main(sys.argv[1])
