import torch

with torch.no_grad():
    a = 1
