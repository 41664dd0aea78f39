"""The exact Zen-score in PyTorch, for the benchmark beside it to compare with.

Reads one line of JSON: the convolutions of a chain without links (each followed by batch norm and ReLU), resolution, batch_size,
gamma, epsilon, threads, channels_last. Then, for every line with a number of draws, makes that many and writes one line of
JSON: their scores, and the peak resident memory in MiB, after the import and now.
"""

import json
import math
import resource
import sys

import torch
import torch.nn.functional as F


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Chain:
    def __init__(self, spec):
        self.spec = spec
        self.format = torch.channels_last if spec["channels_last"] else torch.contiguous_format
        self.layers = []
        for conv in spec["convs"]:
            kernel, channels = conv["kernel"], conv["out_channels"]
            shape = (channels, conv["in_channels"] // conv["groups"], kernel, kernel)
            layer = {
                "weight": torch.empty(shape).to(memory_format=self.format),
                "one": torch.ones(channels),
                "zero": torch.zeros(channels),
                "mean": torch.zeros(channels),
                "variance": torch.ones(channels),
            }
            self.layers.append((conv, layer))
        side = spec["resolution"]
        self.clean = torch.empty(spec["batch_size"], 3, side, side).to(memory_format=self.format)
        self.noise = torch.empty_like(self.clean)

    def forward(self, x):
        """The final maps; the unbiased batch variances stay in the layers."""
        for conv, layer in self.layers:
            kernel = conv["kernel"]
            x = F.conv2d(x, layer["weight"], None, conv["stride"], (kernel - 1) // 2, 1, conv["groups"])
            conv["values"] = x.shape[0] * x.shape[2] * x.shape[3]
            # With momentum 1 the running variance is that of this batch.
            x = F.batch_norm(
                x, layer["mean"], layer["variance"], layer["one"], layer["zero"], True, 1.0, self.spec["epsilon"]
            )
            x = F.relu_(x)
        return x

    def draw(self):
        for _, layer in self.layers:
            layer["weight"].normal_()
        self.clean.normal_()
        self.noise.normal_()
        clean = self.forward(self.clean)
        score = 0.0
        for conv, layer in self.layers:
            biased = layer["variance"].mean().item() * (1 - 1 / conv["values"])
            score += math.log(biased) / 2
        perturbed = self.forward(self.clean + self.spec["gamma"] * self.noise)
        return score + math.log((clean - perturbed).abs().sum(dim=(1, 2, 3)).mean().item())


def main():
    spec = json.loads(sys.stdin.readline())
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(0)
    imported = peak_mib()
    chain = Chain(spec)
    with torch.inference_mode():
        for line in sys.stdin:
            scores = [chain.draw() for _ in range(int(line))]
            answer = {"scores": scores, "imported_mib": imported, "peak_mib": peak_mib()}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
