def make(depth, width=2):
    return depth * width


x = make(1, widht=3)
