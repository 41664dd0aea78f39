"""What the machine is: processor, cores, GPU, and whether another processor stands behind it.

Not here: runtimes, and what is timed.
"""

import os
import platform
import subprocess

# ELF's numbers of processors, as platform.machine() names them.
ELF_MACHINES = {"i386": 3, "i686": 3, "armv7l": 40, "x86_64": 62, "aarch64": 183, "riscv64": 243}
GPU_TIME_LIMIT_S = 20


def machine():
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "architecture": {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine()),
        "system": platform.system().lower(),
    }


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


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_name():
    """Name and driver of the first GPU; none where nvidia-smi does not say."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        found = subprocess.run(query, timeout=GPU_TIME_LIMIT_S, **pipes)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = found.stdout.decode(errors="replace").splitlines() if found.returncode == 0 else []
    return lines[0].strip()[:200] if lines else None


def is_emulated():
    """Whether the processor is an imitation, found as zen-agent finds it.

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
