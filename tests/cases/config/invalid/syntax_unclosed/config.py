model = dict(
    type='A',
    depth=50
data = 1
