_base_ = 'base.py'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[72.94], std=[90.02], num_classes=10),
    backbone=dict(type='LeNet5', num_classes=10),
    neck=None,
    head=dict(type='ClsHead', loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))
train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='Pad', size=(32, 32)), dict(type='PackInputs')]))
