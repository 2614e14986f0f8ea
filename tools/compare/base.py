# What the compared runs share. The same files run in both engines, so they use nothing that
# one of them lacks; `numerics` is read by ours alone and chooses PyTorch's own kernels.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['save_initial'], allow_failed_imports=False)
custom_hooks = [dict(type='SaveInitialHook')]
numerics = 'reference'
data_root = 'data/fashion-mnist'

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='FashionMNIST',
        data_root=data_root,
        split='train',
        indices=4096,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    dataset=dict(
        type='FashionMNIST',
        data_root=data_root,
        split='test',
        test_mode=True,
        indices=500,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, 5))

train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='MultiStepLR', by_epoch=True, milestones=[1], gamma=0.1),
]
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
randomness = dict(seed=17)
