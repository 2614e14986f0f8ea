# Class paths, as pure Python configs leave them.
default_scope = 'mmpretrain'
model = dict(
    type='mmpretrain.models.ImageClassifier',
    backbone=dict(type='mmpretrain.models.backbones.resnet.ResNet', depth=18),
    neck=dict(type='mmpretrain.models.necks.gap.GlobalAveragePooling'),
    head=dict(
        type='mmpretrain.models.heads.LinearClsHead', num_classes=10, in_channels=512,
        loss=dict(type='mmpretrain.models.losses.CrossEntropyLos')))
custom_hooks = [
    dict(type='mmengine.hooks.NPUProfilerHook'),
    dict(type='mmengine.hooks.ema_hook.EMAHok'),
    dict(type='mmengine.hooks.logger_hook.LoggerHook', interval='often'),
]
optim_wrapper = dict(
    type='mmengine.optim.OptimWrapper',
    optimizer=dict(type='torch.optim.SGD', lr=0.1, nestrov=True))
val_evaluator = [
    dict(type='mmpretrain.evaluation.Accuracy'),
    dict(type='mmpretrain.evaluations.Accuracy'),
    dict(type='mmdet.evaluation.metrics.coco_metric.CocoMetric'),
]
