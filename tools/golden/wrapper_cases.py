"""Golden values of MMEngine's optimizer wrappers over combinations of their options.

Every way of clipping x accumulation (with a last, shorter window) x one or two groups of
parameters x OptimWrapper or AmpOptimWrapper with its loss scales x gradients that are
not finite. MMEngine refuses AmpOptimWrapper without a GPU; here its class drives
torch.amp.GradScaler of the CPU.

Writes into tests/golden/optim:
  wrapper_cases_<capability>.bin  weights after the iterations SHOWN, norms and loss
                                  scales after each iteration; records as in optim.py
  wrapper_cases.json              the cases; what the wrappers show and save at the end
  amp_resume.pth                  AmpOptimWrapper.state_dict() in the middle of case
                                  RESUMED
  wrapper_cases.provenance.txt

Usage: python tools/golden/wrapper_cases.py
"""
import copy
import functools
import itertools
import json
import os
import subprocess
import sys

import mmengine
import numpy as np
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import nn

from optim import OUT, Writer
from optim_wrapper import ITERS, draw, loss_of, plain

SEED = 11
SHOWN = (2, 5, 9)
RESUME_AT = 6

amp_optimizer_wrapper.is_cuda_available = lambda: True
amp_optimizer_wrapper.GradScaler = functools.partial(torch.amp.GradScaler, "cpu")

CLIPS = [
    None,
    dict(max_norm=0.3),
    dict(max_norm=0.35, norm_type=2, error_if_nonfinite=False),
    dict(max_norm=0.3, norm_type="inf"),
    dict(max_norm=0.7, norm_type=1.0),
    dict(max_norm=0.4, norm_type=3),
    dict(max_norm=0.4, norm_type=0),
    dict(max_norm=1e-4, norm_type=float("-inf")),
    dict(max_norm=float("inf")),
    dict(max_norm=0),
    dict(type="value", clip_value=0.2),
]
COUNTS = [1, 3, 4]
SCALES = [
    None,
    "dynamic",
    128.0,
    dict(init_scale=1024.0, growth_interval=2),
    dict(init_scale=3.7, growth_factor=1.7, backoff_factor=0.3, growth_interval=1),
    dict(init_scale=2.0**127, growth_interval=1, backoff_factor=0.01),
    dict(enabled=False),
]
# iteration -> (weight, element, value) of the inputs
BAD = [{}, {3: (0, 4, "inf"), 4: (1, 0, "nan"), 9: (0, 0, "-inf")}]


def make_cases():
    """All pairs of two options' values and some of the rest: every third combination."""
    result = []
    table = itertools.product(CLIPS, COUNTS, SCALES, (1, 2), BAD)
    for index, (clip, counts, scale, groups, bad) in enumerate(table):
        if index % 3 and not (clip is None and counts == 1):
            continue
        options = dict(type="OptimWrapper", accumulative_counts=counts)
        if clip is not None:
            options["clip_grad"] = clip
        if scale is not None:
            options.update(type="AmpOptimWrapper", loss_scale=scale)
        result.append(dict(wrapper=options, groups=groups, bad=bad))
    return result


def make_wrapper(case, leaves, name):
    params = leaves
    if case["groups"] == 2:
        params = [dict(params=leaves[:1]), dict(params=leaves[1:], lr=0.01)]
    options = copy.deepcopy(case["wrapper"])
    kind = options.pop("type")
    classes = dict(OptimWrapper=OptimWrapper,
                   AmpOptimWrapper=amp_optimizer_wrapper.AmpOptimWrapper)
    MessageHub.get_instance(name)
    MessageHub._instance_dict.move_to_end(name)
    wrapper = classes[kind](optimizer=torch.optim.SGD(params, lr=0.05, momentum=0.9),
                            **options)
    wrapper.message_hub = MessageHub.get_instance(name)
    wrapper.initialize_count_status(nn.Identity(), 0, ITERS)
    return wrapper


def spoil(inputs, bad):
    inputs = [[x.clone() for x in pair] for pair in inputs]
    for iteration, (weight, element, value) in bad.items():
        inputs[iteration][weight][element] = float(value)
    return inputs


def train(out, index, case, weights, inputs, save):
    leaves = [w.clone().requires_grad_() for w in weights]
    inputs = spoil(inputs, case["bad"])
    wrapper = make_wrapper(case, leaves, f"case{index}")
    hub = wrapper.message_hub
    trace, scales = [], []
    for step in range(ITERS):
        if save and step == RESUME_AT:
            torch.save(wrapper.state_dict(), os.path.join(OUT, "amp_resume.pth"))
            case["middle"] = [leaf.detach().tolist() for leaf in leaves]
        wrapper.update_params(loss_of(leaves, inputs[step]))
        if step in SHOWN:
            trace.append(torch.cat([leaf.detach() for leaf in leaves]))
        if hasattr(wrapper, "loss_scaler"):
            scales.append(wrapper.loss_scaler.get_scale())
    norms = []
    if "train/grad_norm" in hub.log_scalars:
        norms = hub.get_scalar("train/grad_norm").data[0]
    out.put(f"case/{index}/trace", torch.cat(trace))
    out.put(f"case/{index}/norms", np.array(norms), "f64")
    out.put(f"case/{index}/scales", np.array(scales), "f64")
    state = wrapper.state_dict()
    case["lr"] = wrapper.get_lr()
    case["momentum"] = wrapper.get_momentum()
    case["saved"] = {key: plain(value) for key, value in state.items()
                     if key in ("base_param_settings", "loss_scaler")}


def write(path, save):
    torch.manual_seed(SEED)
    out = Writer(path)
    weights, inputs = draw()
    out.put("weights", torch.cat(weights))
    out.put("inputs", torch.cat([torch.cat(x) for x in inputs]))
    cases = make_cases()
    resumed = next(i for i, case in enumerate(cases)
                   if isinstance(case["wrapper"].get("loss_scale"), dict)
                   and case["groups"] == 2 and case["bad"] and
                   case["wrapper"]["accumulative_counts"] == 3 and
                   "clip_grad" in case["wrapper"])
    for index, case in enumerate(cases):
        train(out, index, case, weights, inputs, save and index == resumed)
    out.file.close()
    return dict(iterations=ITERS, shown=SHOWN, resume_at=RESUME_AT, resumed=resumed,
                cases=cases)


def spell(value):
    """JSON has no infinity: options that are infinite become texts."""
    if isinstance(value, dict):
        return {k: spell(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [spell(v) for v in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value


def main():
    if len(sys.argv) == 2:
        is_saved = "avx2" in sys.argv[1]
        summary = write(sys.argv[1], is_saved)
        if is_saved:
            with open(os.path.join(OUT, "wrapper_cases.json"), "w") as file:
                json.dump(spell(summary), file)
        return
    for capability in ("default", "avx2"):
        subprocess.run([sys.executable, "-W", "ignore", __file__,
                        os.path.join(OUT, f"wrapper_cases_{capability}.bin")],
                       check=True, env=dict(os.environ, ATEN_CPU_CAPABILITY=capability))
    with open(os.path.join(OUT, "wrapper_cases.provenance.txt"), "w") as note:
        note.write("wrapper_cases_default.bin, wrapper_cases_avx2.bin, "
                   "wrapper_cases.json, amp_resume.pth\n"
                   "script:    tools/golden/wrapper_cases.py\n"
                   f"versions:  torch {torch.__version__}, "
                   f"mmengine {mmengine.__version__}\n"
                   f"seed:      {SEED}\n"
                   "tolerance: 0 in reference numerics, 1e-6 of a weight's norm else\n")


if __name__ == "__main__":
    main()
