# ResNet-50 with batches of 16 images of ImageNet's size, which are made up: the speed of
# the model alone. An epoch is one iteration.
_base_ = 'base.py'
custom_imports = dict(imports=['bench_hook', 'bench_images'], allow_failed_imports=False)
train_dataloader = dict(batch_size=16, dataset=dict(_delete_=True, type='BenchImages', pipeline=[dict(type='PackInputs')]))
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], num_classes=1000),
    backbone=dict(type='ResNet', depth=50, num_stages=4, out_indices=(3, ), style='pytorch'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=1000, in_channels=2048, loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))
train_cfg = dict(max_epochs=5)
