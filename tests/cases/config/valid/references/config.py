pipeline = [dict(type='Load'), dict(type='Flip', prob=0.5)]
train = dict(dataset=dict(pipeline=pipeline))
val = dict(dataset=dict(pipeline=pipeline))
pipeline.append(dict(type='Pack'))
pipeline[1]['prob'] = 0.25
copy_of = list(pipeline)
copy_of.pop()
a = b = dict(x=1)
a['x'] = 2
c = [[0] * 2] * 3
c[0][0] = 1
d = dict(k=[])
d['k'] += [1]
e = d['k']
e += [2]
t = ([],)
t[0].append('in tuple')
names = [k for k in locals() if k.startswith('p')]
vals = [k for k, v in sorted(globals().items()) if k in ('a', 'b')]
globals()['made'] = 'by globals'
n = 1
n += 1
n -= 5
n *= 3
n **= 2
n //= 4
n %= 7
s = 'a'
s += 'b'
s *= 2
