def inner(v):
    return 10 // v


def outer(v):
    return inner(v - 1)


x = outer(1)
