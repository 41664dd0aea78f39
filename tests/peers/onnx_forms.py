"""Judges every form of exported networks with the ONNX checker and onnxruntime.

    python onnx_forms.py MODELS GOLDEN

MODELS holds `FORM.NAME.onnx` with the weights of GOLDEN/NAME.eval.safetensors. `plain.NAME.onnx`
must give the golden logits; any other form must agree with it, the image being prepared here as the
form's metadata says: 1e-5 of the largest value in fp32, 2e-2 in fp16. Forms in fp16 that take
plain images are compared with the golden logits too. Prints a line per model.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file

from onnx_peer import check, session

TYPES = {1: np.float32, 2: np.uint8, 10: np.float16}


def run(path, image):
    return session(path).run(None, {"image": image})[0].astype(np.float32)


def difference(found, expected):
    assert found.shape == expected.shape and np.isfinite(found).all()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def main(models, golden_directory):
    random = np.random.default_rng(0)
    for path in sorted(pathlib.Path(models).glob("*.onnx")):
        form, name = path.stem.split(".")
        model = check(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        golden = load_file(pathlib.Path(golden_directory) / f"{name}.eval.safetensors")
        half = metadata["precision"] == "fp16"
        weights = {tensor.data_type for tensor in model.graph.initializer if not tensor.name.startswith("io_")}
        assert weights == {10 if half else 1}, f"{path}: weights of types {weights}"
        type_ = TYPES[model.graph.input[0].type.tensor_type.elem_type]
        output = model.graph.output[0]
        wide = half and "io" in form.split("-")
        assert TYPES[output.type.tensor_type.elem_type] == (np.float16 if wide else np.float32), path

        batch, channels, height, width = golden["input"].shape
        bytes_ = random.integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
        unit = (bytes_.astype(np.float32) / 255).transpose(0, 3, 1, 2)
        prepared = unit
        if "normalization" in metadata:
            numbers = json.loads(metadata["normalization"])
            mean, deviation = (np.array(numbers[key], np.float32)[:, None, None] for key in ("mean", "deviation"))
            prepared = (unit - mean) / deviation
        expected = run(path.with_name(f"plain.{name}.onnx"), prepared)
        if output.name == "probabilities":
            expected = softmax(expected)
        found = run(path, bytes_ if metadata.get("input") == "uint8-nhwc" else unit.astype(type_))
        worst = difference(found, expected)
        assert worst < (2e-2 if half else 1e-5), f"{path.name}: differs by {worst}"
        if form in ("plain", "half", "half-io"):
            golden_worst = difference(run(path, golden["input"].astype(type_)), golden["expect.logits"])
            assert golden_worst < (2e-2 if half else 1e-4), f"{path.name}: differs from PyTorch by {golden_worst}"
        if "labels" in metadata:
            assert json.loads(metadata["labels"])[3] == 'class "3", größer'
        print(f"{path.name}: {len(model.graph.node)} nodes, within {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
