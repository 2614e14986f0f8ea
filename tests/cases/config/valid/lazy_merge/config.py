from copy import deepcopy

from mmengine.config import read_base

with read_base():
    from .base import model

before = deepcopy(model)
shallow = model.copy()
model.merge(dict(a=dict(_delete_=True, y=dict(p=3)), b=[3], c=dict(w=2), d=dict(e=1)))
shallow.a.x = 100
got = model.get('a'), model.get('none'), model.get('none', 7)
keys = list(model.keys())
pairs = [(k, type(v) is list) for k, v in model.items()]
values = len(model.values())
plain = dict(model, extra=1)
star = {**model.c, 'w': 3}
inside = 'a' in model, 'x' in model
same = model.c is model['c']
model.c = dict(fresh=True)
model.setdefault('s', [1])
equal = model.c == dict(fresh=True)
del model.d
