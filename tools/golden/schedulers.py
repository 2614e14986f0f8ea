"""Golden values of MMEngine's parameter schedulers.

Writes tests/golden/optim/schedules.json: for each case the schedulers' configs, the
optimizer's groups, the values of the driven options in every group (the base group last)
after construction and after each step, state dicts and the groups' options in the middle,
and the final state dicts; and schedules_refused.json: configs that MMEngine refuses.
Tolerance 0.

Usage: python tools/golden/schedulers.py
       python tools/golden/schedulers.py FILE SEED COUNT    random cases alone
"""
import copy
import itertools
import json
import math
import os
import random
import sys
import warnings
from collections import Counter

import mmengine
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests",
                   "golden", "optim")

L = dict


def case(*schedulers, steps=12, optimizer="SGD", groups=1, lr=0.1, epoch_length=0,
         watch="lr", metrics=None, **options):
    return L(schedulers=list(schedulers), steps=steps, optimizer=optimizer,
             groups=groups, lr=lr, epoch_length=epoch_length, watch=watch.split(),
             metrics=metrics, options=options)


# ---- one rule, as written by hand ----

PLAIN = [
    case(L(type="ConstantLR", begin=2, end=7), lr=0.03, groups=3),
    case(L(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
         steps=520, lr=0.02),
    case(L(type="LinearLR", start_factor=1.0, end_factor=0.3, begin=3, end=9)),
    case(L(type="StepLR", step_size=3, gamma=0.7, begin=1), groups=3),
    case(L(type="MultiStepLR", milestones=[2, 5, 5, 7], gamma=0.3), lr=0.7),
    case(L(type="MultiStepLR", milestones=[100, 150], by_epoch=True), steps=200),
    case(L(type="ExponentialLR", gamma=0.95, begin=2, end=5), groups=2),
    case(L(type="CosineAnnealingLR", T_max=200), steps=200),
    case(L(type="CosineAnnealingLR", T_max=90, eta_min=1e-5, begin=10, end=100),
         steps=110, lr=4e-3),
    case(L(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, end=160, by_epoch=False),
         steps=160, lr=0.01),
    case(L(type="PolyLR", begin=0, end=10), lr=1),
    case(L(type="OneCycleLR", eta_max=1.0, total_steps=10), steps=9),
    case(L(type="OneCycleLR", eta_max=[0.3, 0.2, 0.1], total_steps=20), steps=19,
         groups=2),
    case(L(type="OneCycleParamScheduler", param_name="lr", eta_max=0.2, total_steps=9),
         steps=8),
    case(L(type="LinearLR", start_factor=0.1, begin=0, end=3, last_step=-1)),
]

# ---- each rule with each of its options, for lr, momentum and weight decay ----

RULES = [
    ("Constant", [L(begin=0, end=5), L(factor=0.5, begin=0, end=5),
                  L(factor=0.1, begin=3, end=4), L(factor=1.0, end=6),
                  L(factor=0.3, begin=1.5, end=7.5), L(factor=0.25)]),
    ("Linear", [L(begin=0, end=5), L(start_factor=0.001, begin=0, end=9),
                L(start_factor=0.5, end_factor=0.1, begin=2, end=8),
                L(start_factor=1.0, end_factor=0.0, begin=0, end=6),
                L(start_factor=0.2, begin=0.5, end=6.5), L(start_factor=0.3, end=1)]),
    ("Step", [L(step_size=2), L(step_size=1, gamma=0.5), L(step_size=3, gamma=1.5),
              L(step_size=2, begin=3, end=9), L(step_size=50)]),
    ("MultiStep", [L(milestones=[2, 4]), L(milestones=[4, 2], gamma=0.5),
                   L(milestones=[3, 3, 3, 8], gamma=0.7), L(milestones=[], gamma=0.7),
                   L(milestones=[0, 5, 100]), L(milestones=[1, 2], begin=4, end=7),
                   L(milestones=(6, 6), gamma=2.0)]),
    ("Exponential", [L(gamma=0.9), L(gamma=0.5, begin=2, end=5), L(gamma=1.01),
                     L(gamma=1.0)]),
    ("CosineAnnealing", [L(begin=0, end=5), L(T_max=4), L(T_max=2, eta_min=0.01),
                         L(T_max=7, eta_min_ratio=0.05), L(T_max=5, eta_min=0.3),
                         L(eta_min_ratio=0.5, begin=2, end=10), L(T_max=1, end=9),
                         L(T_max=2.5, eta_min=0.001), L(T_max=0, end=8),
                         L(T_max=3, begin=1, end=12, eta_min=0)]),
    ("Poly", [L(begin=0, end=5), L(power=2, begin=0, end=5),
              L(power=0.9, eta_min=1e-3, begin=1, end=11), L(power=0, end=6),
              L(power=3, eta_min=0.2, end=8), L(power=1.3, begin=0.5, end=8)]),
    ("CosineRestart", [L(periods=[3, 4], restart_weights=[1, 0.5], eta_min=0.01),
                       L(periods=[5], eta_min=0), L(periods=[12], eta_min_ratio=0.1),
                       L(periods=[2, 3, 4], restart_weights=[1, 0.7, 0.2],
                         eta_min_ratio=0.1),
                       L(periods=[1, 2], restart_weights=[0.5, 1.5], eta_min=0.02,
                         begin=2, end=9)]),
]
FORMS = [
    ("LR", L(), L(watch="lr")),
    ("LR", L(), L(watch="lr", groups=3, optimizer="AdamW", lr=3e-4)),
    ("Momentum", L(), L(watch="momentum", momentum=0.9, groups=2)),
    ("Momentum", L(), L(watch="momentum", optimizer="Adam", betas=(0.8, 0.99))),
    ("ParamScheduler", L(param_name="weight_decay"),
     L(watch="weight_decay", weight_decay=0.05, optimizer="AdamW", groups=2)),
]


def each_rule():
    for family, choices in RULES:
        for number, options in enumerate(choices):
            for form, extra, about in FORMS[:5 if number < 4 else 3]:
                yield case(L(type=family + form, **extra, **options), **about)


# ---- the 1cycle policy ----


def each_cycle():
    shapes = itertools.product(("cos", "linear"), (False, True), (0.3, 0.45))
    for number, (anneal, three, pct) in enumerate(shapes):
        config = L(type="OneCycleLR", eta_max=0.3, pct_start=pct, three_phase=three,
                   anneal_strategy=anneal, total_steps=25)
        if number % 2:
            config.update(div_factor=10.0, final_div_factor=100.0)
        yield case(config, steps=24, groups=1 + number % 2)
    yield case(L(type="OneCycleLR", eta_max=0.1, pct_start=0.0, end=15), steps=20)
    yield case(L(type="OneCycleLR", eta_max=0.1, pct_start=1.0, begin=3, end=15),
               steps=20)
    yield case(L(type="OneCycleLR", eta_max=0.1, begin=2, total_steps=30), steps=20)


# ---- epochs that become iterations ----


def each_conversion():
    rules = [
        ("Constant", L(factor=0.25, end=3)), ("Linear", L(start_factor=0.1, end=4)),
        ("Linear", L(start_factor=0.1, begin=0.5, end=2.75)),
        ("Step", L(step_size=2)), ("Step", L(step_size=1, gamma=0.5, begin=1, end=4)),
        ("MultiStep", L(milestones=[1, 3, 3])), ("Exponential", L(gamma=0.99)),
        ("CosineAnnealing", L(T_max=4)), ("CosineAnnealing", L(begin=1, end=5)),
        ("CosineAnnealing", L(T_max=2, eta_min_ratio=0.1)),
        ("Poly", L(power=1.5, begin=0.5, end=3.5)), ("Poly", L(end=5, eta_min=0.01)),
        ("CosineRestart", L(periods=[2, 3], restart_weights=[1, 0.5], eta_min=0)),
    ]
    for number, (family, options) in enumerate(rules):
        for form, extra, about in (FORMS[0], FORMS[3 if number % 2 else 2], FORMS[4]):
            yield case(L(type=family + form, convert_to_iter_based=True, **extra,
                         **options), epoch_length=7, steps=40, **about)
    for total, three in ((5, False), (5, True), (None, False)):
        config = L(type="OneCycleLR", eta_max=0.1, three_phase=three, end=5,
                   convert_to_iter_based=True)
        if total is not None:
            config["total_steps"] = total
        yield case(config, steps=49, epoch_length=10)


# ---- several at once ----

CHAINS = [
    case(L(type="LinearLR", start_factor=0.1, begin=0, end=3),
         L(type="MultiStepLR", milestones=[4, 6])),
    case(L(type="LinearLR", start_factor=0.25, by_epoch=True, begin=0, end=5,
           convert_to_iter_based=True),
         L(type="CosineAnnealingLR", T_max=15, by_epoch=True, begin=5, end=20,
           convert_to_iter_based=True), steps=200, epoch_length=9),
    case(L(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=50),
         L(type="CosineAnnealingLR", T_max=100, by_epoch=False, begin=50, end=150,
           eta_min=1e-5), steps=160, groups=3),
    case(L(type="LinearLR", start_factor=0.01, end=4),
         L(type="ConstantLR", factor=1.0, begin=4, end=8),
         L(type="PolyLR", power=0.9, begin=8, end=20, eta_min=1e-4), steps=24),
    case(L(type="LinearLR", start_factor=0.1, end=6),
         L(type="StepLR", step_size=2, gamma=0.8),
         L(type="ExponentialLR", gamma=0.97, begin=3), steps=20, groups=2),
    case(L(type="CosineRestartLR", periods=[4, 6], restart_weights=[1, 0.5], eta_min=0.0,
           end=10), L(type="ConstantLR", factor=0.1, begin=10, end=15), steps=18),
    case(L(type="LinearLR", start_factor=0.2, end=5),
         L(type="LinearMomentum", start_factor=0.9, end=8), watch="lr momentum",
         momentum=0.9, groups=2),
    case(L(type="CosineAnnealingLR", T_max=12),
         L(type="CosineAnnealingMomentum", T_max=12, eta_min=0.85),
         L(type="CosineAnnealingParamScheduler", param_name="weight_decay", T_max=12,
           eta_min=0.4), watch="lr momentum weight_decay", optimizer="AdamW",
         weight_decay=0.04, groups=3),
    case(L(type="OneCycleLR", eta_max=0.2, total_steps=20),
         L(type="LinearMomentum", start_factor=1.0, end_factor=0.9, end=6),
         L(type="LinearMomentum", start_factor=0.9, end_factor=1.0, begin=6, end=20),
         watch="lr momentum", momentum=0.95, steps=19),
    case(L(type="LinearParamScheduler", param_name="eps", start_factor=0.1, end=7),
         L(type="StepParamScheduler", param_name="eps", step_size=3, begin=7),
         watch="eps", optimizer="Adam"),
    case(L(type="LinearLR", start_factor=0.5, end=3),
         L(type="LinearLR", start_factor=0.5, end=3), steps=6),
    case(L(type="MultiStepLR", milestones=[2, 4]), L(type="MultiStepLR", milestones=[2]),
         L(type="StepLR", step_size=2, gamma=2.0), steps=9),
]

# ---- rules that wait for metrics ----

FALLING = [1.0, 0.9, 0.95, 0.93, 0.92, 0.5, 0.6, 0.6, 0.6, 0.6]
RISING = [0.5, 0.6, 0.605, 0.5, 0.5, 0.5, 0.5, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6]


def each_plateau():
    tries = [
        (L(patience=1), FALLING), (L(), FALLING * 3), (L(patience=0, cooldown=2), FALLING),
        (L(patience=0, factor=0.5, threshold_rule="abs", threshold=0.1), FALLING),
        (L(patience=0, factor=0.5, eps=0.02), FALLING), (L(factor=-0.5, patience=0), FALLING),
        (L(patience=0, min_value=0.02), FALLING), (L(patience=0, threshold=0.0), FALLING),
        (L(monitor="acc", rule="greater", factor=0.5, patience=0, cooldown=2,
           threshold=0.01, threshold_rule="abs", min_value=0.02), RISING),
        (L(monitor="acc", rule="greater", patience=1, factor=0.3, begin=2, end=9), RISING),
        (L(monitor="a/b", rule="greater", patience=2, factor=0.9, cooldown=1), RISING),
        (L(patience=0, begin=1, end=9), [1] * 10),
        (L(patience=2, factor=0.7), [math.nan, 1.0, math.nan, math.inf, 2.0, 0.5, 0.6]),
    ]
    for options, metrics in tries:
        yield case(L(type="ReduceOnPlateauLR", **options), steps=0, metrics=metrics)
        yield case(L(type="ReduceOnPlateauLR", **options), steps=0, metrics=metrics,
                   groups=2, optimizer="AdamW")
        yield case(L(type="ReduceOnPlateauParamScheduler", param_name="weight_decay",
                     **options), steps=0, metrics=metrics, weight_decay=0.05,
                   watch="weight_decay")
    yield case(L(type="ReduceOnPlateauLR", patience=0, min_value=[0.01, 0.05], begin=1,
                 end=9), steps=0, groups=2, metrics=[1] * 10)
    yield case(L(type="ReduceOnPlateauLR", patience=0, min_value=(0.02, 0.03, 0.01)),
               steps=0, groups=3, metrics=[1] * 10)
    yield case(L(type="LinearLR", start_factor=0.1, end=4),
               L(type="ReduceOnPlateauLR", patience=1, factor=0.5, begin=2), steps=0,
               metrics=[1] * 12, groups=2)
    # no ReduceOnPlateauMomentum: MMEngine's cannot be given metrics


# ---- random ones ----


def random_rule(draw, steps):
    family = draw.choice([f for f, _ in RULES])
    begin = draw.choice([0, 0, draw.randrange(steps), draw.random() * 3])
    end = begin + draw.choice([draw.randrange(2, steps), steps, 2.5 + draw.random()])
    options = L(begin=begin, end=end)
    share = draw.uniform(0.01, 1)
    if family == "Constant":
        options.update(factor=share)
    elif family == "Linear":
        options.update(start_factor=share, end_factor=draw.random())
    elif family == "Step":
        options.update(step_size=draw.randrange(1, 9), gamma=share)
    elif family == "MultiStep":
        options.update(milestones=[draw.randrange(steps) for _ in range(4)], gamma=share)
    elif family == "Exponential":
        options.update(gamma=draw.uniform(0.8, 1.05))
    elif family == "CosineAnnealing":
        options.update(T_max=draw.randrange(1, 30))
        options.update(draw.choice([L(), L(eta_min=share / 50), L(eta_min_ratio=share)]))
    elif family == "Poly":
        options.update(power=draw.uniform(0.2, 3), eta_min=draw.choice([0, share / 99]))
    else:
        count = draw.randrange(1, 4)
        options.update(periods=[draw.randrange(1, 12) for _ in range(count)],
                       restart_weights=[draw.random() for _ in range(count)])
        options.update(draw.choice([L(eta_min=share / 50), L(eta_min_ratio=share)]))
    return family, options


def random_case(draw):
    steps = draw.randrange(8, 40)
    optimizer = draw.choice(["SGD", "Adam", "AdamW"])
    about = L(optimizer=optimizer, groups=draw.randrange(1, 4), steps=steps,
              lr=10 ** draw.uniform(-5, 0), weight_decay=draw.uniform(1e-4, 0.1))
    if optimizer == "SGD":
        about.update(momentum=0.9)
    schedulers, watch = [], []
    for _ in range(draw.randrange(1, 4)):
        family, options = random_rule(draw, steps)
        form, option = draw.choice([("LR", "lr"), ("LR", "lr"), ("Momentum", "momentum"),
                                    ("ParamScheduler", "weight_decay")])
        if form == "ParamScheduler":
            options.update(param_name=option)
        if draw.random() < 0.3:
            options.update(convert_to_iter_based=True)
            about.update(epoch_length=draw.randrange(1, 6))
        schedulers.append(L(type=family + form, **options))
        watch += [option] if option not in watch else []
    return case(*schedulers, watch=" ".join(watch), **about)


def random_results(seed, count):
    """Where MMEngine divides by zero or computes no number another case is drawn."""
    draw = random.Random(seed)
    results = []
    while len(results) < count:
        spec = random_case(draw)
        try:
            result = run(spec)
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        if is_finite(result):
            results.append(result)
    return results


# ---- what MMEngine refuses (but an int for a list of one, or for a float, is fine here)

REFUSED = [
    L(type="LinearLR", begin=5, end=5), L(type="LinearLR", begin=6, end=5),
    L(type="LinearLR", start_factor=1.5), L(type="LinearLR", start_factor=-0.1),
    L(type="LinearLR", end_factor=1.5), L(type="ConstantLR", factor=1.1),
    L(type="ConstantLR", factor=-0.1), L(type="StepLR"), L(type="MultiStepLR"),
    L(type="ExponentialLR"),
    L(type="CosineAnnealingLR", eta_min=0.1, eta_min_ratio=0.1),
    L(type="CosineRestartLR", periods=[2]), L(type="CosineRestartLR", eta_min=0),
    L(type="CosineRestartLR", periods=[2], eta_min=0, eta_min_ratio=0.1),
    L(type="CosineRestartLR", periods=[2, 3], eta_min=0),
    L(type="CosineRestartLR", periods=[2], restart_weights=[1, 1], eta_min=0),
    L(type="OneCycleLR", eta_max=0.1, total_steps=0),
    L(type="OneCycleLR", eta_max=0.1, total_steps=-1),
    L(type="OneCycleLR", eta_max=0.1, total_steps=1.5),
    L(type="OneCycleLR", eta_max=0.1, total_steps=9, pct_start=1.5),
    L(type="OneCycleLR", eta_max=0.1, total_steps=9, pct_start=-0.1),
    L(type="OneCycleLR", eta_max=0.1, total_steps=9, anneal_strategy="cubic"),
    L(type="OneCycleLR", eta_max=[0.1, 0.2, 0.3], total_steps=9),
    L(type="OneCycleMomentum", eta_max=0.1, total_steps=9),
    L(type="OneCycleParamScheduler", param_name="momentum", eta_max=0.1, total_steps=9),
    L(type="ReduceOnPlateauLR", by_epoch=False), L(type="ReduceOnPlateauLR", factor=1.0),
    L(type="ReduceOnPlateauLR", factor=2), L(type="ReduceOnPlateauLR", rule="best"),
    L(type="ReduceOnPlateauLR", threshold=-1), L(type="ReduceOnPlateauLR", begin=1, end=1),
    L(type="ReduceOnPlateauLR", threshold_rule="both"),
    L(type="ReduceOnPlateauLR", min_value=[0.1, 0.2, 0.3]),
    L(type="StepLR", step_size=1, by_epoch=False, convert_to_iter_based=True),
    L(type="StepLR", step_size=1, last_step=3), L(type="StepLR", step_size=1, last_step=-2),
    L(type="ReduceOnPlateauLR", last_step=2), L(type="StepLR", step_size=1, last_step=0.5),
    L(type="StepParamScheduler", step_size=1), L(type="StepLR", step_size=1, gama=0.1),
    L(type="StepParamScheduler", step_size=1, param_name="weight_dekay"),
    L(type="StepLr", step_size=1), L(step_size=1), L(type="StepLR", step_size="2"),
]


def refusal(config, optimizer):
    param = torch.nn.Parameter(torch.zeros(1))
    cls = getattr(torch.optim, optimizer)
    wrapper = OptimWrapper(cls([param], lr=0.1))
    extra = L(epoch_length=10) if config.get("convert_to_iter_based") else {}
    try:
        scheduler = PARAM_SCHEDULERS.build(dict(config), default_args=dict(
            optimizer=wrapper, **extra))
        wrapper.optimizer.step()
        for _ in range(3):  # a wrong type is met late
            scheduler.step()
    except Exception as error:  # noqa: B902
        return L(config=config, error=type(error).__name__,
                 defaults=wrapper.optimizer.defaults)
    raise AssertionError(f"MMEngine accepts {config}")


# ---- running ----


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


def group_options(spec, wrapper):
    """What schedulers may have changed or added."""
    names = {"lr", "momentum", "betas", "max_lr", "min_lr", *spec["watch"]}
    return [{k: v for k, v in group.items() if k in names or k.startswith("initial_")}
            for group in wrapper.param_groups]


def start(spec):
    wrapper = make_wrapper(spec)
    schedulers = []
    for config in spec["schedulers"]:
        extra = L(epoch_length=spec["epoch_length"])
        if not config.get("convert_to_iter_based"):
            extra = {}
        schedulers.append(PARAM_SCHEDULERS.build(
            dict(config), default_args=dict(optimizer=wrapper, **extra)))
    wrapper.optimizer.step()
    return wrapper, schedulers


def advance(spec, schedulers, at):
    for scheduler in schedulers:
        scheduler.step()
    if spec["metrics"]:
        for scheduler in schedulers:
            if getattr(scheduler, "need_val_args", False):
                scheduler.step({scheduler.monitor: spec["metrics"][at]})


def length(spec):
    return len(spec["metrics"]) if spec["metrics"] else spec["steps"]


def run(spec):
    result = dict(spec)
    result["group_lrs"] = values(make_wrapper(spec), "lr")
    wrapper, schedulers = start(spec)
    trace = {option: [values(wrapper, option)] for option in spec["watch"]}
    for at in range(length(spec)):
        if at == length(spec) // 2:
            result["middle"] = L(states=[copy.deepcopy(plain(s.state_dict())) for s in schedulers],
                                 options=copy.deepcopy(group_options(spec, wrapper)))
        advance(spec, schedulers, at)
        for option in spec["watch"]:
            trace[option].append(values(wrapper, option))
    result["values"] = trace
    result["states"] = [plain(s.state_dict()) for s in schedulers]
    return result


def is_finite(result):
    return all(not isinstance(v, complex) and math.isfinite(v) for rows in result["values"].values()
               for row in rows for v in row)


def write(path, results):
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(r) for r in results) + "\n]\n")


def main():
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1:
        write(sys.argv[1], random_results(int(sys.argv[2]), int(sys.argv[3])))
        return
    os.makedirs(OUT, exist_ok=True)
    specs = itertools.chain(PLAIN, each_rule(), each_cycle(), each_conversion(), CHAINS,
                            each_plateau())
    results = [run(spec) for spec in specs] + random_results(5, 60)
    assert all(is_finite(r) for r in results)
    refused = [refusal(config, "SGD") for config in REFUSED]
    refused += [refusal(L(type="StepMomentum", step_size=1), "Adagrad"),
                refusal(L(type="StepParamScheduler", step_size=1, param_name="momentum"),
                        "Adam")]
    write(os.path.join(OUT, "schedules.json"), results)
    write(os.path.join(OUT, "schedules_refused.json"), refused)
    with open(os.path.join(OUT, "schedules.provenance.txt"), "w") as note:
        note.write("schedules.json, schedules_refused.json\n"
                   "script:    tools/golden/schedulers.py\n"
                   f"versions:  mmengine {mmengine.__version__}, "
                   f"torch {torch.__version__}\n"
                   "seed:      5, for the random cases\n"
                   "tolerance: 0 (with the C library's cos and pow of glibc)\n")
    print(f"{len(results)} cases, {len(refused)} refusals")


if __name__ == "__main__":
    main()
