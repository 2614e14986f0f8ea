_base_ = 'base.py'
x = dict(y={{_base_.model.dept}})
