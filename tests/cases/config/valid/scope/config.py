_base_ = 'mmdet::whole/all.py'
model = dict(backbone=dict(depth=18))
copied = _base_.model.backbone
mine = dict(type='Local')
