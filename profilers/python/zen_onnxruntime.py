"""onnxruntime, for zen_measure.py: loads a model on one provider, and reads what the profiler wrote."""

import json
import math
import os
import shutil
import sys
import tempfile

from zen_sampling import Failed, Refused, input_bytes

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
WHEELS = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu (and TensorRT's libraries)"}
INPUT_KINDS = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
# The profiler cuts durations off to whole microseconds: half of one is missing on average.
CUT_OFF_MS = 0.0005
NODE_SUFFIX = "_kernel_time"


class Runtime:
    """onnxruntime with one provider, checked."""

    def __init__(self, options):
        install = f"install it with `{sys.executable} -m pip install {WHEELS[options.provider]} numpy`"
        try:
            import numpy
            import onnxruntime
        except ImportError as error:
            raise Refused(f"{sys.executable} has no usable {error.name}: {error}; {install}") from error
        self.numpy, self.ort, self.options = numpy, onnxruntime, options
        self.version = onnxruntime.__version__
        self.provider = PROVIDERS[options.provider]
        self.is_processor = options.provider == "cpu"
        available = onnxruntime.get_available_providers()
        if self.provider not in available:
            raise Refused(f"onnxruntime {self.version} has no {self.provider}, only {', '.join(available)}; {install}")
        self.placed = set()

    def session(self, model, profile=None):
        options = self.ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = self.ort.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = self.options.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if self.options.threads == 1 else "1")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if not self.is_processor:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = profile
        settings = {}
        if self.options.provider == "cuda":
            # fp32 is to mean fp32.
            settings = {"use_tf32": "0"}
        elif self.options.provider == "tensorrt":
            # An engine is built once for all instances of a model.
            settings = {"trt_engine_cache_enable": "True", "trt_engine_cache_path": self.options.scratch}
            settings["trt_fp16_enable"] = str(self.options.precision == "fp16")
        try:
            session = self.ort.InferenceSession(model.content, options, providers=[(self.provider, settings)])
            # Python's wrapper would begin again with other providers when a call fails.
            session.disable_fallback()
            used = session.get_providers()
        except Exception as error:  # the runtime has no class of its own that all its errors are of
            raise Failed(f"onnxruntime does not take the model: {error}") from error
        if not used or used[0] != self.provider:
            raise Failed(f"asked for {self.provider}, but onnxruntime fell back to {', '.join(used)}")
        return session

    def bind(self, session):
        """A function that calls the model, its inputs and outputs where the provider computes."""
        place = "cpu" if self.is_processor else "cuda"
        binding = session.io_binding()
        for item in session.get_inputs():
            kind = INPUT_KINDS.get(item.type)
            if kind is None or not all(isinstance(side, int) and side > 0 for side in item.shape):
                raise Failed(f"the input {item.name} is {item.type} {item.shape}, not float32, uint8 or int8 of a fixed shape")
            values = input_bytes(self.numpy, int(math.prod(item.shape)), kind).reshape(item.shape)
            binding.bind_ortvalue_input(item.name, self.ort.OrtValue.ortvalue_from_numpy(values, place, 0))
        for item in session.get_outputs():
            binding.bind_output(item.name, place)
        run = session.run_with_iobinding
        # Keeps the tensors alive; returns when the device is done.
        return lambda: run(binding)

    def load(self, model):
        return self.bind(self.session(model))

    def record(self, model):
        return Recording(self, model)

    def check(self, model):
        """Refuses models of which the provider does not run every node."""
        if self.is_processor or model.key in self.placed:
            return
        recording = Recording(self, model)
        recording.call()
        nodes = [event for event in recording.events() if event.get("cat") == "Node" and "provider" in event.get("args", {})]
        strays = sorted({f"{event['name']} on {event['args']['provider']}" for event in nodes
                         if event["args"]["provider"] != self.provider})
        if not nodes:
            raise Failed(f"onnxruntime's profile does not say that anything ran on {self.provider}")
        if strays:
            raise Failed(f"not every node ran on {self.provider}: {', '.join(strays[:5])}")
        self.placed.add(model.key)


class Recording:
    """A session whose calls onnxruntime's profiler records."""

    def __init__(self, runtime, model):
        self.folder = tempfile.mkdtemp(dir=runtime.options.scratch)
        self.called = 0
        try:
            self.session = runtime.session(model, os.path.join(self.folder, "profile"))
            self.run = runtime.bind(self.session)
        except Failed:
            self.remove()
            raise

    def call(self):
        self.run()
        self.called += 1

    def events(self):
        try:
            with open(self.session.end_profiling(), encoding="utf-8", errors="replace") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise Failed(f"onnxruntime's profile does not read: {error}") from error
        finally:
            self.remove()

    def end(self):
        """Names of the nodes, and the milliseconds of each by call."""
        times, threads, calls = {}, set(), 0
        for event in self.events():
            if event.get("cat") == "Node" and event["name"].endswith(NODE_SUFFIX):
                times.setdefault(event["name"][: -len(NODE_SUFFIX)], []).append(event["dur"] * 1e-3 + CUT_OFF_MS)
                threads.add(event["tid"])
            elif event["name"] == "model_run":
                if threads - {event["tid"]}:
                    raise Failed("onnxruntime ran a node on another thread than its call")
                threads.clear()
                calls += 1
                for name, list_ in times.items():
                    if len(list_) != calls:
                        raise Failed(f"the node `{name}` did not run once in every call")
        if calls != self.called:
            raise Failed(f"onnxruntime recorded {calls} of {self.called} calls")
        return list(times), list(times.values())

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
