batch = 7
assert batch % 2 == 0, 'the batch must be even'
