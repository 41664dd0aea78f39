

class SuperBlock(nn.Module):
    """`layers` layers of one kind, of which the first has the stride and the other input channels."""

    def __init__(self, layer, inputs, outputs, stride, layers, **arguments):
        super().__init__()
        modules = layer(inputs, outputs, stride=stride, first=True, **arguments)
        for _ in range(layers - 1):
            modules += layer(outputs, outputs, stride=1, first=False, **arguments)
        self.module_list = nn.Sequential(*modules)

    def forward(self, x):
        return self.module_list(x)


class ZenNet(nn.Module):
    """Logits (batch x CLASSES) of images (batch x channels x RESOLUTION x RESOLUTION)."""

    def __init__(self):
        super().__init__()
        self.module_list = nn.Sequential(*[SuperBlock(**block) for block in BLOCKS])
        self.fc_linear = Layer(nn.Linear(BLOCKS[-1]["outputs"], CLASSES))
        self.initialise()

    def forward(self, x):
        x = self.module_list(x)
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        return self.fc_linear(torch.flatten(x, 1))

    def initialise(self):
        """Random weights as the published training starts with: Xavier-normal with a large gain, and every residual
        unit begins as its shortcut, since the weight of its last batch norm is 0."""
        gain = 3.26033
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight, gain)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=gain * (2 / (module.in_features + module.out_features)) ** 0.5)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, ResidualUnit):
                nn.init.zeros_(module.module_list[-1].netblock.weight)


def load_weights(model, path):
    """Loads a safetensors file (as of `zen-export --init-weights`) or a checkpoint of `torch.save` (a pickle: only from
    where you would run a program); every tensor must fit. Returns the model."""
    if str(path).endswith(".safetensors"):
        tensors = read_safetensors(path)
    else:
        tensors = torch.load(path, map_location="cpu")
        tensors = tensors.get("state_dict", tensors)
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""
    model.load_state_dict({name[len(prefix) :]: tensor for name, tensor in tensors.items()})
    return model


def read_safetensors(path):
    """The tensors of a file of 32-bit floats: the length of a JSON header, the header, the values."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']} instead of F32")
        start, end = (offset // 4 for offset in entry["data_offsets"])
        tensors[name] = values[start:end].reshape(entry["shape"])
    return tensors


if __name__ == "__main__":
    parameters = sum(parameter.numel() for parameter in ZenNet().parameters())
    print(f"{parameters} parameters, {RESOLUTION}x{RESOLUTION} pixels, {CLASSES} classes")
