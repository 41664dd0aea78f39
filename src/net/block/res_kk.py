

def basic(inputs, outputs, kernel, stride, bottleneck, first):
    """A layer of SuperResK{kernel}K{kernel}: one unit of two convolutions."""
    layers = [*conv_relu(inputs, bottleneck, kernel, stride), *gate(bottleneck), *conv(bottleneck, outputs, kernel)]
    return residual(layers, inputs, outputs, stride, first)
