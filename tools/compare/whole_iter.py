_base_ = 'whole.py'
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
train_cfg = dict(
    _delete_=True, by_epoch=False, max_iters=230, val_interval=40,
    dynamic_intervals=[(100, 25)])
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(type='PolyLR', by_epoch=False, begin=40, end=230, power=0.9, eta_min=1e-5),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(
        type='CheckpointHook',
        by_epoch=False,
        interval=30,
        max_keep_ckpts=3,
        save_best=['accuracy/top1', 'accuracy/top5'],
        rule='greater'))
log_processor = dict(by_epoch=False)
