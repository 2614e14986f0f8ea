from zoo.nets import Net, Other
m = dict(type=Net, a=dict(x=1, y=dict(p=1)), l=[dict(k=1), 2], t=(1, dict(z=2)), n=None)
e = dict()
q = [1, 2]
