"""Golden values of MMPretrain's VisionTransformer with its heads.

Builds the models of tests/cases/nn/vision_transformer.json with MMPretrain itself and
writes tests/golden/nn/vision_transformer.bin: initial weights under a seed, the loss of
a batch, its gradients, scores in evaluation mode at two image sizes, and position
embeddings as load_state_dict resizes them.

Records: a line "<name> <f32|f64> <count>", then count little-endian numbers.
Usage: python tools/golden/vision_transformer.py
"""
import copy
import os
import platform
import sys
import warnings
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../compare"))
import reference  # noqa: F401, makes mmpretrain importable
import mmcv
import mmengine
import mmpretrain
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from mmpretrain.utils import register_all_modules

from nn import OUT, SEED, Writer, cases, summary


def build(case):
    torch.manual_seed(SEED)
    model = MODELS.build(copy.deepcopy(case["config"]))
    model.train()
    model.init_weights()
    return model


def run(out, case):
    name = case["name"]
    model = build(case)
    for key, value in model.state_dict().items():
        summary(out, f"{name}.init.{key}", value)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    x = torch.randn(case["input"], generator=generator)
    target = torch.randint(0, 10, (x.shape[0],), generator=generator)
    large = torch.randn(case["large"], generator=generator)
    out.put(f"{name}.x", x)
    out.put(f"{name}.target", target)
    out.put(f"{name}.large", large)
    samples = [DataSample().set_gt_label(label) for label in target]
    torch.manual_seed(SEED + 1)
    loss = model.loss(x, samples)["loss"]
    loss.backward()
    out.put(f"{name}.loss", [loss.item()], "f64")
    for key, value in model.named_parameters():
        summary(out, f"{name}.grad.{key}", value.grad)
    model.eval()
    with torch.no_grad():
        out.put(f"{name}.eval", model(x, mode="tensor"))
        out.put(f"{name}.eval_large", model(large, mode="tensor"))


def resized(out, case):
    """The weights of the plain model, in one for images of another size."""
    small = build(case)
    config = copy.deepcopy(case["config"])
    config["backbone"]["img_size"] = [40, 56]
    for name, more in {"resized": {}, "resized_no_cls": dict(
            with_cls_token=False, out_type="avg_featmap")}.items():
        config["backbone"].update(more)
        large = MODELS.build(copy.deepcopy(config))
        state = {k: v.clone() for k, v in small.state_dict().items()}
        if name == "resized_no_cls":
            config["backbone"].update(img_size=32)
            large = MODELS.build(copy.deepcopy(config))
        large.load_state_dict(state, strict=False)
        out.put(f"{case['name']}.{name}", large.backbone.pos_embed)


def main():
    warnings.simplefilter("ignore")
    register_all_modules()
    torch.set_num_threads(2)
    out = Writer("vision_transformer.bin")
    all_cases = cases("vision_transformer.json")
    for case in all_cases:
        run(out, case)
    resized(out, all_cases[0])
    path = os.path.join(OUT, "vision_transformer.provenance.txt")
    with open(path, "w") as file:
        file.write(
            "Made by tools/golden/vision_transformer.py from "
            "tests/cases/nn/vision_transformer.json.\n"
            f"torch {torch.__version__}, mmengine {mmengine.__version__}, mmcv-lite "
            f"{mmcv.__version__}, mmpretrain {mmpretrain.__version__}, python "
            f"{platform.python_version()},\nCPU capability "
            f"{torch.backends.cpu.get_cpu_capability()}, 2 threads, seed {SEED}. "
            "Compared to 1e-3 (relative to the largest\nvalue); bit for bit with "
            "MM_GOLDEN_EXACT=1 on the CPU they were made on.\n")


if __name__ == "__main__":
    main()
