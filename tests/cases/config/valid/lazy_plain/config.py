from mmengine.config import read_base

with read_base():
    from .base import base

plain = dict(a=dict(x=1))
plain.update(dict(a=dict(y=2)))  # a plain dict replaces
base.update(dict(a=dict(y=2)))  # one of a base merges
l = base.l
l.append(3)  # what a dict of a base holds
k = dict(l=l)
base['m'] = n = [1]  # lists are copied into dicts of a base
n.append(2)
base.o = p = dict(q=1)
p['r'] = 2
both = base.a
base.a.z = 3
