"""Parameter groups of MMEngine's and MMPretrain's constructors on ResNet-50 and ViT-B/16.

Writes tests/golden/optim/paramwise.json: for each case the config, which options each
parameter's group was given beyond the optimizer's defaults, as the log writes them
("lr=0.02"), the warnings, and for layer-wise decay the text of the debug log.

Usage: python tools/golden/paramwise.py
"""
import copy
import json
import logging
import os
import platform
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../compare"))
import reference  # noqa: F401, makes mmpretrain importable
import mmengine
import mmpretrain
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmpretrain.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmpretrain.utils import register_all_modules

OUT = os.path.join(HERE, "../../tests/golden/optim")
LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"

MODEL_CONFIGS = {
    "resnet50": dict(
        type="ImageClassifier", backbone=dict(type="ResNet", depth=50),
        neck=dict(type="GlobalAveragePooling"),
        head=dict(type="LinearClsHead", num_classes=1000, in_channels=2048)),
    "resnet50_frozen": dict(
        type="ImageClassifier", backbone=dict(type="ResNet", depth=50, frozen_stages=1),
        neck=dict(type="GlobalAveragePooling"),
        head=dict(type="LinearClsHead", num_classes=1000, in_channels=2048)),
    "vit_b": dict(
        type="ImageClassifier",
        backbone=dict(type="VisionTransformer", arch="b", img_size=224, patch_size=16,
                      drop_rate=0.1),
        head=dict(type="VisionTransformerClsHead", num_classes=1000, in_channels=768)),
    "vit_b_frozen": dict(
        type="ImageClassifier",
        backbone=dict(type="VisionTransformer", arch="b", frozen_stages=3,
                      out_type="avg_featmap", layer_scale_init_value=0.1),
        head=dict(type="LinearClsHead", num_classes=1000, in_channels=768)),
}
SGD = dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4)
ADAMW = dict(type="AdamW", lr=4e-3, weight_decay=0.05, betas=(0.9, 0.999))

# (model, optimizer, constructor or None, paramwise_cfg)
CASES = [
    ("resnet50", SGD, None, dict(norm_decay_mult=0.)),
    ("resnet50", SGD, None, dict(bias_lr_mult=2., bias_decay_mult=0.)),
    ("resnet50", dict(type="SGD", lr=1, weight_decay=0), None,
     dict(bias_lr_mult=2, bias_decay_mult=0, norm_decay_mult=3)),
    ("resnet50", SGD, None, dict(flat_decay_mult=0., norm_decay_mult=0.3)),
    ("resnet50", SGD, None, dict(dwconv_decay_mult=0.1, dcn_offset_lr_mult=0.1,
                                 bypass_duplicate=True)),
    ("resnet50", dict(type="SGD", lr=0.1), None, dict(
        custom_keys={"backbone": dict(lr_mult=0.1), "head": dict(lr_mult=10)})),
    ("resnet50", SGD, None, dict(
        bias_lr_mult=7., norm_decay_mult=0.5,
        custom_keys={"backbone.layer4": dict(lr_mult=0.1, decay_mult=0.9),
                     "backbone.layer1": dict(momentum=0.5, tag="early"),
                     "layer4.2.conv3": dict(lr_mult=3, decay_mult=2),
                     "bn1": dict(decay_mult=0), ".bn2": dict(decay_mult=0.0, betas=[0.1, 1]),
                     "head": dict(lr=0.7, weight_decay=None)})),
    ("resnet50_frozen", SGD, None, dict(norm_decay_mult=0., bypass_duplicate=True)),
    ("vit_b", ADAMW, None, dict(norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={
        ".absolute_pos_embed": dict(decay_mult=0.0), ".cls_token": dict(decay_mult=0.0),
        ".pos_embed": dict(decay_mult=0.0)})),
    ("vit_b", ADAMW, None, dict(flat_decay_mult=0.0, custom_keys={
        ".cls_token": dict(decay_mult=.0), ".pos_embed": dict(decay_mult=.0)})),
    ("vit_b", ADAMW, None, dict(custom_keys={
        f"backbone.layers.{i}": dict(lr_mult=0.65**(12 - i)) for i in range(12)})),
    ("vit_b_frozen", ADAMW, None, dict(norm_decay_mult=0.0, bias_lr_mult=2.0)),
    ("vit_b", ADAMW, LAYER_DECAY, dict(
        layer_decay_rate=0.65, custom_keys={
            ".ln": dict(decay_mult=0.0), ".bias": dict(decay_mult=0.0),
            ".cls_token": dict(decay_mult=0.0), ".pos_embed": dict(decay_mult=0.0)})),
    ("vit_b", ADAMW, LAYER_DECAY, dict(layer_decay_rate=0.75, norm_decay_mult=0.,
                                       flat_decay_mult=0.)),
    ("vit_b", ADAMW, LAYER_DECAY, dict(
        bias_decay_mult=0.5, custom_keys={"layers.1": dict(eps=1e-6, betas=(0.8, 0.9)),
                                          "layers.10": dict(decay_mult=2)})),
    ("vit_b_frozen", ADAMW, LAYER_DECAY, dict(layer_decay_rate=0.5, norm_decay_mult=0.1)),
    ("resnet50", SGD, LAYER_DECAY, dict(layer_decay_rate=0.7, norm_decay_mult=0)),
]


class Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage()))


def logged(value):
    return value if isinstance(value, str) else repr(value)


def run(index, case, models):
    name, optimizer, constructor, paramwise = case
    handler = Lines()
    logger = MMLogger.get_instance(f"case{index}", log_level="DEBUG")
    logger.handlers = [handler]
    if name not in models:
        models[name] = MODELS.build(copy.deepcopy(MODEL_CONFIGS[name]))
    model = models[name]
    config = dict(optimizer=copy.deepcopy(optimizer), paramwise_cfg=paramwise)
    if constructor:
        config["constructor"] = constructor
    handler.lines.clear()
    config = json.loads(json.dumps(config))
    maker = OPTIM_WRAPPER_CONSTRUCTORS.get(constructor or "DefaultOptimWrapperConstructor")(
        ConfigDict(optimizer=copy.deepcopy(optimizer)), ConfigDict(copy.deepcopy(config["paramwise_cfg"])))
    params = []
    maker.add_params(params, model)
    names = {id(p): n for n, p in model.named_parameters()}
    kinds, groups = [], []
    for group in params:
        full = names[id(group["params"][0])]
        assert group.get("param_name", full) == full
        kind = [f"{k}={logged(v)}" for k, v in group.items() if k not in ("params", "param_name")]
        if kind not in kinds:
            kinds.append(kind)
        groups.append([full, kinds.index(kind)])
    lines = [line for level, line in handler.lines if "paramwise_options" in line]
    expected = [] if constructor else [f"paramwise_options -- {n}:{k}" for n, i in groups for k in kinds[i]]
    assert lines == expected, (lines[:5], expected[:5])
    debug = [line for level, line in handler.lines if level == "DEBUG" and line.startswith("layer")]
    keep = debug if index in (12, 16) else []
    return dict(model=name, config=config, kinds=kinds, which=[i for _, i in groups],
                names=[n for n, _ in groups],
                warnings=[line for level, line in handler.lines if level == "WARNING"],
                debug=keep)


def main():
    warnings.simplefilter("ignore")
    register_all_modules()
    models, names, cases = {}, [], []
    for index, case in enumerate(CASES):
        result = run(index, case, models)
        if result["names"] not in names:
            names.append(result["names"])
        result["names"] = names.index(result["names"])
        cases.append(result)
    with open(os.path.join(OUT, "paramwise.json"), "w") as file:
        json.dump(dict(models=MODEL_CONFIGS, names=names, cases=cases), file,
                  separators=(",", ":"))
        file.write("\n")
    with open(os.path.join(OUT, "paramwise.provenance.txt"), "w") as file:
        file.write(
            "Made by tools/golden/paramwise.py: groups of DefaultOptimWrapperConstructor and\n"
            "LearningRateDecayOptimWrapperConstructor on ResNet-50 and ViT-B/16.\n"
            f"torch {torch.__version__}, mmengine {mmengine.__version__}, mmpretrain "
            f"{mmpretrain.__version__}, python {platform.python_version()}.\n"
            "Values are compared as text, digit for digit.\n")


if __name__ == "__main__":
    main()
