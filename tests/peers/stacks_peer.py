"""Converts exported models with the stacks phones and edge devices use, runs them there, and compares.

    python stacks_peer.py MODELS GOLDEN

MODELS holds `PRECISION.BATCH.NAME.onnx`: PRECISION fp32, fp16 or int8, BATCH `fixed` (1) or `symbolic`,
NAME of GOLDEN/NAME.eval.safetensors, which has the images and PyTorch's logits. Prints a line per file
and stack:

    ok      the stack converted the file, ran it, and its logits are those of PyTorch within TOLERANCE
    refuses the stack can't take such files, for the reason in REFUSALS

Anything else ends with an exception: a difference, a crash, or a refusal that isn't listed.

Every stack runs on the CPU and, for fp32 and fp16 files, computes in float32 where it lets itself be
told to, so that what's compared is the conversion.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file

# Largest difference of a logit, as a share of the largest logit; int8 also has a least cosine.
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.15}
INT8_COSINE = 0.99

# (stack, precision) -> what the stack says no to.
REFUSALS = {
    ("ncnn", "fp16"): "pnnx makes float16 of the float32 file itself: \"ncnn, halved\"",
    ("ncnn", "int8"): "pnnx leaves QuantizeLinear, which ncnn does not know, whoever wrote the file",
    ("MNN", "int8"): "its converter fails at QuantizeLinear, whoever wrote the file: \"MNN, int8 weights\"",
}


class Refusal(Exception):
    """A stack's own word that it can't convert a file."""


@contextlib.contextmanager
def quiet():
    """Native libraries print to the descriptors, past Python's own streams."""
    sys.stdout.flush()
    saved = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            for descriptor, copy in enumerate(saved, 1):
                os.dup2(copy, descriptor)
                os.close(copy)


class OpenVino:
    """Reads ONNX itself."""

    name = "OpenVINO"

    def __init__(self, path, work):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, images):
        return self.compiled(images)[0]


class Mnn:
    """`mnnconvert`, then MNN's modules. The wheel's console script reports to its makers and installs
    packages for that, so the converter behind it is called directly; in a process of its own, which it ends
    where it fails, and in a folder of its own, where it leaves a file."""

    name = "MNN"
    options = []
    converter = "import sys, _tools; sys.exit(not _tools.mnnconvert(['mnnconvert'] + sys.argv[1:]))"

    def __init__(self, path, work):
        import MNN.nn

        target = work / "model.mnn"
        arguments = ["-f", "ONNX", "--modelFile", path, "--MNNModel", target, "--bizCode", "peer", *self.options]
        command = [sys.executable, "-c", self.converter, *arguments]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if done.returncode or not target.exists():
            reason = [line.strip() for line in done.stderr.splitlines() if "what()" in line]
            raise Refusal(f"mnnconvert ends with {done.returncode} {' '.join(reason)}")
        self.module = MNN.nn.load_module_from_file(str(target), ["image"], ["logits"])

    def run(self, images):
        import MNN.expr as expr

        image = expr.const(np.ascontiguousarray(images), list(images.shape), expr.NCHW)
        (logits,) = self.module.forward([image])
        return np.array(expr.convert(logits, expr.NCHW).read())


class MnnWeights(Mnn):
    """As `Mnn`, with weights that its converter rounds to int8; arithmetic stays in float32."""

    name = "MNN, int8 weights"
    options = ["--weightQuantBits", "8"]


class Ncnn:
    """`pnnx`, then ncnn, which has no batch: images go one by one."""

    name = "ncnn"
    fp16 = False

    def __init__(self, path, work):
        import importlib.util

        import ncnn

        # The package itself imports PyTorch; its program doesn't need it.
        package = pathlib.Path(importlib.util.find_spec("pnnx").origin).parent
        copy = work / "model.onnx"
        copy.write_bytes(path.read_bytes())
        command = [package / "pnnx", copy, f"inputshape=[1,{','.join(map(str, SHAPE))}]", f"fp16={self.fp16:d}"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        parameters = work / "model.ncnn.param"
        if done.returncode or not parameters.exists():
            raise Refusal(f"pnnx ends with {done.returncode}")
        self.net = ncnn.Net()
        for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self.net.opt, f"use_{option}", False)
        if self.net.load_param(str(parameters)) or self.net.load_model(str(work / "model.ncnn.bin")):
            kinds = {line.split()[0] for line in parameters.read_text().splitlines()[2:]}
            raise Refusal("ncnn does not know all layers of " + ", ".join(sorted(kinds)))

    def run(self, images):
        import ncnn

        rows = []
        for image in images:
            extractor = self.net.create_extractor()
            extractor.input("in0", ncnn.Mat(np.ascontiguousarray(image)).clone())
            status, logits = extractor.extract("out0")
            if status:
                raise Refusal(f"ncnn gives status {status}")
            rows.append(np.array(logits).reshape(-1))
        return np.stack(rows)


class NcnnHalf(Ncnn):
    """As `Ncnn`, with weights that pnnx rounds to float16; arithmetic stays in float32."""

    name = "ncnn, halved"
    fp16 = True


STACKS = [OpenVino, Mnn, Ncnn]
# What makes another precision of a float32 file, and the tolerance it is held to.
REDUCED = {NcnnHalf: "fp16", MnnWeights: "int8"}
SHAPE = ()


def logits(stack, path, batch, images):
    with tempfile.TemporaryDirectory() as work, quiet():
        runner = stack(path, pathlib.Path(work))
        parts = [images] if batch == "symbolic" else [images[i : i + 1] for i in range(len(images))]
        return np.concatenate([np.array(runner.run(part)) for part in parts])


def compare(path, precision, got, expected):
    assert got.shape == expected.shape, f"{path}: {got.shape} instead of {expected.shape}"
    difference = np.abs(got - expected).max() / np.abs(expected).max()
    cosines = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
    assert difference < TOLERANCE[precision], f"{path}: differs by {difference}"
    assert precision != "int8" or cosines.min() > INT8_COSINE, f"{path}: cosine {cosines.min()}"
    return f"within {difference:.1e}, cosine {cosines.min():.6f}"


def main(models, golden_directory):
    global SHAPE
    for path in sorted(pathlib.Path(models).glob("*.onnx")):
        precision, batch, name = path.stem.split(".")
        golden = load_file(pathlib.Path(golden_directory) / f"{name}.eval.safetensors")
        SHAPE = golden["input"].shape[1:]
        reduced = REDUCED if (precision, batch) == ("fp32", "fixed") else {}
        for stack in [*STACKS, *reduced]:
            known = REFUSALS.get((stack.name, precision))
            try:
                got = logits(stack, path, batch, golden["input"])
            except Refusal as refusal:
                assert known, f"{path}: {stack.name} refuses: {refusal}"
                print(f"{path.name}: {stack.name} refuses: {refusal} ({known})")
                continue
            assert not known, f"{path}: {stack.name} takes {precision} by now; take it off REFUSALS"
            held_to = reduced.get(stack, precision)
            print(f"{path.name}: {stack.name} ok, {compare(path, held_to, got, golden['expect.logits'])}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
