

def plain(inputs, outputs, kernel, stride, first):
    """A layer of SuperConvK{kernel}BNRELU."""
    return conv_relu(inputs, outputs, kernel, stride)
