from mmengine.config import read_base

with read_base():
    from .one import *
    from .two import *

datasets = sum([v for k, v in locals().items() if k.endswith('_datasets')], [])
names = [k for k in globals() if k.endswith('sets')]
for d in datasets:
    d['seen'] = True
del globals()['two_datasets']
