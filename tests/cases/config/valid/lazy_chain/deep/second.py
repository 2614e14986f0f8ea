from mmengine.config import read_base

with read_base():
    from .first import *

x.s = double(4)
y = x
factor = 3
