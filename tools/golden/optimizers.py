"""Trajectories of optimizers, taken from PyTorch and the libraries around it.

Writes tests/golden/optim/optimizers.json, which says what each case is, optimizers_avx2.bin
with its numbers, optimizers_default.json and .bin with what differs where ATen has no fused
multiply-add, and optimizers.provenance.txt beside them. tests/torch/test_optimizers.c reads
them.

A case is an optimizer with its options over one of the sets of parameters below, in one or
two groups. The numbers are the parameters after 1 and 50 steps and the state after 50.
Gradients and initial values are shared by all cases of a set. The optimizers are those of
MMEngine's registry, as a config would name them.

Usage: python tools/golden/optimizers.py [FOLDER]
FOLDER: the cases go there, for this machine's instruction set alone, and with them
`theirs.pth`: parameters and state_dict() of every case after 25 steps.

Records: a line "<name> <f32|f64> <count>", then count little-endian numbers.
"""
import json
import os
import subprocess
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "tests", "golden", "optim")
SEED = 20261124
STEPS = 50
HALF = 25
CHANNELS_LAST = "channels_last"

# name, sizes, group, has a gradient, memory format
SETS = {
    "usual": [
        ("scalar", [], 0, True, None),
        ("vector", [37], 0, True, None),
        ("matrix", [5, 6], 0, True, None),
        ("image", [2, 3, 2, 3], 0, True, CHANNELS_LAST),
        ("empty", [0, 3], 1, True, None),
        ("kernel", [2, 3, 1, 2], 1, True, None),
        ("frozen", [4], 1, False, None),
        ("bias", [9], 1, True, None),
    ],
    "matrices": [
        ("wide", [5, 16], 0, True, None),
        ("frozen", [2, 3], 0, False, None),
        ("tall", [11, 3], 1, True, None),
        ("square", [4, 4], 1, True, None),
    ],
    "sparse": [
        ("embedding", [11, 4], 0, True, None),
        ("frozen", [4], 0, False, None),
        ("deep", [6, 2, 2], 1, True, None),
    ],
    "mixed": [
        ("embedding", [11, 4], 0, True, None),
        ("dense", [7], 0, True, None),
        ("deep", [6, 2, 2], 1, True, None),
    ],
    "closure": [
        ("valley", [6], 0, True, None),
        ("matrix", [5, 6], 0, True, None),
        ("frozen", [3], 0, False, None),
        ("scalar", [], 0, True, None),
    ],
}
SETS["full"] = [member for member in SETS["usual"] if member[0] != "empty"]
SETS["shaped"] = [member for member in SETS["usual"] if member[0] != "scalar"]
SPARSE = ("embedding", "deep")
GRADS_OF = {"full": "usual", "shaped": "usual"}  # a set with the numbers of another

# Options that change within a case: at step k the learning rate is lr times what stands
# at the last k that was reached.
SCHEDULE = [[0, 1.0], [20, 0.3], [35, 0.05]]


def torch_cases():
    adam = [
        dict(lr=1e-3), dict(lr=1e-2, weight_decay=0.1), dict(lr=3e-3, betas=(0.8, 0.95), eps=1e-6),
        dict(lr=1e-3, amsgrad=True), dict(lr=1e-2, maximize=True), dict(lr=1e-2, eps=0.1, weight_decay=1e-3),
        dict(lr=5e-3, betas=(0.3, 0.99), amsgrad=True, weight_decay=0.01), dict(lr=0.0, weight_decay=0.1),
        dict(lr=1e-2, betas=(0.0, 0.9)), dict(lr=1e-2, amsgrad=True, maximize=True, weight_decay=0.05),
    ]
    return {
        "SGD": [
            dict(lr=0.1), dict(lr=0.1, weight_decay=1e-2), dict(lr=0.05, maximize=True, weight_decay=0.01),
            dict(lr=0.01, momentum=0.9), dict(lr=0.01, momentum=0.9, weight_decay=5e-4),
            dict(lr=0.01, momentum=0.9, dampening=0.3), dict(lr=0.01, momentum=0.9, nesterov=True),
            dict(lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
            dict(lr=0.01, momentum=0.8, dampening=0.1, maximize=True, weight_decay=1e-3),
            dict(lr=0, momentum=0.9), dict(lr=0.02, momentum=0.5, nesterov=True, maximize=True),
            dict(lr=0.02, momentum=0.99, dampening=1.0, weight_decay=0.1),
        ],
        "Adam": adam + [dict(lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True)],
        "AdamW": adam + [dict(lr=1e-2, weight_decay=0.0)],
        "Adamax": [
            dict(), dict(lr=1e-2, weight_decay=0.1), dict(lr=1e-2, betas=(0.8, 0.9)), dict(lr=1e-2, eps=1e-2),
            dict(lr=1e-2, maximize=True), dict(lr=1e-2, betas=(0.5, 0.99), eps=1e-4, weight_decay=1e-2),
            dict(lr=0.0), dict(lr=5e-3, maximize=True, weight_decay=0.05),
        ],
        "NAdam": [
            dict(), dict(lr=1e-2, weight_decay=0.1), dict(lr=1e-2, momentum_decay=0.1),
            dict(lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True), dict(lr=1e-2, betas=(0.8, 0.9), eps=1e-5),
            dict(lr=1e-2, maximize=True), dict(lr=1e-2, momentum_decay=0.0, weight_decay=1e-3),
            dict(lr=5e-3, betas=(0.95, 0.99), momentum_decay=0.01, decoupled_weight_decay=True, weight_decay=0.02),
            dict(lr=0.0, weight_decay=0.1),
        ],
        "RAdam": [
            dict(), dict(lr=1e-2, weight_decay=0.1), dict(lr=1e-2, betas=(0.8, 0.9)),
            dict(lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True), dict(lr=1e-2, eps=1e-2),
            dict(lr=1e-2, maximize=True), dict(lr=1e-2, betas=(0.9, 0.6)), dict(lr=1e-2, betas=(0.7, 0.95)),
            dict(lr=5e-3, maximize=True, decoupled_weight_decay=True, weight_decay=0.02),
        ],
        "Adagrad": [
            dict(), dict(lr=0.1, weight_decay=0.1), dict(lr=0.1, lr_decay=0.1),
            dict(lr=0.1, initial_accumulator_value=0.5), dict(lr=0.1, eps=1e-2), dict(lr=0.1, maximize=True),
            dict(lr=0.05, lr_decay=0.01, weight_decay=1e-2, initial_accumulator_value=0.1, eps=1e-8), dict(lr=0.0),
            dict(lr=0.2, maximize=True, lr_decay=0.3, weight_decay=0.01),
        ],
        "Adadelta": [
            dict(), dict(lr=0.5, weight_decay=0.1), dict(rho=0.5), dict(eps=1e-3), dict(maximize=True),
            dict(lr=2.0, rho=0.95, eps=1e-4, weight_decay=1e-2), dict(lr=0.0), dict(rho=0.0, maximize=True),
        ],
        "RMSprop": [
            dict(), dict(lr=1e-2, weight_decay=0.1), dict(alpha=0.9), dict(eps=1e-3), dict(momentum=0.9),
            dict(centered=True), dict(centered=True, momentum=0.5), dict(maximize=True),
            dict(lr=3e-3, alpha=0.8, eps=1e-5, momentum=0.8, centered=True, weight_decay=1e-2),
            dict(momentum=0.9, weight_decay=1e-3), dict(lr=0.0, momentum=0.9),
            dict(maximize=True, centered=True, momentum=0.9, weight_decay=0.01),
        ],
        "Rprop": [
            dict(), dict(lr=0.1), dict(etas=(0.3, 1.5)), dict(step_sizes=(1e-3, 0.05)), dict(maximize=True),
            dict(lr=1e-3, etas=(0.7, 1.1), step_sizes=(1e-4, 1.0)), dict(lr=0.05, etas=(0.5, 1.05), maximize=True),
            dict(lr=0.0),
        ],
        "ASGD": [
            dict(), dict(lr=0.1, weight_decay=0.1), dict(lr=0.1, lambd=0.1), dict(lr=0.1, alpha=0.5),
            dict(lr=0.1, t0=10), dict(lr=0.1, maximize=True), dict(lr=0.05, lambd=0.01, alpha=0.9, t0=5,
                                                                  weight_decay=1e-2),
            dict(lr=0.0), dict(lr=0.1, t0=0.0), dict(lr=0.1, t0=20, maximize=True, lambd=0.05),
        ],
        "TorchAdafactor": [
            dict(), dict(lr=0.1), dict(lr=0.1, weight_decay=0.1), dict(lr=0.1, beta2_decay=-0.5),
            dict(lr=0.1, eps=(1e-4, 1e-2)), dict(lr=0.1, eps=(None, 0.1)), dict(lr=0.1, d=2.0),
            dict(lr=0.1, maximize=True), dict(lr=0.5, beta2_decay=-0.9, eps=(1e-8, 1e-4), d=1.5, weight_decay=0.02),
            dict(lr=0.0), dict(lr=1.0, beta2_decay=0.0),
        ],
        "Muon": [
            dict(), dict(lr=0.02, weight_decay=0.0), dict(lr=0.02, momentum=0.5), dict(lr=0.02, nesterov=False),
            dict(lr=0.02, ns_steps=3), dict(lr=0.02, ns_coefficients=(2.0, -1.5, 0.5)),
            dict(lr=0.02, adjust_lr_fn="match_rms_adamw"), dict(lr=0.02, adjust_lr_fn="original", eps=1e-3),
        ],
        "SparseAdam": [
            dict(), dict(lr=0.1), dict(lr=0.1, betas=(0.8, 0.9)), dict(lr=0.1, eps=1e-2), dict(lr=0.1, maximize=True),
            dict(lr=0.05, betas=(0.5, 0.99), eps=1e-5, maximize=True),
        ],
        "SGD/sparse": [
            dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, maximize=True),
            dict(lr=0.1, momentum=0.9, nesterov=True), dict(lr=0.1, momentum=0.8, dampening=0.1),
        ],
        "Adagrad/sparse": [
            dict(lr=0.1), dict(lr=0.1, lr_decay=0.1, eps=1e-3), dict(lr=0.1, maximize=True,
                                                                     initial_accumulator_value=0.2),
        ],
        "LBFGS": [
            dict(max_iter=4), dict(max_iter=4, line_search_fn="strong_wolfe"),
            dict(lr=0.1, max_iter=3), dict(lr=0.5, max_iter=3, line_search_fn="strong_wolfe"),
            dict(max_iter=5, history_size=2), dict(max_iter=5, history_size=2, line_search_fn="strong_wolfe"),
            dict(max_iter=6, max_eval=4, history_size=5), dict(max_iter=6, max_eval=4, history_size=5,
                                                               line_search_fn="strong_wolfe"),
            dict(lr=0.3, max_iter=4, tolerance_grad=1e-2, history_size=6),
            dict(max_iter=4, tolerance_grad=1e-2, history_size=6, line_search_fn="strong_wolfe"),
            dict(max_iter=4, tolerance_change=1e-3, history_size=6),
            dict(max_iter=4, tolerance_change=1e-3, history_size=6, line_search_fn="strong_wolfe"),
            dict(max_iter=1, history_size=4), dict(max_iter=1, history_size=4, line_search_fn="strong_wolfe"),
            dict(lr=1e-3, max_iter=2, history_size=4), dict(lr=0, max_iter=2, history_size=4),
        ],
    }


def other_cases():
    adafactor = dict(scale_parameter=False, relative_step=False)
    free = [dict(), dict(lr=0.05, weight_decay=0.1), dict(lr=0.05, warmup_steps=10), dict(lr=0.05, r=1.0),
            dict(lr=0.05, weight_lr_power=0.0)]
    return {
        "Adafactor": [
            dict(), dict(lr=1e-2, **adafactor), dict(warmup_init=True), dict(lr=1e-2, relative_step=False),
            dict(lr=1e-2, beta1=0.9, **adafactor), dict(beta1=0.5, weight_decay=0.1),
            dict(lr=1e-2, weight_decay=0.1, **adafactor), dict(lr=1e-2, eps=(1e-8, 1e-2), relative_step=False),
            dict(lr=1e-2, clip_threshold=0.5, **adafactor), dict(lr=1e-2, decay_rate=-0.5, **adafactor),
            dict(scale_parameter=False, decay_rate=-0.9, clip_threshold=2.0),
        ],
        "LARS": [
            dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, momentum=0.9, weight_decay=0.1),
            dict(lr=0.1, momentum=0.9, dampening=0.3), dict(lr=0.1, momentum=0.9, nesterov=True),
            dict(lr=1.0, eta=0.02, weight_decay=1e-2), dict(lr=1.0, momentum=0.5, eps=0.1),
            dict(lr=0.01, momentum=0.9, lars_exclude=True), dict(lr=0.0, momentum=0.9),
        ],
        "Lamb": [
            dict(), dict(lr=1e-2, weight_decay=0.0), dict(lr=1e-2, bias_correction=False),
            dict(lr=1e-2, betas=(0.8, 0.9), eps=1e-4), dict(lr=1e-2, grad_averaging=False),
            dict(lr=1e-2, max_grad_norm=1e9), dict(lr=1e-2, trust_clip=True),
            dict(lr=1e-2, weight_decay=0.0, always_adapt=True), dict(lr=0.0, weight_decay=0.1),
        ],
        "Adan": [
            dict(), dict(foreach=False), dict(lr=1e-2, weight_decay=0.1),
            dict(lr=1e-2, weight_decay=0.1, foreach=False), dict(lr=1e-2, betas=(0.9, 0.8, 0.95), eps=1e-4),
            dict(lr=1e-2, max_grad_norm=1.0), dict(lr=1e-2, max_grad_norm=1.0, foreach=False),
            dict(lr=1e-2, betas=(0.95, 0.9, 0.9), weight_decay=0.05),  # no_prox: forgets the update
            dict(lr=1e-2, no_prox=True, weight_decay=0.1, foreach=False),
        ],
        "Lion": [
            dict(), dict(lr=1e-3, weight_decay=0.1), dict(lr=1e-3, betas=(0.95, 0.98)),
            dict(lr=1e-3, betas=(0.5, 0.5), weight_decay=1.0),
            dict(lr=1e-3, weight_decay=0.1, decoupled_weight_decay=True), dict(lr=1e-2),
        ],
        "DAdaptAdam": [
            dict(), dict(weight_decay=0.1), dict(weight_decay=0.1, decouple=True), dict(use_bias_correction=True),
            dict(betas=(0.8, 0.95), eps=1e-6), dict(d0=1e-3, growth_rate=1.05), dict(lr=0.5, d0=1e-4),
        ],
        "DAdaptSGD": [
            dict(), dict(momentum=0.9), dict(weight_decay=0.1), dict(lr=0.5, d0=1e-3, momentum=0.5),
            dict(growth_rate=1.02, d0=1e-3),
        ],
        "DAdaptAdaGrad": [
            dict(), dict(momentum=0.9), dict(weight_decay=0.1), dict(lr=0.5, d0=1e-3, eps=1e-4),
            dict(growth_rate=1.02, d0=1e-3, momentum=0.5),
        ],
        "SGDScheduleFree": free + [dict(lr=0.05, momentum=0.7)],
        "AdamWScheduleFree": free + [dict(lr=0.01, betas=(0.95, 0.9), eps=1e-4)],
        "RAdamScheduleFree": [c for c in free if "warmup_steps" not in c] + [
            dict(lr=0.01, betas=(0.95, 0.9), eps=1e-4), dict(lr=0.01, silent_sgd_phase=False)],
    }


# Where a comparison by norm says nothing: one sign, one step of a line search.
EXACT = ("Rprop", "Lion", "Muon", "LBFGS")
# TorchAdafactor divides by the number of elements, Lamb and Adan cannot have a scalar.
SET_OF = {"TorchAdafactor": "full", "Lamb": "shaped", "Adan": "shaped", "Muon": "matrices", "SparseAdam": "sparse", "LBFGS": "closure"}


def find_class(name):
    if name.endswith("ScheduleFree"):
        import schedulefree
        return getattr(schedulefree, name)
    import mmengine.optim  # noqa: F401, fills the registry
    from mmengine.registry import OPTIMIZERS
    if name in ("LARS", "Lamb", "Adan"):
        sys.path.insert(0, os.path.join(HERE, "..", "compare"))
        import reference  # noqa: F401, makes mmpretrain importable
        import mmpretrain.engine.optimizers  # noqa: F401
        from mmpretrain.registry import OPTIMIZERS
    return OPTIMIZERS.get(name)


def all_cases():
    cases = []
    for key, options_of_cases in list(torch_cases().items()) + list(other_cases().items()):
        name, _, variant = key.partition("/")
        members = SET_OF.get(name, "mixed" if variant else "usual")
        one_group = members == "closure"
        for index, options in enumerate(options_of_cases):
            case = dict(name=f"{key}/{index}", type=name, options=options, set=members,
                        bar="exact" if name in EXACT else "smooth", dtype="float32")
            if index % 2 == 1 and not one_group:
                same_rate = name.startswith("DAdapt") or not options.get("lr")
                case["second"] = {} if same_rate else dict(lr=options["lr"] * 0.5)
                if takes(name, "weight_decay") and not variant:
                    case["second"]["weight_decay"] = 0.03
            if index % 3 == 2 and options.get("lr"):
                case["schedule"] = SCHEDULE
            cases.append(case)
        if GRADS_OF.get(members, members) == "usual":
            own = [case for case in cases if case["type"] == name and case["options"].get("lr") != 0]
            cases.append(dict(own[3], name=f"{key}/double", dtype="float64"))  # out of the kernels' reach
            cases.append(dict(own[4], name=f"{key}/rough", grads="rough"))
    return cases


def takes(name, option):
    import inspect
    return option in inspect.signature(find_class(name).__init__).parameters


def laid_out(tensor, layout):
    return tensor.to(memory_format=torch.channels_last) if layout == CHANNELS_LAST else tensor.contiguous()


def draw_sets():
    """Initial values and gradients of every set, in float32; sparse ones as (indices, values)."""
    generator = torch.Generator().manual_seed(SEED)
    drawn = {}
    for key, members in SETS.items():
        for name, sizes, _, has_grad, _ in members if key not in GRADS_OF else ():
            count = int(np.prod(sizes))
            start = torch.randn(count, generator=generator)
            # around a direction of their own: D-Adaptation finds none in noise
            grads = torch.randn(count, generator=generator) + torch.randn(STEPS, count, generator=generator)
            if key != "matrices":
                grads = grads * torch.logspace(-4, 1, max(count, 1))[:count]
            rough = grads.clone()
            if count > 8:  # nothing, both zeros, what vanishes and what is large
                rough[3:6] = 0.0
                rough[7, :5] = torch.tensor([0.0, -0.0, 1e-40, -1e-42, 1e4])
                rough[8, :5] = -rough[8, :5].abs()
                rough[::2, 7] = 0.0
            lists = []
            for step in range(STEPS):
                rows = 0 if step in (4, 5) else 5
                at = torch.randint(0, sizes[0], (rows, ), generator=generator) if sizes and sizes[0] else None
                inner = int(np.prod(sizes[1:]))
                lists.append((at, torch.randn(rows, inner, generator=generator)))
            drawn[key, name] = (start, grads, rough, lists)
    return drawn


def numbers_of(case):
    return GRADS_OF.get(case["set"], case["set"])


def make_params(case, drawn):
    dtype = getattr(torch, case["dtype"])
    params = []
    for name, sizes, _, _, layout in SETS[case["set"]]:
        start = drawn[numbers_of(case), name][0].reshape(sizes).to(dtype)
        params.append(laid_out(start, layout).clone(memory_format=torch.preserve_format).requires_grad_())
    return params


def make_optimizer(case, params):
    options = dict(case["options"])
    extra = {k: options.pop(k) for k in ("lars_exclude", ) if k in options}
    groups = [dict(params=[], **extra)]
    if "second" in case:
        groups.append(dict(params=[], **case["second"]))
    for param, (_, _, group, _, _) in zip(params, SETS[case["set"]]):
        groups[min(group, len(groups) - 1)]["params"].append(param)
    optimizer = find_class(case["type"])(groups, **options)
    if case["type"].endswith("ScheduleFree"):
        optimizer.train()
    return optimizer


def set_grads(case, params, drawn, step):
    dtype = getattr(torch, case["dtype"])
    for param, (name, sizes, _, has_grad, layout) in zip(params, SETS[case["set"]]):
        if not has_grad:
            continue
        _, grads, rough, lists = drawn[numbers_of(case), name]
        if case["set"] in ("sparse", "mixed") and name in SPARSE:
            indices, values = lists[step]
            param.grad = torch.sparse_coo_tensor(indices[None], values.reshape([-1] + sizes[1:]).to(dtype), sizes)
        else:
            source = rough if case.get("grads") == "rough" else grads
            param.grad = laid_out(source[step].reshape(sizes).to(dtype), layout).clone(
                memory_format=torch.preserve_format)


def closure_loss(params):
    """A curved valley and sums that hang together; `frozen` has no part in it."""
    valley, matrix, _, scalar = params
    here, next_ = valley[:-1], valley[1:]
    bend = next_ - here * here
    loss = (bend * bend).sum() * 5.0 + ((1.0 - here) * (1.0 - here)).sum()
    product = torch.mv(matrix, valley) - scalar
    loss = loss + (product * product).sum() * 0.5
    return loss + (matrix * matrix).sum() * 0.01 + torch.exp(scalar * 0.1)


def rate_factor(case, step):
    return [factor for first, factor in case.get("schedule", [[0, 1.0]]) if first <= step][-1]


def take_step(case, params, optimizer, drawn, step, rates):
    if "schedule" in case:
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * rate_factor(case, step)
    if case["set"] != "closure":
        set_grads(case, params, drawn, step)
        optimizer.step()
        return

    def closure():
        optimizer.zero_grad()
        loss = closure_loss(params)
        loss.backward()
        return loss

    optimizer.step(closure)


def first_rates(case, optimizer):
    """Of the groups as they were built: a loaded state has those of its last step."""
    lr = case["options"].get("lr")
    return [group.get("lr") if index == 0 or "lr" not in case["second"] else case["second"]["lr"]
            for index, group in enumerate(optimizer.param_groups)] if lr is None else \
        [lr if index == 0 else case["second"].get("lr", lr) for index in range(len(optimizer.param_groups))]


def run(case, drawn, steps=range(STEPS), params=None, optimizer=None, on_step=None):
    params = params or make_params(case, drawn)
    optimizer = optimizer or make_optimizer(case, params)
    rates = first_rates(case, optimizer)
    for step in steps:
        take_step(case, params, optimizer, drawn, step, rates)
        if on_step is not None:
            on_step(step, params, optimizer)
    return params, optimizer


def copied(params, optimizer):
    import copy
    return dict(params=[p.detach().clone() for p in params], optimizer=copy.deepcopy(optimizer.state_dict()))


def pack(value, numbers):
    """What a state looks like; the numbers of its tensors are appended to `numbers`."""
    if isinstance(value, torch.Tensor):
        numbers.append(value.detach().to_dense().double().reshape(-1).numpy())
        return dict(tensor=list(value.shape), dtype=str(value.dtype).replace("torch.", ""))
    if isinstance(value, dict):
        return {str(k): pack(v, numbers) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(v, numbers) for v in value]
    return value


def flat(tensors):
    return np.concatenate([t.detach().double().reshape(-1).numpy() for t in tensors] + [np.zeros(0)])


class Writer:
    def __init__(self):
        self.records = {}

    def put(self, name, array, kind="f32"):
        array = np.ascontiguousarray(array, dtype="<f4" if kind == "f32" else "<f8")
        self.records[name] = f"{name} {kind} {array.size}\n".encode() + array.tobytes()

    def write(self, path, known=None):
        """Without the records that `known` has just so."""
        with open(path, "wb") as file:
            for name, record in self.records.items():
                if known is None or known.records.get(name) != record:
                    file.write(record)


def put_inputs(out, drawn):
    for (key, name), (start, grads, rough, lists) in drawn.items():
        out.put(f"{key}/{name}/start", start)
        if key in ("sparse", "mixed") and name in SPARSE:
            out.put(f"{key}/{name}/rows", [len(at) for at, _ in lists], "f64")
            out.put(f"{key}/{name}/indices", torch.cat([at for at, _ in lists]), "f64")
            out.put(f"{key}/{name}/values", torch.cat([values.reshape(-1) for _, values in lists]))
        elif key != "closure":
            out.put(f"{key}/{name}/grads", grads)
            if key == "usual":
                out.put(f"{key}/{name}/rough", rough)


def put_case(out, case, drawn, halves):
    kind = "f64" if case["dtype"] == "float64" else "f32"
    results = []

    def on_step(step, params, optimizer):
        if step in (0, STEPS - 1):
            results.append(flat(params))
        if step == HALF - 1 and halves is not None:
            halves[case["name"]] = copied(params, optimizer)

    _, optimizer = run(case, drawn, on_step=on_step)
    packed = optimizer.state_dict()
    numbers = []
    state = pack(packed["state"], numbers)
    out.put(f"{case['name']}/params", np.concatenate(results), kind)
    out.put(f"{case['name']}/state", np.concatenate(numbers + [np.zeros(0)]), kind)
    return dict(case, state=state, param_groups=pack(packed["param_groups"], []))


def collect(halves=None):
    """The numbers, and the cases with what their state looks like."""
    torch.set_num_threads(1)
    drawn = draw_sets()
    out = Writer()
    put_inputs(out, drawn)
    cases = [put_case(out, case, drawn, halves) for case in all_cases()]
    put_root(out)
    return out, cases


def write_list(folder, cases):
    sets = {key: [dict(name=n, sizes=s, group=g, has_grad=h, layout=f, sparse=key in ("sparse", "mixed") and
                       n in SPARSE, numbers=GRADS_OF.get(key, key)) for n, s, g, h, f in members]
            for key, members in SETS.items()}
    states, lines = [], []
    for case in cases:
        if case["state"] not in states:
            states.append(case["state"])
        lines.append(json.dumps(dict(case, state=states.index(case["state"]))))
    with open(os.path.join(folder, "optimizers.json"), "w") as file:
        file.write(f'{{"torch": {json.dumps(torch.__version__)}, "steps": {STEPS}, "half": {HALF},\n"sets": '
                   f'{json.dumps(sets)},\n"states": [\n')
        file.write(",\n".join(json.dumps(state) for state in states))
        file.write('\n],\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")


def write_others(path, cases, known):
    """States and options of the groups that are not as in `known`: numbers of steps, of distances."""
    keys = ("state", "param_groups")
    with open(path, "w") as file:
        lines = [f'{json.dumps(case["name"])}: {json.dumps({key: case[key] for key in keys})}'
                 for case, other in zip(cases, known) if any(case[key] != other[key] for key in keys)]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def put_root(out):
    """Tells whether a libtorch has this one's square roots: MKL's differ between CPUs."""
    numbers = torch.rand(4096, generator=torch.Generator().manual_seed(SEED)) * 9
    out.put("sqrt/input", numbers)
    out.put("sqrt/output", numbers.sqrt())


def versions():
    from importlib.metadata import version
    names = ("torch", "mmengine", "mmpretrain", "transformers", "lion-pytorch", "dadaptation", "schedulefree", "numpy")
    return ", ".join(f"{name} {version(name)}" for name in names)


def write_live(folder):
    os.makedirs(folder, exist_ok=True)
    halves = {}
    out, cases = collect(halves)
    out.write(os.path.join(folder, "optimizers_avx2.bin"))
    Writer().write(os.path.join(folder, "optimizers_default.bin"))
    write_others(os.path.join(folder, "optimizers_default.json"), [], [])
    write_list(folder, cases)
    torch.save(halves, os.path.join(folder, "theirs.pth"))


def run_with(capability):
    """The numbers with another instruction set, from a process of its own."""
    import pickle
    done = subprocess.run([sys.executable, "-W", "ignore", __file__, "--pickle"], check=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, ATEN_CPU_CAPABILITY=capability, OMP_NUM_THREADS="1"))
    return pickle.loads(done.stdout)


def main():
    if sys.argv[1:] == ["--pickle"]:
        import pickle
        real, sys.stdout = sys.stdout, sys.stderr
        real.buffer.write(pickle.dumps(collect()))
        return
    if len(sys.argv) == 2:
        write_live(sys.argv[1])
        return
    (plain, plain_cases), (avx2, cases), (avx512, _) = [run_with(name) for name in ("default", "avx2", "avx512")]
    others = [name for name in avx2.records if avx2.records[name] != avx512.records[name]]
    avx2.write(os.path.join(OUT, "optimizers_avx2.bin"))
    plain.write(os.path.join(OUT, "optimizers_default.bin"), avx2)
    write_list(OUT, cases)
    write_others(os.path.join(OUT, "optimizers_default.json"), plain_cases, cases)
    with open(os.path.join(OUT, "optimizers.provenance.txt"), "w") as note:
        note.write("optimizers.json, optimizers_avx2.bin; optimizers_default.json, optimizers_default.bin: what\n"
                   "           differs from them without fused multiply-add\n"
                   "script:    tools/golden/optimizers.py\n"
                   f"versions:  {versions()}\n"
                   f"seed:      {SEED}\n"
                   "tolerance: 1e-6 of a tensor's norm; no difference in reference numerics with the\n"
                   "           same libtorch and instruction set on a CPU with the same square roots\n")
    print(f"{len(cases)} cases; AVX-512 rounds otherwise than AVX2 in {len(others)} records: {others}")


if __name__ == "__main__":
    main()
