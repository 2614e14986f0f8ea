"""Golden values of optimizer steps in unusual places: parameters and gradients of other
layouts and dtypes, without elements, without gradients, in empty groups, with lr = 0;
gradients that are not finite; with clipping and with a loss scale.

Each case says parameters, groups and gradients of each step; the results are PyTorch's
and MMEngine's, or that they raise an error.

Writes tests/golden/optim/edges.json (all numbers in it, floats exactly) and its
provenance note.

Usage: python tools/golden/optim_edges.py
"""
import copy
import functools
import json
import os
import sys

import mmengine
import torch
from mmengine.optim import OptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper

from optim import OUT

SEED = 5
STEPS = 4

amp_optimizer_wrapper.is_cuda_available = lambda: True
amp_optimizer_wrapper.GradScaler = functools.partial(torch.amp.GradScaler, "cpu")

OPTIMIZERS = [
    dict(type="SGD", lr=0.1),
    dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    dict(type="AdamW", lr=0.01, weight_decay=0.1),
    dict(type="SGD", lr=0.0, momentum=0.9),
]
WRAPPERS = [
    dict(type="OptimWrapper"),
    dict(type="OptimWrapper", clip_grad=dict(max_norm=0.5)),
    dict(type="OptimWrapper", clip_grad=dict(max_norm=0.4, norm_type="inf")),
    dict(type="OptimWrapper", clip_grad=dict(type="value", clip_value=0.3)),
    dict(type="OptimWrapper",
         clip_grad=dict(max_norm=0.5, error_if_nonfinite=True)),
    dict(type="AmpOptimWrapper", loss_scale=128.0),
    dict(type="AmpOptimWrapper", loss_scale=64.0, clip_grad=dict(max_norm=0.5)),
]


def numbers(tensor):
    return [v if abs(v) < float("inf") else str(v)
            for v in tensor.detach().double().flatten().tolist()]


def param(*shape, dtype="float32", layout="contiguous"):
    return dict(shape=shape, dtype=dtype, layout=layout)


# name -> (parameters, groups, changes of gradients: (step, parameter) -> what)
# a change is None (no gradient), a value for element 0, or a layout
PLACES = {
    "plain": ([param(3, 2), param(4)], [[0, 1]], {}),
    "nan": ([param(3, 2), param(4)], [[0, 1]], {(1, 0): "nan"}),
    "inf": ([param(3, 2), param(4)], [[0, 1]], {(2, 1): "-inf"}),
    "huge": ([param(3, 2), param(4)], [[0, 1]], {(1, 0): 1e12}),
    "no elements": ([param(0), param(4), param(2, 0, 3)], [[0, 1, 2]], {}),
    "no dimension": ([param(), param(1, 1)], [[0, 1]], {}),
    "empty group": ([param(3), param(2)], [[0], [], [1]], {}),
    "no gradient": ([param(3), param(2)], [[0, 1]],
                    {(s, 1): None for s in range(STEPS)}),
    "no gradient at all": ([param(3), param(2)], [[0, 1]],
                           {(s, p): None for s in range(STEPS) for p in (0, 1)}),
    "gradient comes later": ([param(3), param(2)], [[0, 1]],
                             {(0, 1): None, (1, 1): None}),
    "gradient is lost": ([param(3), param(2)], [[0, 1]], {(1, 1): None, (2, 1): None}),
    "transposed": ([param(3, 4, layout="transposed"), param(2)], [[0, 1]], {}),
    "with holes": ([param(3, 4, layout="holes"), param(2)], [[0, 1]], {}),
    "channels last": ([param(2, 3, 2, 2, layout="channels_last"), param(2)], [[0, 1]],
                      {}),
    "gradient transposed": ([param(3, 4), param(2)], [[0, 1]],
                            {(s, 0): "transposed" for s in range(STEPS)}),
    "gradient channels last": ([param(2, 3, 2, 2), param(2)], [[0, 1]],
                               {(s, 0): "channels_last" for s in (1, 2)}),
    "gradient with holes": ([param(3, 4), param(2)], [[0, 1]], {(1, 0): "holes"}),
    "gradient expanded": ([param(3, 4), param(2)], [[0, 1]],
                          {(s, 0): "expanded" for s in range(STEPS)}),
    "both channels last": ([param(2, 3, 2, 2, layout="channels_last"), param(2)],
                           [[0, 1]], {(s, 0): "channels_last" for s in range(STEPS)}),
    "expanded": ([param(3, 4, layout="expanded"), param(2)], [[0, 1]], {}),
    "double": ([param(3, dtype="float64"), param(2)], [[0, 1]], {}),
    "bfloat16": ([param(3, dtype="bfloat16"), param(2)], [[0, 1]], {}),
    "half": ([param(3, dtype="float16"), param(2)], [[0, 1]], {}),
    "sparse gradient": ([param(4, 3), param(2)], [[0, 1]],
                        {(s, 0): "sparse" for s in range(STEPS)}),
}


def lay_out(data, layout):
    """`data` in memory laid out otherwise; contiguous ones of the same values."""
    if layout == "transposed":
        return data.t().contiguous().t()
    if layout == "holes":
        wide = torch.zeros(data.shape[0], data.shape[1] * 2, dtype=data.dtype)
        wide[:, ::2] = data
        return wide[:, ::2]
    if layout == "channels_last":
        return data.contiguous(memory_format=torch.channels_last)
    if layout == "expanded":
        return data[:1].expand(data.shape)
    if layout == "sparse":
        data = data.clone()
        data[1] = 0
        return data.to_sparse(1)
    return data


def draw(place):
    """Weights and gradients as numbers, with the changes put in."""
    specs, _, changes = place
    weights, grads = [], []
    for spec in specs:
        dtype = getattr(torch, spec["dtype"])
        weights.append(torch.randn(spec["shape"]).to(dtype))
    for step in range(STEPS):
        row = []
        for index, spec in enumerate(specs):
            dtype = getattr(torch, spec["dtype"])
            grad = torch.randn(spec["shape"]).to(dtype)
            change = changes.get((step, index), "contiguous")
            if change is None:
                row.append(None)
                continue
            layout = "contiguous"
            if isinstance(change, float) or change in ("nan", "inf", "-inf"):
                grad.view(-1)[0] = float(change)
            else:
                layout = change
            if layout == "expanded":
                grad = grad[:1].expand(grad.shape)
            if layout == "sparse":
                grad[1] = 0
            row.append(dict(data=numbers(grad), layout=layout))
        grads.append(row)
    return weights, grads


def train(optimizer, wrapper, place, weights, grads):
    specs, groups, _ = place
    leaves = [lay_out(w.clone(), s["layout"]).detach().requires_grad_()
              for w, s in zip(weights, specs)]
    options = dict(optimizer)
    made = getattr(torch.optim, options.pop("type"))(
        [dict(params=[leaves[i] for i in group]) for group in groups], **options)
    options = copy.deepcopy(wrapper)
    classes = dict(OptimWrapper=OptimWrapper,
                   AmpOptimWrapper=amp_optimizer_wrapper.AmpOptimWrapper)
    wrapped = classes[options.pop("type")](optimizer=made, **options)
    scale = wrapper.get("loss_scale", 1.0)
    for step in range(STEPS):
        if hasattr(wrapped, "loss_scaler"):
            wrapped.loss_scaler.scale(torch.zeros(()))
        for leaf, grad in zip(leaves, grads[step]):
            leaf.grad = None
            if grad is not None:
                data = torch.tensor([float(v) for v in grad["data"]],
                                    dtype=torch.float64)
                data = (data * scale).to(leaf.dtype).reshape(leaf.shape)
                leaf.grad = lay_out(data, grad["layout"])
        wrapped.step()
    states = sorted(i for i, leaf in enumerate(leaves) if made.state.get(leaf))
    return [numbers(leaf) for leaf in leaves], states


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    cases = []
    for name, place in PLACES.items():
        weights, grads = draw(place)
        entry = dict(name=name, params=place[0], groups=place[1],
                     weights=[numbers(w) for w in weights], grads=grads, runs=[])
        for optimizer in OPTIMIZERS:
            for wrapper in WRAPPERS:
                run = dict(optimizer=optimizer, wrapper=wrapper)
                try:
                    run["result"], run["states"] = train(optimizer, wrapper, place,
                                                         weights, grads)
                except (RuntimeError, ValueError, AssertionError) as error:
                    run["error"] = str(error).splitlines()[0][:160]
                    if len(sys.argv) > 1:
                        print(name, optimizer, wrapper, "->", run["error"])
                entry["runs"].append(run)
        cases.append(entry)
    with open(os.path.join(OUT, "edges.json"), "w") as file:
        json.dump(cases, file)
    with open(os.path.join(OUT, "edges.provenance.txt"), "w") as note:
        note.write("edges.json\n"
                   "script:    tools/golden/optim_edges.py\n"
                   f"versions:  torch {torch.__version__}, "
                   f"mmengine {mmengine.__version__}\n"
                   f"seed:      {SEED}\n"
                   "tolerance: 1e-6 of a weight's norm, in half precision 2 units in "
                   "the last place\n")


if __name__ == "__main__":
    main()
