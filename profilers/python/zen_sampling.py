"""How a model is timed, the same in every runtime: whole calls, and nodes inside running models.

A runtime gives `load(model)`, a function that calls the model, and `record(model)`, an object whose
`call()` is recorded and whose `end()` returns the nodes' names and their times by call.
"""

import math
import time

# Fewest and most calls of a recorded sample.
RECORDED_CALLS = (4, 64)
WHOLE_CALLS = (1, 1_000_000)
# A profiler counts wall time, in which a node may have waited for the processor: an event this far above
# what the node usually takes (the lower quartile) is left out.
MAX_OVER_USUAL = 1.25
MAX_OVER_USUAL_MS = 0.002


class Refused(Exception):
    """Nothing can be timed here as asked."""


class Failed(Exception):
    """One model cannot be timed."""


class Sampler:
    """Takes samples of a runtime's calls, on the clock that fits it."""

    def __init__(self, runtime, threads):
        self.runtime = runtime
        # Another thread's work does not show in the processor time of this one.
        self.one_thread = runtime.is_processor and threads == 1 and hasattr(time, "thread_time_ns")
        self.now_ns = time.thread_time_ns if self.one_thread else time.perf_counter_ns

    def whole(self, model, limits):
        """Samples of whole calls of a fresh instance."""
        call = self.runtime.load(model)
        for _ in range(limits["warm_up"]):
            call()
        calls = self.calls_per_sample(call, limits, WHOLE_CALLS)
        cpu_ms, wall_ms = [], []
        start_ns = time.perf_counter_ns()
        while not is_enough(len(cpu_ms), start_ns, limits):
            wall_ns, cpu_ns = time.perf_counter_ns(), self.now_ns()
            for _ in range(calls):
                call()
            cpu_ns, wall_ns = self.now_ns() - cpu_ns, time.perf_counter_ns() - wall_ns
            cpu_ms.append(cpu_ns * 1e-6 / calls)
            wall_ms.append(wall_ns * 1e-6 / calls)
        return {"type": "block", "calls_per_sample": calls, "cpu_ms": cpu_ms, "wall_ms": wall_ms}

    def nodes(self, model, limits):
        """Samples of every node of a fresh instance, and of whole calls of another one beside it.

        Recording makes whole calls longer, so they are those of an instance that is not recorded.
        """
        if not self.one_thread:
            raise Failed("nodes are only timed on one thread of the processor")
        plain = self.runtime.load(model)
        for _ in range(limits["warm_up"]):
            plain()
        recording = self.runtime.record(model)
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
        start_ns = time.perf_counter_ns()
        while not is_enough(len(cpu_ms), start_ns, limits):
            for once, times in ((call, cpu_ms), (plain, whole_ms)):
                # Whatever ran before took the caches.
                once()
                begin, stamp_ns = recording.called, self.now_ns()
                for _ in range(calls):
                    once()
                times.append((self.now_ns() - stamp_ns) * 1e-6 / calls)
                if once is call:
                    ranges.append((begin, recording.called))
        names, times_ms = recording.end()
        node_ms = [[undisturbed_mean(times, part) for part in ranges] for times in times_ms]
        return {"type": "nodes", "calls_per_sample": calls, "nodes": names, "node_ms": node_ms,
                "cpu_ms": cpu_ms, "whole_ms": whole_ms}

    def calls_per_sample(self, call, limits, allowed):
        start_ns = self.now_ns()
        call()
        once_ms = max((self.now_ns() - start_ns) * 1e-6, 1e-6)
        return min(max(math.ceil(limits["sample_ms"] / once_ms), allowed[0]), allowed[1])


def is_enough(taken, start_ns, limits):
    if taken < limits["min_samples"]:
        return False
    return taken >= limits["max_samples"] or time.perf_counter_ns() - start_ns >= limits["block_ms"] * 1e6


def undisturbed_mean(times, calls):
    """Mean over some calls of those events of a node that are not far above its usual time."""
    usual = sorted(times)[len(times) // 4]
    limit = max(MAX_OVER_USUAL * usual, usual + MAX_OVER_USUAL_MS)
    near = [ms for ms in times[calls[0] : calls[1]] if ms <= limit]
    return sum(near) / len(near) if near else usual


def input_bytes(numpy, count, kind):
    """Values spread over -1..1, so that no activation dies out; as a camera or a quantised network takes them."""
    values = (numpy.arange(count, dtype=numpy.int64) * 7919 % 1000).astype(numpy.float32) / 500 - 1
    if kind == "uint8":
        return (127.5 * (values + 1)).astype(numpy.uint8)
    return (127 * values).astype(numpy.int8) if kind == "int8" else values
