default_scope = 'mmpretrain'
data = dict(type='MNIST', data_root='data/digits', pipeline=[dict(type='PackInputs')])
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[78.], std=[96.], num_classes=10),
    backbone=dict(type='MLP', in_features=64, hidden_sizes=[128], dropout=0.2),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=128))
train_dataloader = dict(
    batch_size=32, dataset=dict(data, split='train'),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=120, dataset=dict(data, split='test'),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader, test_evaluator = val_dataloader, val_evaluator
train_cfg, val_cfg, test_cfg = dict(by_epoch=True, max_epochs=10), dict(), dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='auto'))
randomness = dict(seed=0)
