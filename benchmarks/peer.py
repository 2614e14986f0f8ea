#!/usr/bin/env python3
"""What Python's PyTorch and MMEngine need for the work that bench.c measures: peer.py PART.

Prints one JSON dict of seconds; every figure is the minimum of many short rounds unless its
name says otherwise. The parts have their twins, name for name, in bench.c.
"""
import json
import os
import sys
import tempfile
import time

import torch

THREADS = int(os.environ.get('OMP_NUM_THREADS', '2'))
WINDOW = 50


def rounds(call, count, seconds):
    """Seconds per call: the least of rounds of `count` calls, for at least `seconds`."""
    best, begin = float('inf'), time.perf_counter()
    while True:
        start = time.perf_counter()
        for _ in range(count):
            call()
        end = time.perf_counter()
        best = min(best, (end - start) / count)
        if end - begin > seconds:
            return best


def least(call, count):
    """Seconds of the quickest of `count` calls."""
    best = float('inf')
    for _ in range(count):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def toy_net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))


def train_step(net, loss_of, optimizer, x, y):
    def step():
        loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


def toy_step():
    net = toy_net()
    x, y = torch.randn(4, 2), torch.randn(4, 1)
    results = {}
    for name, options in dict(plain=dict(foreach=False), foreach=dict(foreach=True),
                              fused=dict(fused=True)).items():
        optimizer = torch.optim.SGD(net.parameters(), lr=0.001, **options)
        step = train_step(net, torch.nn.functional.mse_loss, optimizer, x, y)
        rounds(step, 25, 0.2)
        results[name] = rounds(step, 25, 1.0)
    return results


def toy():
    results = toy_step()
    return dict(step=min(results.values()), **{f'step_{k}': v for k, v in results.items()})


def engine():
    """The toy step in MMEngine's runner; `full`: with a million numbers in each history."""
    import logging

    sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../tools/compare'))
    import reference  # noqa: F401  imports TorchVision so that MMEngine's import works
    from mmengine.hooks import Hook
    from mmengine.logging import HistoryBuffer
    from mmengine.model import BaseModel
    from mmengine.runner import Runner
    import numpy as np

    points = [(torch.randn(2), torch.randn(1)) for _ in range(8000)]

    class Points(torch.utils.data.Dataset):
        def __len__(self):
            return len(points)

        def __getitem__(self, i):
            x, y = points[i]
            return dict(x=x, y=y)

    class Toy(BaseModel):
        def __init__(self):
            super().__init__()
            self.net = toy_net()

        def forward(self, x, y, mode='tensor'):
            return dict(loss=torch.nn.functional.mse_loss(self.net(x), y))

    class Clock(Hook):
        """Seconds per iteration of the quickest row of WINDOW iterations."""
        priority = 1

        def __init__(self, prefill):
            self.quickest, self.prefill = 1e9, prefill

        def before_train(self, runner):
            if self.prefill:
                for key in ('train/lr', 'train/data_time', 'train/loss', 'train/time'):
                    runner.message_hub._log_scalars[key] = HistoryBuffer(
                        np.full(self.prefill, 0.5), np.ones(self.prefill, dtype=int))

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if batch_idx % WINDOW == 0:
                now = time.perf_counter()
                if batch_idx > 0:
                    self.quickest = min(self.quickest, (now - self.begin) / WINDOW)
                self.begin = now

    def run(prefill, size, epochs):
        clock = Clock(prefill)
        loader = dict(
            batch_size=4, num_workers=0,
            dataset=torch.utils.data.Subset(Points(), range(4 * size)),
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'))
        with tempfile.TemporaryDirectory() as work_dir:
            Runner(
                model=Toy(), work_dir=work_dir, train_dataloader=loader,
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.001, foreach=False)),
                train_cfg=dict(by_epoch=True, max_epochs=epochs),
                default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=-1,
                                                   save_last=False)),
                custom_hooks=[clock], experiment_name=f'bench{prefill}').train()
            logging.shutdown()
        return clock.quickest

    sampler = torch.utils.data.RandomSampler(Points())
    loader = torch.utils.data.DataLoader(Points(), batch_size=4, sampler=sampler)
    load = 1e9
    for _ in range(4):
        for i, batch in enumerate(loader):
            if i % WINDOW == 0:
                now = time.perf_counter()
                if i > 0:
                    load = min(load, (now - begin) / WINDOW)
                begin = now
    empty, full = run(0, 2000, 4), run(1000000, 4 * WINDOW, 1)
    step = min(toy_step().values())
    return dict(step=step, loader=load, whole=empty, whole_full=full,
                engine=empty - step - load, engine_full=full - step - load)


class LeNet(torch.nn.Module):
    """As MMPretrain's LeNet5, for inputs [N, 1, 32, 32]."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh())
        self.classifier = nn.Sequential(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def kernels():
    """Images per second where the batch lies ready: what the operators alone allow."""
    torch.manual_seed(0)
    nn = torch.nn
    y = torch.randint(0, 10, (128, ))
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    lenet, last = LeNet(), torch.channels_last
    cases = dict(mlp=(mlp, torch.randn(128, 1, 28, 28)),
                 lenet=(lenet, torch.randn(128, 1, 32, 32)))
    cases['lenet_channels_last'] = (LeNet().to(memory_format=last),
                                    cases['lenet'][1].contiguous(memory_format=last))
    results = {}
    for name, (net, x) in cases.items():
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9,
                                    weight_decay=1e-4, fused=True)
        step = train_step(net, nn.functional.cross_entropy, optimizer, x, y)
        rounds(step, 20, 0.5)
        results[name] = 128 / rounds(step, 20, 2.0)
    return results


def resnet50_sizes():
    """Parameters of ResNet-50, in order; optimizers.c has the same list."""
    sizes = [(64, 3, 7, 7), (64, ), (64, )]
    inplanes = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        planes = 64 << stage
        for block in range(blocks):
            for out, into, k in ((planes, inplanes, 1), (planes, planes, 3),
                                 (4 * planes, planes, 1)):
                sizes += [(out, into, k, k), (out, ), (out, )]
            if block == 0:
                sizes += [(4 * planes, inplanes, 1, 1), (4 * planes, ), (4 * planes, )]
            inplanes = 4 * planes
    return sizes + [(1000, 2048), (1000, )]


def vit_sizes():
    """Parameters of ViT-B/16 with a linear head; optimizers.c has the same list."""
    width, norm = 768, [(768, ), (768, )]
    sizes = [(1, 1, width), (1, 197, width), (width, 3, 16, 16), (width, )]
    for _ in range(12):
        sizes += norm + [(3 * width, width), (3 * width, ), (width, width), (width, )]
        sizes += norm + [(4 * width, width), (4 * width, ), (width, 4 * width), (width, )]
    return sizes + norm + [(1000, width), (1000, )]


class OptimCase:
    """One of the cases of optimizers.c, as PyTorch steps by default and with fused=True."""

    def __init__(self, name):
        model, recipe = name.split('.')
        sizes = dict(resnet50=resnet50_sizes, vit=vit_sizes)[model]()
        self.model = torch.nn.ParameterList(torch.nn.Parameter(torch.randn(s)) for s in sizes)
        for p in self.model:
            p.grad = torch.randn_like(p)
        self.clips = recipe == 'adamw_clip_ema'
        self.average = self.averaged(self.model) if self.clips else None
        self.optimizers = {form: self.optimizer(recipe, **options)
                           for form, options in dict(default={}, fused=dict(fused=True)).items()}

    @staticmethod
    def averaged(model):
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../tools/compare'))
        import reference  # noqa: F401  imports TorchVision so that MMEngine's import works
        from mmengine.model import ExponentialMovingAverage
        average = ExponentialMovingAverage(model)
        average.update_parameters(model)
        return average

    def optimizer(self, recipe, **options):
        if recipe == 'sgd':
            return torch.optim.SGD(self.model.parameters(), lr=1e-6, momentum=0.9,
                                   weight_decay=1e-4, **options)
        return torch.optim.AdamW(self.model.parameters(), lr=1e-6, **options)

    def step(self, optimizer):
        if self.clips:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        if self.clips:
            self.average.update_parameters(self.model)

    def measure(self):
        results = {}
        for form, optimizer in self.optimizers.items():
            self.step(optimizer)
            results[form] = least(lambda: self.step(optimizer), 5 if form == 'fused' else 2)
        return results


def optim():
    """Answers each line of standard input, the name of a case, by one line of JSON."""
    case, last = None, None
    for line in sys.stdin:
        if line.strip() != last:
            case, last = None, line.strip()
            case = OptimCase(last)
        yield case.measure()


def checkpoint():
    """A checkpoint of ResNet-50 and its momenta; loading ends in tensors that are there."""
    content = {part: {f'p{i}': torch.randn(s) for i, s in enumerate(resnet50_sizes())}
               for part in ('state_dict', 'momenta')}
    results = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get('BENCH_DIR')) as folder:
        path = os.path.join(folder, 'peer.pth')

        def save():
            torch.save(content, path)

        def save_synced():
            save()
            with open(path, 'rb') as f:
                os.fsync(f.fileno())

        def load(**options):
            loaded = torch.load(path, weights_only=True, **options)
            for part, tensors in content.items():
                for name, tensor in tensors.items():
                    tensor.copy_(loaded[part][name])

        for call in (save, save_synced, load):
            results[call.__name__] = rounds(call, 1, 2.0)
        results['load_mapped'] = rounds(lambda: load(mmap=True), 1, 2.0)
        results['bytes'] = os.path.getsize(path)
    return results


def saving():
    """A run of MMEngine's runner with checkpoints of ResNet-50's parameters and momenta."""
    import logging
    import warnings

    sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../tools/compare'))
    import reference  # noqa: F401  imports TorchVision so that MMEngine's import works
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    warnings.simplefilter('ignore')
    iters, every, after = 80, 10, 4
    points = [dict(x=torch.randn(2), y=torch.randn(1)) for _ in range(8000)]
    begin, end = {}, {}

    class Large(BaseModel):
        def __init__(self):
            super().__init__()
            for i, size in enumerate(resnet50_sizes()):
                self.register_parameter(f'p{i}', torch.nn.Parameter(torch.randn(size) * 0.01))
            self.count, self.input = i + 1, torch.randn(256, 2048)

        def forward(self, x, y, mode='tensor'):
            head, x = getattr(self, f'p{self.count - 2}'), self.input
            for _ in range(4):
                x = torch.tanh(x @ head.T @ head)
            loss = x.mean()
            for i in range(self.count):
                loss = loss + getattr(self, f'p{i}').mean()
            return dict(loss=loss)

    class Gap(Hook):
        priority = 1

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            end[runner.iter] = time.perf_counter()

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            begin[runner.iter] = time.perf_counter()

    def lost(i):
        """What a save before iteration i added: its iteration and the next, less later ones."""
        return (begin[i + after] - begin[i - 1] -
                (begin[i + 2 * after] - begin[i + after]) * (after + 1) / after)

    with tempfile.TemporaryDirectory(dir=os.environ.get('BENCH_DIR')) as work_dir:
        Runner(model=Large(), work_dir=work_dir,
               train_dataloader=dict(batch_size=4, num_workers=0, dataset=points,
                                     sampler=dict(type='InfiniteSampler', shuffle=True),
                                     collate_fn=dict(type='default_collate')),
               optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-6, momentum=0.9)),
               train_cfg=dict(by_epoch=False, max_iters=iters),
               default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False,
                                                  interval=every, save_last=False,
                                                  max_keep_ckpts=1)),
               log_processor=dict(by_epoch=False), custom_hooks=[Gap()],
               experiment_name='saving').train()
        logging.shutdown()
    saves = range(2 * every, iters, every)
    return dict(blocked=sorted(begin[i] - end[i - 1] for i in saves)[len(saves) // 2],
                blocked_first=begin[every] - end[every - 1],
                iter=(begin[2 * every - 1] - begin[every + after]) / (every - after - 1),
                lost=sorted(map(lost, saves))[len(saves) // 2])


def config():
    """Each file of the list in BENCH_CONFIGS, warm; refused files do not count."""
    import warnings
    from mmengine.config import Config
    warnings.simplefilter('ignore')
    times = []
    with open(os.environ['BENCH_CONFIGS']) as f:
        paths = f.read().split('\n')
    for path in filter(None, paths):
        best = float('inf')
        try:
            for _ in range(2):
                start = time.perf_counter()
                Config.fromfile(path, import_custom_modules=False)
                best = min(best, time.perf_counter() - start)
        except Exception:
            continue
        times.append(best)
    times.sort()
    count = len(times)
    return dict(median=times[count // 2], p90=times[count * 9 // 10],
                p99=times[count * 99 // 100], all=sum(times))


def history():
    """A HistoryBuffer of so many numbers: an update, its mean over 10 and over all."""
    from mmengine.logging import HistoryBuffer
    results = {}
    for size in (100000, 1000000):
        buffer = HistoryBuffer(list(map(float, range(size - 1000))), [1] * (size - 1000))
        results[str(size)] = dict(update=rounds(lambda: buffer.update(1.5), 5, 0.2),
                                  mean_of_10=rounds(lambda: buffer.mean(10), 100, 0.2),
                                  mean_of_all=rounds(buffer.mean, 5, 0.2))
    return results


PARTS = dict(toy=toy, engine=engine, kernels=kernels, optim=optim, checkpoint=checkpoint,
             saving=saving, config=config, history=history)


def main(part):
    torch.set_num_threads(THREADS)
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the loggers' lines
    result = PARTS[part]()
    for record in [result] if isinstance(result, dict) else result:
        sys.stdout.flush()
        os.write(stdout, (json.dumps(record) + '\n').encode())


if __name__ == '__main__':
    main(*sys.argv[1:])
