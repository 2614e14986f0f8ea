_base_ = 'base.py'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[72.94], std=[90.02], num_classes=10),
    backbone=dict(type='ResNet', depth=18, in_channels=1, num_stages=4, out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5)))
