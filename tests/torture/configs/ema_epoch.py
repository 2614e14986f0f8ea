_base_ = 'epoch.py'
optim_wrapper = dict(
    _delete_=True,
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0))
custom_hooks = [
    _base_.early_stopping,
    dict(
        type='mmengine.EMAHook',
        ema_type='ExponentialMovingAverage',
        momentum=0.05,
        begin_iter=5),
]
