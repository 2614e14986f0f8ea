_base_ = 'iter.py'
custom_hooks = [
    _base_.early_stopping,
    dict(type='mmengine.EMAHook', ema_type='ExponentialMovingAverage', momentum=0.05, begin_iter=5),
]
