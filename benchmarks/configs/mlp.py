_base_ = 'base.py'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[72.94], std=[90.02], num_classes=10),
    backbone=dict(type='MLP', in_features=784, hidden_sizes=[256]),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels=256, loss=dict(type='CrossEntropyLoss')))
