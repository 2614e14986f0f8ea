#!/usr/bin/env python3
"""Trajectories and states of optimizers, live: optimizers.py TORCH_TESTS, in tests/.

tools/golden/optimizers.py runs every case here and now. TORCH_TESTS repeats them, bit for
bit, continues what Python left after half of the steps, and leaves its own halves, which
Python's optimizers load and continue: the last weights and states must be the same bits.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../../tools/golden'))
os.environ['OMP_NUM_THREADS'] = '1'

import optimizers  # noqa: E402
import torch  # noqa: E402


def plain(value):
    """Tensors as what compares: dtype, shape, bytes."""
    if isinstance(value, torch.Tensor):
        dense = value.detach().to_dense().contiguous()
        return str(dense.dtype), tuple(dense.shape), dense.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item != {}}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return repr(float(value)) if isinstance(value, (int, float)) else value


def continued(case, drawn, half):
    """What Python makes of our parameters and state."""
    params = optimizers.make_params(case, drawn)
    with torch.no_grad():
        for param, saved in zip(params, half['params']):
            param.copy_(saved)
    optimizer = optimizers.make_optimizer(case, params)
    optimizer.load_state_dict(half['optimizer'])
    return optimizers.run(case, drawn, range(optimizers.HALF, optimizers.STEPS), params, optimizer)


def differences(folder):
    drawn = optimizers.draw_sets()
    halves = torch.load(os.path.join(folder, 'ours.pth'), weights_only=True)
    own_halves = torch.load(os.path.join(folder, 'theirs.pth'), weights_only=True)
    for case in optimizers.all_cases():
        # Not the undisturbed run: PyTorch rounds some states otherwise once they were loaded.
        params, optimizer = continued(case, drawn, own_halves[case['name']])
        ours, our_optimizer = continued(case, drawn, halves[case['name']])
        if plain(params) != plain(ours):
            yield f'{case["name"]}: the parameters differ'
        if plain(optimizer.state_dict()) != plain(our_optimizer.state_dict()):
            yield f'{case["name"]}: the states differ'


def main(program):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        optimizers.write_live(folder)
        done = subprocess.run([program, 'test_optimizers'], env=dict(os.environ, MM_OPTIMIZER_CASES=folder,
                                                                     MM_OPTIMIZER_REPORT='1'),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        assert done.returncode == 0, 'ours differ from theirs'
        found = list(differences(folder))
    assert not found, '\n'.join(found)
    print(f'{len(optimizers.all_cases())} cases: the same bits, with states of either side; {optimizers.versions()}')


if __name__ == '__main__':
    main(os.path.abspath(sys.argv[1]))
