"""Writes block.onnx and odd.onnx, the two networks that measure.sh measures. Needs numpy and onnx.

block.onnx: a small block with its channels moved last and back; tract computes one of these moves inside its
neighbours, so that operator gets no time of its own.
odd.onnx: an operation that no runtime knows, so that each operator is timed by itself, and a dense layer whose weights
are too large for a file, so that it gets no time at all.
"""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

random = numpy.random.default_rng(0)


def weight(weights, name, *shape):
    weights.append(numpy_helper.from_array((random.standard_normal(shape) * 0.1).astype(numpy.float32), name))
    return name


def save(path, nodes, weights, classes, described=()):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes])
    graph = helper.make_graph(nodes, "network", [image], [logits], weights, value_info=described)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def stem(weights):
    arguments = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = ["image", weight(weights, "stem_weight", 16, 3, 3, 3), weight(weights, "stem_bias", 16)]
    return helper.make_node("Conv", inputs, ["stem"], name="stem", **arguments)


def block():
    weights = []

    def node(operation, name, *inputs, **arguments):
        return helper.make_node(operation, inputs, [name], name=name, **arguments)

    def own(name, *shape):
        return weight(weights, name, *shape)

    nodes = [
        stem(weights),
        node("Conv", "depthwise", "stem", own("depthwise_weight", 16, 1, 7, 7), own("depthwise_bias", 16),
             kernel_shape=[7, 7], pads=[3] * 4, group=16),
        node("Transpose", "last", "depthwise", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "norm", "last", own("scale", 16), own("shift", 16), axis=-1),
        node("MatMul", "expand", "norm", own("expand_weight", 16, 64)),
        node("Add", "expand_bias", "expand", own("expand_shift", 64)),
        node("Relu", "relu", "expand_bias"),
        node("MatMul", "project", "relu", own("project_weight", 64, 16)),
        node("Add", "project_bias", "project", own("project_shift", 16)),
        node("Transpose", "first", "project_bias", perm=[0, 3, 1, 2]),
        node("Add", "residual", "first", "stem"),
        node("GlobalAveragePool", "pool", "residual"),
        node("Flatten", "flat", "pool"),
        node("Gemm", "logits", "flat", own("head_weight", 10, 16), own("head_bias", 10), transB=1),
    ]
    save("block.onnx", nodes, weights, 10)


def odd():
    weights = []
    shape = numpy_helper.from_array(numpy.array([4096, 140000], dtype=numpy.int64), "head_shape")
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.01])
    nodes = [
        stem(weights),
        helper.make_node("Wobble", ["stem"], ["wobble"], name="wobble"),
        helper.make_node("MaxPool", ["wobble"], ["pool"], name="pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Flatten", ["pool"], ["flat"], name="flat"),
        helper.make_node("ConstantOfShape", ["head_shape"], ["head_weight"], name="head_weight", value=value),
        helper.make_node("MatMul", ["flat", "head_weight"], ["logits"], name="head"),
    ]
    described = [helper.make_tensor_value_info("wobble", TensorProto.FLOAT, [1, 16, 32, 32])]
    save("odd.onnx", nodes, weights + [shape], 140000, described)


block()
odd()
