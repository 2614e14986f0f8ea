model = dict(type: 'A')
