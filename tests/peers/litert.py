"""Writes a network as .tflite and has zen_measure.py time it in LiteRT.

    python litert.py FOLDER PROGRAM

FOLDER is empty, PROGRAM is zen_measure.py. Prints one JSON object: nodes, and what they add up to.
"""

import json
import pathlib
import statistics
import subprocess
import sys

import flatbuffers
import numpy
from ai_edge_litert import schema_py_generated as schema

SIDE, CHANNELS, LAYERS = 32, 32, 6


def tensor(model, graph, name, shape, values=None):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), schema.TensorType.FLOAT32, 0
    if values is not None:
        buffer = schema.BufferT()
        buffer.data = numpy.frombuffer(values.astype(numpy.float32).tobytes(), numpy.uint8)
        made.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph.tensors.append(made)
    return len(graph.tensors) - 1


def network():
    """3x3 convolutions with a ReLU in a row."""
    model, graph, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
    model.version, model.buffers, model.subgraphs, model.operatorCodes = 3, [schema.BufferT()], [graph], [code]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    graph.tensors, graph.operators = [], []
    random = numpy.random.default_rng(0)
    shape = (1, SIDE, SIDE, CHANNELS)
    maps = [tensor(model, graph, f"map{layer}", shape) for layer in range(LAYERS + 1)]
    for layer in range(LAYERS):
        operator, options = schema.OperatorT(), schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, 1
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        weights = 0.1 * random.standard_normal((CHANNELS, 3, 3, CHANNELS))
        operator.opcodeIndex, operator.outputs = 0, [maps[layer + 1]]
        operator.inputs = [maps[layer], tensor(model, graph, f"weights{layer}", weights.shape, weights),
                           tensor(model, graph, f"bias{layer}", (CHANNELS,), numpy.zeros(CHANNELS))]
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Conv2DOptions, options
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [maps[0]], [maps[-1]]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    (folder / "m.tflite").write_bytes(network())
    (folder / "junk.tflite").write_bytes(b"no model")
    asked = [("whole", "m.tflite", 1), ("nodes", "m.tflite", 2), ("whole", "junk.tflite", 1)]
    models = [{"name": str(place), "path": path, "measure": measure, "blocks": blocks}
              for place, (measure, path, blocks) in enumerate(asked)]
    job = {"protocol": 1, "time_limit_s": 60, "limits": {"min_samples": 5, "max_samples": 5}, "models": models}
    (folder / "job.json").write_text(json.dumps(job))
    done = subprocess.run([sys.executable, program, "litert", "job.json"], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    nodes = [record for record in records if record["type"] == "nodes"]
    share = [sum(map(statistics.median, record["node_ms"])) / statistics.median(record["whole_ms"]) for record in nodes]
    print(json.dumps({"code": done.returncode, "hello": records[0], "types": [record["type"] for record in records],
                      "nodes": nodes[0]["nodes"], "share": share, "failure": records[-2].get("reason")}))


main()
