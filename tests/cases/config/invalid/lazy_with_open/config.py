with open('x') as f:
    a = f.read()
