_base_ = 'base.py'
model = dict(
    head=dict(
        loss=dict(type='CE')))
