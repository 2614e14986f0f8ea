# A file for others to build on: no scope, values still to come.
model = dict(
    type='FasterRCNN',
    backbone=dict(type='ResNet', depth=50),
    rpn_head=dict(type='RPNHed'))
optim_wrapper = dict(optimizer=dict(type='SGD'))
val_dataloader = dict(batch_size=None)
