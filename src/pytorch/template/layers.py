

class Layer(nn.Module):
    """One layer; the published checkpoints call its tensors `netblock.*`."""

    def __init__(self, netblock):
        super().__init__()
        self.netblock = netblock

    def forward(self, x):
        return self.netblock(x)


class SqueezeExcite(Layer):
    """Multiplies every channel by a gate between 0 and 1, computed from the means of all channels."""

    def __init__(self, channels):
        # Python rounds halves to even: 10 channels reduce to 2.
        reduced = max(1, round(channels / 4))
        gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, reduced, 1, bias=False),
            nn.BatchNorm2d(reduced, **BATCH_NORM),
            nn.ReLU(),
            nn.Conv2d(reduced, channels, 1, bias=False),
            nn.BatchNorm2d(channels, **BATCH_NORM),
            nn.Sigmoid(),
        )
        super().__init__(gate)

    def forward(self, x):
        return x * self.netblock(x)


class ResidualUnit(nn.Module):
    """A chain of layers, added to its input or to a projection of it."""

    def __init__(self, layers, inputs, outputs, stride, project):
        super().__init__()
        self.module_list = nn.Sequential(*layers)
        projection = [nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs, **BATCH_NORM)]
        self.proj = nn.Sequential(*(projection if project else []))

    def forward(self, x):
        return self.module_list(x) + self.proj(x)


def conv(inputs, outputs, kernel=1, stride=1, groups=1):
    """Convolution and batch norm; at stride 1 the map keeps its size."""
    padding = (kernel - 1) // 2
    return [
        Layer(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)),
        Layer(nn.BatchNorm2d(outputs, **BATCH_NORM)),
    ]


def conv_relu(*arguments, **options):
    return [*conv(*arguments, **options), nn.ReLU()]


def gate(channels):
    return [SqueezeExcite(channels)] if SQUEEZE_EXCITE else []


def residual(layers, inputs, outputs, stride, first):
    """A residual unit and the ReLU after it; the first of a super-block always has a projection."""
    if RESIDUAL_LINKS:
        project = first or stride != 1 or inputs != outputs
        layers = [ResidualUnit(layers, inputs, outputs, stride, project)]
    return [*layers, nn.ReLU()]
