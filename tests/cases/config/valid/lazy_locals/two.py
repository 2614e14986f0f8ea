two_datasets = [dict(n=2), dict(n=3)]
_hidden = 5
