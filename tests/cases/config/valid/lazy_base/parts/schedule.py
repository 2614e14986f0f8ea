epochs = 12
optimizer = dict(lr=0.1, betas=(0.9, 0.999))
hooks = [dict(kind='a'), dict(kind='b')]
