model = dict(type='A' depth=50)
