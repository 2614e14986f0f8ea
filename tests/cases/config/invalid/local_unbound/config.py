def f():
    x = y
    y = 1
    return x


a = f()
