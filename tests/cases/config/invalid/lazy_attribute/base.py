model = dict(backbone=dict(depth=2))
