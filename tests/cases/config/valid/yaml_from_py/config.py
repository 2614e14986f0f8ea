_base_ = 'base.yml'
model = dict(depth=_base_.model.sizes[1])
other = {{_base_.other}}
