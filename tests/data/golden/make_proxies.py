"""Writes proxies.json and proxies.safetensors: zero-shot scores of the golden networks, computed with
PyTorch in double precision and without looking at the Rust code.

    python make_proxies.py            (PyTorch 2, numpy and safetensors; in this directory)

Each network is lowered here from its structure string, without residual links and gates, with the
classifier. Its weights are those of NAME.score.safetensors (convolutions and classifier N(0, 1),
batch norms weight 1 and bias 0, classifier bias 0); the file's other tensors are not used. Inputs
are NAME.images of proxies.safetensors, eight images from numpy's N(0, 1), seeds by position in NAMES.
Image i has the label (7 i + 3) mod classes.

Scores, with batch norm in training mode (eps 1e-3):
  grad-norm  L2 norm over all parameters of the gradient of the mean cross-entropy of the 8 images.
  synflow    absolute parameters, one image of ones, R the sum of the outputs: sum over convolution
             and classifier weights of the mean over output channels of the sum of |w dR/dw|. The
             plain sum, neither negated nor its logarithm.
  ntk        largest over smallest eigenvalue of G[i, j] = <g_i, g_j>, g_i the gradient of the sum of
             image i's outputs (all 8 in one batch) with respect to all parameters named weight.
  zico       4 batches of 2 images, in order: sum over convolution and classifier layers of
             log(sum over weights with Var > 0 of E|g| / sqrt(Var|g|)), g the gradient of the mean
             cross-entropy of a batch, variance divided by 4.
  naswot     natural logarithm of the determinant of sum over ReLUs of c c^T + (1 - c)(1 - c)^T,
             c[i, position] = input of the ReLU > 0, 8 images.
  swap       number of distinct columns of the matrix c (samples x all positions of all ReLUs); one
             batch of 16: the 8 images, then the same with their colour channels in reverse order
             (8 images have only 256 patterns, and all occur).
"""

import json
import re

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

NAMES = ["idwe2k7", "idwe6k3", "k1k5k1", "k3k3", "k5k5", "mixed_se"]
EIGHT = 8
EPSILON = 1e-3


def round8(value):
    return max(8, 8 * round(value / 8))


class Layers:
    """The operators of a structure in order: (kind, state-dict prefix, stride, groups)."""

    def __init__(self, structure, gates):
        self.steps, self.gates = [], gates
        for block, (kind, arguments) in enumerate(re.findall(r"(\w+)\(([^)]*)\)", structure)):
            arguments = [int(argument) for argument in arguments.split("|")[-1].split(",")]
            self.block(f"module_list.{block}", kind, arguments)

    def block(self, prefix, kind, arguments):
        into, out, stride, *rest = arguments
        # Without residual links, every operator of a super-block takes the next index in it.
        self.counter, self.prefix = 0, prefix
        if kind.startswith("SuperConv"):
            for i in range(rest[0]):
                self.conv_norm(stride if i == 0 else 1, 1)
                self.relu()
            return
        middle, count = rest
        for i in range(count):
            stride_here = stride if i == 0 else 1
            for convolutions in self.units(kind, out, middle, stride_here):
                for step, groups, gate in convolutions:
                    self.conv_norm(step, groups)
                    # A gate comes behind the ReLU.
                    self.relu()
                    if gate and self.gates:
                        self.counter += 1

    @staticmethod
    def units(kind, out, middle, stride):
        """For each residual unit its convolutions: stride, groups, followed by a gate?"""
        if found := re.fullmatch(r"SuperResIDWE(\d)K(\d)", kind):
            first, second = [round8(width * int(found[1])) for width in (middle, out)]
            return [
                [(1, 1, False), (stride, first, True), (1, 1, False)],
                [(1, 1, False), (1, second, True), (1, 1, False)],
            ]
        if re.fullmatch(r"SuperResK1K\dK1", kind):
            return [[(1, 1, False), (step, 1, True), (1, 1, False)] for step in (stride, 1)]
        assert re.fullmatch(r"SuperResK\dK\d", kind), kind
        return [[(stride, 1, True), (1, 1, False)]]

    def conv_norm(self, stride, groups):
        for kind in ("conv", "norm"):
            self.steps.append((kind, f"{self.prefix}.module_list.{self.counter}.netblock", stride, groups))
            self.counter += 1

    def relu(self):
        self.steps.append(("relu", None, 1, 1))
        self.counter += 1


class Net:
    def __init__(self, structure, gates, tensors):
        self.steps = Layers(structure, gates).steps
        self.parameters = {}
        for kind, prefix, _, _ in self.steps + [("norm", "fc_linear.netblock", 1, 1)]:
            for suffix in {"conv": ["weight"], "norm": ["weight", "bias"], "relu": []}[kind]:
                name = f"{prefix}.{suffix}"
                self.parameters[name] = tensors[name].double().clone().requires_grad_()

    def forward(self, images):
        maps, self.patterns = images, []
        for kind, prefix, stride, groups in self.steps:
            if kind == "conv":
                weight = self.parameters[f"{prefix}.weight"]
                maps = F.conv2d(maps, weight, stride=stride, padding=(weight.shape[-1] - 1) // 2, groups=groups)
            elif kind == "norm":
                weight, bias = self.parameters[f"{prefix}.weight"], self.parameters[f"{prefix}.bias"]
                maps = F.batch_norm(maps, None, None, weight, bias, training=True, eps=EPSILON)
            else:
                self.patterns.append((maps.detach() > 0).flatten(1))
                maps = F.relu(maps)
        head = "fc_linear.netblock"
        return F.linear(maps.mean((2, 3)), self.parameters[f"{head}.weight"], self.parameters[f"{head}.bias"])

    def gradient(self, scalar, wanted, keep=False):
        names = [name for name in self.parameters if wanted(name)]
        return dict(zip(names, torch.autograd.grad(scalar, [self.parameters[n] for n in names], retain_graph=keep)))

    def is_layer(self, name):
        return name.endswith("weight") and self.parameters[name].dim() > 1


def scores(net, images, labels):
    found = {}
    gradient = net.gradient(F.cross_entropy(net.forward(images), labels), lambda name: True)
    found["grad-norm"] = torch.cat([g.flatten() for g in gradient.values()]).norm().item()

    outputs = net.forward(images).sum(1)
    rows = []
    for image in range(len(images)):
        gradient = net.gradient(outputs[image], lambda name: name.endswith("weight"), keep=True)
        rows.append(torch.cat([g.flatten() for g in gradient.values()]))
    rows = torch.stack(rows)
    eigenvalues = torch.linalg.eigvalsh(rows @ rows.T)
    found["ntk"] = (eigenvalues[-1] / eigenvalues[0]).item()

    batches = []
    for batch in range(4):
        part = slice(2 * batch, 2 * batch + 2)
        loss = F.cross_entropy(net.forward(images[part]), labels[part])
        batches.append(net.gradient(loss, net.is_layer))
    found["zico"] = 0.0
    for name in batches[0]:
        magnitudes = torch.stack([batch[name].abs() for batch in batches])
        mean, variance = magnitudes.mean(0), magnitudes.var(0, unbiased=False)
        varies = variance > 0
        found["zico"] += (mean[varies] / variance[varies].sqrt()).sum().log().item()

    net.forward(images)
    kernel = sum(c @ c.T + (1 - c) @ (1 - c).T for c in (pattern.double() for pattern in net.patterns))
    found["naswot"] = torch.linalg.slogdet(kernel).logabsdet.item()
    net.forward(torch.cat([images, images.flip(1)]))
    found["swap"] = torch.unique(torch.cat(net.patterns, 1), dim=1).shape[1]

    with torch.no_grad():
        for values in net.parameters.values():
            values.abs_()
    gradient = net.gradient(net.forward(torch.ones_like(images[:1])).sum(), net.is_layer)
    found["synflow"] = sum(
        (net.parameters[name] * g).abs().flatten(1).sum(1).mean().item() for name, g in gradient.items()
    )
    return found


def main():
    torch.set_num_threads(1)
    networks, inputs = {}, {}
    for seed, name in enumerate(NAMES):
        with open(f"{name}.json") as file:
            golden = json.load(file)
        side, classes = golden["resolution"], golden["num_classes"]
        images = np.random.default_rng(seed).standard_normal((EIGHT, 3, side, side)).astype(np.float32)
        inputs[f"{name}.images"] = torch.from_numpy(images)
        labels = [(7 * i + 3) % classes for i in range(EIGHT)]
        net = Net(golden["struct"], golden["use_se"], load_file(golden["score"]["file"]))
        found = scores(net, torch.from_numpy(images).double(), torch.tensor(labels))
        networks[name] = {"labels": labels, **found}
    save_file(inputs, "proxies.safetensors")
    with open("proxies.json", "w") as file:
        json.dump(networks, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
