_base_ = './base.py'
n = _base_.model.head.n * 2
first = _base_.pipeline[0]
pipe = _base_.pipeline + [dict(type='C')]
x, *y = _base_.pairs['b']['c']
_base_.model.head.n = 99
_base_.model.head.loss.update(dict(w=2.0, v=3))
_base_.pipeline.append(dict(type='Added'))
_base_['fresh'] = dict(a=[dict(b=1)])
_base_.fresh.a[0].c = 'attribute'
popped = _base_.model.pop('nothing there')
keys = list(_base_.keys())
items = [k for k, v in _base_.model.items()]
shared = _base_.model.head
shared.extra = 'through another name'
copied = dict(**_base_.model.head)
copied['only'] = 'here'
model = dict(head=dict(child=True))
has = [hasattr(_base_, 'model'), hasattr(_base_, 'nope'), 'model' in _base_, _base_.get('nope', 1)]
del _base_.pairs
