_base_ = 'a.py'
x = dict(b=dict(c=2, e=3))
z = 'b'
