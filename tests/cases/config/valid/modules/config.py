import math
import os
import os.path as osp
from math import pi, exp as e_to
from os.path import join
from copy import deepcopy

m = [math.exp(1), math.pi, math.sqrt(2), math.floor(-1.5), math.ceil(1.2), math.log(8, 2), math.log10(1000), math.log2(8), math.cos(0), math.inf, math.gcd(12, 18), math.factorial(20),
     math.pow(2, 3), math.trunc(-1.7), math.isnan(math.nan), math.hypot(3, 4), math.degrees(math.pi), math.prod([2, 3])]
p = [osp.join('a', 'b', 'c.py'), osp.join('a/', 'b'), osp.join('a', '/b'), osp.basename('a/b.py'), osp.dirname('a/b.py'), osp.splitext('a/b.tar.gz'), osp.split('a/b'), osp.isabs('/x'), osp.normpath('a/../b//c'), osp.exists('no/such/file'), os.path.join('x', 'y'), join('q', 'r'), os.sep]
env = [os.environ.get('MM_NO_SUCH_VARIABLE', 'fallback'), os.getenv('MM_NO_SUCH_VARIABLE'), 'MM_NO_SUCH_VARIABLE' in os.environ]
d = deepcopy(dict(a=[1]))
rounded = round(pi, 3)
del pi, e_to
