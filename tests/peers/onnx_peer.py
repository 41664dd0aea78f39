"""Judges exported models with the ONNX checker and onnxruntime.

    python onnx_peer.py MODELS GOLDEN

MODELS holds `golden_NAME.onnx` (symbolic batch, weights of GOLDEN/NAME.eval.safetensors),
`fixed_NAME_N.onnx` (the same with a fixed batch of N), and any number of other models, which are
checked and run once. Prints a line per model; the first failure ends with an exception.
"""

import pathlib
import re
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

TOLERANCE = 1e-4


def check(path):
    """The model, valid, with inferable shapes and plain unique names."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    assert model.ir_version == 8 and model.opset_import[0].version == 17, path
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {value.name for value in [*inferred.graph.value_info, *inferred.graph.output]}
    nodes = list(model.graph.node)
    missing = [name for node in nodes for name in node.output if name not in known]
    assert not missing, f"{path}: no shape for {missing}"
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names), f"{path}: node names repeat"
    tensors = [name for node in nodes for name in node.output]
    tensors += [tensor.name for tensor in [*model.graph.initializer, *model.graph.input]]
    assert len(set(tensors)) == len(tensors), f"{path}: tensor names repeat"
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) for name in names + tensors), f"{path}: names are not plain"
    return model


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def logits(path, images):
    return session(path).run(["logits"], {"image": images})[0]


def compare(path, golden, batches):
    """Largest difference of a logit over batches of the golden images, repeated as needed."""
    worst = 0.0
    for batch in batches:
        rows = np.arange(batch) % len(golden["input"])
        difference = np.abs(logits(path, golden["input"][rows]) - golden["expect.logits"][rows]).max()
        assert difference < TOLERANCE, f"{path}: batch {batch} differs by {difference}"
        worst = max(worst, float(difference))
    return worst


def run_once(path):
    runner = session(path)
    random = np.random.default_rng(0)
    feeds = {item.name: random.standard_normal(item.shape, dtype=np.float32) for item in runner.get_inputs()}
    outputs = runner.run(None, feeds)
    assert all(np.isfinite(output).all() for output in outputs), path
    for output, declared in zip(outputs, runner.get_outputs()):
        assert list(output.shape) == declared.shape, path


def main(models, golden_directory):
    for path in sorted(pathlib.Path(models).glob("*.onnx")):
        model = check(path)
        kind, _, rest = path.stem.partition("_")
        if kind in ("golden", "fixed"):
            name, fixed = (rest, None) if kind == "golden" else rest.rsplit("_", 1)
            golden = load_file(pathlib.Path(golden_directory) / f"{name}.eval.safetensors")
            if fixed is None:
                first = model.graph.input[0].type.tensor_type.shape.dim[0]
                assert first.dim_param == "batch", path
            batches = [1, 3, len(golden["input"])] if fixed is None else [int(fixed)]
            print(f"{path.name}: {len(model.graph.node)} nodes, logits within {compare(path, golden, batches):.1e}")
        else:
            run_once(path)
            print(f"{path.name}: {len(model.graph.node)} nodes, runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
