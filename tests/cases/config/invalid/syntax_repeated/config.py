a = dict(x=1, x=2)
