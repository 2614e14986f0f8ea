# What the measured runs share; the same files run in both engines. No validation and no
# checkpoints: the loop, the loader and the model alone.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['bench_hook'], allow_failed_imports=False)
custom_hooks = [dict(type='BenchHook')]
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    drop_last=True,
    dataset=dict(
        type='FashionMNIST',
        data_root='data/fashion-mnist',
        split='train',
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(by_epoch=True, max_epochs=3)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(type='CheckpointHook', interval=-1, save_last=False))
randomness = dict(seed=0)
