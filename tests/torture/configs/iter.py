# Counted in iterations: checkpoints and validations fall into the middle of the epochs.
_base_ = 'base.py'
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
train_cfg = dict(by_epoch=False, max_iters=77, val_interval=14)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=15),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=15, end=77, T_max=62),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=3, log_metric_by_epoch=False),
    checkpoint=dict(
        type='CheckpointHook',
        by_epoch=False,
        interval=7,
        max_keep_ckpts=2,
        save_best='accuracy/top1'))
log_processor = dict(by_epoch=False)
