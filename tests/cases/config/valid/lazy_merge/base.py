model = dict(a=dict(x=1, y=dict(p=1, q=2)), b=[1, 2], c=dict(z=1))
