"""Times ONNX models in onnxruntime on the machine it runs on.

    python3 zen_onnxruntime.py --provider cpu|cuda|tensorrt [--threads N] [--cores MASK] JOB.json | --check

The part of zen-nas that goes to a target which has Python with onnxruntime and numpy, and nothing
else of ours. It answers a job file with one JSON object a line on stdout; whatever libraries print
goes to stderr. Jobs, records and exit codes: docs/reference/onnxruntime-script.md.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time

PROTOCOL = 1
# Exit codes, as those of zen-agent.
DONE, UNEXPECTED, USAGE, BAD_JOB, OVERTIME, PARTLY = 0, 1, 2, 3, 4, 5
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
WHEELS = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu (and TensorRT's libraries)"}
MAX_JOB_BYTES = 16 << 20
MAX_MODEL_BYTES = 1 << 30
MAX_BLOCKS = 1000
# A call that hangs is given this long after the limit.
GRACE_S = 10
# Fewest and most calls of a recorded sample.
RECORDED_CALLS = (4, 64)
# The profiler cuts durations off to whole microseconds: half of one is missing on average.
CUT_OFF_MS = 0.0005
# It counts wall time, in which a node may have waited for the processor: an event this far above
# what the node usually takes (the lower quartile) is left out.
MAX_OVER_USUAL = 1.25
MAX_OVER_USUAL_MS = 0.002
LIMITS = {"warm_up": 2, "min_samples": 5, "max_samples": 30, "block_ms": 20.0, "sample_ms": 0.5}


class Refused(Exception):
    """Nothing can be timed here as asked."""


class Failed(Exception):
    """One model cannot be timed."""


def emit(out, **record):
    out.write(json.dumps(record, allow_nan=False) + "\n")
    out.flush()


def cpu_name():
    try:
        with open("/proc/cpuinfo", errors="replace") as lines:
            for line in lines:
                field, _, value = line.partition(":")
                if field.strip() in ("model name", "Hardware") and value.strip():
                    return value.strip()
    except OSError:
        pass
    return "unnamed " + platform.machine()


# ELF's numbers of processors, as platform.machine() names them.
ELF_MACHINES = {"i386": 3, "i686": 3, "armv7l": 40, "x86_64": 62, "aarch64": 183, "riscv64": 243}


def read_bytes(path, count):
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError:
        return b""


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def is_emulated():
    """Whether another processor stands behind this program: told as zen-agent tells it.

    A user-mode emulator rewrites /proc/self/exe, not every other path to the kernel's own link to the
    running executable; and the kernel lists processors of another kind.
    """
    seen, executed = link("/proc/self/exe"), link("/proc/thread-self/exe")
    differ = seen is not None and executed is not None and seen != executed
    header = read_bytes("/proc/thread-self/exe", 20)
    own = ELF_MACHINES.get(platform.machine())
    order = "big" if header[5:6] == b"\x02" else "little"
    foreign = header[:4] == b"\x7fELF" and own is not None and int.from_bytes(header[18:20], order) != own
    fields = {}
    for line in read_bytes("/proc/cpuinfo", 1 << 20).decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip().lower())
    is_x86 = platform.machine() in ("i386", "i686", "x86_64")
    is_arm = platform.machine() in ("armv7l", "aarch64")
    other = (is_arm and "vendor_id" in fields and "flags" in fields) or (is_x86 and "CPU implementer" in fields)
    android = any(word in fields.get("Hardware", "") for word in ("ranchu", "goldfish"))
    return differ or foreign or other or android


def gpu_name():
    """Name and driver of the first GPU; none where nobody tells."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = found.stdout.decode(errors="replace").splitlines() if found.returncode == 0 else []
    return lines[0].strip()[:200] if lines else None


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Runtime:
    """onnxruntime with one provider, checked."""

    def __init__(self, options):
        try:
            import numpy
            import onnxruntime
        except ImportError as error:
            raise Refused(f"{sys.executable} has no usable {error.name}: {error}; {self.install(options)}") from error
        self.numpy, self.ort, self.options = numpy, onnxruntime, options
        self.provider = PROVIDERS[options.provider]
        available = onnxruntime.get_available_providers()
        if self.provider not in available:
            raise Refused(
                f"onnxruntime {onnxruntime.__version__} has no {self.provider}, only {', '.join(available)}; "
                + self.install(options)
            )
        self.is_cpu = options.provider == "cpu"
        self.one_thread = self.is_cpu and options.threads == 1 and hasattr(time, "thread_time_ns")
        self.now_ns = time.thread_time_ns if self.one_thread else time.perf_counter_ns
        self.placed = set()

    @staticmethod
    def install(options):
        return f"install it with `{sys.executable} -m pip install {WHEELS[options.provider]} numpy`"

    def hello(self):
        machine = {
            "cpu": cpu_name(),
            "cores": cores(),
            "architecture": {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine()),
            "system": platform.system().lower(),
        }
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "runtime": "onnxruntime",
            "runtime_version": self.ort.__version__,
            "python_version": platform.python_version(),
            "numpy_version": self.numpy.__version__,
            "machine": machine,
            "gpu": None if self.is_cpu else gpu_name(),
            "provider": self.options.provider,
            "clock": "thread-cpu" if self.one_thread else "wall",
            "emulated": is_emulated(),
        }

    def session(self, model, profile=None):
        options = self.ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = self.ort.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = self.options.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if self.options.threads == 1 else "1")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if not self.is_cpu:
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
            session = self.ort.InferenceSession(model, options, providers=[(self.provider, settings)])
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
        place = "cpu" if self.is_cpu else "cuda"
        binding = session.io_binding()
        for item in session.get_inputs():
            if item.type != "tensor(float)" or not all(isinstance(side, int) and side > 0 for side in item.shape):
                raise Failed(f"the input {item.name} is {item.type} {item.shape}, not floats of a fixed shape")
            count = int(math.prod(item.shape))
            # Spread over -1..1 so that no activation dies out.
            values = (self.numpy.arange(count, dtype=self.numpy.int64) * 7919 % 1000).astype(self.numpy.float32)
            values = (values / 500 - 1).reshape(item.shape)
            binding.bind_ortvalue_input(item.name, self.ort.OrtValue.ortvalue_from_numpy(values, place, 0))
        for item in session.get_outputs():
            binding.bind_output(item.name, place)
        # Keeps the tensors alive; returns when the device is done.
        return lambda: session.run_with_iobinding(binding)

    def check_placement(self, model, key):
        """Refuses models of which the provider does not run every node."""
        if self.is_cpu or key in self.placed:
            return
        events = Recording(self, model).end(calls=1)
        nodes = [event for event in events if event.get("cat") == "Node" and "provider" in event.get("args", {})]
        strays = sorted({f"{event['name']} on {event['args']['provider']}" for event in nodes
                         if event["args"]["provider"] != self.provider})
        if not nodes:
            raise Failed(f"onnxruntime's profile does not say that anything ran on {self.provider}")
        if strays:
            raise Failed(f"not every node ran on {self.provider}: {', '.join(strays[:5])}")
        self.placed.add(key)

    def whole(self, model, limits):
        """Samples of whole calls of a fresh instance."""
        call = self.bind(self.session(model))
        for _ in range(limits["warm_up"]):
            call()
        calls = self.calls_per_sample(call, limits, (1, 1_000_000))
        cpu_ms, wall_ms = [], []
        start = time.perf_counter_ns()
        while len(cpu_ms) < limits["max_samples"]:
            wall, cpu = time.perf_counter_ns(), self.now_ns()
            for _ in range(calls):
                call()
            cpu, wall = self.now_ns() - cpu, time.perf_counter_ns() - wall
            cpu_ms.append(cpu * 1e-6 / calls)
            wall_ms.append(wall * 1e-6 / calls)
            if len(cpu_ms) >= limits["min_samples"] and time.perf_counter_ns() - start >= limits["block_ms"] * 1e6:
                break
        return {"type": "block", "calls_per_sample": calls, "cpu_ms": cpu_ms, "wall_ms": wall_ms}

    def calls_per_sample(self, call, limits, allowed):
        start = self.now_ns()
        call()
        once_ms = max((self.now_ns() - start) * 1e-6, 1e-6)
        return min(max(math.ceil(limits["sample_ms"] / once_ms), allowed[0]), allowed[1])

    def nodes(self, model, limits):
        """Samples of every node of a fresh instance, and of whole calls of another one beside it."""
        if not self.one_thread:
            raise Failed("nodes are only timed on one thread of the cpu provider")
        plain = self.bind(self.session(model))
        for _ in range(limits["warm_up"]):
            plain()
        recording = Recording(self, model)
        try:
            return self.sample_nodes(plain, recording, limits)
        finally:
            recording.remove()

    def sample_nodes(self, plain, recording, limits):
        call = recording.call
        for _ in range(limits["warm_up"]):
            call()
        calls = self.calls_per_sample(call, limits, RECORDED_CALLS)
        cpu_ms, whole_ms, ranges = [], [], []
        start = time.perf_counter_ns()
        while len(cpu_ms) < limits["max_samples"]:
            for once, times in ((call, cpu_ms), (plain, whole_ms)):
                # Whatever ran before took the caches.
                once()
                begin = recording.called
                stamp = self.now_ns()
                for _ in range(calls):
                    once()
                times.append((self.now_ns() - stamp) * 1e-6 / calls)
                if once is call:
                    ranges.append((begin, recording.called))
            if len(cpu_ms) >= limits["min_samples"] and time.perf_counter_ns() - start >= limits["block_ms"] * 1e6:
                break
        names, times_ms = node_times(recording.end(calls=0), recording.called)
        node_ms = [[undisturbed_mean(times, part) for part in ranges] for times in times_ms]
        return {"type": "nodes", "calls_per_sample": calls, "nodes": names, "node_ms": node_ms,
                "cpu_ms": cpu_ms, "whole_ms": whole_ms}


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

    def end(self, calls):
        """The events, after some more calls."""
        try:
            for _ in range(calls):
                self.call()
            with open(self.session.end_profiling(), encoding="utf-8", errors="replace") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise Failed(f"onnxruntime's profile does not read: {error}") from error
        finally:
            self.remove()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def node_times(events, called):
    """Names of the nodes, and the milliseconds of each by call."""
    suffix = "_kernel_time"
    times, threads, calls = {}, set(), 0
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(suffix):
            times.setdefault(event["name"][: -len(suffix)], []).append(event["dur"] * 1e-3 + CUT_OFF_MS)
            threads.add(event["tid"])
        elif event["name"] == "model_run":
            if threads - {event["tid"]}:
                raise Failed("onnxruntime ran a node on another thread than its call")
            threads.clear()
            calls += 1
            for name, list_ in times.items():
                if len(list_) != calls:
                    raise Failed(f"the node `{name}` did not run once in every call")
    if calls != called:
        raise Failed(f"onnxruntime recorded {calls} of {called} calls")
    return list(times), list(times.values())


def undisturbed_mean(times, calls):
    """Mean over some calls of those events of a node that are not far above its usual time."""
    usual = sorted(times)[len(times) // 4]
    limit = max(MAX_OVER_USUAL * usual, usual + MAX_OVER_USUAL_MS)
    near = [ms for ms in times[calls[0] : calls[1]] if ms <= limit]
    return sum(near) / len(near) if near else usual


def read_bounded(path, limit):
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Failed(f"{path} has more than {limit} bytes")
    return content


def number(value, low, high, whole):
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def read_job(path):
    try:
        job = json.loads(read_bounded(path, MAX_JOB_BYTES))
    except (OSError, ValueError, Failed) as error:
        raise Refused(f"the job {path}: {error}") from error
    if not isinstance(job, dict) or job.get("protocol") != PROTOCOL:
        raise Refused(f"the job is not of protocol {PROTOCOL}, which this script speaks")
    job = {"limits": {}, **job}
    if set(job) != {"protocol", "time_limit_s", "limits", "models"}:
        raise Refused(f"the job has the fields {', '.join(sorted(job))}")
    limits = {**LIMITS, **job["limits"]}
    ranges = {"warm_up": (0, 100_000, True), "min_samples": (1, 100_000, True), "max_samples": (1, 100_000, True),
              "block_ms": (0, 3.6e6, False), "sample_ms": (0, 3.6e6, False)}
    for name, value in limits.items():
        if name not in ranges or not number(value, *ranges[name]):
            raise Refused(f"the limit {name} cannot be {value}")
    if limits["max_samples"] < limits["min_samples"] or not number(job["time_limit_s"], 1e-3, 604_800, False):
        raise Refused("the job's limits contradict themselves")
    for model in job["models"]:
        fields = isinstance(model, dict) and set(model) == {"name", "path", "measure", "blocks"}
        if not fields or model["measure"] not in ("whole", "nodes") or not number(model["blocks"], 1, MAX_BLOCKS, True):
            raise Refused(f"the model {str(model)[:200]} is none of this protocol")
    job["limits"] = limits
    return job


def run_job(runtime, path, out):
    job = read_job(path)
    deadline = time.monotonic() + job["time_limit_s"]
    guard = threading.Timer(job["time_limit_s"] + GRACE_S, lambda: os._exit(OVERTIME))
    guard.daemon = True
    guard.start()
    folder = os.path.dirname(os.path.abspath(path))
    measured = failed = 0
    overtime = False
    for model in job["models"]:
        try:
            content = read_bounded(os.path.join(folder, model["path"]), MAX_MODEL_BYTES)
            for block in range(model["blocks"]):
                if time.monotonic() >= deadline:
                    overtime = True
                    break
                if block == 0:
                    runtime.check_placement(content, (model["path"], len(content), hash(content)))
                take = runtime.whole if model["measure"] == "whole" else runtime.nodes
                record = take(content, job["limits"])
                emit(out, **record, model=model["name"], block=block)
        except Exception as error:  # one model never decides about the others
            failed += 1
            reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            emit(out, type="failure", model=model["name"], reason=reason[:2000])
            continue
        if overtime:
            break
        measured += 1
    guard.cancel()
    emit(out, type="end", measured=measured, failed=failed, time_limit_reached=overtime)
    return PARTLY if failed or overtime else DONE


def own_stdout():
    """Our records' way out; what libraries print to theirs goes to stderr."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def arguments():
    parser = argparse.ArgumentParser(description="Times ONNX models in onnxruntime; answers in JSON lines.")
    parser.add_argument("job", nargs="?", help="job file")
    parser.add_argument("--check", action="store_true", help="only say what is here")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), required=True)
    parser.add_argument("--precision", choices=["fp32", "fp16"], default="fp32", help="fp16 takes tensorrt")
    parser.add_argument("--threads", type=int, default=1, help="of one inference; 0: as many as onnxruntime likes")
    parser.add_argument("--cores", type=lambda mask: int(mask, 16), help="hexadecimal mask of processors to stay on")
    options = parser.parse_args()
    if bool(options.job) == options.check or options.threads < 0:
        parser.error("name a job file or --check, and threads of at least 0")
    if options.precision != "fp32" and options.provider != "tensorrt":
        parser.error("models are timed as they are, in fp32; only the provider tensorrt makes them fp16")
    return options


def main():
    options = arguments()
    out = own_stdout()
    options.scratch = tempfile.mkdtemp(prefix="zen-", dir=os.path.dirname(os.path.abspath(__file__)))
    try:
        if options.cores is not None:
            try:
                os.sched_setaffinity(0, {core for core in range(1024) if options.cores >> core & 1})
            except (AttributeError, OSError, ValueError) as error:
                raise Refused(f"cannot stay on the processors {options.cores:x}: {error}") from error
        runtime = Runtime(options)
        emit(out, **runtime.hello())
        if options.check:
            emit(out, type="end", measured=0, failed=0, time_limit_reached=False)
            return DONE
        return run_job(runtime, options.job, out)
    except Refused as error:
        emit(out, type="refusal", reason=str(error)[:2000])
        return BAD_JOB
    finally:
        shutil.rmtree(options.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
