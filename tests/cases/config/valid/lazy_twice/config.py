from mmengine.config import read_base

with read_base():
    from .base import value

with read_base():
    from .never_read import value as again

value.append(2)
