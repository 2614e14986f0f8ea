# Trains a model, a dataset, a transform and a hook that are plugins beside this file.
custom_imports = dict(
    imports=['mlp', 'two_moons', 'jitter', 'plateau_notice'])

model = dict(type='PluginMLP', hidden=32)
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(
        type='TwoMoons', size=1024, pipeline=[dict(type='Jitter', std=0.1)]),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'))
optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.02))
train_cfg = dict(by_epoch=True, max_epochs=5)
custom_hooks = [dict(type='PlateauNotice', patience=2)]
