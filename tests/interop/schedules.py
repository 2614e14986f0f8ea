#!/usr/bin/env python3
"""Random schedules, live: schedules.py PROGRAM, where PROGRAM is optim_test_schedulers.

MMEngine runs new random cases of tools/golden/schedulers.py. PROGRAM must give the same bits,
from the beginning and from MMEngine's state in the middle, and writes its own states in the
middle, from which MMEngine goes on to the same end.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f'{HERE}/../../tools/golden')
import schedulers as golden  # noqa: E402

COUNT = 400


def load_ours(wrapper, schedulers, middle):
    for scheduler, state in zip(schedulers, middle['states']):
        if 'milestones' in state:
            state['milestones'] = Counter({int(k): v for k, v in state['milestones'].items()})
        scheduler.load_state_dict(state)
    groups = [*wrapper.optimizer.param_groups, wrapper.base_param_settings]
    for group, options in zip(groups, middle['options']):
        group.update({k: tuple(v) if k == 'betas' else v for k, v in options.items()})


def check_goes_on(number, spec, middle):
    wrapper, schedulers = golden.start(spec)
    load_ours(wrapper, schedulers, middle)
    for at in range(golden.length(spec) // 2, golden.length(spec)):
        golden.advance(spec, schedulers, at)
        for option in spec['watch']:
            want = spec['values'][option][at + 1]
            got = golden.values(wrapper, option)
            assert got == want, f'case {number}, step {at}, {option}: {got}, not {want}'


def main(program):
    warnings.simplefilter('ignore')
    seed = random.SystemRandom().randrange(1 << 30)
    with tempfile.TemporaryDirectory() as folder:
        cases, middles = f'{folder}/cases.json', f'{folder}/middles.json'
        golden.write(cases, golden.random_results(seed, COUNT))
        done = subprocess.run([program, cases, middles], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f'seed {seed}\n{done.stdout[-3000:]}'
        specs = json.load(open(cases))
        for number, (spec, middle) in enumerate(zip(specs, json.load(open(middles)))):
            check_goes_on(number, spec, middle)
    print(f'{COUNT} random schedules (seed {seed}): bit-identical, from both sides\' states')


if __name__ == '__main__':
    main(os.path.abspath(sys.argv[1]))
