import torch

text = 1
