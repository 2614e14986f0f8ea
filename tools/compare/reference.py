#!/usr/bin/env python3
"""Trains a config with Python's MMEngine and MMPretrain: reference.py CONFIG WORK_DIR DATA_ROOT.

Needs torch, mmengine, mmpretrain and mmcv-lite, by pip. TorchVision is imported by MMPretrain
but not used here; where its C++ part does not load, two operators are declared so that its
Python part does.
"""
import os
import sys

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    for name in [n for n in sys.modules if n.startswith('torchvision')]:
        del sys.modules[name]
    library = torch.library.Library('torchvision', 'DEF')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mmengine.config import Config  # noqa: E402
from mmengine.runner import Runner  # noqa: E402


def main(config, work_dir, data_root, *options):
    cfg = Config.fromfile(config)
    cfg.work_dir = work_dir
    for loader in ('train_dataloader', 'val_dataloader'):
        if loader in cfg:
            cfg[loader].dataset.data_root = data_root
    cfg.merge_from_dict(dict(option.split('=', 1) for option in options))
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', torch.get_num_threads())))
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main(*sys.argv[1:])
