_base_ = ['../parts/model.py', 'mmcls::tiny/c.py']
model = dict(neck=dict(type='FPN'))
