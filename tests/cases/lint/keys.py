# Keys that nothing reads: a run would pass over them in silence.
default_scope = 'mmpretrain'
model = dict(type='ImageClassifier', backbone=dict(type='LeNet5'))
parm_scheduler = dict(type='MultiStepLR', milestones=[1])
custom_hook = [dict(type='EMAHook')]
randomness = dict(sed=1)
env_cfg = dict(cudnn_benchmrk=True, helper=1)
auto_scale_lr = dict(enable=True, base_batchsize=64)
train_pipelines = []
img_size = 224
