from mmengine.config import read_base

with read_base():
    from .base import model

model.bakbone.depth = 1
