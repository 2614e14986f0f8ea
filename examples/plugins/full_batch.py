# Trains with LBFGS, a line search and all points in each step.
custom_imports = dict(imports=['full_batch', 'two_moons'])

model = dict(type='FullBatchMLP', hidden=16)
train_dataloader = dict(
    batch_size=256,
    dataset=dict(type='TwoMoons', size=256),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'))
optim_wrapper = dict(
    optimizer=dict(type='LBFGS', max_iter=2, line_search_fn='strong_wolfe'))
train_cfg = dict(by_epoch=True, max_epochs=10)
randomness = dict(seed=5)
