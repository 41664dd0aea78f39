"""LiteRT on the processor, for zen_measure.py: the C interface inside the package ai-edge-litert.

The C interface and not the package's Python classes, because only the first has the profiler that times
every operator of a running model. A node's name is its place in a call and what LiteRT says it is:
`3:Convolution (NHWC, F32) IGEMM`.
"""

import ctypes
import functools
import importlib.metadata
import os
import sys

from zen_sampling import Failed, Refused, input_bytes

PACKAGE = "ai-edge-litert"
LIBRARIES = ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll")
# Numbers of the C interface.
CPU_ACCELERATOR = 1
KINDS = {1: "float32", 3: "uint8", 9: "int8"}
# The profiler cuts durations inside a delegate off to whole microseconds: half of one is missing on average.
CUT_OFF_MS = 0.0005
BYTES = {"float32": 4, "uint8": 1, "int8": 1}
WRITE = 1
# An operator of the graph, and one inside a delegate such as XNNPACK.
OPERATOR, IN_DELEGATE = 2, 8
CALL_EVENT = (1, "Invoke")
MAX_RANK = 8
Pointer = ctypes.c_void_p


class Layout(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_uint, 7), ("has_strides", ctypes.c_uint, 1),
                ("dimensions", ctypes.c_int32 * MAX_RANK), ("strides", ctypes.c_uint32 * MAX_RANK)]


class TensorType(ctypes.Structure):
    _fields_ = [("element", ctypes.c_int), ("layout", Layout)]


class Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("resident", "total", "in_use")]


class Event(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_char_p), ("type", ctypes.c_int), ("start_us", ctypes.c_uint64),
                ("elapsed_us", ctypes.c_uint64), ("memory_before", Memory), ("memory_after", Memory),
                ("index", ctypes.c_uint64), ("subgraph", ctypes.c_uint64), ("source", ctypes.c_int)]


class Runtime:
    """LiteRT's library, loaded."""

    is_processor = True

    def __init__(self, options):
        install = f"install it with `{sys.executable} -m pip install {PACKAGE} numpy`"
        try:
            import ai_edge_litert
            import numpy
        except ImportError as error:
            raise Refused(f"{sys.executable} has no usable {error.name}: {error}; {install}") from error
        self.numpy, self.options = numpy, options
        self.version = importlib.metadata.version(PACKAGE)
        folder = os.path.dirname(ai_edge_litert.__file__)
        paths = [os.path.join(folder, name) for name in LIBRARIES if os.path.isfile(os.path.join(folder, name))]
        try:
            self.library = ctypes.CDLL(paths[0])
        except (IndexError, OSError) as error:
            raise Refused(f"{PACKAGE} {self.version} has no library that loads ({error}); {install}") from error
        self.libc = ctypes.CDLL(None)
        self.libc.strdup.restype = Pointer
        self.free = ctypes.CFUNCTYPE(None, Pointer)(ctypes.cast(self.libc.free, Pointer).value)
        self.environment = Pointer()
        try:
            self.do("CreateEnvironment", 0, None, ctypes.byref(self.environment))
        except Failed as error:
            raise Refused(f"{PACKAGE} {self.version}: {error}") from error

    def do(self, name, *arguments):
        try:
            function = getattr(self.library, "LiteRt" + name)
        except AttributeError as error:
            raise Failed(f"LiteRT {self.version} has no LiteRt{name}: another version is needed") from error
        status = function(*arguments)
        if status:
            raise Failed(f"LiteRt{name} ended with status {status}")

    def make(self, name, *arguments):
        """What a function writes to its last argument."""
        made = Pointer()
        self.do(name, *arguments, ctypes.byref(made))
        return made

    def load(self, model):
        return Instance(self, model, False).call

    def record(self, model):
        return Recording(self, model)

    def check(self, model):
        """Every accelerator but the processor is off, so there is nothing to fall back from."""


class Instance:
    """A compiled model with buffers for its inputs and outputs."""

    def __init__(self, runtime, model, is_recorded):
        self.runtime, self.owned, self.called = runtime, [], 0
        do, make = runtime.do, runtime.make
        try:
            self.model = self.own("Model", make("CreateModelFromFile", runtime.environment, model.path.encode()))
        except Failed as error:
            raise Failed(f"LiteRT does not take the model: {error}") from error
        options = self.own("Options", make("CreateOptions"))
        do("SetOptionsHardwareAccelerators", options, CPU_ACCELERATOR)
        self.set(options, "cpu_options_string", f"num_threads = {runtime.options.threads}\n")
        if is_recorded:
            self.set(options, "runtime_options_string", "enable_profiling = true\n")
        try:
            compiled = make("CreateCompiledModel", runtime.environment, self.model, options)
        except Failed as error:
            raise Failed(f"LiteRT does not take the model: {error}") from error
        self.compiled = self.own("CompiledModel", compiled)
        signature = make("GetModelSignature", self.model, ctypes.c_size_t(0))
        inputs, outputs = (self.buffers(signature, side) for side in ("Input", "Output"))
        # As C objects, so that a call converts none of them.
        self.run = functools.partial(runtime.library.LiteRtRunCompiledModel, self.compiled, ctypes.c_size_t(0),
                                     ctypes.c_size_t(len(inputs)), inputs, ctypes.c_size_t(len(outputs)), outputs)

    def call(self):
        if self.run():
            raise Failed("LiteRtRunCompiledModel failed")
        self.called += 1

    def own(self, kind, pointer):
        self.owned.append((kind, pointer))
        return pointer

    def set(self, options, name, text):
        content = Pointer(self.runtime.libc.strdup(text.encode()))
        self.runtime.do("AddOpaqueOptions", options,
                        self.runtime.make("CreateOpaqueOptions", name.encode(), content, self.runtime.free))

    def buffers(self, signature, side):
        do, make = self.runtime.do, self.runtime.make
        count = ctypes.c_size_t()
        do(f"GetNumSignature{side}s", signature, ctypes.byref(count))
        buffers = (Pointer * count.value)()
        for index in range(count.value):
            place = ctypes.c_size_t(index)
            tensor = make(f"GetSignature{side}TensorByIndex", signature, place)
            kind = TensorType()
            do("GetRankedTensorType", tensor, ctypes.byref(kind))
            sides = list(kind.layout.dimensions[: kind.layout.rank])
            needs = make(f"GetCompiledModel{side}BufferRequirements", self.compiled, ctypes.c_size_t(0), place)
            if side == "Input" and (kind.element not in KINDS or any(length < 1 for length in sides)):
                raise Failed(f"input {index} has the element type {kind.element} and the shape {sides}, not float32, uint8 "
                             "or int8 of a fixed shape")
            buffer = make("CreateManagedTensorBufferFromRequirements", self.runtime.environment, ctypes.byref(kind), needs)
            buffers[index] = self.own("TensorBuffer", buffer)
            if side == "Input":
                self.fill(buffer, sides, KINDS[kind.element])
        return buffers

    def fill(self, buffer, sides, kind):
        numpy = self.runtime.numpy
        values = input_bytes(numpy, int(numpy.prod(sides)), kind)
        memory = Pointer()
        self.runtime.do("LockTensorBuffer", buffer, ctypes.byref(memory), WRITE)
        ctypes.memmove(memory, values.ctypes.data, values.size * BYTES[kind])
        self.runtime.do("UnlockTensorBuffer", buffer)

    def __del__(self):
        for kind, pointer in reversed(self.owned):
            getattr(self.runtime.library, "LiteRtDestroy" + kind)(pointer)


class Recording(Instance):
    """An instance whose calls LiteRT's profiler records."""

    def __init__(self, runtime, model):
        super().__init__(runtime, model, True)
        self.profiler = runtime.make("CompiledModelGetProfiler", self.compiled)
        if not self.profiler:
            raise Failed(f"LiteRT {runtime.version} gives no profiler: another version is needed")
        runtime.do("StartProfiler", self.profiler)

    def end(self):
        """Names of the nodes, and the milliseconds of each by call."""
        do = self.runtime.do
        do("StopProfiler", self.profiler)
        count = ctypes.c_int()
        do("GetNumProfilerEvents", self.profiler, ctypes.byref(count))
        events = (Event * count.value)()
        do("GetProfilerEvents", self.profiler, count, events)
        return by_call([((event.tag or b"").decode(errors="replace"), event.type, event.elapsed_us * 1e-3)
                        for event in events], self.called)

    def remove(self):
        """Everything goes with the last reference."""


def by_call(events, called):
    """The nodes of every call, which must be the same in all."""
    calls = []
    for tag, kind, ms in events:
        if (kind, tag) == CALL_EVENT:
            calls.append([])
        elif calls and kind == IN_DELEGATE:
            calls[-1].append((tag, ms + CUT_OFF_MS))
        # The delegate's own event holds those of its operators.
        elif calls and kind == OPERATOR and "Delegate" not in tag:
            calls[-1].append((tag, ms))
    names = [tag for tag, _ in calls[0]] if calls else []
    if not names or len(calls) != called or any([tag for tag, _ in call] != names for call in calls):
        raise Failed(f"LiteRT recorded {len(calls)} of {called} calls, or not the same operators in all of them")
    times_ms = [[call[node][1] for call in calls] for node in range(len(names))]
    return [f"{place}:{tag}" for place, tag in enumerate(names)], times_ms
