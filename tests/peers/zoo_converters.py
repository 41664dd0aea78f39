"""Files as converters write them, beside those of `zoo.py`.

    python zoo_converters.py OUT

Python needs onnx and onnxruntime. Writes

    keras_like.onnx        what converters make of a Keras network: an image in NHWC padded and then transposed,
                           Pad before VALID convolutions, SAME_UPPER padding, hard swish in pieces, ReLU6 as
                           Clip, ReduceMean, Reshape with a shape held in a node, MatMul and Add
    mobilenet_v2_qdq.onnx  OUT/mobilenet_v2.onnx quantised by onnxruntime (QDQ, int8, per channel)

and OUT/converters.json with a record per file: `parameters` and `multiply_adds` of convolutions and matrix
products, counted from the nodes' shapes as ONNX's own inference gives them.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RESOLUTION = 96


class Builder:
    """Nodes and initializers of the Keras-like network, named as converters name them."""

    def __init__(self):
        self.nodes, self.initializers = [], []
        self.random = np.random.default_rng(0)

    def constant(self, name, values, kind=np.float32):
        self.initializers.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def weights(self, name, shape):
        fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
        return self.constant(name, self.random.standard_normal(shape) * np.sqrt(2 / fan_in))

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}:0"], name=name, **attributes))
        return f"{name}:0"

    def convolution(self, x, name, shape, groups=1, **attributes):
        inputs = [x, self.weights(f"{name}/kernel", shape), self.weights(f"{name}/bias", shape[:1])]
        return self.node("Conv", inputs, f"{name}/Conv2D", group=groups, kernel_shape=shape[2:], **attributes)

    def relu6(self, x, name):
        return self.node("Clip", [x, self.zero, self.six], f"{name}/Relu6")

    def hard_swish(self, x, name):
        shifted = self.relu6(self.node("Add", [x, self.three], f"{name}/add"), name)
        scaled = self.node("Mul", [shifted, self.sixth], f"{name}/mul")
        return self.node("Mul", [x, scaled], f"{name}/mul_1")


def keras_like():
    b = Builder()
    b.zero, b.three, b.six = (b.constant(f"const/{n}", n) for n in (0, 3, 6))
    b.sixth = b.constant("const/sixth", 1 / 6)
    pads = b.constant("model/stem_pad/pads", [0, 0, 0, 0, 0, 1, 1, 0], np.int64)
    x = b.node("Pad", ["serving_default_input:0", pads, b.zero], "model/stem_pad/Pad", mode="constant")
    x = b.node("Transpose", [x], "model/stem/transpose", perm=[0, 3, 1, 2])
    x = b.convolution(x, "model/stem", [16, 3, 3, 3], strides=[2, 2], auto_pad="VALID")
    x = b.hard_swish(x, "model/stem_activation")
    channels = 16
    for i, (width, kernel, stride, slope) in enumerate([(16, 3, 1, False), (24, 5, 2, True), (24, 3, 1, False), (40, 3, 2, True)]):
        name, entry, hidden = f"model/block_{i}", x, 4 * channels
        y = b.convolution(x, f"{name}/expand", [hidden, channels, 1, 1], strides=[1, 1])
        y = b.relu6(y, f"{name}/expand_relu")
        padding = "SAME_UPPER"
        if i == 3:
            pads = b.constant(f"{name}/pads", [0, 0, 0, 0, 0, 0, 1, 1], np.int64)
            y, padding = b.node("Pad", [y, pads, b.zero], f"{name}/Pad", mode="constant"), "VALID"
        y = b.convolution(
            y, f"{name}/depthwise", [hidden, 1, kernel, kernel], hidden, strides=[stride, stride], auto_pad=padding
        )
        if slope:
            y = b.node("PRelu", [y, b.weights(f"{name}/alpha", [hidden, 1, 1])], f"{name}/prelu")
        else:
            y = b.relu6(y, f"{name}/depthwise_relu")
        squeezed = b.node("ReduceMean", [y], f"{name}/se/Mean", axes=[2, 3], keepdims=1)
        gate = b.convolution(squeezed, f"{name}/se/reduce", [hidden // 4, hidden, 1, 1])
        gate = b.convolution(b.node("Relu", [gate], f"{name}/se/Relu"), f"{name}/se/expand", [hidden, hidden // 4, 1, 1])
        y = b.node("Mul", [y, b.node("HardSigmoid", [gate], f"{name}/se/gate", alpha=1 / 6)], f"{name}/se/mul")
        y = b.convolution(y, f"{name}/project", [width, hidden, 1, 1])
        x = b.node("Add", [entry, y], f"{name}/add") if stride == 1 and width == channels else y
        channels = width
    x = b.node("AveragePool", [x], "model/pool/AvgPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    x = b.node("Transpose", [x], "model/transpose_back", perm=[0, 2, 3, 1])
    x = b.node("ReduceMean", [x], "model/global_average_pooling2d/Mean", axes=[1, 2], keepdims=0)
    x = b.node("Reshape", [x, b.constant("model/flatten/shape", [-1, channels], np.int64)], "model/flatten/Reshape")
    x = b.node("MatMul", [x, b.weights("model/dense/kernel", [channels, 100])], "model/dense/MatMul")
    x = b.node("Add", [x, b.weights("model/dense/bias", [100])], "model/dense/BiasAdd")
    x = b.node("Softmax", [x], "StatefulPartitionedCall", axis=-1)
    size = ["unk__1", RESOLUTION, RESOLUTION, 3]
    entry = helper.make_tensor_value_info("serving_default_input:0", TensorProto.FLOAT, size)
    exit_ = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["unk__1", 100])
    graph = helper.make_graph(b.nodes, "tf2onnx", [entry], [exit_], b.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="tf2onnx")


def quantise(source, target):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):
        def __init__(self):
            random = np.random.default_rng(0)
            self.rest = iter([{"input": random.standard_normal((1, 3, 224, 224), np.float32)} for _ in range(2)])

        def get_next(self):
            return next(self.rest, None)

    prepared = target.with_suffix(".prepared")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(target), Images(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def count(path):
    """Parameters of, and multiply-adds in, convolutions and matrix products, and other weights in float."""
    model = onnx.load(path)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    shapes = {t.name: list(t.dims) for t in model.graph.initializer}
    for value in [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]:
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = [d.dim_value if d.HasField("dim_value") else 1 for d in dims]
    origin = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    constants = {t.name for t in model.graph.initializer}
    weights, multiply_adds = {}, 0
    for node in model.graph.node:
        sources = [origin.get(name, name) for name in node.input]
        if node.op_type in ("Conv", "Gemm", "MatMul", "PRelu", "Add"):
            weights.update({name: np.prod(shapes[name]) for name in sources if name in constants and len(shapes[name])})
        if node.op_type == "Conv":
            multiply_adds += np.prod(shapes[node.output[0]]) * np.prod(shapes[sources[1]][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            inner = shapes[node.input[0]][-1]
            multiply_adds += np.prod(shapes[node.output[0]]) * inner
    return int(sum(weights.values())), int(multiply_adds)


def main(out):
    directory = pathlib.Path(out)
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(keras_like(), directory / "keras_like.onnx")
    if (directory / "mobilenet_v2.onnx").exists():
        quantise(directory / "mobilenet_v2.onnx", directory / "mobilenet_v2_qdq.onnx")
    records = []
    for path in [directory / "keras_like.onnx", directory / "mobilenet_v2_qdq.onnx"]:
        if path.exists():
            onnx.checker.check_model(str(path), full_check=True)
            parameters, multiply_adds = count(path)
            records.append({"name": path.stem, "file": path.name, "parameters": parameters, "multiply_adds": multiply_adds})
            print(f"{path.name}: {parameters} parameters, {multiply_adds} multiply-adds")
    (directory / "converters.json").write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
