_base_ = 'mlp.py'
# float16 on the CPU, with groups of parameters: base_lr is logged.
optim_wrapper = dict(
    _delete_=True,
    type='AmpOptimWrapper',
    dtype='float16',
    loss_scale=512.,
    clip_grad=dict(type='value', clip_value=0.05),
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(bias_decay_mult=0., custom_keys={'head': dict(lr_mult=2.)}))
