# A narrow DCGAN on the digits: noise from the default generator, running means, two Adams,
# a picture after each epoch of ten iterations.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['dcgan', 'signal_hook'])
model = dict(
    type='DCGAN',
    image_size=8,
    noise_size=16,
    width=8,
    data_preprocessor=dict(type='ImgDataPreprocessor', mean=[127.5], std=[127.5]))
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='MNIST',
        data_root='data/digits',
        split='train',
        indices=320,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(by_epoch=True, max_epochs=4)
optim_wrapper = dict(
    generator=dict(optimizer=dict(type='Adam', lr=2e-3, betas=(0.5, 0.999))),
    discriminator=dict(optimizer=dict(type='Adam', lr=2e-3, betas=(0.5, 0.999))))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2))
custom_hooks = [
    dict(type='GeneratedGridHook', noise_size=(16, 1, 1), rows=2, columns=2),
    dict(type='SignalHook'),
]
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=3)
