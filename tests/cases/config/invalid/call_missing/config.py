def make(depth, width):
    return depth * width


x = make(1)
