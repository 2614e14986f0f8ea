"""Files that PyTorch, MMEngine, pickle, json and gzip wrote, with what they hold as text.

Usage: python tools/golden/fileio.py tests/golden/fileio
"""
import collections
import gzip
import io
import json
import os
import pickle
import sys
import zipfile

import mmengine
import numpy as np
import torch
from mmengine.logging import MessageHub

STORAGE = {torch.uint8: 'Byte', torch.int8: 'Char', torch.int16: 'Short',
           torch.int32: 'Int', torch.int64: 'Long', torch.float16: 'Half',
           torch.float32: 'Float', torch.float64: 'Double', torch.bool: 'Bool',
           torch.bfloat16: 'BFloat16', torch.complex64: 'ComplexFloat'}


def text(x):
    """What mm_value_repr() of the value read back must be."""
    if isinstance(x, torch.Tensor):
        return f'<tensor of {list(x.shape)} in torch.{STORAGE[x.dtype]}Storage>'
    if isinstance(x, dict):
        if type(x) not in (dict, collections.OrderedDict):
            return f'<instance of {type(x).__module__}.{type(x).__qualname__}>'
        return '{' + ', '.join(f'{text(k)}: {text(v)}' for k, v in x.items()) + '}'
    if isinstance(x, torch.Size):
        return text(tuple(x))
    if isinstance(x, list):
        return '[' + ', '.join(map(text, x)) + ']'
    if isinstance(x, tuple):
        return '(' + ', '.join(map(text, x)) + (',)' if len(x) == 1 else ')')
    if isinstance(x, (set, frozenset)):
        return '{' + ', '.join(map(text, x)) + '}'
    if isinstance(x, torch.dtype):
        return f'<class {x}>'
    if isinstance(x, np.ndarray):
        return '<instance of numpy._core.multiarray._reconstruct>'
    if isinstance(x, np.generic):
        return '<instance of numpy._core.multiarray.scalar>'
    if x is None or isinstance(x, (bool, int, float, str, bytes)):
        return repr(x)
    return f'<instance of {type(x).__module__}.{type(x).__qualname__}>'


def tensors(x, path=''):
    """A line per tensor: key path, sizes, strides, offset, flags, bytes of its storage."""
    if isinstance(x, torch.Tensor):
        storage = x.untyped_storage()
        data = bytes(storage.tolist()) if storage.nbytes() else b''
        yield (f'{path} {list(x.shape)} {list(x.stride())} {x.storage_offset()} '
               f'{int(x.requires_grad)}{int(isinstance(x, torch.nn.Parameter))} '
               f'{data.hex() or "-"}').replace(', ', ',')
    elif isinstance(x, dict):
        for key, value in x.items():
            yield from tensors(value, f'{path}.{key}')


def describe(out, name, value):
    with open(os.path.join(out, name + '.txt'), 'w') as file:
        file.write(text(value) + '\n')
        for line in tensors(value):
            file.write(line + '\n')


def everything():
    base = collections.OrderedDict(a=torch.arange(6.).reshape(2, 3),
                                   b=torch.nn.Parameter(torch.ones(2)))
    norm = torch.nn.BatchNorm1d(2)
    return {
        'int': 1, 'neg': -3, 'wide': 100000, 'far': -2**40, 'big': 2**70,
        'nbig': -2**63 - 5, 'float': 1.5, 'inf': float('inf'), 'str': 'hi é\n',
        'bytes': b'abc\xff\x00', 'none': None, 'list': [1, None, True, False],
        'tuples': [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], 'set': {1, 2},
        'state': norm.state_dict(), 'ordered': base, 'view': base['a'][1],
        'turned': base['a'].t(), 'dtype': torch.float32, 'size': torch.Size([1, 2]),
        'nested': {'k': {'z': 1}}, 3: 'int key', 'empty': torch.empty(0),
        'device': torch.device('cpu'), 'scalar': torch.tensor(3),
        'leaf': torch.zeros(1, requires_grad=True),
        'kinds': {str(d): torch.ones(3, dtype=d) for d in STORAGE},
    }


def checkpoint():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    adam = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    adam.step()
    hub = MessageHub.get_instance('golden')
    hub.update_scalar('train/loss', 1.5)
    hub.update_scalar('train/loss', np.float64(2.5))
    hub.update_info('iter', 3)
    hub.update_info('array', np.arange(6).reshape(2, 3))
    meta = dict(epoch=1, iter=3, cfg='model = dict()\n', seed=42, experiment_name='x',
                time='20240101_000000', mmengine_version='0.10.7')
    return dict(meta=meta, state_dict=model.state_dict(), message_hub=hub.state_dict(),
                optimizer=adam.state_dict(),
                param_schedulers=[dict(last_step=1, milestones=collections.Counter([3]))])


def repack(data, method, force_zip64=False):
    """The same members written by zipfile."""
    out = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(out, 'w') as target:
        for name in source.namelist():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with target.open(info, 'w', force_zip64=force_zip64) as member:
                member.write(source.read(name))
    return out.getvalue()


def write_checkpoints(out):
    value = everything()
    torch.save(value, os.path.join(out, 'everything.pth'))
    describe(out, 'everything', value)
    torch.save(value, os.path.join(out, 'legacy.pth'),
               _use_new_zipfile_serialization=False)
    value = checkpoint()
    torch.save(value, os.path.join(out, 'checkpoint.pth'))
    describe(out, 'checkpoint', value)
    with open(os.path.join(out, 'everything.pth'), 'rb') as file:
        data = file.read()
    with open(os.path.join(out, 'deflated.pth'), 'wb') as file:
        file.write(repack(data, zipfile.ZIP_DEFLATED))
    with open(os.path.join(out, 'zip64.pth'), 'wb') as file:
        file.write(repack(data, zipfile.ZIP_STORED, True))


def write_pickles(out):
    value = {'a': [1, 2.5, -3, 2**80, -2**80, None, True, 256, 65536, 1e-300],
             'b': ('x', 'é\n\\u0041 \U0001f600'), 'c': b'\x00\xffz', 's': {1},
             'f': frozenset([1]), 'od': collections.OrderedDict(q=1), 'e': b'',
             'shared': ['x'] * 2}
    for protocol in range(6):
        with open(os.path.join(out, f'plain{protocol}.pkl'), 'wb') as file:
            pickle.dump(value, file, protocol)
    describe(out, 'plain', value)
    arrays = {'f4': np.arange(4, dtype='>f4'), 'f8': np.array([[1.5, -0.0], [2, 3]]),
              'order': np.asfortranarray([[1, 2, 3], [4, 5, 6]]),
              'u8': np.array([2**64 - 1], 'u8'), 'i1': np.array([-1], 'i1'),
              'bool': np.array([True, False]), 'half': np.array([0.5, 65504, 6e-8], 'f2'),
              'zero': np.array(7), 'scalar': np.float32(0.1), 'int': np.int64(-7),
              'text': np.array(['a'])}
    for protocol in (2, 5):
        with open(os.path.join(out, f'numpy{protocol}.pkl'), 'wb') as file:
            pickle.dump(arrays, file, protocol)
    with open(os.path.join(out, 'numpy.txt'), 'w') as file:
        for key, array in arrays.items():
            known = array.dtype.kind in 'fiub'
            file.write(f'{key} {repr(array.tolist()) if known else "-"}\n')


def write_json(out):
    """Pairs of lines: a document, then what dumps() makes of it in four ways."""
    documents = [
        '{"lr": 0.01, "data_time": 0.0004, "loss": 1.7388, "epoch": 1, "step": 10}',
        '[1, 1.0, -0, -0.0, 1e5, 1E-7, 1e16, 1e999, -1e999, 123456789012345678901234567890]',
        '[NaN, Infinity, -Infinity, true, false, null]',
        r'["\u00e9\ud83d\ude00\n\t\b\f\r\"\\\/\u0000\u001f\u007f", "é😀", "\ud800", "\udc00x"]',
        '{"b": {"y": [], "x": {}}, "a": [[], [1, [2]]], "": 0}',
        '{"a": 1, "b": 2, "a": 3}', ' [ ] ', '"x"', '1', '0.1', '1e-05', '5e-324',
        '[0.1, 0.2, 0.30000000000000004, 1e22, 1e23, 123456789.123456789]',
        '[9223372036854775807, -9223372036854775808, 9223372036854775808, -1]',
    ]
    with open(os.path.join(out, 'json.txt'), 'w') as file:
        for document in documents:
            value = json.loads(document)
            rows = [document, json.dumps(value), json.dumps(value, indent=2),
                    json.dumps(value, sort_keys=True, separators=(',', ':'))]
            if '\\ud800' not in document:
                rows.append(json.dumps(value, ensure_ascii=False))
            else:
                rows.append(json.dumps(value))
            for row in rows:
                file.write(row.replace('\n', '\x01') + '\n')
    keys = {'a': 1, 1: 2, 2.5: 3, True: 4, None: 5, float('inf'): 6, 2**70: 7}
    with open(os.path.join(out, 'keys.pkl'), 'wb') as file:
        pickle.dump(keys, file, 2)
    with open(os.path.join(out, 'keys.json'), 'w') as file:
        json.dump(keys, file)


def write_gzip(out):
    data = bytes(range(256)) * 8
    with open(os.path.join(out, 'two.gz'), 'wb') as file:
        file.write(gzip.compress(data, mtime=0) + gzip.compress(b'second', mtime=0))


def main():
    out = sys.argv[1]
    write_checkpoints(out)
    write_pickles(out)
    write_json(out)
    write_gzip(out)
    with open(os.path.join(out, 'provenance.txt'), 'w') as file:
        file.write('all files of this folder\n'
                   'script:    tools/golden/fileio.py\n'
                   f'versions:  torch {torch.__version__}, mmengine '
                   f'{mmengine.__version__}, numpy {np.__version__}, python '
                   f'{sys.version.split()[0]}\n'
                   'seed:      0\n'
                   'tolerance: 0\n')


if __name__ == '__main__':
    main()
