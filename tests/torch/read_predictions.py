"""Reads predictions that mmengine wrote: read_predictions.py FILE. The values are those of
predictions() in test_evaluator.c."""
import pickle
import sys

import torch

with open(sys.argv[1], 'rb') as file:
    samples = pickle.load(file)
table = torch.arange(7000.).reshape(7, 1000)
assert len(samples) == 7
for i, s in enumerate(samples):
    assert list(s) == ['row', 'column', 'cast', 'none', 'one', 'gt']
    assert torch.equal(s['row'], table[i]) and s['row'].is_contiguous()
    assert torch.equal(s['column'], table.t()[i]) and s['one'].item() == i
    assert torch.equal(s['cast'], table[i].to(s['cast'].dtype))
    assert s['none'].shape == (0, 3) and s['gt']['boxes'].sum() == 8
assert len({s['cast'].dtype for s in samples}) == 7
