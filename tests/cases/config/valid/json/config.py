_base_ = 'base.json'
b = dict(d='y', e=1)
