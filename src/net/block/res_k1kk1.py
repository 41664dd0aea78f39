

def bottlenecks(inputs, outputs, kernel, stride, bottleneck, first):
    """A layer of SuperResK1K{kernel}K1: two units that narrow, convolve and widen."""

    def unit(inputs, stride, first):
        layers = [*conv_relu(inputs, bottleneck), *conv_relu(bottleneck, bottleneck, kernel, stride)]
        return residual([*layers, *gate(bottleneck), *conv(bottleneck, outputs)], inputs, outputs, stride, first)

    return [*unit(inputs, stride, first), *unit(outputs, 1, False)]
