def make(n):
    return dict(n=n)


_hidden = 'one underscore stays'
__gone = 'two do not'
for i in range(2):
    pass
items = [make(k) for k in range(2)]
