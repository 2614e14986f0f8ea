_base_ = 'whole.py'
train_cfg = dict(by_epoch=True, max_epochs=9, val_begin=2, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max=6, begin=1, end=7,
         convert_to_iter_based=True),
    dict(type='MultiStepLR', by_epoch=True, milestones=[3, 5], gamma=0.5),
    dict(type='CosineAnnealingMomentum', by_epoch=True, T_max=9, eta_min=0.8),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=5),
    checkpoint=dict(
        type='CheckpointHook', interval=2, max_keep_ckpts=2, save_best='auto', rule='greater'))
