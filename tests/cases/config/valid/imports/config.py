_base_ = []
from math import *
from os import environ

a = floor(pi)
try:
    import no_such_package
    b = 'there'
except ImportError:
    b = 'not there'
c = 'PATH' in environ
helpers = [k for k, v in globals().items() if callable(v)]
for k in helpers:
    del globals()[k]
del helpers, k, environ
import math
d = math.isclose(1, 1 + 1e-10), math.isclose(1, 1.1), math.isclose(1, 1.05, rel_tol=0.1), math.isclose(0, 1e-3, abs_tol=0.01)
f = math.gamma(5), math.exp2(3), math.cbrt(27), math.asinh(0), math.erfc(0)
