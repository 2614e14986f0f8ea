model = dict(
    type='Net',
    backbone=dict(type='ResNet', depth=50, stages=(0, 1, 2, 3)),
    head=dict(type='Head', num_classes=1000))
data = dict(batch=32, pipeline=[dict(type='Load'), dict(type='Pack')])
lr = 0.1
unused = None
__private = 'kept out'
