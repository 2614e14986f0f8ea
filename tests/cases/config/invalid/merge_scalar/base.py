model = dict(head=dict(loss=None))
