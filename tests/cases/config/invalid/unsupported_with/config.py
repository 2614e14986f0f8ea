_base_ = []
with open('x') as f:
    a = 1
