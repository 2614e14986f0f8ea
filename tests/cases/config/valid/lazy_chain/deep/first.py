import math

from zoo.a import A

x = dict(type=A, r=math.floor(2.5))
def double(n):
    return n * factor
factor = 2
