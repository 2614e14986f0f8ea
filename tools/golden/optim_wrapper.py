"""Golden values of optimizer wrappers, state dicts and parameter groups.

Writes into tests/golden/optim:
  wrapper_<capability>.bin  training of two weights through OptimWrapper: weights after
                            every iteration, gradient norms; the GradScaler of
                            torch.amp; records as in optim.py
  states.json               what optimizer.state_dict() and OptimWrapper.state_dict()
                            look like (tensors as their sizes), and the groups that
                            DefaultOptimWrapperConstructor makes
  <optimizer>.pth           torch.save(optimizer.state_dict()) after three steps; the
                            weights of later steps are in the .bin

Usage: python tools/golden/optim_wrapper.py
"""
import json
import os
import subprocess
import sys

import mmengine
import numpy as np
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from optim import OUT, Writer

SEED = 7
ITERS = 10
COUNTS = (37, 5)

WRAPPERS = [
    dict(),
    dict(accumulative_counts=4),
    dict(accumulative_counts=3, clip_grad=dict(max_norm=0.3)),
    dict(clip_grad=dict(max_norm=0.35, norm_type=2)),
    dict(clip_grad=dict(max_norm=0.3, norm_type="inf")),
    dict(clip_grad=dict(max_norm=0.7, norm_type=1.0)),
    dict(clip_grad=dict(type="value", clip_value=0.2)),
    dict(accumulative_counts=10),
]
OPTIMIZERS = {
    "SGD": [dict(lr=0.1, momentum=0.9, weight_decay=1e-3), dict(lr=0.1)],
    "Adam": [dict(lr=1e-3), dict(lr=1e-2, amsgrad=True, weight_decay=0.1)],
    "AdamW": [dict(lr=1e-3), dict(lr=1e-2, betas=(0.8, 0.9))],
}
PARAMWISE = [
    dict(norm_decay_mult=0.0),
    dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
    dict(dwconv_decay_mult=0.1, flat_decay_mult=0.5, norm_decay_mult=0.2),
    dict(custom_keys={"3": dict(lr_mult=0.1), "3.0": dict(decay_mult=0.0, tag=7),
                      ".bias": dict(lr_mult=5, decay_mult=3.0)}, bias_lr_mult=9.0),
    dict(bypass_duplicate=True),
]


def draw():
    weights = [torch.randn(count) for count in COUNTS]
    inputs = [[torch.randn(count) for count in COUNTS] for _ in range(ITERS)]
    return weights, inputs


def loss_of(leaves, inputs):
    """Gradients that depend on the weights: sum of w * x, plus w0 squared / 2."""
    first = (leaves[0] * inputs[0]).sum() + (leaves[0] * leaves[0]).sum() * 0.5
    return first + (leaves[1] * inputs[1]).sum()


def train_wrapper(out, index, options):
    options = json.loads(json.dumps(options))
    weights, inputs = draw()
    leaves = [w.clone().requires_grad_() for w in weights]
    hub = MessageHub.get_instance(f"wrapper{index}")
    MessageHub._instance_dict.move_to_end(f"wrapper{index}")
    wrapper = OptimWrapper(torch.optim.SGD(leaves, lr=0.05, momentum=0.9), **options)
    wrapper.message_hub = hub
    wrapper.initialize_count_status(nn.Identity(), 0, ITERS)
    trace = []
    for step in range(ITERS):
        wrapper.update_params(loss_of(leaves, inputs[step]))
        trace.append(torch.cat([leaf.detach() for leaf in leaves]))
    out.put(f"wrapper/{index}/weights", torch.cat(weights))
    out.put(f"wrapper/{index}/inputs", torch.cat([torch.cat(x) for x in inputs]))
    out.put(f"wrapper/{index}/trace", torch.cat(trace))
    norms = []
    if "train/grad_norm" in hub.log_scalars:
        norms = hub.get_scalar("train/grad_norm").data[0]
    out.put(f"wrapper/{index}/norms", np.array(norms), "f64")


def train_scaler(out):
    """torch.amp.GradScaler as AmpOptimWrapper drives it, with clipping. Gradients
    overflow in iterations 3 and 4."""
    weights, inputs = draw()
    inputs[3][0][4] = float("inf")
    inputs[4][1][0] = float("nan")
    leaves = [w.clone().requires_grad_() for w in weights]
    optimizer = torch.optim.SGD(leaves, lr=0.05, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    trace, scales = [], []
    for step in range(ITERS):
        scaler.scale(loss_of(leaves, inputs[step])).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(leaves, 2.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        trace.append(torch.cat([leaf.detach() for leaf in leaves]))
        scales.append(scaler.get_scale())
    out.put("scaler/weights", torch.cat(weights))
    out.put("scaler/inputs", torch.cat([torch.cat(x) for x in inputs]))
    out.put("scaler/trace", torch.cat(trace))
    out.put("scaler/scales", np.array(scales), "f64")
    return scaler.state_dict()


def train_and_save(out, name, save):
    """Three steps, torch.save, three more."""
    weights, inputs = draw()
    leaves = [w.clone().requires_grad_() for w in weights]
    optimizer = getattr(torch.optim, name)(leaves, lr=0.01, weight_decay=0.1)
    if name == "SGD":
        optimizer = torch.optim.SGD(leaves, lr=0.01, momentum=0.9, weight_decay=0.1)
    out.put(f"resume/{name}/inputs", torch.cat([torch.cat(x) for x in inputs]))
    for step in range(6):
        if step == 3:
            out.put(f"resume/{name}/weights", torch.cat([w.detach() for w in leaves]))
            if save:
                torch.save(optimizer.state_dict(), os.path.join(OUT, f"{name}.pth"))
        optimizer.zero_grad()
        loss_of(leaves, inputs[step]).backward()
        optimizer.step()
    out.put(f"resume/{name}/after", torch.cat([w.detach() for w in leaves]))


def plain(value):
    if isinstance(value, torch.Tensor):
        return {"tensor": list(value.shape)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def state_cases():
    result = []
    for name, cases in OPTIMIZERS.items():
        for options in cases:
            leaves = [torch.zeros(2, 3, requires_grad=True),
                      torch.zeros(4, requires_grad=True),
                      torch.zeros(1, requires_grad=True)]
            optimizer = getattr(torch.optim, name)(
                [{"params": leaves[:2]}, {"params": leaves[2:], "lr": 0.5, "tag": 3}],
                **options)
            wrapper = OptimWrapper(optimizer)
            empty = plain(wrapper.state_dict())
            leaves[0].grad = torch.ones(2, 3)
            leaves[2].grad = torch.ones(1)
            optimizer.step()
            result.append(dict(optimizer=name, options=options, empty=empty,
                               state=plain(wrapper.state_dict()),
                               lr=wrapper.get_lr(), momentum=wrapper.get_momentum()))
    return result


def make_model():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4),
                         nn.Conv2d(4, 4, 3, groups=4),
                         nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)))


def group_cases():
    result = []
    for paramwise in [None] + PARAMWISE:
        config = dict(optimizer=dict(type="SGD", lr=0.01, weight_decay=1e-4))
        if paramwise:
            config["paramwise_cfg"] = json.loads(json.dumps(paramwise))
        model = make_model()
        model[2].bias.requires_grad_(False)
        wrapper = build_optim_wrapper(model, config)
        names = {id(p): n for n, p in model.named_parameters()}
        groups = []
        for group in wrapper.optimizer.param_groups:
            entry = {k: v for k, v in group.items() if k != "params"}
            groups.append([[names[id(p)] for p in group["params"]], entry])
        result.append(dict(paramwise_cfg=paramwise, groups=groups))
    return result


def write(path, save):
    torch.manual_seed(SEED)
    out = Writer(path)
    for index, options in enumerate(WRAPPERS):
        train_wrapper(out, index, options)
    scaler = train_scaler(out)
    for name in OPTIMIZERS:
        train_and_save(out, name, save)
    probe = torch.rand(512)
    out.put("sqrt/input", probe)
    out.put("sqrt/output", probe.sqrt())
    out.file.close()
    return scaler


def main():
    if len(sys.argv) == 2:
        scaler = write(sys.argv[1], "avx2" in sys.argv[1])
        if "avx2" in sys.argv[1]:
            with open(os.path.join(OUT, "states.json"), "w") as file:
                json.dump(dict(wrappers=WRAPPERS, scaler=scaler, states=state_cases(),
                               groups=group_cases()), file)
        return
    for capability in ("default", "avx2"):
        subprocess.run([sys.executable, "-W", "ignore", __file__,
                        os.path.join(OUT, f"wrapper_{capability}.bin")], check=True,
                       env=dict(os.environ, ATEN_CPU_CAPABILITY=capability))
    with open(os.path.join(OUT, "wrapper.provenance.txt"), "w") as note:
        note.write("wrapper_default.bin, wrapper_avx2.bin, states.json, *.pth\n"
                   "script:    tools/golden/optim_wrapper.py\n"
                   f"versions:  torch {torch.__version__}, "
                   f"mmengine {mmengine.__version__}\n"
                   f"seed:      {SEED}\n"
                   "tolerance: 0 in reference numerics, else as the tests say\n")


if __name__ == "__main__":
    main()
