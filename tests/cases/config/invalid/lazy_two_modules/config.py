import torch, numpy
