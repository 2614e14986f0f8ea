log = dict(interval=100, hooks=['a', 'b'])
