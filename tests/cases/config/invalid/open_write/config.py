_base_ = []
with open('x', 'w') as f:
    f.write('no')
