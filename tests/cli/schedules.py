# Schedules of every unit at once, for a run that is compared with its forecast.
_base_ = '../../configs/demo/digits.py'
train_cfg = dict(max_epochs=3)
optim_wrapper = dict(
    accumulative_counts=4,
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0, decay_mult=0.0)}))
auto_scale_lr = dict(enable=True, base_batch_size=32)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=9, count='optimizer_steps'),
    dict(type='CosineAnnealingLR', convert_to_iter_based=True, count='optimizer_steps', eta_min=1e-5),
    dict(type='ExponentialLR', gamma=0.999, by_epoch=False, begin=5),
    dict(type='StepLR', step_size=2, gamma=0.5),
    dict(type='LinearMomentum', start_factor=0.9, by_epoch=False, end=30),
]
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=1, max_keep_ckpts=-1, save_best=None))
custom_hooks = []
