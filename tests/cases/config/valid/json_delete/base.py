a = dict(x=1, t=(1, 2))
b = 5
