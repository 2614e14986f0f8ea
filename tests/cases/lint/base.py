default_scope = 'mmpretrain'
train_dataloader = dict(batch_size=4)
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='LearningRateDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, layer_decay_rate=0.7))
