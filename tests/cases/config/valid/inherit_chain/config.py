_base_ = ['./b.py']
x = dict(b=dict(d=4))
y = [2]
