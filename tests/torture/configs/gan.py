# Two optimizers, one of them with accumulation, and a schedule for each.
custom_imports = dict(imports=['gan', 'two_moons', 'jitter', 'signal_hook'])
model = dict(type='TortureGAN')
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(type='TwoMoons', size=500, pipeline=[dict(type='Jitter', std=0.1)]),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'))
optim_wrapper = dict(
    generator=dict(optimizer=dict(type='Adam', lr=2e-3, betas=(0.5, 0.999))),
    discriminator=dict(
        accumulative_counts=1, optimizer=dict(type='SGD', lr=0.05, momentum=0.9)))
param_scheduler = dict(
    generator=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=40),
        dict(type='MultiStepLR', by_epoch=True, milestones=[3], gamma=0.1),
    ],
    discriminator=[dict(type='CosineAnnealingLR', by_epoch=True, T_max=6)])
train_cfg = dict(by_epoch=True, max_epochs=6)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=3),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2))
custom_hooks = [dict(type='SignalHook')]
randomness = dict(seed=5)
