a = 1
model = 2
