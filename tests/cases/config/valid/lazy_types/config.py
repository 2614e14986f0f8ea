import torch
import torch.nn as nn
import zoo.data
import zoo.hooks
from torch.optim import SGD, Adam as Other
from .local import Part

a = dict(type=SGD, lr=0.1)
b = [Other, (nn.ReLU, torch.optim.SGD), {'k': zoo.data.sets.Coco}]
c = Part
d = torch
e = nn
f = nn.init.normal_
g = f'{SGD} and {nn.ReLU} and {torch}'
h = str(zoo.hooks.Timer)
i = SGD == SGD, SGD is SGD, SGD == Other, SGD in [Other, SGD]
j = {SGD: 1}[SGD]
k = SGD.build_from.settings
l = [t.x for t in (SGD, Other)]
m = hasattr(SGD, 'anything'), bool(SGD), callable(SGD)
n = nn.module
SGD = 'rebound, and gone all the same'
