x = dict(a=1, b=dict(c=1, d=2))
y = [1]
