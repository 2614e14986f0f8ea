import torch

a = []
a.append(a)
