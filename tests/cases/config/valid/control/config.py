kind = 'b'
if kind == 'a':
    r1 = 1
elif kind == 'b':
    r1 = 2
else:
    r1 = 3
evens = []
for i in range(10):
    if i % 2:
        continue
    if i > 6:
        break
    evens.append(i)
else:
    evens.append('never')
found = None
for name, (lo, hi) in dict(x=(1, 2), y=(3, 4)).items():
    if lo == 9:
        break
else:
    found = 'nothing'
n = 0
while True:
    n += 1
    if n == 5: break
while n < 8: n += 1
else:
    n = -n
try:
    bad = 1 / 0
except ZeroDivisionError as e:
    caught = type(e).__name__
try:
    {}['k']
except (IndexError, KeyError):
    caught2 = True
finally:
    last = 'ran'
try:
    ok = 'no error'
except Exception:
    ok = 'error'
else:
    ok += ', else'
try:
    try:
        raise ValueError('inner')
    except TypeError:
        pass
except ValueError as e:
    message = str(e)
try:
    assert n > 0, f'n is {n}'
except AssertionError as e:
    failed = True
pass
if (m := 3) > 2: w = m; v = m + 1
if True:
	tabbed = 1
	if True:
	    mixed = 2
x: int = 5
y: dict
z = (1,
     2, # comment
     )
long = 1 + \
    2
del lo, hi
match = 1
case = match
type = 'soft'
_ = 'underscore'
print(match, case)
