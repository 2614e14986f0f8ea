# What is built here, what is known, what may come from an import, what nobody has.
_base_ = ['base.py']
custom_imports = dict(imports=['mmpretrain.models'])
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch='tiny', norm_cfg=dict(type='BN')),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=768))
train_dataloader = dict(
    dataset=dict(
        type='mmdet.CocoDataset',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(32, 32)),
            dict(type='Albumentations', transforms=[dict(type='Blur', p=0.1)]),
        ]),
    batch_sampler=dict(type='mmdet.AspectRatioBatchSampler'))
test_dataloader = dict(dataset=dict(type='CIFAR10'))
test_cfg = dict()
test_evaluator = [dict(type='Accuracy'), dict(type='ShapeBiasMetric')]
tta_model = dict(type='mmseg.SegTTAModel')
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='WandbVisBackend')])
