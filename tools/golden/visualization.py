"""Files of MMEngine's LocalVisBackend for the calls that tests/visualization makes.

Usage: python tools/golden/visualization.py tests/golden/visualization
"""
import json
import math
import os
import shutil
import sys
import tempfile

import mmengine
import torch
from mmengine.visualization import Visualizer


def main():
    out = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        visualizer = Visualizer(vis_backends=[dict(type='LocalVisBackend')],
                                save_dir=folder)
        calls = [json.loads(line) for line in open(os.path.join(out, 'calls.jsonl'))]
        for call in calls:
            if call['call'] == 'scalar':
                visualizer.add_scalar(call['name'], call['value'], call['step'])
            else:
                visualizer.add_scalars(call['scalars'], step=call['step'],
                                       file_path=call['file'])
        visualizer.close()
        for name in ('scalars.json', '20240101_000000.json'):
            shutil.copy(os.path.join(folder, 'vis_data', name), os.path.join(out, name))
    with open(os.path.join(out, 'provenance.txt'), 'w') as file:
        file.write('scalars.json, 20240101_000000.json: what LocalVisBackend makes of '
                   'calls.jsonl\n'
                   'script:    tools/golden/visualization.py\n'
                   f'versions:  mmengine {mmengine.__version__}, torch '
                   f'{torch.__version__}\n'
                   'seed:      none\n'
                   'tolerance: 0\n')


if __name__ == '__main__':
    main()
