# Counted in epochs: ten iterations each, a checkpoint after every epoch.
_base_ = 'base.py'
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=2)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=15),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=8, T_max=8),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=3),
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='accuracy/top1'))
