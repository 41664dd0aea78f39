"""Stand-in for TensorRT's `trtexec` and for `nvidia-smi`, for tests: flags, files and traps of the real ones.

    python trtexec.py STATE trtexec --onnx=... | nvidia-smi --query-gpu=...

NOTHING IT SAYS IS A MEASUREMENT. Times follow from the model's multiply-adds by a formula, and both
programs say that they are a stand-in, which the real ones never do. STATE is a folder: its file
`faults` holds words that break things (`build`, `garbage`, `killed`, `no-times`, `old-times`,
`throttle=N` and `dies-after=N` up to and after the Nth run), its file `runs` grows by a letter with every run.
"""

import json
import os
import pathlib
import signal
import sys
import time

MARK = "zen-nas stand-in"
VERSION = "8.6.1"
FLAGS = set(
    "--onnx --saveEngine --loadEngine --fp16 --int8 --noTF32 --skipInference --warmUp --duration --iterations --avgRuns "
    "--useCudaGraph --noDataTransfers --useSpinWait --separateProfileRun --exportTimes --exportProfile "
    "--profilingVerbosity".split()
)
# Multiply-adds a millisecond, bytes a millisecond, and milliseconds a layer takes at least.
MACS_PER_MS = {"fp32": 4e9, "fp16": 2e10, "int8": 4e10}
BYTES_PER_MS = 3e8
LAYER_MS = 0.003
FUSED = {"Relu", "Add", "Sigmoid", "Identity", "BatchNormalization", "Flatten"}


def layers(path, precision):
    """Name and milliseconds of each layer."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in values}
    shapes.update({tensor.name: list(tensor.dims) for tensor in model.graph.initializer})
    found = []
    for node in model.graph.node:
        output = product(shapes[node.output[0]])
        if node.op_type in FUSED and found:
            found[-1][0] += f" + {node.name}"
            continue
        macs = 0
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            weight = shapes[node.input[1]]
            each = product(weight[1:]) if node.op_type == "Conv" else product(weight) // shapes[node.output[0]][-1]
            macs = output * each
        moved = {"fp32": 4, "fp16": 2, "int8": 1}[precision] * (output + product(shapes[node.input[0]]))
        found.append([node.name, LAYER_MS + macs / MACS_PER_MS[precision] + moved / BYTES_PER_MS])
    return found


def product(sides):
    result = 1
    for side in sides:
        result *= side
    return result


def trtexec(state, arguments):
    faults = read_faults(state)
    options = dict(argument.partition("=")[::2] for argument in arguments)
    tag = f"TensorRT.trtexec [TensorRT v8601] # {' '.join(arguments)}"

    def log(level, text):
        print(f"{time.strftime('[%m/%d/%Y-%H:%M:%S]')} [{level}] {text}")

    def done(good, complaint=""):
        if complaint:
            log("E", complaint)
        print(f"&&&& {'PASSED' if good else 'FAILED'} {tag}")
        return 0 if good else 1

    print(f"&&&& RUNNING {tag}")
    unknown = sorted(set(options) - FLAGS)
    if unknown:
        return done(False, f"Unknown option: {unknown[0]}")
    log("I", f"TensorRT version: {VERSION}")
    log("I", f"Emulated: {MARK}, no time below is a measurement")
    if "garbage" in faults:
        sys.stdout.buffer.write(bytes(range(256)) * 16)
        return 0
    if "killed" in faults:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    if "--onnx" in options:
        return build(options, faults, done)
    return measure(state, options, faults, log, done)


def build(options, faults, done):
    if not os.path.isfile(options["--onnx"]):
        return done(False, f"Could not open file {options['--onnx']}")
    if "build" in faults:
        return done(False, "Error Code 10: Internal Error (Could not find any implementation for node conv.)")
    precision = "int8" if "--int8" in options else "fp16" if "--fp16" in options else "fp32"
    engine = {"layers": layers(options["--onnx"], precision)}
    pathlib.Path(options["--saveEngine"]).write_text(json.dumps(engine))
    return done(True)


def measure(state, options, faults, log, done):
    if not os.path.isfile(options["--loadEngine"]):
        return done(False, f"Error opening engine file: {options['--loadEngine']}")
    with open(state / "runs", "a") as runs:
        runs.write("x")
    ran = len((state / "runs").read_text())
    if ran <= int(faults.get("throttle", "0")):
        (state / "hot").touch()
    engine = json.loads(pathlib.Path(options["--loadEngine"]).read_text())["layers"]
    base = sum(ms for _, ms in engine)
    count = int(options.get("--iterations", "10"))
    # Half a percent up and down, the same in every run.
    times = [base * (1 + 0.005 * ((i * 37 % 21) / 10 - 1)) for i in range(count)]
    silent = "--exportProfile" in options and "--separateProfileRun" not in options
    dead = "dies-after" in faults and ran > int(faults["dies-after"])
    if silent:
        log("I", "The e2e network timing is not reported since it is inaccurate when the profiler is enabled.")
    elif "--exportTimes" in options and "no-times" not in faults and not dead:
        name = "latencyMs" if "old-times" in faults else "computeMs"
        entries = [f'{{ "h2dMs" : 0, "{name}" : {ms:.6g}, "d2hMs" : 0 }}' for ms in times]
        pathlib.Path(options["--exportTimes"]).write_text("[\n  " + "\n, ".join(entries) + "\n]\n")
    if "--exportProfile" in options:
        rows = [
            f', {{ "name" : "{name}", "timeMs" : {ms * count:.6g}, "averageMs" : {ms:.6g}, "medianMs" : {ms:.6g}, '
            f'"percentage" : {100 * ms / base:.6g} }}'
            for name, ms in engine
        ]
        text = "[\n" + f'  {{ "count" : {count} }}\n' + "\n".join(rows) + "\n]\n"
        pathlib.Path(options["--exportProfile"]).write_text(text)
    return done(True)


def nvidia_smi(state, arguments):
    options = dict(argument.partition("=")[::2] for argument in arguments)
    values = {
        "name": f"{MARK} GPU",
        "driver_version": "0.0",
        "clocks.sm": "1590",
        "clocks.max.sm": "1590",
        "power.draw": "60.00",
        "power.limit": "70.00",
        "temperature.gpu": "[N/A]",
        "clocks_throttle_reasons.active": "0x0000000000000000",
    }
    for field in options["--query-gpu"].split(","):
        if field not in values:
            print(f'Field "{field}" is not a valid field to query.')
            return 2
    hot = state / "hot"
    while True:
        values["clocks_throttle_reasons.active"] = f"0x{4 if hot.exists() else 0:016x}"
        print(", ".join(values[field] for field in options["--query-gpu"].split(",")), flush=True)
        if "--loop-ms" not in options:
            # It cools down once somebody has looked.
            hot.unlink(missing_ok=True)
            return 0
        time.sleep(int(options["--loop-ms"]) / 1000)


def read_faults(state):
    path = state / "faults"
    return dict(word.partition("=")[::2] for word in path.read_text().split()) if path.is_file() else {}


if __name__ == "__main__":
    program = {"trtexec": trtexec, "nvidia-smi": nvidia_smi}[sys.argv[2]]
    sys.exit(program(pathlib.Path(sys.argv[1]), sys.argv[3:]))
