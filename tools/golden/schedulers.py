"""Golden values of MMEngine's parameter schedulers.

Writes tests/golden/optim/schedules.json: for each case the schedulers' configs, the
optimizer's groups, the values of the driven option in every group (the base group last)
after construction and after each step, and the final state dicts. Tolerance 0.

Usage: python tools/golden/schedulers.py
"""
import json
import math
import os
from collections import Counter

import mmengine
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests",
                   "golden", "optim")

L = dict


def case(*schedulers, steps=12, optimizer="SGD", groups=1, lr=0.1, epoch_length=0,
         option="lr", metrics=None, **options):
    return L(schedulers=list(schedulers), steps=steps, optimizer=optimizer,
             groups=groups, lr=lr, epoch_length=epoch_length, option=option,
             metrics=metrics, options=options)


CASES = [
    case(L(type="ConstantLR", factor=0.5, begin=0, end=5)),
    case(L(type="ConstantLR", begin=2, end=7), lr=0.03, groups=3),
    case(L(type="LinearLR", start_factor=0.1, begin=0, end=5)),
    case(L(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
         steps=520, lr=0.02),
    case(L(type="LinearLR", start_factor=1.0, end_factor=0.3, begin=3, end=9)),
    case(L(type="StepLR", step_size=2)),
    case(L(type="StepLR", step_size=3, gamma=0.7, begin=1), groups=3),
    case(L(type="MultiStepLR", milestones=[2, 4], gamma=0.1)),
    case(L(type="MultiStepLR", milestones=[2, 5, 5, 7], gamma=0.3), lr=0.7),
    case(L(type="MultiStepLR", milestones=[100, 150], by_epoch=True), steps=200),
    case(L(type="ExponentialLR", gamma=0.9)),
    case(L(type="ExponentialLR", gamma=0.95, begin=2, end=5), groups=2),
    case(L(type="CosineAnnealingLR", begin=0, end=5)),
    case(L(type="CosineAnnealingLR", T_max=200), steps=200),
    case(L(type="CosineAnnealingLR", T_max=2, eta_min=0.01)),
    case(L(type="CosineAnnealingLR", T_max=7, eta_min_ratio=0.05), steps=30, groups=3),
    case(L(type="CosineAnnealingLR", T_max=90, eta_min=1e-5, begin=10, end=100),
         steps=110, lr=4e-3),
    case(L(type="PolyLR", power=2, begin=0, end=5)),
    case(L(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, end=160, by_epoch=False),
         steps=160, lr=0.01),
    case(L(type="PolyLR", begin=0, end=10), lr=1),
    case(L(type="OneCycleLR", eta_max=1.0, total_steps=10), steps=9),
    case(L(type="OneCycleLR", eta_max=0.1, pct_start=0.2, anneal_strategy="linear",
           begin=0, end=30), steps=30),
    case(L(type="OneCycleLR", eta_max=0.3, three_phase=True, total_steps=40,
           div_factor=10.0, final_div_factor=100.0), steps=39, groups=2),
    case(L(type="OneCycleLR", eta_max=[0.3, 0.2, 0.1], total_steps=20), steps=19,
         groups=2),
    case(L(type="CosineRestartLR", periods=[3, 4], restart_weights=[1, 0.5],
           eta_min=0.01)),
    case(L(type="CosineRestartLR", periods=[5, 7, 9], restart_weights=[1, 0.7, 0.2],
           eta_min_ratio=0.1), steps=30, groups=3),
    case(L(type="LinearLR", start_factor=0.1, begin=0, end=3),
         L(type="MultiStepLR", milestones=[4, 6])),
    case(L(type="LinearLR", start_factor=0.25, by_epoch=True, begin=0, end=5,
           convert_to_iter_based=True),
         L(type="CosineAnnealingLR", T_max=15, by_epoch=True, begin=5, end=20,
           convert_to_iter_based=True), steps=200, epoch_length=9),
    case(L(type="StepLR", step_size=2, convert_to_iter_based=True), steps=30,
         epoch_length=4),
    case(L(type="MultiStepLR", milestones=[1, 3], convert_to_iter_based=True), steps=30,
         epoch_length=7),
    case(L(type="OneCycleLR", eta_max=0.1, total_steps=5, convert_to_iter_based=True),
         steps=49, epoch_length=10),
    case(L(type="CosineRestartLR", periods=[2, 3], restart_weights=[1, 0.5], eta_min=0,
           convert_to_iter_based=True), steps=40, epoch_length=6),
    case(L(type="PolyLR", power=1.5, begin=0.5, end=3.5, convert_to_iter_based=True),
         steps=40, epoch_length=9),
    case(L(type="ConstantMomentum", factor=0.5, begin=0, end=4), option="momentum",
         momentum=0.9),
    case(L(type="LinearMomentum", start_factor=0.5, begin=0, end=6), option="momentum",
         optimizer="AdamW", groups=2),
    case(L(type="CosineAnnealingMomentum", T_max=10), option="momentum",
         optimizer="Adam", betas=(0.8, 0.99)),
    case(L(type="StepMomentum", step_size=3, gamma=0.9), option="momentum",
         momentum=0.95, groups=2),
    case(L(type="MultiStepMomentum", milestones=[3], gamma=0.9), option="momentum",
         momentum=0.95),
    case(L(type="ExponentialMomentum", gamma=0.99), option="momentum", momentum=0.9),
    case(L(type="PolyMomentum", begin=0, end=9), option="momentum", momentum=0.9),
    case(L(type="CosineRestartMomentum", periods=[4, 6], restart_weights=[1, 1],
           eta_min=0.1), option="momentum", momentum=0.9),
    case(L(type="LinearParamScheduler", param_name="weight_decay", start_factor=0.1,
           begin=0, end=6), option="weight_decay", weight_decay=0.05, groups=2),
    case(L(type="CosineAnnealingParamScheduler", param_name="weight_decay", T_max=8),
         option="weight_decay", weight_decay=0.05, optimizer="AdamW"),
    case(L(type="OneCycleParamScheduler", param_name="lr", eta_max=0.2, total_steps=9),
         steps=8),
    case(L(type="ReduceOnPlateauLR", patience=1), steps=0,
         metrics=[1.0, 0.9, 0.95, 0.93, 0.92, 0.5, 0.6, 0.6, 0.6, 0.6]),
    case(L(type="ReduceOnPlateauLR", monitor="acc", rule="greater", factor=0.5,
           patience=0, cooldown=2, threshold=0.01, threshold_rule="abs",
           min_value=0.02), steps=0, groups=2,
         metrics=[0.5, 0.6, 0.605, 0.5, 0.5, 0.5, 0.5, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6]),
    case(L(type="ReduceOnPlateauLR", patience=0, min_value=[0.01, 0.05], begin=1,
           end=9), steps=0, groups=2, metrics=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    case(L(type="ReduceOnPlateauParamScheduler", param_name="weight_decay", patience=0,
           rule="less", threshold_rule="abs", threshold=0.1), steps=0,
         option="weight_decay", weight_decay=0.01, metrics=[1, 0.95, 0.5, 0.45]),
]  # no ReduceOnPlateauMomentum: MMEngine's cannot be given metrics


def make_wrapper(spec):
    params = [{"params": [torch.nn.Parameter(torch.zeros(1))]}
              for _ in range(spec["groups"])]
    for index, group in enumerate(params[1:], 1):
        group["lr"] = spec["lr"] * (index + 1) / 3
    cls = getattr(torch.optim, spec["optimizer"])
    return OptimWrapper(cls(params, lr=spec["lr"], **spec["options"]))


def values(wrapper, option):
    return [group[option] for group in wrapper.param_groups]


def plain(state):
    result = {}
    for key, value in state.items():
        if isinstance(value, Counter):
            value = {str(k): v for k, v in value.items()}
        if not callable(value):
            result[key] = value
    return result


def run(spec):
    wrapper = make_wrapper(spec)
    result = dict(spec)
    result["group_lrs"] = values(wrapper, "lr")
    schedulers = []
    for config in spec["schedulers"]:
        extra = {"epoch_length": spec["epoch_length"]}
        if not config.get("convert_to_iter_based"):
            extra = {}
        schedulers.append(
            PARAM_SCHEDULERS.build(dict(config),
                                   default_args=dict(optimizer=wrapper, **extra)))
    trace = [values(wrapper, spec["option"])]
    wrapper.optimizer.step()
    for _ in range(spec["steps"]):
        for scheduler in schedulers:
            scheduler.step()
        trace.append(values(wrapper, spec["option"]))
    for metric in spec["metrics"] or []:
        name = spec["schedulers"][0].get("monitor", "loss")
        schedulers[0].step()
        schedulers[0].step({name: metric})
        trace.append(values(wrapper, spec["option"]))
    result["values"] = trace
    result["states"] = [plain(s.state_dict()) for s in schedulers]
    if "betas" in wrapper.param_groups[0]:
        result["betas"] = values(wrapper, "betas")
    return result


def main():
    os.makedirs(OUT, exist_ok=True)
    results = [run(spec) for spec in CASES]
    assert all(math.isfinite(v) for r in results for row in r["values"] for v in row)
    with open(os.path.join(OUT, "schedules.json"), "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(r) for r in results) + "\n]\n")
    with open(os.path.join(OUT, "schedules.provenance.txt"), "w") as note:
        note.write("schedules.json\n"
                   "script:    tools/golden/schedulers.py\n"
                   f"versions:  mmengine {mmengine.__version__}, "
                   f"torch {torch.__version__}\n"
                   "seed:      none needed\n"
                   "tolerance: 0 (with the C library's cos and pow of glibc)\n")


if __name__ == "__main__":
    main()
