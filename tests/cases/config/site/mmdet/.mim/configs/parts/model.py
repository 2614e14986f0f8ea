model = dict(
    type='Detector', backbone=dict(type='ResNet', depth=50),
    neck=dict(channels=[1, 2]))
heads = [dict(type='Head', loss=dict(type='Loss')), (dict(n=dict(type='N')),)]
own = dict(type='Mine', _scope_='mmcls')
none = dict(type='None', _scope_=None)
plain = dict(inner=dict(type='T', deep=dict(type='U')))
