_base_ = 'lenet5.py'
# Mixed precision: clipping by norm, a window of three iterations of which the last is shorter,
# a loss scale that grows.
optim_wrapper = dict(
    _delete_=True,
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(init_scale=1024., growth_interval=20),
    accumulative_counts=3,
    clip_grad=dict(max_norm=1.0),
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4))
