_base_ = []
with [1] as f:
    pass
