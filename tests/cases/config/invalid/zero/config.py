model = dict(head=dict(scale=1 / 0))
