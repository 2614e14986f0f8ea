a = [0, 1, 2, 3, 4, 5]
s = 'héllo wörld'
t = (1, 2, 3)
slices = [a[1:3], a[::-1], a[-2:], a[:-2], a[::2], a[5:1:-2], a[10:], a[-100:2], a[None:2], a[True:3]]
texts = [s[1], s[-1], s[1:4], s[::-1], s[::3], len(s)]
tuples = [t[0], t[::-1], t[1:], t.index(2), t.count(1)]
b = list(a)
b[1:3] = ['x', 'y', 'z']
c = list(a)
c[::2] = [9, 9, 9]
e = list(a)
del e[1:3]
del e[-1]
f = list(a)
del f[::2]
g = [3, 1, 2]
g.append(0)
g.extend((7, 8))
g.insert(1, 'in')
g.insert(-1, 'last but one')
h = g.pop()
i = g.pop(0)
g.remove(7)
g[0], g[1] = g[1], g[0]
k = sorted([3, 1, 2], reverse=True) + sorted('bca') + sorted([(2, 'b'), (1, 'z'), (2, 'a')], key=lambda p: p[0])
m = [5, 3, 4]
m.sort()
n = m[:]
n.reverse()
n += [1]
n *= 2
o = [1, 2, 3].index(3) + [1, 1, 2].count(1)
p = list(reversed(a)) + list(range(3)) + [*range(2), *t, *'ab']
q, *r, u = a
(v, w), [y, *z] = (1, 2), 'xyz'
x1 = x2 = [1]
x1.append(2)
empty = []
empty.clear()
copies = [a.copy() == a, a.copy() is a]
zips = [list(zip(a, s)), list(enumerate(t, 1)), list(map(str, t)), list(filter(None, [0, 1, '', 'a'])), list(map(lambda p, q: p + q, [1, 2], [3, 4, 5]))]
tests = [any([0, 1]), all([]), any(v > 2 for v in t), all(v > 0 for v in t), 3 in a, 9 not in a]
rng = [list(range(5, 0, -2)), len(range(0, 10, 3)), 4 in range(0, 10, 2), range(10)[3], list(range(10)[2:5])]
nxt = next(v for v in a if v > 2)
