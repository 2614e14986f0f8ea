# The 1,797 handwritten digits of the UCI repository, 8x8 pixels: they lie in data/digits, so
# this run needs no download and takes a few seconds.
default_scope = 'mmpretrain'
data_root = 'data/digits'

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[78.], std=[96.], num_classes=10),
    backbone=dict(
        type='Sequential',
        modules=[
            dict(type='Conv2d', in_channels=1, out_channels=32, kernel_size=3, padding=1),
            dict(type='BatchNorm2d', num_features=32),
            dict(type='ReLU'),
            dict(type='MaxPool2d', kernel_size=2),
            dict(type='Conv2d', in_channels=32, out_channels=64, kernel_size=3, padding=1),
            dict(type='BatchNorm2d', num_features=64),
            dict(type='ReLU'),
        ]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss'),
        topk=(1, )))

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(
        type='MNIST', data_root=data_root, split='train', pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=120,
    num_workers=0,
    dataset=dict(
        type='MNIST',
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_dataloader = val_dataloader
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=20)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=2, save_best='auto'))
custom_hooks = [dict(type='PredictionGridHook')]
randomness = dict(seed=0)
