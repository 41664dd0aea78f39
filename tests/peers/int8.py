"""Judges int8 models with the ONNX checker and onnxruntime.

    python int8.py MODELS GOLDEN

MODELS holds `RUNTIME.METHOD.NAME.onnx` with the weights of GOLDEN/NAME.eval.safetensors, calibrated on
its images, and beside each a `.tract` file: the logits of those images in tract, raw float32.
The logits must have a cosine above 0.99 to PyTorch's and to tract's. Of a model for onnxruntime
every operator must run as an integer kernel; for TensorRT, what it asks for is checked: int8
around zero, and no int32. `bytes.METHOD.NAME.onnx` take bytes and give probabilities,
as the float model beside them (`.float`) does. Prints a line per model.
"""

import collections
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper
from safetensors.numpy import load_file

from onnx_peer import check

# Float operator: what onnxruntime runs instead. Activations go into the operator before them.
INTEGER = {
    "Add": "QLinearAdd",
    "Conv": "QLinearConv",
    "Gemm": "QGemm",
    "GlobalAveragePool": "QLinearGlobalAveragePool",
    "Mul": "QLinearMul",
    "Sigmoid": "QLinearSigmoid",
}
# What may be left: the image becomes integers once; integers change their order or shape.
ALLOWED = {"Flatten", "QuantizeLinear", "Transpose"}
# What stays float around the network.
AROUND = {"Cast", "Sub", "Softmax"}


def cosine(found, expected):
    assert found.shape == expected.shape and np.isfinite(found).all()
    found, expected = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    return float(found @ expected / np.linalg.norm(found) / np.linalg.norm(expected))


def count(nodes):
    return collections.Counter(node.op_type for node in nodes)


def open_session(path, optimized):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare_bytes(path, model):
    """Cosine between the logarithms of int8 and float probabilities of random bytes."""
    height, width, channels = (side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[1:])
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, height, width, channels), dtype=np.uint8)
    found = open_session(path, path.with_suffix(".optimized")).run(["probabilities"], {"image": images})[0]
    float_ = open_session(path.with_suffix(".float"), path.with_suffix(".optimized-float"))
    expected = float_.run(["probabilities"], {"image": images})[0]
    near = cosine(np.log(found), np.log(expected))
    assert near > 0.99, f"{path.name}: cosine {near} to float"
    check_integer_kernels(path, model, onnx.load(path.with_suffix(".optimized")), AROUND)
    print(f"{path.name}: cosine {near:.5f} to float")


def check_integer_kernels(path, model, optimized, around=frozenset()):
    written, run = count(model.graph.node), count(optimized.graph.node)
    for operation, integer in INTEGER.items():
        assert run[integer] == written[operation], f"{path.name}: {written[operation]} {operation}, but {dict(run)}"
    left = {operation: n for operation, n in run.items() if operation not in {*INTEGER.values(), *ALLOWED, *around}}
    assert not left, f"{path.name}: not in integers: {left}"
    assert run["QuantizeLinear"] == 1, f"{path.name}: {dict(run)}"


def check_for_tensorrt(path, model):
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    types = {tensor.data_type for tensor in constants.values()}
    assert types == {TensorProto.FLOAT, TensorProto.INT8}, f"{path.name}: {types}"
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert not numpy_helper.to_array(constants[node.input[2]]).any(), f"{path.name}: {node.name}"


def main(models, golden_directory):
    for path in sorted(pathlib.Path(models).glob("*.onnx")):
        runtime, method, name = path.stem.split(".")
        model = check(path)
        if runtime == "bytes":
            compare_bytes(path, model)
            continue
        golden = load_file(pathlib.Path(golden_directory) / f"{name}.eval.safetensors")
        session = open_session(path, path.with_suffix(".optimized"))
        found = session.run(["logits"], {"image": golden["input"]})[0]
        near = cosine(found, golden["expect.logits"])
        tract = np.fromfile(path.with_suffix(".tract"), np.float32).reshape(found.shape)
        beside = cosine(found, tract)
        assert near > 0.99 and beside > 0.99, f"{path.name}: cosine {near} to PyTorch, {beside} to tract"
        optimized = onnx.load(path.with_suffix(".optimized"))
        if runtime == "onnxruntime":
            check_integer_kernels(path, model, optimized)
        else:
            check_for_tensorrt(path, model)
        run = count(optimized.graph.node)
        integers = sum(run[integer] for integer in INTEGER.values())
        print(
            f"{path.name}: cosine {near:.5f} to PyTorch, {beside:.5f} to tract,"
            f" {integers} integer kernels, {sum(run[operation] for operation in INTEGER)} float"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
