#!/usr/bin/env python3
"""A stand-in for a phone: adbd's protocol over TCP for the real adb client, without USB or root.

usage: adbd.py ROOT [--qemu PROGRAM] [--unauthorised] [--full-after BYTES] [--cut-push-after BYTES]
               [--spoil]

Prints its port, then serves until it is killed. Below ROOT lies what the phone has of its own:
/data/local/tmp (where TMPDIR points), /sys/devices/system/cpu and the programs getprop, dumpsys and
taskset, which answer like a Pixel 2. Everything else is this machine's: its shell, its tools.

 * Services: `shell` (with and without `v2`: exit code, stderr apart, standard input) and `sync`
   (STAT, SEND, RECV). Paths of the phone in a script are replaced by those below ROOT; output is not
   touched, so a program sees the path below ROOT, and so does who asks it.
 * A pushed program of the processor that --qemu is for runs through it: it is stored elsewhere, and a
   script takes its place.
 * As on a phone, modes of pushed files are widened to all users, a shell is told of a cut by a
   hang-up only, and its children live on.
 * ROOT/thermal_status holds the status that dumpsys tells (0). ROOT/taskset.log lists the masks.
 * SIGUSR1 cuts every connection (the cable is pulled); new ones are taken. SIGUSR2 makes it hang:
   connections stay, nothing is read or written any more.
 * --unauthorised: never accepts a key. --full-after: a push beyond so many bytes fails as on a full
   device. --cut-push-after: the connection is cut once, inside a push, after so many bytes.
   --spoil: one byte of the first push is stored as another.
 * ROOT/faults holds words that break things while it is there: `full`, every push fails as on a full
   device; `cut`, the next push is cut in its middle (and the word goes); `unauthorised`, as the switch.
"""

import argparse
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

VERSION, MAX_PAYLOAD = 0x01000000, 256 << 10
MAPPED = ("/data/local/tmp", "/sys/devices/system/cpu", "/sys/class/thermal")
PROPERTIES = {
    "ro.product.model": "Pixel 2",
    "ro.product.name": "walleye",
    "ro.product.device": "walleye",
    "ro.product.manufacturer": "Google",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "11",
    "ro.build.version.sdk": "30",
    "ro.build.fingerprint": "google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys",
    "ro.board.platform": "msm8998",
}
hanging = threading.Event()


def make_phone(root):
    """Writes the phone's own files and programs."""
    for folder in ("system/bin", "data/local/tmp"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    for core in range(8):
        fast = core >= 4
        khz = 2457600 if fast else 1900800
        folder = f"{root}/sys/devices/system/cpu/cpu{core}/cpufreq"
        os.makedirs(folder)
        values = {
            "scaling_governor": "schedutil",
            "scaling_cur_freq": khz,
            "scaling_max_freq": khz,
            "cpuinfo_max_freq": khz,
        }
        for name, value in values.items():
            with open(f"{folder}/{name}", "w") as file:
                file.write(f"{value}\n")
    cases = "\n".join(f"'{name}') echo '{value}';;" for name, value in PROPERTIES.items())
    program(root, "getprop", f'case "$1" in\n{cases}\n*) echo "$2";;\nesac\n')
    program(root, "taskset", f'echo "$1" >>"{root}/taskset.log"\nshift\nexec "$@"\n')
    program(
        root,
        "dumpsys",
        f"""case "$1" in
thermalservice)
    status=$(cat "{root}/thermal_status" 2>/dev/null || echo 0)
    printf 'IsStatusOverride: false\\nThermalEventListeners:\\n\\tcallbacks: 1\\n'
    printf 'Thermal Status: %s\\nCached temperatures:\\n' "$status"
    printf '\\tTemperature{{mValue=31.5, mType=3, mName=skin, mStatus=%s}}\\nHAL Ready: true\\n' "$status";;
battery)
    printf 'Current Battery Service state:\\n  AC powered: false\\n  USB powered: true\\n'
    printf '  Wireless powered: false\\n  status: 2\\n  level: 87\\n  scale: 100\\n  temperature: 287\\n';;
power)
    printf 'POWER MANAGER (dumpsys power)\\n  mWakefulness=Awake\\n';;
*) echo "Can't find service: $1" >&2;;
esac
""",
    )


def program(root, name, text):
    path = f"{root}/system/bin/{name}"
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\n{text}")
    os.chmod(path, 0o755)


class Cut(Exception):
    """The connection or the stream is gone."""


class Connection:
    """One adb server's connection: messages in, messages out, streams in between."""

    def __init__(self, phone, sock):
        self.phone, self.sock = phone, sock
        self.lock, self.streams, self.count = threading.Lock(), {}, 0

    def send(self, command, first, second, data=b""):
        while hanging.is_set():
            time.sleep(1)
        number = int.from_bytes(command, "little")
        head = struct.pack("<6I", number, first, second, len(data), sum(data) & 0xFFFFFFFF, number ^ 0xFFFFFFFF)
        try:
            with self.lock:
                self.sock.sendall(head + data)
        except OSError:
            raise Cut from None

    def receive(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.sock.recv(count - len(data))
            except OSError:
                more = b""
            if not more:
                raise Cut
            data += more
        return data

    def cut(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self):
        try:
            while True:
                number, first, second, length, _, _ = struct.unpack("<6I", self.receive(24))
                self.message(number.to_bytes(4, "little"), first, second, self.receive(length))
        except Cut:
            pass
        for stream in list(self.streams.values()):
            stream.close()
        self.sock.close()

    def message(self, command, first, second, data):
        stream = self.streams.get(second)
        if command in (b"CNXN", b"AUTH"):
            if self.phone.options.unauthorised or "unauthorised" in self.phone.faults():
                # A token to sign; an offered public key (3) is left to a user who never answers.
                if command == b"CNXN" or first == 2:
                    self.send(b"AUTH", 1, 0, os.urandom(20))
                return
            names = ("ro.product.name", "ro.product.model", "ro.product.device")
            banner = "".join(f"{name}={PROPERTIES[name]};" for name in names)
            self.send(b"CNXN", VERSION, MAX_PAYLOAD, f"device::{banner}features=shell_v2,cmd".encode())
        elif command == b"OPEN":
            self.count += 1
            service = data.rstrip(b"\0").decode()
            if not service.startswith(("shell", "sync:")):
                return self.send(b"CLSE", 0, first)
            stream = self.streams[self.count] = Stream(self, self.count, first)
            self.send(b"OKAY", stream.ours, stream.theirs)
            threading.Thread(target=stream.serve, args=(service,), daemon=True).start()
        elif command == b"WRTE" and stream:
            stream.feed(data)
            self.send(b"OKAY", stream.ours, stream.theirs)
        elif command == b"OKAY" and stream:
            stream.may_write.release()
        elif command == b"CLSE" and stream:
            del self.streams[second]
            stream.close()


class Stream:
    """One service in use. Each message out waits for the other side's OKAY."""

    def __init__(self, connection, ours, theirs):
        self.connection, self.ours, self.theirs = connection, ours, theirs
        self.phone = connection.phone
        self.data, self.closed, self.changed = bytearray(), False, threading.Condition()
        self.may_write, self.writing = threading.Semaphore(1), threading.Lock()
        self.process = None

    def feed(self, data):
        with self.changed:
            self.data += data
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self.may_write.release()
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGHUP)

    def read(self, count):
        with self.changed:
            self.changed.wait_for(lambda: len(self.data) >= count or self.closed)
            if len(self.data) < count:
                raise Cut
            data = bytes(self.data[:count])
            del self.data[:count]
            return data

    def write(self, data):
        with self.writing:
            for start in range(0, len(data), 60000):
                self.may_write.acquire()
                if self.closed:
                    raise Cut
                self.connection.send(b"WRTE", self.ours, self.theirs, data[start : start + 60000])

    def serve(self, service):
        try:
            if service == "sync:":
                self.sync()
            else:
                self.shell(service)
            if self.may_write.acquire(timeout=2) and not self.closed:
                self.connection.send(b"CLSE", self.ours, self.theirs)
        except Cut:
            pass

    def shell(self, service):
        head, _, command = service.partition(":")
        v2 = "v2" in head.split(",")
        process = self.process = subprocess.Popen(
            ["sh", "-c", self.phone.script(command.encode())],
            cwd=self.phone.root,
            env=self.phone.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if v2 else subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self.shell_input, args=(process, v2), daemon=True).start()
        outputs = [(process.stdout, 1)] + ([(process.stderr, 2)] if v2 else [])
        pumps = [threading.Thread(target=self.pump, args=(*output, v2)) for output in outputs]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        code = process.wait()
        if v2:
            self.write(struct.pack("<BIB", 3, 1, code if code >= 0 else 128 - code))

    def shell_input(self, process, v2):
        try:
            while v2:
                kind, length = struct.unpack("<BI", self.read(5))
                data = self.read(length)
                if kind == 0:
                    process.stdin.write(self.phone.script(data))
                    process.stdin.flush()
                elif kind == 4:
                    break
            process.stdin.close()
        except (Cut, OSError):
            pass

    def pump(self, output, kind, v2):
        try:
            while data := os.read(output.fileno(), 16384):
                self.write(struct.pack("<BI", kind, len(data)) + data if v2 else data)
        except Cut:
            output.close()  # As a phone's: who writes on learns of it.

    def sync(self):
        while True:
            request, length = struct.unpack("<4sI", self.read(8))
            if request == b"QUIT":
                return
            argument = self.read(length).decode()
            if request == b"STAT":
                self.write(struct.pack("<4s3I", b"STAT", *self.phone.stat(argument)))
            elif request == b"SEND":
                path, _, mode = argument.rpartition(",")
                self.take(self.phone.path(path), int(mode))
            elif request == b"RECV":
                self.give(self.phone.path(argument))
            else:
                return self.fail("unknown request")

    def fail(self, reason):
        self.write(struct.pack("<4sI", b"FAIL", len(reason)) + reason.encode())

    def take(self, path, mode):
        """Receives a file; a cut leaves what had arrived."""
        options, reason, total = self.phone.options, None, 0
        faults = self.phone.faults()
        try:
            file = open(path, "wb")
        except OSError as error:
            file, reason = open(os.devnull, "wb"), f"couldn't create file: {error.strerror}"
        with file:
            while True:
                kind, length = struct.unpack("<4sI", self.read(8))
                if kind != b"DATA":
                    break
                data = self.read(length)
                total += length
                if options.cut_push_after and total > options.cut_push_after:
                    options.cut_push_after = 0
                    file.write(data[: length // 2])
                    self.connection.cut()
                    raise Cut
                if "cut" in faults:
                    os.remove(f"{self.phone.root}/faults")
                    file.write(data[: length // 2])
                    self.connection.cut()
                    raise Cut
                if "full" in faults or options.full_after and total > options.full_after:
                    reason = reason or "write failed: No space left on device"
                if options.spoil and not reason:
                    options.spoil = False
                    data = data[:-1] + bytes([data[-1] ^ 1])
                if not reason:
                    file.write(data)
        if reason:
            return self.fail(reason)
        user = mode >> 6 & 0o7
        os.chmod(path, user << 6 | user << 3 | user)
        self.phone.adopt(path)
        self.write(struct.pack("<4sI", b"OKAY", 0))

    def give(self, path):
        try:
            with open(path, "rb") as file:
                while data := file.read(60000):
                    self.write(struct.pack("<4sI", b"DATA", len(data)) + data)
            self.write(struct.pack("<4sI", b"DONE", 0))
        except OSError as error:
            self.fail(f"open failed: {error.strerror}")


class Phone:
    def __init__(self, options):
        self.options, self.root = options, os.path.realpath(options.root)
        make_phone(self.root)
        self.connections, self.programs = set(), 0
        if options.qemu:
            # Who compares a program with what was pushed is given the sum of that.
            real = "real=$(head -c 300 /proc/self/fd/0 | sed -n '2s/^# stands for //p')"
            program(self.root, "cksum", f'[ -z "$1" ] || exec <"$1"\n{real}\n[ -z "$real" ] || exec <"$real"\ncommand -p cksum\n')
        names = b"|".join(re.escape(path.encode()) for path in MAPPED)
        # Not inside a longer path: those below ROOT are right already.
        self.mapped = re.compile(rb"(?<![\w./-])(" + names + rb")(?![\w-])")
        tools = f"{self.root}/system/bin"
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": "/",
            "TMPDIR": f"{self.root}/data/local/tmp",
            "LC_ALL": "C.UTF-8",
        }

    def faults(self):
        try:
            with open(f"{self.root}/faults") as file:
                return file.read().split()
        except OSError:
            return []

    def script(self, text):
        return self.mapped.sub(lambda found: self.root.encode() + found[0], text)

    def path(self, path):
        return path if path.startswith(self.root) else self.root + os.path.normpath(f"/{path}")

    def stat(self, path):
        try:
            found = os.stat(self.path(path))
            return found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime)
        except OSError:
            return 0, 0, 0

    def adopt(self, path):
        """Lets a program for another processor run: see --qemu."""
        if not self.options.qemu:
            return
        with open(path, "rb") as file:
            head = file.read(20)
        number = b"\xb7\0" if "aarch64" in self.options.qemu else b"\x3e\0"
        if head[:4] == b"\x7fELF" and head[18:20] == number:
            self.programs += 1
            real = f"{self.root}/system/program{self.programs}"
            os.replace(path, real)
            os.chmod(real, 0o755)
            with open(path, "w") as file:
                file.write(f'#!/bin/sh\n# stands for {real}\nexec {self.options.qemu} "{real}" "$@"\n')
            os.chmod(path, 0o777)

    def serve(self, listener):
        while True:
            connection = Connection(self, listener.accept()[0])
            self.connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def cut(self, *_):
        for connection in list(self.connections):
            connection.cut()
        self.connections.clear()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--qemu")
    parser.add_argument("--unauthorised", action="store_true")
    parser.add_argument("--full-after", type=int, default=0)
    parser.add_argument("--cut-push-after", type=int, default=0)
    parser.add_argument("--spoil", action="store_true")
    phone = Phone(parser.parse_args())
    signal.signal(signal.SIGUSR1, phone.cut)
    signal.signal(signal.SIGUSR2, lambda *_: hanging.set())
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    phone.serve(listener)


if __name__ == "__main__":
    main()
