_base_ = []
a = eval('1 +')
