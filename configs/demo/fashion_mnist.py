# A compact convolutional network on the full Fashion-MNIST: about 90 seconds on two cores.
# The data are Debian's package dataset-fashion-mnist; FASHION_MNIST names another folder.
default_scope = 'mmpretrain'
data_root = '{{$FASHION_MNIST:/usr/share/datasets/fashion-mnist}}'
max_epochs = 6
batch_size = 128

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[72.94], std=[90.02], num_classes=10),
    backbone=[
        dict(type='Conv2d', in_channels=1, out_channels=32, kernel_size=5, stride=2, padding=2, bias=False),
        dict(type='BatchNorm2d', num_features=32),
        dict(type='ReLU'),
        dict(type='Conv2d', in_channels=32, out_channels=64, kernel_size=3, stride=2, padding=1, bias=False),
        dict(type='BatchNorm2d', num_features=64),
        dict(type='ReLU'),
        dict(type='Flatten'),
        dict(type='Dropout', p=0.3),
        dict(type='Linear', in_features=3136, out_features=128),
        dict(type='ReLU'),
    ],
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=128,
        loss=dict(type='CrossEntropyLoss'),
        topk=(1, )))

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    dataset=dict(
        type='FashionMNIST',
        data_root=data_root,
        split='train',
        pipeline=[
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackInputs'),
        ]),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=500,
    num_workers=1,
    persistent_workers=True,
    dataset=dict(
        type='FashionMNIST',
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.08, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=1, convert_to_iter_based=True),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='auto'))
custom_hooks = [dict(type='PredictionGridHook')]
randomness = dict(seed=0)
