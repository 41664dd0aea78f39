"""Runs .tflite files in LiteRT beside the ONNX files that describe the same networks in onnxruntime.

    python litert_peer.py DIRECTORY

For each line `TFLITE ONNX LIMIT MEASURE` of DIRECTORY/pairs.txt it prints one line of JSON: the largest difference of an
output, as a share of the largest one, the cosine, and whether XNNPACK takes every operator. Fails where the file of
LIMIT is passed (MEASURE is `difference`, at most, or `cosine`, at least) or an operator is left to LiteRT itself.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter


def expected(path, image):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    if given.type == "tensor(float)":
        image = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    return session.run(None, {given.name: image})[0]


def found(path, image):
    interpreter = Interpreter(str(path), num_threads=1)
    given = interpreter.get_input_details()[0]
    if tuple(given["shape"]) != image.shape:
        interpreter.resize_tensor_input(given["index"], image.shape)
    interpreter.allocate_tensors()
    if given["dtype"] == np.int8:
        scale, zero_point = given["quantization"]
        image = np.clip(np.round(image / scale) + zero_point, -128, 127).astype(np.int8)
    signature = interpreter.get_signature_list()["serving_default"]
    assert len(signature["inputs"]) == 1 and len(signature["outputs"]) == 1, signature
    interpreter.set_tensor(given["index"], image)
    interpreter.invoke()
    result = interpreter.get_output_details()[0]
    values = interpreter.get_tensor(result["index"])
    if result["dtype"] == np.int8:
        scale, zero_point = result["quantization"]
        values = scale * (values.astype(np.float32) - zero_point)
    return values


def image_of(path):
    """A random image, or several where the file leaves their number open."""
    given = Interpreter(str(path)).get_input_details()[0]
    shape = [int(side) for side in given["shape"]]
    if given["shape_signature"][0] == -1:
        shape[0] = 2
    random = np.random.default_rng(0)
    if given["dtype"] == np.uint8:
        return random.integers(0, 256, shape, dtype=np.uint8)
    return random.standard_normal(shape).astype(np.float32)


def main(directory):
    failed = False
    for line in (directory / "pairs.txt").read_text().splitlines():
        tflite, onnx, limit, measure = line.split()
        image = image_of(directory / tflite)
        wanted, got = expected(directory / onnx, image), found(directory / tflite, image)
        difference = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        cosine = float((got * wanted).sum() / np.linalg.norm(got) / np.linalg.norm(wanted))
        compiled = CompiledModel.from_file(str(directory / tflite), HardwareAccelerator.CPU)
        accelerated = bool(compiled.is_fully_accelerated())
        passed = got.shape == wanted.shape and accelerated
        passed &= difference <= float(limit) if measure == "difference" else cosine >= float(limit)
        failed |= not passed
        record = {"file": tflite, "difference": difference, "cosine": cosine, "accelerated": accelerated, "ok": passed}
        print(json.dumps(record), flush=True)
    sys.exit(failed)


main(pathlib.Path(sys.argv[1]))
