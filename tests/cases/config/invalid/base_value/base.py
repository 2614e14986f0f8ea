model = dict(depth=1)
