

def inverted(inputs, outputs, kernel, expansion, stride, bottleneck, first):
    """A layer of SuperResIDWE{expansion}K{kernel}: two units with a wide depthwise convolution inside."""

    def unit(inputs, outputs, stride, first):
        wide = max(8, 8 * round(outputs * expansion / 8))
        layers = [*conv_relu(inputs, wide), *conv_relu(wide, wide, kernel, stride, groups=wide)]
        return residual([*layers, *gate(wide), *conv(wide, outputs)], inputs, outputs, stride, first)

    return [*unit(inputs, bottleneck, stride, first), *unit(bottleneck, outputs, 1, False)]
