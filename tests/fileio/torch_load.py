"""Loads checkpoints that mmengine wrote with PyTorch and compares them with the ones
PyTorch wrote. Usage: torch_load.py GOLDEN_FOLDER FOLDER"""
import os
import sys

import torch


def compare(a, b, path):
    if isinstance(a, torch.Tensor):
        assert type(a) is type(b), path
        assert a.dtype == b.dtype and a.shape == b.shape, path
        assert a.stride() == b.stride(), path
        assert a.storage_offset() == b.storage_offset(), path
        assert a.requires_grad == b.requires_grad, path
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert isinstance(b, dict) and list(a) == list(b), path
        for key in a:
            compare(a[key], b[key], f'{path}.{key}')
        if hasattr(b, '_metadata'):
            compare(a._metadata, b._metadata, f'{path}._metadata')
    elif isinstance(a, (list, tuple)):
        assert isinstance(b, list if isinstance(a, list) else tuple), path
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            compare(x, y, f'{path}[{i}]')
    elif a == a:
        assert type(a) is type(b) and a == b, (path, a, b)


def main():
    golden, folder = sys.argv[1:]
    for mmap in (False, True):
        a = torch.load(os.path.join(golden, 'everything.pth'), weights_only=False)
        b = torch.load(os.path.join(folder, 'everything.pth'), weights_only=True,
                       mmap=mmap)
        compare(a, b, '')
        assert hasattr(b['state'], '_metadata')
        base = b['ordered']['a'].untyped_storage().data_ptr()
        assert b['view'].untyped_storage().data_ptr() == base
    # The message hub holds classes that only a trusting load accepts.
    try:
        a = torch.load(os.path.join(golden, 'checkpoint.pth'), weights_only=False)
    except ModuleNotFoundError:
        return
    b = torch.load(os.path.join(folder, 'checkpoint.pth'), weights_only=False)
    hub = [x.pop('message_hub') for x in (a, b)]
    compare(a, b, '')
    for x, y in zip(*(h['log_scalars'].values() for h in hub)):
        assert type(x) is type(y) and x.mean() == y.mean()
        assert x.data[0].tolist() == y.data[0].tolist()


main()
