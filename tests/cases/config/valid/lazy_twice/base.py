value = [1]
