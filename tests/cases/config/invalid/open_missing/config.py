_base_ = []
a = open('no such file').read()
