if True:
a = 1
