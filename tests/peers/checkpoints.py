"""Saves a checkpoint's weights again, as people's training scripts might.

    python checkpoints.py CHECKPOINT OUT
"""

import sys

import torch


def main(checkpoint, out):
    state = torch.load(checkpoint, map_location="cpu")
    state = state.get("state_dict", state)
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}

    def save(form, change, wrap=lambda state: state):
        changed = {name: change(value) if value.is_floating_point() else value for name, value in state.items()}
        torch.save(wrap(changed), f"{out}/{form}.pth")

    def channels_last(tensor):
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor

    save("double", torch.Tensor.double)
    save("half", torch.Tensor.half)
    save("bfloat16", torch.Tensor.bfloat16)
    save("channels_last", channels_last)
    save("parameters", torch.nn.Parameter)
    # Views of one storage, each but the first with an offset.
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    storage = torch.cat([torch.zeros(3), *(value.flatten() for value in floats.values())])
    views = storage.split([3, *(value.numel() for value in floats.values())])[1:]
    torch.save({name: view.view(value.shape) for (name, value), view in zip(floats.items(), views)}, f"{out}/shared.pth")
    save(
        "nested",
        torch.Tensor.clone,
        lambda state: {
            "epoch": 7,
            "accuracy": torch.tensor(81.5),
            "model_state_dict": {f"module.{name}": value for name, value in state.items()},
        },
    )
    state["fc_linear.netblock.bias"] = torch.full_like(state["fc_linear.netblock.bias"], float("nan"))
    save("diverged", torch.Tensor.clone)


if __name__ == "__main__":
    main(*sys.argv[1:])
