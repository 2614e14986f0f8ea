"""Golden values of optimizer steps, taken from torch.optim.

Writes tests/golden/optim/steps_<capability>.bin, once per instruction set of ATen that
rounds differently ("default": no fused multiply-add; "avx2": with it; "avx512" is
checked to equal "avx2"), and provenance.txt beside them.

For Adam the file holds two results. "torch" is what torch.optim gives; its square root
comes from MKL's vector library, which is off by one unit in the last place for about
one float in five. "exact" is the same code with the square root rounded correctly.

Records: a line "<name> <f32|f64> <count>", then count little-endian numbers.
Usage: python tools/golden/optim.py
"""
import os
import struct
import subprocess
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "tests", "golden", "optim")
SEED = 20240807
STEPS = 6

SGD = [
    dict(lr=0.1),
    dict(lr=0.1, weight_decay=1e-4),
    dict(lr=0.05, maximize=True, weight_decay=0.01),
    dict(lr=0.1, momentum=0.9),
    dict(lr=0.1, momentum=0.9, weight_decay=5e-4),
    dict(lr=0.1, momentum=0.9, dampening=0.3),
    dict(lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
    dict(lr=0.1, momentum=0.9, nesterov=True),
    dict(lr=0.03, momentum=0.8, dampening=0.1, maximize=True, weight_decay=1e-3),
]
ADAM = [
    dict(lr=1e-3),
    dict(lr=1e-3, weight_decay=1e-2),
    dict(lr=3e-3, betas=(0.8, 0.95), eps=1e-6, amsgrad=True),
    dict(lr=1e-3, betas=(0.3, 0.99), weight_decay=0.1, amsgrad=True),
    dict(lr=1e-3, maximize=True),
]
ADAMW = [
    dict(lr=1e-3),
    dict(lr=6e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.05),
    dict(lr=1e-3, weight_decay=0.0),
    dict(lr=1e-3, weight_decay=0.1, amsgrad=True),
]


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb")

    def put(self, name, array, kind="f32"):
        array = np.ascontiguousarray(array, dtype="<f4" if kind == "f32" else "<f8")
        self.file.write(f"{name} {kind} {array.size}\n".encode())
        self.file.write(array.tobytes())


def draw(count, special):
    param = torch.randn(count)
    grads = torch.randn(STEPS, count) * torch.logspace(-6, 2, count)
    if special:
        odd = torch.tensor([0.0, -0.0, 1e-40, -1e-45, 1e38, float("inf"), float("nan")])
        grads[2, : odd.numel()] = odd
        param[count // 2] = 0.0
    return param, grads


def lr_of(options, step):
    """A schedule, so that changing options between steps is covered."""
    return options["lr"] * (1.0 if step < 3 else 0.1)


def run(cls, options, param, grads):
    leaf = param.clone().requires_grad_()
    optimizer = cls([leaf], foreach=False, **options)
    params = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = lr_of(options, step)
        leaf.grad = grads[step].clone()
        optimizer.step()
        params.append(leaf.detach().clone())
    return torch.stack(params), optimizer.state[leaf]


def exact_sqrt(tensor):
    return torch.from_numpy(np.sqrt(tensor.numpy()))


def write_case(out, name, cls, options, count, special):
    param, grads = draw(count, special)
    out.put(f"{name}/param", param)
    out.put(f"{name}/grads", grads)
    out.put(f"{name}/lr", [lr_of(options, s) for s in range(STEPS)], "f64")
    params, state = run(cls, options, param, grads)
    out.put(f"{name}/torch", params)
    if cls is torch.optim.SGD:
        keys = ("momentum", "dampening", "weight_decay", "nesterov", "maximize")
        out.put(f"{name}/options", [float(options.get(k, 0)) for k in keys], "f64")
        if "momentum" in options:
            out.put(f"{name}/momentum_buffer", state["momentum_buffer"])
        return
    betas = options.get("betas", (0.9, 0.999))
    decay = options.get("weight_decay", 0.01 if cls is torch.optim.AdamW else 0.0)
    out.put(f"{name}/options",
            [betas[0], betas[1], options.get("eps", 1e-8), decay,
             float(options.get("amsgrad", False)), float(options.get("maximize", False)),
             float(cls is torch.optim.AdamW)], "f64")
    original = torch.Tensor.sqrt
    torch.Tensor.sqrt = exact_sqrt
    params, state = run(cls, options, param, grads)
    torch.Tensor.sqrt = original
    out.put(f"{name}/exact", params)
    for key in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
        if key in state:
            out.put(f"{name}/{key}", state[key])


def write_averages(out):
    for index, (count, weight) in enumerate([(37, 2e-4), (1000, 0.1), (37, 0.7)]):
        average, live = torch.randn(count), torch.randn(count)
        out.put(f"lerp/{index}/average", average)
        out.put(f"lerp/{index}/live", live)
        out.put(f"lerp/{index}/weight", [weight], "f64")
        out.put(f"lerp/{index}/lerp", average.clone().lerp_(live, weight))
        out.put(f"lerp/{index}/pull",
                average.clone().add_(live - average, alpha=weight))


def write_clip(out):
    for index, (count, limit) in enumerate([(37, 1.0), (1000, 0.5)]):
        grad = torch.randn(count)
        leaf = torch.zeros(count, requires_grad=True)
        leaf.grad = grad.clone()
        norm = torch.nn.utils.clip_grad_norm_([leaf], limit)
        out.put(f"clip/{index}/grad", grad)
        out.put(f"clip/{index}/limit", [limit], "f64")
        out.put(f"clip/{index}/norm", [float(norm)], "f64")
        out.put(f"clip/{index}/clipped", leaf.grad)
        leaf.grad = grad.clone()
        torch.nn.utils.clip_grad_value_([leaf], limit)
        out.put(f"clip/{index}/clamped", leaf.grad)


def write_normalize(out):
    image = torch.randint(0, 256, (5, 7, 3), dtype=torch.uint8)
    mean = torch.tensor([123.675, 116.28, 103.53])
    std = torch.tensor([58.395, 57.12, 57.375])
    planes = image.permute(2, 0, 1).float()
    out.put("normalize/image", image.float())
    out.put("normalize/mean", mean)
    out.put("normalize/std", std)
    out.put("normalize/chw", (planes - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    swapped = planes[[2, 1, 0]]
    out.put("normalize/swapped", (swapped - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))


def write(path):
    torch.manual_seed(SEED)
    out = Writer(path)
    families = [("sgd", torch.optim.SGD, SGD), ("adam", torch.optim.Adam, ADAM),
                ("adamw", torch.optim.AdamW, ADAMW)]
    for family, cls, cases in families:
        out.put(f"{family}/cases", [len(cases)], "f64")
        for index, options in enumerate(cases):
            count = 515 if index == 0 else 37
            write_case(out, f"{family}/{index}", cls, options, count, index % 2 == 1)
    write_averages(out)
    write_clip(out)
    write_normalize(out)
    out.file.close()


def main():
    if len(sys.argv) == 2:
        write(sys.argv[1])
        return
    os.makedirs(OUT, exist_ok=True)
    paths = {}
    for capability in ("default", "avx2", "avx512"):
        paths[capability] = os.path.join(OUT, f"steps_{capability}.bin")
        subprocess.run([sys.executable, __file__, paths[capability]], check=True,
                       env=dict(os.environ, ATEN_CPU_CAPABILITY=capability))
    with open(paths["avx2"], "rb") as a, open(paths["avx512"], "rb") as b:
        same = a.read() == b.read()
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        assert same, "AVX-512 rounds otherwise than AVX2"
    os.remove(paths["avx512"])
    with open(os.path.join(OUT, "provenance.txt"), "w") as note:
        note.write(
            "steps_default.bin, steps_avx2.bin\n"
            "script:    tools/golden/optim.py\n"
            f"versions:  torch {torch.__version__}, numpy {np.__version__}\n"
            f"seed:      {SEED}\n"
            "tolerance: 0 for sgd, averages, clamp, normalize and for adam's `exact`;\n"
            "           adam's `torch` and the clip norm as the tests say\n")


if __name__ == "__main__":
    main()
