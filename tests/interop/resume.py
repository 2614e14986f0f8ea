#!/usr/bin/env python3
"""Runs that begin in one engine and end in the other: resume.py PROGRAM, in the root folder.

Both engines train three epochs of tests/interop/config.py, which gives the same losses. Then
each goes on from what the other wrote after two epochs: the losses of the third epoch and the
final weights must be those of the undisturbed run, bit for bit.

Needs mmengine and mmpretrain. MMEngine 0.10.7 cannot read its own files with PyTorch 2.6 or
later unless TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1, which is set here.
"""
import glob
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'
os.environ['OMP_NUM_THREADS'] = os.environ['MMENGINE_NUM_THREADS'] = '1'
HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = f'{HERE}/config.py'


DIGITS = os.path.join(HERE, '../../data/digits')


def unpack_digits(folder):
    """MMPretrain takes packed files for missing ones and would download them."""
    os.makedirs(folder)
    for path in glob.glob(f'{DIGITS}/*.gz'):
        with gzip.open(path) as packed:
            open(os.path.join(folder, os.path.basename(path)[:-3]), 'wb').write(packed.read())


def train_theirs(work_dir, load_from, data):
    """In a process of its own: registries and generators are the process's."""
    sys.path.insert(0, os.path.join(HERE, '../../tools/compare'))
    import reference  # noqa: F401, makes mmpretrain importable
    import torch
    from mmengine.config import Config
    from mmengine.runner import Runner
    torch.set_num_threads(1)
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = work_dir
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = data
    if load_from != '-':
        cfg.load_from, cfg.resume = load_from, True
    Runner.from_cfg(cfg).train()


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)} failed:\n{done.stdout[-3000:]}')
    return done.stdout


def theirs(work_dir, load_from='-'):
    data = os.path.join(os.path.dirname(work_dir), 'data')
    return run([sys.executable, __file__, '--theirs', work_dir, load_from, data])


def ours(program, work_dir, load_from=None):
    more = [] if load_from is None else ['--resume', load_from]
    data = f'dataset.data_root={DIGITS}'
    return run([program, 'train', CONFIG, '--work-dir', work_dir, '--cfg-options',
                f'train_dataloader.{data}', f'val_dataloader.{data}'] + more)


def losses(work_dir):
    """What each iteration and validation said, without times."""
    path = max(glob.glob(f'{work_dir}/*/vis_data/scalars.json'), key=os.path.getmtime)
    records = [json.loads(line) for line in open(path)]
    for record in records:
        for key in ('time', 'data_time', 'memory'):
            record.pop(key, None)
    return records


def check_same_weights(name, a, b):
    import torch
    for key in ('state_dict', 'ema_state_dict'):
        x, y = (torch.load(f, weights_only=False)[key] for f in (a, b))
        assert list(x) == list(y), f'{name}: names of {key} differ'
        for k in x:
            assert torch.equal(x[k], y[k]), f'{name}: {key}.{k} differs'


def check_end(name, got, whole, weights, expected):
    tail = whole[-len(got):]
    assert 6 <= len(got) <= 7, f'{name}: {len(got)} records'
    for a, b in zip(got, tail):
        assert a == b, f'{name}:\n  got      {a}\n  expected {b}'
    check_same_weights(name, weights, expected)
    print(f'{name}: {len(got)} records and the final weights are bit-identical')


def main(program):
    import torch
    with tempfile.TemporaryDirectory() as root:
        unpack_digits(f'{root}/data')
        theirs(f'{root}/theirs')
        ours(program, f'{root}/ours')
        whole = losses(f'{root}/theirs')
        assert losses(f'{root}/ours') == whole, 'undisturbed runs differ'
        end = f'{root}/theirs/epoch_3.pth'

        half = f'{root}/theirs/epoch_2.pth'
        text = ours(program, f'{root}/a', half)
        assert 'written by another program' in text, text
        check_end('ours goes on from theirs', losses(f'{root}/a'), whole,
                  f'{root}/a/epoch_3.pth', end)

        half = f'{root}/ours/epoch_2.pth'
        torch.load(half, weights_only=True)
        theirs(f'{root}/b', half)
        check_end('theirs goes on from ours', losses(f'{root}/b'), whole,
                  f'{root}/b/epoch_3.pth', end)

        scalars = glob.glob(f'{root}/ours/*/vis_data/scalars.json')[0]
        converted = f'{root}/converted.pth'
        run([program, 'ckpt', 'convert', '--mmengine', '--scalars', scalars, half, converted])
        hub = torch.load(converted, weights_only=False)['message_hub']
        assert len(hub['log_scalars']['train/loss'].data[0]) == 12
        theirs(f'{root}/c', converted)
        check_end('theirs goes on from ours, converted', losses(f'{root}/c'), whole,
                  f'{root}/c/epoch_3.pth', end)
        shutil.rmtree(root, ignore_errors=True)


if __name__ == '__main__':
    if sys.argv[1] == '--theirs':
        train_theirs(*sys.argv[2:])
    else:
        main(os.path.abspath(sys.argv[1]))
