# Batch 4 of the second epoch (samples 12 to 15) is infinite behind net.1.
custom_imports = dict(imports=['trap'])

model = dict(type='TrapModel')
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(type='TrapPoints', bad_epoch=1),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = dict(type='MultiStepLR', milestones=[2], by_epoch=True)
train_cfg = dict(by_epoch=True, max_epochs=4)
randomness = dict(seed=3)
custom_hooks = [dict(type='NanGuardHook', action='stop')]
