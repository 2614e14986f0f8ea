# The same GAN with our own kernels, in a form in which these have PyTorch's bits: no clipping, no
# square root of Adam's; a running average of both parts beside it.
_base_ = 'gan.py'
numerics = 'fast'
custom_hooks = [
    dict(type='SaveInitialHook'),
    dict(type='GeneratedGridHook', noise_size=(64, 1, 1)),
    dict(type='mmengine.EMAHook', momentum=0.01, begin_iter=20, priority=49),
]
optim_wrapper = dict(
    _delete_=True,
    constructor='MultiOptimWrapperConstructor',
    generator=dict(
        accumulative_counts=2, optimizer=dict(type='SGD', lr=0.02, momentum=0.9)),
    discriminator=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)))
