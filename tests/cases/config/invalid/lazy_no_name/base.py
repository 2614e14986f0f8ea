model = 1
other = 2
