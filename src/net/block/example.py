

def separable(inputs, outputs, kernel, stride, bottleneck, first):
    """A layer of SuperResK1DW{kernel}K1: a bottleneck whose wide convolution is depthwise."""
    layers = [*conv_relu(inputs, bottleneck), *conv_relu(bottleneck, bottleneck, kernel, stride, groups=bottleneck)]
    return residual([*layers, *gate(bottleneck), *conv(bottleneck, outputs)], inputs, outputs, stride, first)
