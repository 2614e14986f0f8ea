item = dict(a=[1, dict(b=2)], t=(1, 2))
word = 'text'
num = 7
