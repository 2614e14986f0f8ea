_base_ = dict(a=1)
