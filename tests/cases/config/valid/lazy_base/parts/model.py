from zoo.nets import Net

model = dict(
    type=Net, depth=18, stem=dict(width=64, norm=dict(kind='bn', eps=1e-5)),
    blocks=[dict(n=2), dict(n=2)], sizes=(3, 4))
unused = 'stays'
