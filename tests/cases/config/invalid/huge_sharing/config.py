a = [1]
for i in range(60):
    a = [a, a]
