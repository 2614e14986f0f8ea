d = dict(lr=1)
x = d.lr
