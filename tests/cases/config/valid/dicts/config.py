a = dict(x=1, y=dict(z=2))
b = dict(a, x=5, w=3)
c = dict([('k', 1), ('l', 2)], m=3)
d = {**a, 'x': 7, **dict(n=8)}
e = dict(**a, q=1)
f = a.copy()
f['x'] = 'changed'
f['y']['z'] = 'shared'
g = list(a.keys()) + list(a.values()) + [list(p) for p in b.items()]
h = [a.get('x'), a.get('nope'), a.get('nope', 5), 'x' in a, 'nope' in a, len(a)]
i = dict(a=1, b=2, c=3)
j = i.pop('b')
k = i.pop('zz', 'none')
i.update(dict(c=4), d=5)
i.update([('e', 6)])
l = i.setdefault('c', 0)
m = i.setdefault('new', [])
m.append(1)
del i['a']
i['a'] = 'last'
n = {k: v for k, v in zip('abc', range(3)) if v}
o = {len(w): w for w in ['a', 'bb', 'cc']}
p = dict.fromkeys(['a', 'b'], 0)
q = i.popitem()
r = a == dict(y=dict(z='shared'), x=1)
s = {1: 'a', 1.0: 'b', True: 'c'}
t = a | dict(x=2)
u = dict(x=1)
u |= dict(y=2)
v = sorted(a.items())
w = sum(d['x'] for d in [dict(x=1), dict(x=2)])
x = {'a': 1}
for key in list(x):
    x[key + key] = x[key]
y = max(dict(a=3, b=5), key=lambda k: k)
z = {**{}, }
del key
