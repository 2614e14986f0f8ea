_base_ = []
a = eval('x = 1')
