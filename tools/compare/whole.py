# Everything at once: several schedulers, an averaged model, early stopping, the best
# checkpoint, few kept checkpoints, accumulation, clipping and a log processor of its own.
_base_ = 'mlp.py'
train_dataloader = dict(dataset=dict(indices=1200))
val_dataloader = dict(dataset=dict(indices=300))
custom_hooks = [
    dict(type='SaveInitialHook'),
    dict(type='mmengine.EMAHook', momentum=0.01, begin_iter=30, priority=49),
    dict(
        type='mmengine.EarlyStoppingHook',
        monitor='accuracy/top1',
        min_delta=0.5,
        patience=2),
]
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    accumulative_counts=3,
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(bias_decay_mult=0., custom_keys={'head': dict(lr_mult=2.0)}),
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05))
log_processor = dict(
    window_size=7,
    num_digits=5,
    custom_cfg=[
        dict(data_src='loss', log_name='loss_mean', method_name='mean', window_size='global'),
        dict(data_src='loss', log_name='loss_most', method_name='max', window_size=20),
        dict(data_src='grad_norm', method_name='min', window_size=9),
    ])
