"""Exports other people's networks to ONNX and counts them with other people's counters.

    python zoo.py OUT [NAME...]

writes all of ZOO, or those named: convnext_tiny and vgg11 take a third of the time. Python needs PyTorch, torchvision and requirements-zoo.txt. Every network is torchvision's or timm's
own model code with random weights (seed 0, inference mode, 3 x 224 x 224), written by
`torch.onnx.export` to OUT/NAME.onnx. OUT/zoo.json gets a record per file:

    parameters            of the module, by fvcore's `parameter_count`
    parameters_in_file    the same once batch norms are folded into convolutions, where the file has them folded
    parameters_thop       of the module's layers by thop, which misses layer scale and norms that
                          are subclasses of PyTorch's
    multiply_adds_fvcore  of convolutions, linear layers and matrix products only: fvcore's own total also
                          has batch norms, layer norms and poolings, which `ignored_fvcore` keeps
    multiply_adds_thop    of the convolutions and linear layers that thop knows
    logits                of the image in OUT/NAME.image.f32 (float32, little-endian), by PyTorch

A multiply-add is one operation for both counters; neither counts biases.
"""

import json
import logging
import pathlib
import sys
import warnings
from dataclasses import dataclass, field
from typing import Callable

import thop
import timm
import torch
import torchvision
from fvcore.nn import FlopCountAnalysis, parameter_count
from torch import nn
from torch.onnx import TrainingMode

SEED = 0
RESOLUTION = 224
COUNTED = ("conv", "linear", "matmul", "addmm", "bmm", "einsum")


@dataclass
class Entry:
    """A network and the way it is exported."""

    name: str
    build: Callable[[], nn.Module]
    opset: int
    fold: bool  # batch norms into convolutions, as the exporter does by default
    dynamic: bool = False  # symbolic batch
    options: dict = field(default_factory=dict)


def vision(name):
    return lambda: torchvision.models.get_model_builder(name)() if hasattr(
        torchvision.models, "get_model_builder"
    ) else getattr(torchvision.models, name)()


def timm_model(name, **options):
    return lambda: timm.create_model(name, pretrained=False, exportable=True, **options)


ZOO = [
    Entry("mobilenet_v2", vision("mobilenet_v2"), 13, fold=True, dynamic=True),
    Entry("mobilenet_v3_large", vision("mobilenet_v3_large"), 17, fold=False, dynamic=True),
    Entry("efficientnet_b0", vision("efficientnet_b0"), 15, fold=True),
    Entry("resnet50", vision("resnet50"), 13, fold=False, options={"keep_initializers_as_inputs": True}),
    Entry("regnet_y_400mf", vision("regnet_y_400mf"), 17, fold=True, dynamic=True),
    Entry("shufflenet_v2_x1_0", vision("shufflenet_v2_x1_0"), 13, fold=False),
    Entry("shufflenet_v2_x0_5_batch", vision("shufflenet_v2_x0_5"), 16, fold=True, dynamic=True),
    Entry("convnext_tiny", vision("convnext_tiny"), 17, fold=True),
    Entry("convnext_atto", timm_model("convnext_atto"), 13, fold=True, dynamic=True),
    Entry("ghostnet_100", timm_model("ghostnet_100"), 14, fold=True),
    Entry("mnasnet1_0", vision("mnasnet1_0"), 14, fold=False, options={"do_constant_folding": False}),
    Entry("vgg11", vision("vgg11"), 13, fold=True),
    # A twentieth of its classifier's weights: writing 0.5 GB takes ten seconds.
    Entry("vgg11_slim", timm_model("vgg11", mlp_ratio=1 / 16), 13, fold=True),
    Entry("squeezenet1_1", vision("squeezenet1_1"), 13, fold=True),
    Entry("densenet121", vision("densenet121"), 13, fold=False),
    Entry("tf_efficientnet_lite0", timm_model("tf_efficientnet_lite0"), 13, fold=True),
    Entry("rexnet_100", timm_model("rexnet_100"), 13, fold=True),
    Entry("repvgg_a0", timm_model("repvgg_a0"), 13, fold=False),
    Entry("mixnet_s", timm_model("mixnet_s"), 13, fold=True),
]


def ignored_by_thop(*_):
    """thop's hook for layers that only normalise, pool or activate."""


def count_convolution(module, inputs, output):
    """thop's hook for subclasses of a convolution, which it would pass over."""
    per_output = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
    module.total_ops += torch.DoubleTensor([output.numel() * per_output])


def count_linear(module, inputs, output):
    """thop's hook for subclasses of a linear layer."""
    module.total_ops += torch.DoubleTensor([output.numel() * module.in_features])


def count_thop(model, image):
    hooks = {}
    for module in model.modules():
        kind = type(module)
        if issubclass(kind, nn.Conv2d) and kind is not nn.Conv2d:
            hooks[kind] = count_convolution
        elif issubclass(kind, nn.Linear) and kind is not nn.Linear:
            hooks[kind] = count_linear
        elif kind not in (nn.Conv2d, nn.Linear) and not list(module.children()):
            hooks[kind] = ignored_by_thop  # of leaves only: thop doesn't look below a module with a hook
    operations, parameters = thop.profile(model, (image,), custom_ops=hooks, verbose=False)
    return int(operations), int(parameters)


def count_fvcore(model, image):
    counter = FlopCountAnalysis(model, image)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = dict(counter.by_operator())
    counted = sum(n for operator, n in by_operator.items() if operator in COUNTED)
    return int(counted), {operator: int(n) for operator, n in by_operator.items() if operator not in COUNTED}


def parameters_folded(model, image):
    """Parameters left when each batch norm that follows a convolution goes into its weights and bias."""
    producers, saved, hooks = {}, 0, []

    def after_convolution(module, _, output):
        producers[id(output)] = (module, output)  # holds the output, so that its id stays its own

    def before_norm(module, inputs):
        nonlocal saved
        if convolution := producers.get(id(inputs[0])):
            added = 0 if convolution[0].bias is not None else module.num_features
            saved += 2 * module.num_features - added

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    model(image)
    for hook in hooks:
        hook.remove()
    return parameter_count(model)[""] - saved


def randomise(model):
    """Batch norms that have seen something: at 0 and 1, folding would hide mistakes."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.1)


def export(entry, directory):
    torch.manual_seed(SEED)
    model = entry.build()
    randomise(model)
    model.eval()
    image = torch.randn(1, 3, RESOLUTION, RESOLUTION)
    with torch.no_grad():
        logits = model(image)[0]
        multiply_adds_fvcore, ignored = count_fvcore(model, image)
        parameters = parameter_count(model)[""]
        in_file = parameters_folded(model, image) if entry.fold else parameters
        path = directory / f"{entry.name}.onnx"
        torch.onnx.export(
            model,
            image,
            str(path),
            opset_version=entry.opset,
            training=TrainingMode.EVAL if entry.fold else TrainingMode.PRESERVE,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}} if entry.dynamic else None,
            **entry.options,
        )
        multiply_adds_thop, parameters_thop = count_thop(model, image)  # last: it adds buffers
    image.numpy().astype("<f4").tofile(directory / f"{entry.name}.image.f32")
    return {
        "name": entry.name,
        "file": path.name,
        "source": entry.build.__closure__ and ("timm" if "timm" in entry.build.__qualname__ else "torchvision"),
        "exporter": f"torch.onnx {torch.__version__}",
        "opset": entry.opset,
        "batch_norms_folded": entry.fold,
        "symbolic_batch": entry.dynamic,
        "parameters": int(parameters),
        "parameters_in_file": int(in_file),
        "parameters_thop": parameters_thop,
        "multiply_adds_fvcore": multiply_adds_fvcore,
        "multiply_adds_thop": multiply_adds_thop,
        "ignored_fvcore": ignored,
        "logits": [float(x) for x in logits],
    }


def main(out, *names):
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    directory = pathlib.Path(out)
    directory.mkdir(parents=True, exist_ok=True)
    records = []
    for entry in ZOO:
        if names and entry.name not in names:
            continue
        record = export(entry, directory)
        records.append(record)
        print(
            f"{entry.name}: opset {entry.opset}, {record['parameters']} parameters,"
            f" {record['multiply_adds_fvcore']} (fvcore) {record['multiply_adds_thop']} (thop) multiply-adds",
            flush=True,
        )
    (directory / "zoo.json").write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
