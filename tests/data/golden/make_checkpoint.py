"""Writes k3k3.pth: the weights of k3k3.eval.safetensors in the file format of `torch.save`, as a
training script with `torch.nn.DataParallel` leaves them (under `state_dict`, names with `module.`,
`num_batches_tracked` beside every batch norm). Needs no PyTorch: the format is a zip of a pickle
and one raw file per tensor.

    python make_checkpoint.py k3k3.eval.safetensors k3k3.pth
"""

import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np
from safetensors.numpy import load_file


def _class(module, name):
    """A class that pickles as `module.name`."""
    made = type(name, (), {"__module__": module})
    holder = sys.modules.setdefault(module, types.ModuleType(module))
    setattr(holder, name, made)
    return made


STORAGES = {"float32": _class("torch", "FloatStorage"), "int64": _class("torch", "LongStorage")}


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


_rebuild_tensor_v2.__module__ = "torch._utils"
sys.modules.setdefault("torch._utils", types.ModuleType("torch._utils"))._rebuild_tensor_v2 = _rebuild_tensor_v2


class Storage:
    def __init__(self, key, values):
        self.key, self.values = key, values


class TorchTensor:
    def __init__(self, key, values):
        self.storage, self.values = Storage(key, values), values

    def __reduce__(self):
        strides = tuple(stride // self.values.itemsize for stride in self.values.strides)
        arguments = (self.storage, 0, self.values.shape, strides, False, collections.OrderedDict())
        return _rebuild_tensor_v2, arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            return "storage", STORAGES[str(thing.values.dtype)], str(thing.key), "cpu", thing.values.size
        return None


def main(source, destination):
    weights = {name: values for name, values in sorted(load_file(source).items()) if "netblock" in name or "proj" in name}
    for name in [name for name in weights if name.endswith(".running_var")]:
        weights[name.replace("running_var", "num_batches_tracked")] = np.array(7, dtype=np.int64)
    tensors = collections.OrderedDict(
        ("module." + name, TorchTensor(key, np.ascontiguousarray(values).reshape(values.shape)))
        for key, (name, values) in enumerate(weights.items())
    )
    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump({"epoch": 3, "state_dict": tensors})
    with zipfile.ZipFile(destination, "w", zipfile.ZIP_STORED) as archive:
        def store(name, content):
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
        store("data.pkl", pickled.getvalue())
        for tensor in tensors.values():
            store(f"data/{tensor.storage.key}", tensor.values.tobytes())
        store("version", "3\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
