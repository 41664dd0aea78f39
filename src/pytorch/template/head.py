"""An image classifier found by zen-nas: @PARAMETERS@ parameters, @FLOPS@ multiply-adds an image.

Needs PyTorch 1.13 or newer and nothing else. The tensors of `ZenNet().state_dict()` have the names of the published
Zen-NAS checkpoints, so what was trained goes straight back:

    model = ZenNet()  # initialised at random; or load_weights(ZenNet(), "weights.pth")
    ...
    torch.save(model.state_dict(), "trained.pth")

    zen-export STRUCTURE --weights trained.pth @OPTIONS@ -o trained.onnx

Written by zen-nas @VERSION@ (`zen-export --format pytorch`); yours to change.
"""

import json

import torch
from torch import nn

# The network as zen-export and every other program of zen-nas read it; BLOCKS below says the same.
STRUCTURE = (
@STRUCTURE@
)
RESOLUTION = @RESOLUTION@
CLASSES = @CLASSES@
SQUEEZE_EXCITE = @SQUEEZE_EXCITE@
RESIDUAL_LINKS = @RESIDUAL_LINKS@
# The epsilon belongs to the network; the momentum (share of the newest batch in the running statistics) is that of
# the published training.
BATCH_NORM = dict(eps=@EPSILON@, momentum=0.01)
