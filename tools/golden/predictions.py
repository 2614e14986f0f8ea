#!/usr/bin/env python3
"""A file of MMEngine's DumpResults: predictions.py OUT

OUT/predictions.pkl holds tensors of all kinds, NumPy arrays and scalars, a data element, plain data;
OUT/predictions.json what each prediction is printed as when it is read here. Needs mmengine.
"""
import json
import os
import sys

import numpy as np
import torch
from mmengine.evaluator import DumpResults
from mmengine.structures import BaseDataElement, InstanceData


def text(x):
    if isinstance(x, np.ndarray):
        return text(torch.from_numpy(np.ascontiguousarray(x)))
    if isinstance(x, np.generic):
        return repr(x.item())
    if isinstance(x, BaseDataElement):
        return text({k: v for k, v in x.__dict__.items() if k not in ('_metainfo_fields', '_data_fields')})
    if isinstance(x, dict):
        return '{' + ', '.join(f'{k!r}: {text(v)}' for k, v in x.items()) + '}'
    if isinstance(x, (list, tuple)):
        inner = ', '.join(map(text, x)) + (',' if isinstance(x, tuple) and len(x) == 1 else '')
        return f'[{inner}]' if isinstance(x, list) else f'({inner})'
    return repr(x)


def main(out):
    torch.manual_seed(3)
    table = torch.randn(4, 3)
    kinds = {str(d): torch.tensor([0, 1, 2]).to(d) for d in (
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32,
        torch.float64, torch.bool)}
    instances = InstanceData(metainfo=dict(shape=(2, 3)), boxes=torch.ones(2, 4), labels=torch.tensor([1, 0]))
    predictions = [
        dict(row=table[1], column=table[:, 2], turned=table.t(), none=torch.empty(0, 2), number=torch.tensor(2.5)),
        kinds,
        dict(a=np.arange(6).reshape(2, 3), b=np.asfortranarray(np.arange(6.).reshape(2, 3)), c=np.float32(1.5),
             d=np.int64(7), e=np.array([True, False]), f=np.zeros((0, 4), np.float32)),
        dict(gt=instances, listed=[instances, 1, None], path='a.jpg', scale=(1.5, 2), flag=True, data=b'\x00\xff'),
        dict(leaf=torch.ones(2, requires_grad=True), parameter=torch.nn.Parameter(torch.zeros(1))),
    ]
    path = os.path.join(out, 'predictions.pkl')
    metric = DumpResults(path)
    metric.process(None, predictions)
    metric.evaluate(len(predictions))
    predictions[4] = {k: v.detach() for k, v in predictions[4].items()}
    with open(os.path.join(out, 'predictions.json'), 'w') as file:
        json.dump([text(x) for x in predictions], file, indent=0)


if __name__ == '__main__':
    main(sys.argv[1])
