i = 'outer'
a = [i for i in range(3)]
b = [[i * j for j in range(2)] for i in range(3)]
c = [x + y for x in 'ab' for y in 'cd' if x != y]
d = {k: v for k, v in [('a', 1), ('b', 2)]}
e = sorted({x % 3 for x in range(10)})
f = sum(x * x for x in range(4))
g = [(x, y) for x, y in zip(range(2), 'ab')]
h = [x for x in range(20) if x % 2 if x % 3]
j = [dict(type='T', n=n) for n in (1, 2)]
k = [[dict(type='Resize', scale=s, keep=True)] for s in [0.5, 1.0]]
l = list(x for x in range(3))
m = [*(v for v in 'xy'), *[1]]
n = [y for x in [[1, 2], [3]] for y in x]
o = any(p['n'] == 2 for p in j)
p = {**{str(x): x for x in range(2)}}
q = [lam() for lam in [lambda: z for z in range(3)]]
r = [last := x for x in range(3)]
s = [a for a in [1, 2]] + [i]
