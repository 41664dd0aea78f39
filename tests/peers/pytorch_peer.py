"""PyTorch runs what `zen-export --format pytorch` wrote, and writes checkpoints as people do.

    python pytorch_peer.py golden MODULES GOLDEN OUT
    python pytorch_peer.py initial MODULE WEIGHTS OUT
    python pytorch_peer.py trained MODULE CHECKPOINT OUT
    python pytorch_peer.py published EXPECTED
    python pytorch_peer.py initialised MODULE
    python pytorch_peer.py literal MODULE

MODULES holds NAME.py for each GOLDEN/NAME.eval.safetensors. `golden` compares the logits of each module with the golden
ones and saves its weights as OUT/NAME.FORM.pth, a form for every habit of saving. `initial` and `trained` write
OUT/NAME.eval.safetensors with images and the logits that the module gives with these weights; `trained` also saves
the weights. `published` compares the parameters and tensors of 0.py, 1.py, ... with a list.
Prints a line per network; the first failure ends with an exception.
"""

import ast
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "docs/guide"))
from train import load_module

TOLERANCE = 1e-4


def optimizer_state(model, images):
    """What an optimizer keeps after one step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9)
    model(images).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def save_forms(model, images, prefix):
    """The weights of `model` as training scripts leave them."""
    state = model.state_dict()
    torch.save(state, f"{prefix}.plain.pth")
    torch.save(state, f"{prefix}.legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({name: tensor.clone(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
                for name, tensor in state.items()}, f"{prefix}.channels_last.pth")
    torch.save(dict(model.named_parameters()) | dict(model.named_buffers()), f"{prefix}.parameters.pth")
    shared = torch.cat([torch.zeros(3), *(tensor.float().flatten() for tensor in state.values())])
    sizes = [3, *(tensor.numel() for tensor in state.values())]
    views = [view.reshape(tensor.shape) for view, tensor in zip(shared.split(sizes)[1:], state.values())]
    torch.save(dict(zip(state, views)), f"{prefix}.shared.pth")
    # As torch.nn.DataParallel and PyTorch's ImageNet example do.
    wrapped = {f"module.{name}": tensor.clone() for name, tensor in state.items()}
    beside = dict(epoch=7, arch="zen", best_acc1=torch.tensor(81.5), optimizer=optimizer_state(model, images))
    torch.save(dict(beside, state_dict=wrapped), f"{prefix}.wrapped.pth")
    torch.save(dict(beside, state_dict=wrapped), f"{prefix}.legacy_wrapped.pth", _use_new_zipfile_serialization=False)


@torch.no_grad()
def difference(module, images, logits):
    return (module(images) - logits).abs().max().item()


def golden(modules, golden_directory, out):
    for path in sorted(pathlib.Path(modules).glob("*.py")):
        name, network = path.stem, load_module(path)
        tensors = load_file(f"{golden_directory}/{name}.eval.safetensors")
        images, logits = tensors.pop("input"), tensors.pop("expect.logits")
        tensors.pop("expect.pre_gap")
        described = json.loads(pathlib.Path(golden_directory, f"{name}.json").read_text())
        assert network.STRUCTURE == described["struct"], name

        model = network.ZenNet()
        model.load_state_dict(tensors)
        assert sum(parameter.numel() for parameter in model.parameters()) == described["eval"]["n_params"], name
        buffers = {other for other in model.state_dict() if other.endswith("num_batches_tracked")}
        assert model.state_dict().keys() - buffers == tensors.keys(), name
        assert all(module.eps == described["bn_eps"] for module in model.modules() if hasattr(module, "eps")), name
        model.eval()
        worst = difference(model, images, logits)
        assert worst < TOLERANCE, f"{name}: logits differ by {worst}"
        scripted = difference(torch.jit.script(model), images, logits)
        assert scripted < TOLERANCE, f"{name}: logits in TorchScript differ by {scripted}"
        torch.onnx.export(model, images, f"{out}/{name}.torch.onnx", opset_version=13)

        save_forms(model, images, f"{out}/{name}")
        for form in ("plain", "legacy", "wrapped"):
            again = network.load_weights(network.ZenNet(), f"{out}/{name}.{form}.pth").eval()
            assert difference(again, images, logits) < TOLERANCE, f"{name}: {form}"
        print(f"{name}: logits within {worst:.1e}, in TorchScript within {scripted:.1e}")


def write_logits(network, model, path):
    images = torch.randn(3, 3, network.RESOLUTION, network.RESOLUTION, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        save_file({"input": images, "expect.logits": model.eval()(images)}, path)


def initial(module, weights, out):
    network = load_module(module)
    theirs, ours = load_file(weights), network.read_safetensors(weights)
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in theirs)
    model = network.load_weights(network.ZenNet(), weights)
    write_logits(network, model, f"{out}/initial.eval.safetensors")
    print(f"initial: {len(theirs)} tensors")


def trained(module, checkpoint, out):
    network = load_module(module)
    model = network.load_weights(network.ZenNet(), checkpoint)
    write_logits(network, model, f"{out}/trained.eval.safetensors")
    state = model.state_dict()
    torch.save(state, f"{out}/plain.pth")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, f"{out}/wrapped.pth")
    print("trained: saved")


def published(expected):
    # Nothing is drawn: the networks have up to two hundred million parameters, and only their shapes are looked at.
    for function in ("kaiming_uniform_", "uniform_", "xavier_normal_", "normal_"):
        setattr(torch.nn.init, function, lambda tensor, *_, **__: tensor)
    for number, (parameters, tensors) in enumerate(json.loads(pathlib.Path(expected).read_text())):
        path = f"{number}.py"
        model = load_module(path).ZenNet()
        assert sum(parameter.numel() for parameter in model.parameters()) == parameters, path
        state = {name: list(tensor.shape) for name, tensor in model.state_dict().items() if "num_batches" not in name}
        assert state == {name: shape for name, shape in tensors}, path
        print(f"{path}: {parameters} parameters, {len(state)} tensors")


def initialised(module):
    """The deviations that the published initialisation asks for; untrained units are their shortcuts."""
    network = load_module(module)
    torch.manual_seed(0)
    model = network.ZenNet()
    for part in model.modules():
        if isinstance(part, torch.nn.Conv2d) and part.weight.numel() > 5000:
            fan = part.weight[0].numel() + part.weight.numel() // part.weight.shape[1]
            expected = 3.26033 * (2 / fan) ** 0.5
            assert abs(part.weight.std().item() / expected - 1) < 0.05, part
        if isinstance(part, network.ResidualUnit):
            images = torch.randn(2, part.module_list[0].netblock.in_channels, 8, 8)
            assert torch.equal(part(images), part.proj(images))
    print("initialised: as published")


def literal(module):
    """Prints STRUCTURE without running the file: it must be nothing but a string."""
    for node in ast.parse(pathlib.Path(module).read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "STRUCTURE":
            print(json.dumps(ast.literal_eval(node.value)))


if __name__ == "__main__":
    torch.manual_seed(0)
    globals()[sys.argv[1]](*sys.argv[2:])
