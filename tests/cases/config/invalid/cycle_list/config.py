a = [1]
b = dict(x=a)
a.append(b)
