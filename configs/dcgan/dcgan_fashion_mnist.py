# Clothes made of noise: a DCGAN on Fashion-MNIST. Run it from the root of the tree, where
# examples/plugins/dcgan.c is found. A picture of the same 64 noises is made after each epoch:
# vis_data/vis_image/generated_*.png. The data are Debian's package dataset-fashion-mnist;
# FASHION_MNIST names another folder.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['examples.plugins.dcgan'])
data_root = '{{$FASHION_MNIST:/usr/share/datasets/fashion-mnist}}'
noise_size = 64

model = dict(
    type='DCGAN',
    image_size=28,
    noise_size=noise_size,
    width=32,
    data_preprocessor=dict(type='ImgDataPreprocessor', mean=[127.5], std=[127.5]),
    init_cfg=[
        dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.02),
        dict(type='Normal', layer='BatchNorm2d', mean=1.0, std=0.02),
    ])

train_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    dataset=dict(
        type='FashionMNIST',
        data_root=data_root,
        split='train',
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))

train_cfg = dict(by_epoch=True, max_epochs=10)

optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    generator=dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))),
    discriminator=dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))))

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2))
custom_hooks = [dict(type='GeneratedGridHook', noise_size=(noise_size, 1, 1))]
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
