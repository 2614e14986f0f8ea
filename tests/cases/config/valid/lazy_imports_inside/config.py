from zoo.top import Top

if True:
    from zoo.inner import Inner
    import zoo.nn as znn
    a = dict(type=Inner, act=znn.ReLU)

def make():
    from zoo.local import Local
    return dict(type=Local)

b = make()
try:
    from zoo.kept import Kept as K
    c = K
except ImportError:
    c = None
