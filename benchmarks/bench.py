#!/usr/bin/env python3
"""Our engine beside Python's: bench.py BUILD_DIR DATA_ROOT OUT.json [REPEATS].

Both sides run in turn on this machine, with two threads and OpenBLAS's own pool off; of each
figure the best round counts. Run by `make bench`, with the Python that has torch, mmengine and
mmpretrain. DATA_ROOT holds Fashion-MNIST, unpacked.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = dict(os.environ, OMP_NUM_THREADS='2', MMENGINE_NUM_THREADS='2', OPENBLAS_NUM_THREADS='1',
           PYTHONPATH=f'{HERE}/configs:{HERE}/../tools/compare')
BATCH = 128
# Steps of optimizers, with the bytes that one must move for each parameter.
OPTIM_CASES = {f'{model}.{recipe}': size for model in ('resnet50', 'vit')
               for recipe, size in (('sgd', 20), ('adamw', 28), ('adamw_clip_ema', 40))}


def run(command):
    done = subprocess.run(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}')
    return done.stdout


def flat(record, prefix=''):
    out = {}
    for key, value in record.items():
        out.update(flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {prefix + key: value})
    return out


def best(records):
    """The least of each figure over several runs of one part."""
    return {k: min(r[k] for r in records if isinstance(r.get(k), (int, float)))
            for k in records[0] if isinstance(records[0][k], (int, float))}


def parts(build, repeats):
    ours, theirs = {}, {}
    for part in ('toy', 'engine', 'kernels', 'checkpoint', 'saving', 'config',
                 'history'):
        a, b = [], []
        for _ in range(repeats):
            if part != 'kernels':
                a.append(flat(json.loads(run([f'{build}/bin/bench', part])), f'{part}.'))
            b.append(flat(json.loads(run([sys.executable, f'{HERE}/peer.py', part]).splitlines()[-1]),
                          f'{part}.'))
        ours.update(best(a) if a else {})
        theirs.update(best(b))
    return ours, theirs


class Asked:
    """A process that answers a line of text by a line of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, env=ENV, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f'{" ".join(self.process.args)} ended at {line}')
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()


def optimizers(build, repeats, cases=OPTIM_CASES):
    """Steps of optimizers, ours and Python's in turn many times over; the share is that of the
    bandwidth of an in-place pass."""
    ours, theirs = {}, {}
    print(f'{"optimizer step":28} {"ms":>7} {"fused":>7} {"default":>8} {"x fused":>8} '
          f'{"x default":>9} {"bytes":>6} {"GB/s":>6} {"pass":>6} {"share":>6}')
    with Asked(f'{build}/bin/bench', 'optim') as our, \
            Asked(sys.executable, f'{HERE}/peer.py', 'optim') as peer:
        for case, size in cases.items():
            a, b = [], []
            for _ in range(3 * repeats):
                a.append(our.ask(case))
                b.append(peer.ask(case))
            least = {form: min(r[form] for r in b) for form in b[0]}
            seconds = min(r['seconds'] for r in a)
            bandwidth = max(r['bandwidth'] for r in a)
            rate = size * a[0]['elements'] / seconds
            share = rate / bandwidth
            print(f'{case:28} {1e3 * seconds:7.2f} {1e3 * least["fused"]:7.2f} '
                  f'{1e3 * least["default"]:8.2f} {least["fused"] / seconds:8.2f} '
                  f'{least["default"] / seconds:9.2f} {size:6} {1e-9 * rate:6.1f} '
                  f'{1e-9 * bandwidth:6.1f} {share:6.2f}', flush=True)
            ours.update({f'optim.{case}': seconds, f'optim.{case}.share': share})
            theirs.update({f'optim.{case}': least['default'], f'optim.{case}.fused': least['fused']})
    return ours, theirs


def train(command, work_dir, batch=BATCH):
    """Images a second of the best epoch, and seconds from exec to the first iteration."""
    started = time.time()
    run(command)
    record = json.load(open(f'{work_dir}/bench.json'))
    rates = [n * batch / seconds for n, seconds in record['epochs']]
    return max(rates), record['first_iter'] - started


def training(build, data, repeats):
    ours, theirs = {}, {}
    for name in ('mlp', 'lenet5'):
        config = f'{HERE}/configs/{name}.py'
        a, b = [], []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as d:
                a.append(train([f'{build}/bin/mmengine', 'train', config, '--work-dir', d, '--cfg-options',
                                f'train_dataloader.dataset.data_root={data}'], d))
            with tempfile.TemporaryDirectory() as d:
                b.append(train([sys.executable, f'{HERE}/../tools/compare/reference.py', config, d, data], d))
        for side, records in ((ours, a), (theirs, b)):
            side[f'{name}.images_per_second'] = max(r[0] for r in records)
            side['start.seconds'] = min([r[1] for r in records] + [side.get('start.seconds', 1e9)])
    return ours, theirs


RESNET = dict(channels_last=('memory_format=channels_last', ),
              channels_last_bf16=('memory_format=channels_last', 'optim_wrapper.type=AmpOptimWrapper',
                                  'optim_wrapper.dtype=bfloat16'))


def resnet(build, repeats):
    """Training of ResNet-50, images a second: ours in two forms, MMEngine's as its config has it."""
    config, ours, peer = f'{HERE}/configs/resnet50.py', {name: [] for name in RESNET}, []
    for _ in range(repeats):
        for name, options in RESNET.items():
            with tempfile.TemporaryDirectory() as d:
                command = [f'{build}/bin/mmengine', 'train', config, '--work-dir', d, '--cfg-options', *options]
                ours[name].append(train(command, d, 16)[0])
        with tempfile.TemporaryDirectory() as d:
            peer.append(train([sys.executable, f'{HERE}/../tools/compare/reference.py', config, d, ''], d, 16)[0])
    ours = {name: max(rates) for name, rates in ours.items()}
    peer = max(peer)
    print('ResNet-50, images a second: ' + ', '.join(f'{k} {v:.2f}' for k, v in ours.items()) +
          f', MMEngine {peer:.2f}; bf16 is {ours["channels_last_bf16"] / ours["channels_last"]:.2f} times '
          f'float32, {ours["channels_last_bf16"] / peer:.2f} times MMEngine', flush=True)
    return ({f'resnet50.{k}.images_per_second': v for k, v in ours.items()},
            {f'resnet50.{k}.images_per_second': peer for k in ours})


def shell(build):
    def seconds(*words):
        times = []
        for _ in range(20):
            started = time.perf_counter()
            run([f'{build}/bin/mmengine', *words])
            times.append(time.perf_counter() - started)
        return min(times)

    with open(ENV['BENCH_CONFIGS']) as f:
        configs = f.read().split('\n')
    largest = max(filter(os.path.isfile, configs), key=os.path.getsize)
    return {'help.seconds': seconds('help', 'ResNet'),
            'config show.seconds': seconds('config', 'show', largest)}


def list_configs(folder):
    """The configs that are read: those of BENCH_CONFIGS, a file with a path a line, or our own."""
    if 'BENCH_CONFIGS' in ENV:
        return
    ENV['BENCH_CONFIGS'] = f'{folder}/configs.txt'
    with open(ENV['BENCH_CONFIGS'], 'w') as f:
        for root in (f'{HERE}/../configs', f'{HERE}/configs'):
            for at, _, names in os.walk(root):
                f.writelines(f'{at}/{name}\n' for name in sorted(names) if name.endswith('.py'))


def table(ours, theirs):
    for key in list(ours) + [k for k in theirs if k not in ours]:
        a, b = ours.get(key), theirs.get(key)
        rate = key.endswith('per_second')
        ratio = '' if not a or not b else f'{(a / b if rate else b / a):8.2f} x'
        print(f'{key:44} {"" if a is None else f"{a:14.6g}":>14} {"" if b is None else f"{b:14.6g}":>14} {ratio}')


ALONE = dict(optim=optimizers, resnet=resnet)


def main(build, data, out, repeats='3'):
    repeats = int(repeats)
    if data in ALONE:
        return ALONE[data](build, repeats)
    with tempfile.TemporaryDirectory() as folder:
        list_configs(folder)
        ours, theirs = parts(build, repeats)
        for mine, peer in (optimizers(build, repeats), resnet(build, repeats), training(build, data, repeats), (shell(build), {})):
            ours.update(mine)
            theirs.update(peer)
    print(f'{"seconds, or images a second":44} {"ours":>14} {"Python":>14}   better by')
    table(ours, theirs)
    with open(out, 'w') as f:
        json.dump(dict(ours=ours, theirs=theirs, repeats=repeats, load=os.getloadavg()), f, indent=1)


if __name__ == '__main__':
    main(*sys.argv[1:])
