# A run of a second with everything in it that a resume must bring back: random crops and
# flips, dropout, running means, momentum, schedules, a best checkpoint, early stopping.
default_scope = 'mmpretrain'
data_root = 'data/digits'

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[78.], std=[96.], num_classes=10),
    backbone=dict(
        type='Sequential',
        modules=[
            dict(type='Conv2d', in_channels=1, out_channels=8, kernel_size=3, padding=1),
            dict(type='BatchNorm2d', num_features=8),
            dict(type='ReLU'),
            dict(type='Dropout', p=0.2),
            dict(type='Conv2d', in_channels=8, out_channels=16, kernel_size=3, padding=1),
            dict(type='BatchNorm2d', num_features=16),
            dict(type='ReLU'),
        ]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=16,
        loss=dict(type='CrossEntropyLoss'),
        topk=(1, )))

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        type='MNIST',
        data_root=data_root,
        split='train',
        indices=300,
        pipeline=[
            dict(type='RandomCrop', crop_size=8, padding=1),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ]),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=50,
    num_workers=0,
    dataset=dict(
        type='MNIST',
        data_root=data_root,
        split='test',
        test_mode=True,
        indices=200,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, 5))
val_cfg = dict()

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=5.0))
early_stopping = dict(
    type='EarlyStoppingHook', monitor='accuracy/top1', min_delta=0.5, patience=4)
custom_hooks = [early_stopping]
randomness = dict(seed=11)
memory_format = 'contiguous'
log_level = 'INFO'
