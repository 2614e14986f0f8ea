model = dict(type='Net', head=dict(n=10, loss=dict(w=1.0)))
pipeline = [dict(type='A'), dict(type='B', p=0.5)]
pairs = dict(b=dict(c=(1, 2, 3)))
