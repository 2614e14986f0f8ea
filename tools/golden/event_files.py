"""An event file of MMEngine's TensorboardVisBackend for the calls that
tests/visualization/test_tensorboard.c makes; or, with a second argument, reads what our
backend made of them through the tensorboard package and compares the two.

Usage: python tools/golden/event_files.py tests/golden/visualization [FOLDER_OF_OURS]
"""
import glob
import json
import os
import shutil
import sys
import tempfile

import numpy as np

CONFIG = dict(model=dict(type='Toy', width=8), lr=0.1, name='run "a"')


def picture():
    y, x, c = np.meshgrid(np.arange(5), np.arange(7), np.arange(3), indexing='ij')
    return (y * 50 + x * 7 + c * 3).astype(np.uint8)


def write(out):
    import mmengine
    import tensorboard
    import torch
    from mmengine.config import Config
    from mmengine.visualization import TensorboardVisBackend
    with tempfile.TemporaryDirectory() as folder:
        backend = TensorboardVisBackend(folder)
        backend.add_config(Config(CONFIG))
        for line in open(os.path.join(out, 'calls.jsonl')):
            call = json.loads(line)
            if call['call'] == 'scalar':
                backend.add_scalar(call['name'], call['value'], call['step'])
            else:  # the step of the record is the step, as in LocalVisBackend
                step = call['scalars'].pop('step', call['step'])
                backend.add_scalars(call['scalars'], step)
        backend.add_image('sample/0', picture(), 7)
        backend.add_scalar('late', 1e40, 2 ** 40)
        backend.close()
        path, = glob.glob(os.path.join(folder, 'events.out.tfevents.*'))
        shutil.copy(path, os.path.join(out, 'tensorboard.events'))
    with open(os.path.join(out, 'tensorboard.provenance.txt'), 'w') as file:
        file.write('tensorboard.events: what TensorboardVisBackend makes of calls.jsonl\n'
                   'script:    tools/golden/event_files.py\n'
                   f'versions:  mmengine {mmengine.__version__}, torch {torch.__version__}, '
                   f'tensorboard {tensorboard.__version__}\n'
                   'seed:      none\n'
                   'tolerance: 0 but for wall times, names of writers and packed pixels\n')


def content(folder):
    """All that tensorboard finds in a folder, without times."""
    from io import BytesIO
    from PIL import Image
    from tensorboard.backend.event_processing import event_accumulator
    events = event_accumulator.EventAccumulator(folder, size_guidance={
        event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0,
        event_accumulator.IMAGES: 0})
    events.Reload()
    tags = events.Tags()
    found = {'tags': {kind: sorted(tags[kind]) for kind in ('scalars', 'images', 'tensors')}}
    for tag in tags['scalars']:
        found[tag] = [(e.step, repr(e.value)) for e in events.Scalars(tag)]
    for tag in tags['tensors']:
        found[tag] = [(e.step, list(e.tensor_proto.string_val))
                      for e in events.Tensors(tag)]
        found[tag + '#plugin'] = str(events.SummaryMetadata(tag).plugin_data)
    for tag in tags['images']:
        found[tag] = [(e.step, e.width, e.height,
                       np.array(Image.open(BytesIO(e.encoded_image_string))).tolist())
                      for e in events.Images(tag)]
    return found


def main():
    golden = sys.argv[1]
    if len(sys.argv) == 2:
        write(golden)
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(golden, 'tensorboard.events'),
                    os.path.join(folder, 'events.out.tfevents.0.golden'))
        expected = content(folder)
    ours = content(sys.argv[2])
    assert expected['tags']['images'] and expected['tags']['tensors']
    if ours != expected:
        sys.exit(f'tensorboard reads\n{ours}\nnot\n{expected}')
    print(f'tensorboard reads {len(expected) - 1} tags')


if __name__ == '__main__':
    main()
