a = open('x').read()
