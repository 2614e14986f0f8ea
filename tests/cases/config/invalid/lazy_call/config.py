from torch.optim import SGD

a = dict(optim=SGD(lr=0.1))
