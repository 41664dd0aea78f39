"""Writes k3k3.pth: the weights of k3k3.eval.safetensors as a training script with `torch.nn.DataParallel` saves them:
under `state_dict`, names with `module.`, `num_batches_tracked` beside every batch norm. The committed file was written
by PyTorch 1.13.

    python make_checkpoint.py k3k3.eval.safetensors k3k3.pth
"""

import collections
import sys

import torch
from safetensors.torch import load_file


def main(source, destination):
    state = collections.OrderedDict()
    for name, values in sorted(load_file(source).items()):
        if "netblock" not in name and "proj" not in name:
            continue
        state[f"module.{name}"] = values
        if name.endswith(".running_var"):
            state[f"module.{name}".replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    torch.save({"epoch": 3, "best_acc1": torch.tensor(81.5), "state_dict": state}, destination)


if __name__ == "__main__":
    main(*sys.argv[1:])
