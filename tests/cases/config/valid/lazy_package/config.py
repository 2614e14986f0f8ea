from mmengine.config import read_base

with read_base():
    from mmdet.configs.parts.model import *

model.head.classes = 3
