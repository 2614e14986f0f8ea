def f(n):
    return f(n + 1)


a = f(0)
