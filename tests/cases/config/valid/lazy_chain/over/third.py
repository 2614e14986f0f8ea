from mmengine.config import read_base

with read_base():
    from ..deep.second import x, double
    from ..deep.first import x as other

x.t = double(5)
