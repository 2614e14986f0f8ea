from mmengine.config import read_base

with read_base():
    from .over.third import *
    from .deep.second import y
    from .deep.first import factor

A = 'imported in a base, so dropped'
x.u = 1
y.u = 2
