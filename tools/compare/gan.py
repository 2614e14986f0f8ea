# Two optimizers, alternating updates: examples/plugins/dcgan.c against tools/compare/dcgan.py.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['save_initial', 'dcgan'], allow_failed_imports=False)
custom_hooks = [
    dict(type='SaveInitialHook'),
    dict(type='GeneratedGridHook', noise_size=(64, 1, 1)),
]
numerics = 'reference'
model = dict(
    type='DCGAN',
    image_size=28,
    noise_size=64,
    width=32,
    data_preprocessor=dict(type='ImgDataPreprocessor', mean=[127.5], std=[127.5]),
    init_cfg=[
        dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.02),
        dict(type='Normal', layer='BatchNorm2d', mean=1.0, std=0.02),
    ])
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='FashionMNIST',
        data_root='data/fashion-mnist',
        split='train',
        indices=2048,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(by_epoch=True, max_epochs=2)
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    generator=dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))),
    discriminator=dict(
        clip_grad=dict(max_norm=1.0),
        optimizer=dict(type='AdamW', lr=2e-4, betas=(0.5, 0.999), weight_decay=0.01)))
param_scheduler = dict(
    generator=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=50)],
    discriminator=[dict(type='MultiStepLR', by_epoch=True, milestones=[1], gamma=0.5)])
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=17)
