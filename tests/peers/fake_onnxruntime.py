"""Imitates an onnxruntime with a GPU provider, for tests: FAKE says in which way it is faithless."""

import json
import os
import signal
import time
import types

FAKE = os.environ["FAKE"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
__version__ = "0.fake"
GraphOptimizationLevel = types.SimpleNamespace(ORT_ENABLE_ALL=99)
ExecutionMode = types.SimpleNamespace(ORT_SEQUENTIAL=0)


def get_available_providers():
    return [CPU] if FAKE == "absent" else [CUDA, CPU]


class SessionOptions:
    def add_session_config_entry(self, name, value):
        pass


class OrtValue:
    @staticmethod
    def ortvalue_from_numpy(values, device, number):
        assert device == "cuda" and number == 0
        return values


class Binding:
    def bind_ortvalue_input(self, name, value):
        pass

    def bind_output(self, name, device):
        pass


class InferenceSession:
    def __init__(self, model, options, providers):
        assert providers[0][0] == CUDA
        if FAKE == "mortal" and model.startswith(b"dies"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if FAKE == "mortal" and model.startswith(b"hangs"):
            # As the program ends when a block hangs, without the wait.
            os._exit(4)
        self.prefix = getattr(options, "profile_file_prefix", None)

    def disable_fallback(self):
        pass

    def get_providers(self):
        return [CPU] if FAKE == "falls-back" else [CUDA, CPU]

    def get_inputs(self):
        return [types.SimpleNamespace(name="x", type="tensor(float)", shape=[1, 3])]

    def get_outputs(self):
        return [types.SimpleNamespace(name="y")]

    def io_binding(self):
        return Binding()

    def run_with_iobinding(self, binding):
        if FAKE == "prints":
            os.write(1, b"a library's own remark\n")
        if FAKE == "hangs":
            time.sleep(600)
        sum(range(2000))

    def end_profiling(self):
        provider = CPU if FAKE == "strays" else CUDA
        path = self.prefix + ".json"
        with open(path, "w") as file:
            args = {"provider": provider}
            json.dump([{"cat": "Node", "name": "conv_kernel_time", "dur": 1, "tid": 1, "args": args}], file)
        return path
