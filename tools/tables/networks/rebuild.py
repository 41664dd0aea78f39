#!/usr/bin/env python3
"""Rebuilds published networks with random weights and writes their graphs as ONNX, without the values of the weights.

Usage: rebuild.py OUT_DIR [NAME ...]    (every network of the table without names)
       rebuild.py --operators OUT_DIR FILE.csv.gz    (the fused operators of every graph of the folder)

Each network is a name, a function that builds it and its input (channels, height, width). Sources are torchvision
0.14 and timm 1.0.9; what neither has is built here from its paper. Not here: which operators fuse, which `zen-score`
says.
"""
import csv
import gzip
import io
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import onnx
import timm
import torch
import torchvision.models as tv
from onnx import TensorProto
from torch import nn

# Initialisers with more values than this lose them. Shapes, axes and scales are shorter and are kept.
KEPT_VALUES = 256
# Weights are random; this makes them the same each time.
SEED = 0


def of_torchvision(build, **options):
    return lambda: build(weights=None, **options)


def of_timm(name, **options):
    return lambda: timm.create_model(name, pretrained=False, **options)


def segmentation(build):
    """A torchvision segmentation network without its auxiliary classifier."""

    class Main(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build(weights=None, weights_backbone=None, aux_loss=False)

        def forward(self, image):
            return self.net(image)["out"]

    return Main


def conv(inputs, outputs, kernel=3, stride=1, groups=1, activation=nn.ReLU, dilation=1):
    padding = dilation * (kernel // 2)
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


# Outputs and stride of the depthwise-separable pairs of MobileNet-v1 (Howard et al. 2017).
MOBILENET_V1 = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def mobilenet_v1_features(channels=3, width=1.0, activation=nn.ReLU, output_stride=32):
    """Width scales every layer; strides beyond `output_stride` become dilations."""
    inputs, stride, dilation = int(32 * width), 2, 1
    layers = [conv(channels, inputs, 3, 2, activation=activation)]
    for outputs, step in MOBILENET_V1:
        own_dilation = dilation
        if stride * step > output_stride:
            step, dilation = 1, dilation * 2
        stride *= step
        outputs = int(outputs * width)
        layers.append(conv(inputs, inputs, 3, step, inputs, activation, own_dilation))
        layers.append(conv(inputs, outputs, 1, activation=activation))
        inputs = outputs
    return nn.Sequential(*layers), inputs


class MobileNetV1(nn.Module):
    def __init__(self, width=1.0, channels=3, classes=1000, activation=nn.ReLU6):
        super().__init__()
        self.features, outputs = mobilenet_v1_features(channels, width, activation)
        self.classifier = nn.Linear(outputs, classes)

    def forward(self, image):
        return self.classifier(self.features(image).mean([2, 3]))


class PoseNet(nn.Module):
    """MobileNet-v1 at output stride 16 with four heads."""

    def __init__(self):
        super().__init__()
        self.features, outputs = mobilenet_v1_features(activation=nn.ReLU6, output_stride=16)
        self.heads = nn.ModuleList(nn.Conv2d(outputs, head, 1) for head in (17, 34, 32, 32))

    def forward(self, image):
        features = self.features(image)
        return [head(features) for head in self.heads]


def double_conv(inputs, outputs):
    return nn.Sequential(conv(inputs, outputs), conv(outputs, outputs))


class UNet(nn.Module):
    """Ronneberger et al. 2015, padded, with transposed convolutions."""

    def __init__(self, classes=2, width=64):
        super().__init__()
        sizes = [width << level for level in range(5)]
        self.first = double_conv(3, width)
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip(sizes, sizes[1:]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(list(zip(sizes, sizes[1:]))))
        self.merge = nn.ModuleList(double_conv(2 * a, a) for a in reversed(sizes[:-1]))
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, image):
        maps = [self.first(image)]
        for down in self.down:
            maps.append(down(nn.functional.max_pool2d(maps[-1], 2)))
        value = maps.pop()
        for up, merge in zip(self.up, self.merge):
            value = merge(torch.cat([maps.pop(), up(value)], 1))
        return self.last(value)


class SuperResolution(nn.Module):
    """Equal 3x3 convolutions, then pixels from channels: QuickSRNet and SRVGG."""

    def __init__(self, width, depth, scale=4, activation=nn.ReLU):
        super().__init__()
        layers = [nn.Conv2d(3, width, 3, padding=1), activation()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), activation()]
        self.net = nn.Sequential(*layers, nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, image):
        return self.net(image)


class ResidualDense(nn.Module):
    """ESRGAN's generator (Wang et al. 2018): dense blocks of five convolutions, then twice the side twice."""

    def __init__(self, blocks=23, width=64, growth=32):
        super().__init__()

        def plain(inputs, outputs):
            return nn.Conv2d(inputs, outputs, 3, padding=1)

        def dense():
            return nn.ModuleList(plain(width + growth * i, growth if i < 4 else width) for i in range(5))

        self.first = plain(3, width)
        self.blocks = nn.ModuleList(nn.ModuleList(dense() for _ in range(3)) for _ in range(blocks))
        self.trunk, self.up1, self.up2, self.high = (plain(width, width) for _ in range(4))
        self.last = plain(width, 3)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, image):
        first = value = self.first(image)
        for block in self.blocks:
            outer = value
            for dense in block:
                maps = [value]
                for layer in dense[:-1]:
                    maps.append(self.activation(layer(torch.cat(maps, 1))))
                value = value + 0.2 * dense[-1](torch.cat(maps, 1))
            value = outer + 0.2 * value
        value = first + self.trunk(value)
        for up in (self.up1, self.up2):
            value = self.activation(up(nn.functional.interpolate(value, scale_factor=2.0, mode="nearest")))
        return self.last(self.activation(self.high(value)))


class DeepLabMobile(nn.Module):
    """DeepLab-v3+ on MobileNet-v2 at output stride 16 (Chen et al. 2018)."""

    def __init__(self, classes=21):
        super().__init__()
        features = tv.mobilenet_v2(weights=None).features[:-1]
        for block in features[14:]:
            for layer in block.modules():
                if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                    layer.stride, layer.dilation, layer.padding = (1, 1), (2, 2), (2, 2)
        self.low, self.high = features[:4], features[4:]
        self.pyramid = nn.ModuleList([conv(320, 256, 1)] + [conv(320, 256, dilation=d) for d in (6, 12, 18)])
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(320, 256, 1))
        self.join, self.reduce = conv(1280, 256, 1), conv(24, 48, 1)
        self.last = nn.Sequential(conv(304, 256), conv(256, 256), nn.Conv2d(256, classes, 1))

    def forward(self, image):
        def resize(value, like):
            size = [int(side) for side in like.shape[-2:]]
            return nn.functional.interpolate(value, size=size, mode="bilinear", align_corners=True)

        low = self.low(image)
        high = self.high(low)
        maps = [layer(high) for layer in self.pyramid] + [resize(self.pooled(high), high)]
        high = resize(self.join(torch.cat(maps, 1)), low)
        return resize(self.last(torch.cat([high, self.reduce(low)], 1)), image)


class Normalised(nn.Module):
    """A network that is given its image as it is, in [0, 1]: publishers who time it with these two operations."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, image):
        return self.net((image - self.mean) / self.deviation)


def normalised(build):
    return lambda: Normalised(build())


def inception_v3():
    net = tv.inception_v3(weights=None, init_weights=False)
    net.aux_logits, net.AuxLogits = False, None
    return net


# Name: constructor, (channels, height, width). Sides are those that the publisher's code asks for, which are not
# always those of its pages.
NETWORKS = {
    # Qualcomm AI Hub, classification.
    "aihub-mobilenet_v2": (normalised(of_torchvision(tv.mobilenet_v2)), (3, 224, 224)),
    "aihub-mobilenet_v3_large": (normalised(of_torchvision(tv.mobilenet_v3_large)), (3, 224, 224)),
    "aihub-efficientnet_b4": (normalised(of_torchvision(tv.efficientnet_b4)), (3, 224, 224)),
    "aihub-efficientnet_v2_s": (normalised(of_torchvision(tv.efficientnet_v2_s)), (3, 224, 224)),
    "aihub-resnet18": (normalised(of_torchvision(tv.resnet18)), (3, 224, 224)),
    "aihub-resnet101": (normalised(of_torchvision(tv.resnet101)), (3, 224, 224)),
    "aihub-resnext101": (normalised(of_torchvision(tv.resnext101_32x8d)), (3, 224, 224)),
    "aihub-regnet_y_800mf": (normalised(of_torchvision(tv.regnet_y_800mf)), (3, 224, 224)),
    "aihub-mnasnet05": (normalised(of_torchvision(tv.mnasnet0_5)), (3, 224, 224)),
    "aihub-densenet121": (normalised(of_torchvision(tv.densenet121)), (3, 224, 224)),
    "aihub-googlenet": (of_torchvision(tv.googlenet, aux_logits=False, init_weights=False), (3, 224, 224)),
    "aihub-inception_v3": (inception_v3, (3, 224, 224)),
    "aihub-shufflenet_v2": (normalised(of_torchvision(tv.shufflenet_v2_x0_5)), (3, 224, 224)),
    "aihub-convnext_tiny": (normalised(of_torchvision(tv.convnext_tiny)), (3, 224, 224)),
    "aihub-convnext_base": (normalised(of_torchvision(tv.convnext_base)), (3, 224, 224)),
    "aihub-vit": (normalised(of_timm("vit_base_patch16_224")), (3, 224, 224)),
    "aihub-dla102x": (normalised(of_timm("dla102x")), (3, 224, 224)),
    "aihub-nasnet": (of_timm("nasnetalarge"), (3, 224, 224)),
    "aihub-beit": (of_timm("beit_base_patch16_224"), (3, 224, 224)),
    "aihub-levit": (normalised(of_timm("levit_128s")), (3, 224, 224)),
    "aihub-mobile_vit": (of_timm("mobilevit_s"), (3, 256, 256)),
    "aihub-efficientformer": (normalised(of_timm("efficientformer_l1")), (3, 224, 224)),
    "aihub-efficientvit_b2_cls": (normalised(of_timm("efficientvit_b2")), (3, 224, 224)),
    "aihub-efficientvit_l2_cls": (normalised(of_timm("efficientvit_l2")), (3, 224, 224)),
    "aihub-yamnet": (lambda: MobileNetV1(channels=1, classes=521, activation=nn.ReLU), (1, 96, 64)),
    # Qualcomm AI Hub, maps as outputs.
    "aihub-fcn_resnet50": (normalised(segmentation(tv.segmentation.fcn_resnet50)), (3, 520, 520)),
    "aihub-deeplabv3_plus_mobilenet": (normalised(DeepLabMobile), (3, 520, 520)),
    "aihub-posenet_mobilenet": (PoseNet, (3, 513, 257)),
    "aihub-unet_segmentation": (UNet, (3, 640, 1280)),
    "aihub-quicksrnetsmall": (lambda: SuperResolution(32, 2), (3, 128, 128)),
    "aihub-quicksrnetmedium": (lambda: SuperResolution(32, 5), (3, 128, 128)),
    "aihub-quicksrnetlarge": (lambda: SuperResolution(64, 11), (3, 128, 128)),
    "aihub-real_esrgan_general_x4v3": (lambda: SuperResolution(64, 32, activation=nn.PReLU), (3, 128, 128)),
    "aihub-esrgan": (ResidualDense, (3, 128, 128)),
    # TensorFlow Lite's page of hosted models.
    "nasnet_large": (of_timm("nasnetalarge"), (3, 331, 331)),
}


def without_values(model):
    """Turns weights into references to a file that does not exist, so that graphs stay small."""
    sizes = {TensorProto.FLOAT: 4, TensorProto.INT64: 8}
    for tensor in model.graph.initializer:
        count = math.prod(tensor.dims)
        if count <= KEPT_VALUES or tensor.data_type not in sizes:
            continue
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("length", str(count * sizes[tensor.data_type]))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    return model


def rebuild(name, out_dir):
    build, shape = NETWORKS[name]
    torch.manual_seed(SEED)
    with torch.no_grad():
        buffer = io.BytesIO()
        options = {"opset_version": 14, "input_names": ["image"], "do_constant_folding": True}
        torch.onnx.export(build().eval(), torch.zeros(1, *shape), buffer, **options)
    model = onnx.load_from_string(buffer.getvalue())
    side = str(shape[1]) if shape[1] == shape[2] else f"{shape[1]}x{shape[2]}"
    path = out_dir / f"{name}@{side}.onnx"
    path.write_bytes(without_values(model).SerializeToString())
    return path


def write_operators(graphs, path):
    """Writes the fused operators of every graph of a folder, as zen-score prints them."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["network", "input", "n", "operator", "operation"])
    for graph in sorted(graphs.glob("*.onnx")):
        command = ["zen-score", str(graph), "--device", "pixel2/tflite/fp32/b1/t1", "--json", "--explain"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found = found[0] if isinstance(found, list) else found
        network, side = graph.stem.split("@")
        for n, operator in enumerate(found["latency"]["operators"]):
            rows.writerow([network, side, n, operator["key"], operator.get("operation") or ""])
    # No time of packing in the file: the same graphs give the same bytes.
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def main():
    if sys.argv[1:2] == ["--operators"]:
        write_operators(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    out_dir = Path(sys.argv[1])
    out_dir.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name in sys.argv[2:] or NETWORKS:
        try:
            path = rebuild(name, out_dir)
            print(f"{path} {path.stat().st_size / 1e3:.0f} kB", flush=True)
        except Exception as error:  # One network that a version of a library lacks must not end the run.
            print(f"{name}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
