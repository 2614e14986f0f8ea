import math
import os.path as osp
from functools import partial, reduce
from itertools import chain, product

from zoo.m import M

a = math.pi
b = osp.basename(__file__), osp.splitext('a.b.c')[1]
c = list(chain([1], (2, 3))), list(chain.from_iterable(['ab', 'c']))
d = [x * y for x, y in product([1, 2], repeat=2)]
e = reduce(lambda p, q: p * q, range(1, 6), 1)
add = lambda p, q=1: p + q
f = partial(add, q=10)(5)
g = dict(fn=partial(M, q=1), builtin=len)
from itertools import accumulate, combinations, permutations, repeat
h = list(combinations('abc', 2)), list(permutations([1, 2, 3], 2)), list(combinations([], 1)), list(permutations('ab'))
i = list(repeat(0, 3)), list(accumulate([1, 2, 3])), list(accumulate([1, 2, 3], lambda p, q: p * q))
j = list(product([1], [], [2])), list(product()), list(combinations('ab', 0))
