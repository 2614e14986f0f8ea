"""Depths of parameters by MMPretrain's backbones, for tests/zoo/test_layer_depth.c.

Writes tests/golden/zoo/layer_depth.json: of each backbone its rule, its blocks per stage,
and of its parameters' names those that differ in the first parts, with their depths.

Usage: python tools/golden/layer_depth.py
"""
import json
import os
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../compare"))
import reference  # noqa: F401, makes mmpretrain importable
import mmpretrain
import torch
from mmpretrain.models import backbones as B

OUT = os.path.join(HERE, "../../tests/golden/zoo")
AFTER = ["head.fc.weight", "head.layers.head.bias", "neck.norm.weight"]
SMALL_VIT = dict(embed_dims=32, num_layers=12, num_heads=4, feedforward_channels=64)


def models():
    yield "vit", [12], B.VisionTransformer(SMALL_VIT, out_type="avg_featmap", pre_norm=True)
    yield "vit", [24], B.VisionTransformer(dict(SMALL_VIT, num_layers=24))
    yield "vit", [12], B.BEiTViT(SMALL_VIT, use_abs_pos_emb=True, use_rel_pos_bias=False,
                             use_shared_rel_pos_bias=True)
    yield "vit", [12], B.BEiTViT(SMALL_VIT)
    yield "vit", [3], B.ViTSAM(dict(SMALL_VIT, num_layers=3, global_attn_indexes=[1]), img_size=64,
                               use_abs_pos=True, use_rel_pos=True)
    hivit = B.HiViT("tiny")
    yield "vit", [len(hivit.blocks)], hivit
    for arch in ("tiny", "base"):
        swin = B.SwinTransformer(arch, use_abs_pos_embed=True, out_indices=(0, 1, 2, 3))
        yield "swin", swin.depths, swin
    mixmim = B.MixMIMTransformer("base")
    yield "mixmim", mixmim.depths, mixmim
    for arch in ("atto", "tiny", "base"):
        convnext = B.ConvNeXt(arch, out_indices=(2, 3))
        yield "convnext", convnext.depths, convnext
    for depth in (34, 50, 101, 152):
        resnet = B.ResNet(depth)
        yield "resnet", list(resnet.stage_blocks), resnet
    for depth in (50, 200, 269):
        resnest = B.ResNeSt(depth)
        yield "resnet", list(resnest.stage_blocks), resnest


def main():
    warnings.simplefilter("ignore")
    cases = []
    for rule, stages, model in models():
        names, seen = [], set()
        for name, _ in model.named_parameters():
            start = ".".join(name.split(".")[:4 if rule in ("swin", "mixmim") else 3])
            if start not in seen:
                seen.add(start)
                names.append("backbone." + name)
        rows, count = {}, None
        for name in names + AFTER:
            depth, count = model.get_layer_depth(name, "backbone.")
            rows.setdefault(depth, []).append(name)
        cases.append(dict(backbone=type(model).__name__, rule=rule, stages=list(stages), count=count,
                          names={str(k): v for k, v in rows.items()}))
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, "layer_depth.json"), "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")
    with open(os.path.join(OUT, "provenance.txt"), "w") as file:
        file.write("layer_depth.json was made by tools/golden/layer_depth.py with mmpretrain "
                   f"{mmpretrain.__version__}, torch {torch.__version__}.\nCompared exactly.\n")


if __name__ == "__main__":
    main()
