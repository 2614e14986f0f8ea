def check(n):
    if n > 2:
        raise ValueError(f'n is {n}')


check(3)
