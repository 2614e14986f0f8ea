model = dict(type='A', depth=50, stages=(1, 2))
optim = dict(type='SGD', lr=0.1)
names = ['a', dict(b=1)]
