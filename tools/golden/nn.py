"""Golden values of layers, losses, weight initialisers and models.

Reads the cases of tests/cases/nn/*.json, runs them in torch.nn and MMEngine and writes
tests/golden/nn/*.bin, repr.json and provenance.txt. The models are written out here in
plain PyTorch and MMEngine, in the order in which MMPretrain makes their layers, since
that order is the order of the weights drawn.

Records: a line "<name> <f32|f64> <count>", then count little-endian numbers.
Usage: python tools/golden/nn.py
"""
import json
import os
import platform
import warnings
import zlib

import mmengine
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule, ImgDataPreprocessor, Sequential
from mmengine.model import constant_init, kaiming_init
from mmengine.logging import MMLogger

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "..", "tests", "cases", "nn")
OUT = os.path.join(HERE, "..", "..", "tests", "golden", "nn")
SEED = 2024


class Writer:
    def __init__(self, name):
        self.file = open(os.path.join(OUT, name), "wb")

    def put(self, name, tensor, kind="f32"):
        if isinstance(tensor, torch.Tensor):
            tensor = tensor.detach().double().numpy()
        array = np.ascontiguousarray(tensor, dtype="<f4" if kind == "f32" else "<f8")
        self.file.write(f"{name} {kind} {array.size}\n".encode())
        self.file.write(array.tobytes())


def cases(name):
    with open(os.path.join(CASES, name)) as file:
        return json.load(file)


def tuples(value):
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value


def make(config, case):
    """A torch.nn module of a config."""
    if isinstance(config, list):
        return Sequential(*[make(c, {}) for c in config])
    alias = {"BN": "BatchNorm2d"}
    kwargs = {k: tuples(v) for k, v in config.items() if k != "type"}
    for old, new in case.get("rename", {}).items():
        kwargs[new] = kwargs.pop(old)
    name = case.get("torch", config["type"].split(".")[-1])
    if "weight" in kwargs:
        kwargs["weight"] = torch.tensor(kwargs["weight"])
    if "pos_weight" in kwargs:
        kwargs["pos_weight"] = torch.tensor(kwargs["pos_weight"])
    return getattr(nn, alias.get(name, name))(**kwargs)


def draw(shape, case, generator, target=False):
    if case.get("index") and (target or "loss" not in case):
        size = shape[:1] if target else shape
        return torch.randint(0, case["index"], size, generator=generator)
    if case.get("unit") or (target and case.get("unit_target")):
        return torch.rand(shape, generator=generator)
    return torch.randn(shape, generator=generator) * case.get("scale", 1)


def layers():
    out = Writer("layers.bin")
    reprs = {}
    for case in cases("layers.json"):
        name = case["name"]
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        torch.manual_seed(SEED)
        module = make(case["config"], case)
        for key, value in module.named_parameters():
            out.put(f"{name}.init.{key}", value)
        reprs[name] = repr(module)
        x = draw(case["input"], case, generator)
        out.put(f"{name}.x", x)
        leaf = x.clone()
        if leaf.is_floating_point():
            leaf.requires_grad_()
        torch.manual_seed(SEED + 1)
        # In-place layers may not write into a leaf.
        y = module(leaf * 1.0 if leaf.is_floating_point() else leaf)
        out.put(f"{name}.y", y)
        out.put(f"{name}.shape", list(y.shape), "f64")
        (y * y).sum().backward()
        if leaf.is_floating_point():
            out.put(f"{name}.dx", leaf.grad)
        for key, value in module.named_parameters():
            out.put(f"{name}.grad.{key}", value.grad)
        for key, value in module.named_buffers():
            out.put(f"{name}.buffer.{key}", value)
        module.eval()
        with torch.no_grad():
            out.put(f"{name}.eval", module(x.clone()))
    with open(os.path.join(OUT, "repr.json"), "w") as file:
        json.dump(reprs, file, indent=1)


def losses():
    out = Writer("losses.bin")
    for case in cases("losses.json"):
        name = case["name"]
        case["loss"] = True
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        module = make(case["config"], case)
        x = draw(case["input"], case, generator)
        target = draw(case["input"], case, generator, target=True)
        out.put(f"{name}.x", x)
        out.put(f"{name}.target", target)
        leaf = x.clone().requires_grad_()
        y = module(leaf, target)
        out.put(f"{name}.y", y)
        y.sum().backward()
        out.put(f"{name}.dx", leaf.grad)


class Net(BaseModule):
    """What the initialisers are tried on."""

    def __init__(self, init_cfg):
        super().__init__(init_cfg)
        parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, bias=False),
                 nn.GroupNorm(2, 6), nn.Linear(6, 5)]
        for i, part in enumerate(parts):
            self.add_module(str(i), part)


def init_cfgs():
    out = Writer("init_cfg.bin")
    infos = {}
    log = os.path.join(OUT, "tmp.log")
    for case in cases("init_cfg.json"):
        name = case["name"]
        logger = MMLogger.get_instance(name, log_file=log, file_mode="w")
        torch.manual_seed(SEED)
        net = Net(case["init_cfg"])
        net.init_weights()
        for key, value in net.named_parameters():
            out.put(f"{name}.{key}", value)
        for handler in logger.handlers:
            handler.flush()
        with open(log) as file:
            text = file.read()
        infos[name] = text[text.index("Name of parameter"):]
    os.remove(log)
    with open(os.path.join(OUT, "init_info.json"), "w") as file:
        json.dump(infos, file, indent=1)


# --- models, layers in the order in which MMPretrain makes them ---

def lenet(num_classes):
    net = BaseModule()
    net.features = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
        nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh())
    if num_classes > 0:
        net.classifier = nn.Sequential(nn.Linear(120, 84), nn.Tanh(),
                                       nn.Linear(84, num_classes))

    def forward(x):
        x = net.features(x)
        return (net.classifier(x.flatten(1)) if num_classes > 0 else x,)

    net.forward = forward
    return net


class Block(BaseModule):
    def __init__(self, i, o, stride, expansion, dilation, caffe, downsample):
        super().__init__()
        mid = o // expansion
        self.bottleneck = expansion != 1
        if not self.bottleneck:
            self.conv1 = nn.Conv2d(i, mid, 3, stride, dilation, dilation, bias=False)
            self.bn1 = nn.BatchNorm2d(mid)
            self.conv2 = nn.Conv2d(mid, o, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(o)
        else:
            first, second = (stride, 1) if caffe else (1, stride)
            self.conv1 = nn.Conv2d(i, mid, 1, first, bias=False)
            self.bn1 = nn.BatchNorm2d(mid)
            self.conv2 = nn.Conv2d(mid, mid, 3, second, dilation, dilation, bias=False)
            self.bn2 = nn.BatchNorm2d(mid)
            self.conv3 = nn.Conv2d(mid, o, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        if downsample is not None:
            self.downsample = downsample
        self.skip = downsample if downsample is not None else (lambda x: x)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            y = self.bn3(self.conv3(self.relu(y)))
        identity = self.skip(x)
        y += identity
        return self.relu(y)


class ConvBN(nn.Module):
    """MMCV's ConvModule with normalisation."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(o)
        self.activate = nn.ReLU(inplace=True)
        kaiming_init(self.conv, a=0, nonlinearity="relu")
        constant_init(self.bn, 1, bias=0)

    def forward(self, x):
        return self.activate(self.bn(self.conv(x)))


class ResNet(BaseModule):
    ARCH = {18: (1, (2, 2, 2, 2)), 34: (1, (3, 4, 6, 3)), 50: (4, (3, 4, 6, 3)),
            101: (4, (3, 4, 23, 3)), 152: (4, (3, 8, 36, 3))}

    def __init__(self, depth, in_channels=3, stem=64, base=64, strides=(1, 2, 2, 2),
                 dilations=(1, 1, 1, 1), out_indices=(3,), caffe=False, deep_stem=False,
                 avg_down=False, cifar=False, zero_init=True):
        super().__init__([
            dict(type="Kaiming", layer=["Conv2d"]),
            dict(type="Constant", val=1, layer=["_BatchNorm", "GroupNorm"])])
        self.out_indices, self.deep, self.cifar = out_indices, deep_stem, cifar
        self.zero_init = zero_init
        expansion, blocks = self.ARCH[depth]
        if deep_stem:
            self.stem = nn.Sequential(ConvBN(in_channels, stem // 2, 2),
                                      ConvBN(stem // 2, stem // 2, 1),
                                      ConvBN(stem // 2, stem, 1))
        else:
            self.conv1 = (nn.Conv2d(in_channels, stem, 3, 1, 1, bias=False) if cifar else
                          nn.Conv2d(in_channels, stem, 7, 2, 3, bias=False))
            self.bn1 = nn.BatchNorm2d(stem)
            self.relu = nn.ReLU(inplace=True)
        if not cifar:
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        i, o = stem, base * expansion
        for stage in range(4):
            layer = []
            for b in range(blocks[stage]):
                stride = strides[stage] if b == 0 else 1
                down = None
                if b == 0 and (stride != 1 or i != o):
                    parts = []
                    conv_stride = stride
                    if avg_down and stride != 1:
                        conv_stride = 1
                        parts.append(nn.AvgPool2d(stride, stride, ceil_mode=True,
                                                  count_include_pad=False))
                    parts += [nn.Conv2d(i, o, 1, conv_stride, bias=False),
                              nn.BatchNorm2d(o)]
                    down = nn.Sequential(*parts)
                layer.append(Block(i, o, stride, expansion, dilations[stage], caffe,
                                   down))
                i = o
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))
            o *= 2

    def init_weights(self):
        super().init_weights()
        for m in self.modules():
            if self.zero_init and isinstance(m, Block):
                constant_init(m.bn3 if m.bottleneck else m.bn2, 0)

    def forward(self, x):
        x = self.stem(x) if self.deep else self.relu(self.bn1(self.conv1(x)))
        if not self.cifar:
            x = self.maxpool(x)
        outs = []
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)


def mlp(in_features=784, hidden=(256,), num_classes=-1, dropout=0.0):
    net = BaseModule()
    layers, size = [], in_features
    for h in hidden:
        layers += [nn.Linear(size, h), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        size = h
    if num_classes > 0:
        layers.append(nn.Linear(size, num_classes))
    net.layers = nn.Sequential(*layers)
    net.forward = lambda x: (net.layers(x.flatten(1)),)
    return net


class Classifier(BaseModule):
    def __init__(self, backbone, in_channels, num_classes, gap, label_smooth=None):
        super().__init__()
        self.backbone = backbone()
        self.gap = gap
        self.num_classes = num_classes
        self.label_smooth = label_smooth
        self.head = BaseModule()
        if in_channels:
            self.head = BaseModule(dict(type="Normal", layer="Linear", std=0.01))
            self.head.fc = nn.Linear(in_channels, num_classes)

    def score(self, x):
        x = self.backbone(x)[-1]
        if self.gap:
            x = F.adaptive_avg_pool2d(x, (1, 1)).view(x.size(0), -1)
        return self.head.fc(x) if hasattr(self.head, "fc") else x

    def loss(self, x, target):
        score = self.score(x)
        if self.label_smooth:
            eps = self.label_smooth
            soft = F.one_hot(target, self.num_classes).float() * (1 - eps)
            soft += eps / self.num_classes
            loss = (-soft * F.log_softmax(score, dim=-1)).sum(-1)
        else:
            loss = F.cross_entropy(score, target, reduction="none")
        return score, loss.sum() / score.size(0)


MODELS = {
    "lenet": (lambda: Classifier(lambda: lenet(10), 0, 10, False), (4, 1, 32, 32)),
    "mlp": (lambda: Classifier(lambda: mlp(dropout=0.2), 256, 10, False), (8, 1, 28, 28)),
    "resnet18": (lambda: Classifier(lambda: ResNet(18), 512, 10, True), (2, 3, 64, 64)),
    "resnet34_cifar": (lambda: Classifier(lambda: ResNet(34, cifar=True, base=8, stem=8),
                                          64, 10, True, 0.1), (4, 3, 32, 32)),
    "resnet50": (lambda: Classifier(lambda: ResNet(50, base=8, stem=8), 256, 10, True),
                 (2, 3, 64, 64)),
    "resnet50_caffe": (lambda: Classifier(
        lambda: ResNet(50, base=4, stem=8, caffe=True, strides=(1, 2, 1, 1),
                       dilations=(1, 1, 2, 4), zero_init=False), 128, 10, True),
        (2, 3, 48, 48)),
    "resnet_v1d": (lambda: Classifier(
        lambda: ResNet(18, base=8, stem=16, deep_stem=True, avg_down=True), 64, 10, True),
        (2, 3, 65, 65)),
}


def summary(out, name, tensor):
    """Too large to keep: the first values, the sum, the checksum of the bytes."""
    flat = tensor.detach().contiguous().view(-1)
    data = flat.numpy().tobytes()
    out.put(name + ".head", flat[:8].float())
    out.put(name + ".sum", [flat.double().sum().item(), zlib.crc32(data)], "f64")


def models():
    out = Writer("models.bin")
    for name, (build, shape) in MODELS.items():
        torch.manual_seed(SEED)
        model = build()
        model.train()
        model.init_weights()
        for key, value in model.state_dict().items():
            summary(out, f"{name}.init.{key}", value)
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        x = torch.randn(shape, generator=generator)
        target = torch.randint(0, 10, shape[:1], generator=generator)
        out.put(f"{name}.x", x)
        out.put(f"{name}.target", target)
        torch.manual_seed(SEED + 1)
        score, loss = model.loss(x, target)
        loss.backward()
        out.put(f"{name}.score", score)
        out.put(f"{name}.loss", [loss.item()], "f64")
        for key, value in model.named_parameters():
            summary(out, f"{name}.grad.{key}", value.grad)
        model.eval()
        with torch.no_grad():
            out.put(f"{name}.eval", model.score(x))


def preprocess():
    out = Writer("preprocess.bin")
    generator = torch.Generator().manual_seed(7)
    images = [torch.randint(0, 256, s, generator=generator).to(torch.uint8)
              for s in ((3, 5, 7), (3, 6, 4), (3, 2, 9))]
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    for i, image in enumerate(images):
        out.put(f"image{i}", image)
    settings = {
        "plain": dict(),
        "normal": dict(mean=mean, std=std),
        "all": dict(mean=mean, std=std, bgr_to_rgb=True, pad_size_divisor=4,
                    pad_value=2.5),
        "one": dict(mean=[127.5], std=[127.5], rgb_to_bgr=True),
    }
    for name, kwargs in settings.items():
        pre = ImgDataPreprocessor(**kwargs)
        out.put(f"list.{name}", pre(dict(inputs=list(images)))["inputs"])
        stacked = torch.stack([images[0], images[0].flip(2)])
        out.put(f"batch.{name}", pre(dict(inputs=stacked))["inputs"])
        floats = [image.float() / 3 for image in images]
        out.put(f"floats.{name}", pre(dict(inputs=floats))["inputs"])


def main():
    warnings.simplefilter("ignore")
    os.makedirs(OUT, exist_ok=True)
    torch.set_num_threads(2)
    layers()
    losses()
    init_cfgs()
    models()
    preprocess()
    with open(os.path.join(OUT, "provenance.txt"), "w") as file:
        file.write(
            "Made by tools/golden/nn.py from the cases in tests/cases/nn.\n"
            f"torch {torch.__version__}, mmengine {mmengine.__version__}, "
            f"python {platform.python_version()}, CPU capability "
            f"{torch.backends.cpu.get_cpu_capability()}, 2 threads, seed {SEED}.\n"
            "Initial weights and layers are compared to 1e-5 (relative to the largest\n"
            "value), models to 1e-3; on the CPU they were made on they are equal bit for\n"
            "bit: MM_GOLDEN_EXACT=1 makes the tests demand that.\n")


if __name__ == "__main__":
    main()
