"""Times models in a runtime of the machine it runs on.

    python3 zen_measure.py RUNTIME [--provider cpu|cuda|tensorrt] [--threads N] [--cores MASK] JOB.json | --check | --serve

The part of zen-nas that goes to a machine which has Python with numpy and the runtime, and nothing else
of ours. It answers a job file with one JSON object a line on stdout; whatever libraries print goes to
stderr. With --serve it stays, and answers the job files that stdin names, one a line. Jobs, records and
exit codes: docs/reference/measuring-program.md.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time

# Where Python is told not to look beside the program, too.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import zen_machine  # noqa: E402
from zen_sampling import Failed, Refused, Sampler  # noqa: E402

PROTOCOL = 1
# Exit codes, as those of zen-agent.
DONE, UNEXPECTED, USAGE, BAD_JOB, OVERTIME, PARTLY = 0, 1, 2, 3, 4, 5
# Name and module.
RUNTIMES = {"onnxruntime": "zen_onnxruntime", "litert": "zen_litert"}
PROVIDERS = ("cpu", "cuda", "tensorrt")
MAX_JOB_BYTES = 16 << 20
MAX_MODEL_BYTES = 1 << 30
MAX_BLOCKS = 1000
# A block that hangs is given this long after its share of the time limit.
GRACE_S = 10
LIMITS = {"warm_up": 2, "min_samples": 5, "max_samples": 30, "block_ms": 20.0, "sample_ms": 0.5}
RANGES = {"warm_up": (0, 100_000, True), "min_samples": (1, 100_000, True), "max_samples": (1, 100_000, True),
          "block_ms": (0, 3.6e6, False), "sample_ms": (0, 3.6e6, False)}


class Model:
    """The file of a model."""

    def __init__(self, path):
        self.path = path
        self.content = read_bounded(path, MAX_MODEL_BYTES)
        self.key = (path, len(self.content), hash(self.content))


def emit(out, **record):
    out.write(json.dumps(record, allow_nan=False) + "\n")
    out.flush()


def hello(options, runtime, sampler):
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "runtime": options.runtime,
        "runtime_version": runtime.version,
        "python_version": platform.python_version(),
        "numpy_version": runtime.numpy.__version__,
        "machine": zen_machine.machine(),
        "gpu": None if runtime.is_processor else zen_machine.gpu_name(),
        "provider": options.provider,
        "clock": "thread-cpu" if sampler.one_thread else "wall",
        "emulated": zen_machine.is_emulated(),
    }


def read_bounded(path, limit):
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Failed(f"{path} has more than {limit} bytes")
    return content


def is_number(value, low, high, whole):
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def read_job(path):
    try:
        job = json.loads(read_bounded(path, MAX_JOB_BYTES))
    except (OSError, ValueError, Failed) as error:
        raise Refused(f"the job {path}: {error}") from error
    if not isinstance(job, dict) or job.get("protocol") != PROTOCOL:
        raise Refused(f"the job is not of protocol {PROTOCOL}, which this program speaks")
    job = {"limits": {}, **job}
    if set(job) != {"protocol", "time_limit_s", "limits", "models"}:
        raise Refused(f"the job has the fields {', '.join(sorted(job))}")
    limits = {**LIMITS, **job["limits"]}
    for name, value in limits.items():
        if name not in RANGES or not is_number(value, *RANGES[name]):
            raise Refused(f"the limit {name} cannot be {value}")
    if limits["max_samples"] < limits["min_samples"] or not is_number(job["time_limit_s"], 1e-3, 604_800, False):
        raise Refused("the job's limits contradict themselves")
    for model in job["models"]:
        fields = isinstance(model, dict) and set(model) == {"name", "path", "measure", "blocks"}
        if not fields or model["measure"] not in ("whole", "nodes") or not is_number(model["blocks"], 1, MAX_BLOCKS, True):
            raise Refused(f"the model {str(model)[:200]} is none of this protocol")
    job["limits"] = limits
    return job


class Guard:
    """Ends the program when a block hangs."""

    def __init__(self, limit_s):
        self.limit_s, self.timer = limit_s, None

    def __enter__(self):
        self.timer = threading.Timer(self.limit_s + GRACE_S, lambda: os._exit(OVERTIME))
        self.timer.daemon = True
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()


def run_job(runtime, sampler, path, out):
    job = read_job(path)
    deadline = time.monotonic() + job["time_limit_s"]
    guard = Guard(job["time_limit_s"] / max(1, sum(model["blocks"] for model in job["models"])))
    folder = os.path.dirname(os.path.abspath(path))
    measured = failed = 0
    overtime = False
    for asked in job["models"]:
        try:
            model = Model(os.path.join(folder, asked["path"]))
            for block in range(asked["blocks"]):
                if time.monotonic() >= deadline:
                    overtime = True
                    break
                with guard:
                    if block == 0:
                        runtime.check(model)
                    take = sampler.whole if asked["measure"] == "whole" else sampler.nodes
                    record = take(model, job["limits"])
                emit(out, **record, model=asked["name"], block=block)
        except Exception as error:  # one model never decides about the others
            failed += 1
            reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            emit(out, type="failure", model=asked["name"], reason=reason[:2000])
            continue
        if overtime:
            break
        measured += 1
    emit(out, type="end", measured=measured, failed=failed, time_limit_reached=overtime)
    return PARTLY if failed or overtime else DONE


def own_stdout():
    """Our records' way out; what libraries print to theirs goes to stderr."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def arguments():
    parser = argparse.ArgumentParser(description="Times models in a runtime; answers in JSON lines.")
    parser.add_argument("runtime", choices=sorted(RUNTIMES))
    parser.add_argument("job", nargs="?", help="job file")
    parser.add_argument("--check", action="store_true", help="only say what is here")
    parser.add_argument("--serve", action="store_true", help="say what is here, then answer the job files named on stdin")
    parser.add_argument("--provider", choices=PROVIDERS, default="cpu")
    parser.add_argument("--precision", choices=["fp32", "fp16", "int8"], default="fp32",
                        help="fp16 takes onnxruntime's provider tensorrt, int8 a model that is quantised")
    parser.add_argument("--threads", type=int, default=1, help="of one inference; 0: as many as the runtime likes")
    parser.add_argument("--cores", type=lambda mask: int(mask, 16), help="hexadecimal mask of processors to stay on")
    # Intermixed: the job stands behind the options.
    options = parser.parse_intermixed_args()
    if (options.job is not None) + options.check + options.serve != 1 or options.threads < 0:
        parser.error("name a job file, --check or --serve, and threads of at least 0")
    if options.provider != "cpu" and options.runtime != "onnxruntime":
        parser.error(f"{options.runtime} has the provider cpu alone")
    if options.precision == "fp16" and options.provider != "tensorrt":
        parser.error("models are timed as they are; only the provider tensorrt makes them fp16")
    return options


def stay_on(cores):
    try:
        os.sched_setaffinity(0, {core for core in range(1024) if cores >> core & 1})
    except (AttributeError, OSError, ValueError) as error:
        raise Refused(f"cannot stay on the processors {cores:x}: {error}") from error


def serve(runtime, sampler, greeting, out):
    """Answers every job that is named until nobody is there any more; the first answer is the greeting alone."""
    emit(out, **greeting)
    emit(out, type="end", measured=0, failed=0, time_limit_reached=False)
    # Not `for line in sys.stdin`, which reads ahead.
    while True:
        path = sys.stdin.readline().strip()
        if not path:
            return DONE
        emit(out, **greeting)
        run_job(runtime, sampler, path, out)


def main():
    options = arguments()
    out = own_stdout()
    options.scratch = tempfile.mkdtemp(prefix="zen-", dir=os.path.dirname(os.path.abspath(__file__)))
    try:
        if options.cores is not None:
            stay_on(options.cores)
        runtime = importlib.import_module(RUNTIMES[options.runtime]).Runtime(options)
        sampler = Sampler(runtime, options.threads)
        greeting = hello(options, runtime, sampler)
        if options.serve:
            return serve(runtime, sampler, greeting, out)
        emit(out, **greeting)
        if options.check:
            emit(out, type="end", measured=0, failed=0, time_limit_reached=False)
            return DONE
        return run_job(runtime, sampler, options.job, out)
    except Refused as error:
        emit(out, type="refusal", reason=str(error)[:2000])
        return BAD_JOB
    finally:
        shutil.rmtree(options.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
