base = dict(a=dict(x=1), l=[dict(y=1)])
