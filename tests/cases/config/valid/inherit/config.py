_base_ = ['_base_/base.py', './_base_/runtime.py']
model = dict(
    backbone=dict(depth=18, extra=dict(x=1)),
    head=dict(_delete_=True, type='Other', inner=dict(_delete_=True, kept=1)),
    neck=dict(_delete_=True, type='stays in the value'))
data = dict(batch=64, pipeline=[dict(type='Only')], _delete_=False)
lr = dict(value=0.2) if False else 0.2
new = 'at the end'
log = dict(hooks=None)
unused = 3
