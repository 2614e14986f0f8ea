a = dict(x=1, 2)
