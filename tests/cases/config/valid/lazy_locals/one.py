from zoo.sets import One

one_datasets = [dict(type=One, n=1)]
