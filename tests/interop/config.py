# What both engines train for the tests of checkpoints: batch norm, momentum, two kinds of
# schedulers, an average of the weights. No dropout: MMEngine does not save random states.
default_scope = 'mmpretrain'
numerics = 'reference'  # read by ours alone
data_root = 'data/digits'
pad = [dict(type='Pad', size=(32, 32)), dict(type='PackInputs')]

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[78.], std=[96.], num_classes=10),
    backbone=dict(type='ResNet', depth=18, in_channels=1, num_stages=4, out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    dataset=dict(
        type='MNIST', data_root=data_root, split='train', indices=96, pipeline=pad),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='MNIST', data_root=data_root, split='test', test_mode=True, indices=64, pipeline=pad),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, 5))

train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=9),
    dict(type='MultiStepLR', by_epoch=True, milestones=[2], gamma=0.1),
]
custom_hooks = [dict(type='mmengine.EMAHook', momentum=0.1)]
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
randomness = dict(seed=17)
