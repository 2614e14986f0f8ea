from mmengine.config import read_base

with read_base():
    from .parts.model import *
    from .parts.schedule import epochs, hooks
    from .parts.schedule import optimizer as optim

model.update(dict(depth=50, stem=dict(norm=dict(eps=1e-3)), new=dict(a=[1, 2])))
model['stem']['width'] *= 2
model.stem.norm.kind = 'gn'
model.blocks[0].n = 3
model.blocks.append(dict(n=5))
taken = model.pop('sizes')
missing = model.pop('no such key')
optim.lr = optim.lr / 10
hooks += [dict(kind='c', every=epochs // 5)]
del unused
