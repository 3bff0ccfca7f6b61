"""The load and the backend: smtp-load and smtp-backend, and Postfix's smtp-source as a second opinion."""

import json
import mmap
import os
import struct
import subprocess
import time

from machine import CPU, WORLD, Daemon, Failure

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST, LAST = 2525, 2624  # (the backend's ports, a hundred)
COUNTERS = "messages octets connections active most transactions errors compared differing identities".split()


def compile_tools(folder):
    """Both programs, compiled anew where their source is newer."""
    os.makedirs(folder, exist_ok=True)
    for name, libraries in (("smtp-load", ["-lssl", "-lcrypto"]), ("smtp-backend", [])):
        sources = [f"{HERE}/../{name}.c", f"{HERE}/../checksum.h"]
        target = f"{folder}/{name}"
        if not os.path.exists(target) or any(os.path.getmtime(path) > os.path.getmtime(target) for path in sources):
            subprocess.run(
                ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", target, sources[0], *libraries], check=True)


class Backend(Daemon):
    """One process behind every contender, on all of its ports, for the whole run. Its counters are a file that both map."""

    def __init__(self, tools):
        path = f"{WORLD}/counters"
        super().__init__("smtp-backend", [f"{tools}/smtp-backend", "-x", "-f", path, str(FIRST), str(LAST)], FIRST)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def expect(self, checksum):
        """Compares each message from now on with this checksum; None: no longer."""
        self.map[0:16] = struct.pack("QQ", checksum is not None, checksum or 0)

    def counters(self, port=FIRST):
        size = 8 * len(COUNTERS)
        values = struct.unpack_from(f"{len(COUNTERS)}Q", self.map, size * (port - FIRST + 1))
        return dict(zip(COUNTERS, values))

    def all(self):
        return [self.counters(port) for port in range(FIRST, LAST + 1)]

    def total(self):
        every = self.all()
        return {name: sum(one[name] for one in every) for name in COUNTERS}


class Load:
    """What is sent: `options` are smtp-load's."""

    def __init__(self, tools, size=1000, each=1, sessions=20, options=(), source=False):
        self.tools, self.size, self.each, self.sessions = tools, size, each, sessions
        self.options, self.source = list(options), source

    def checksum(self):
        """Of the body that it sends; smtp-source keeps its own to itself."""
        if self.source or self.each < 0:
            return None
        return int(self.ended([f"{self.tools}/smtp-load", "-c", "-l", str(self.size)]).stdout)

    def run(self, port, seconds=None, messages=None):
        if self.source:
            return self.run_source(port, messages or {1000: 4000, 20000: 1500, 50000: 1000}.get(self.size, 60))
        command = [f"{self.tools}/smtp-load", "-s", str(self.sessions), "-l", str(self.size), "-n", str(self.each)]
        command += ["-d", str(seconds)] if seconds else []
        command += ["-m", str(messages)] if messages else []
        done = self.ended(command + self.options + [f"127.0.0.1:{port}"])
        try:
            result = json.loads(done.stdout)
        except ValueError:
            result = {"errors": 1}
        if done.returncode or result["errors"]:
            raise Failure(f"{' '.join(command[1:] + self.options)}: {result['errors']} errors: {done.stderr[-1000:]}")
        if not result["messages"]:
            raise Failure(f"{' '.join(command[1:] + self.options)}: no message was taken in {seconds} s")
        return result

    def run_source(self, port, messages):
        command = ["smtp-source", "-s", str(self.sessions), "-m", str(messages), "-l", str(self.size), "-f",
                   "sender@example.org", "-t", "user@flxw.de", "-M", "client.example.org"]
        began = time.monotonic()
        done = self.ended(command + (["-d"] if self.each != 1 else []) + [f"127.0.0.1:{port}"])
        if done.returncode or done.stderr:
            raise Failure(f"{' '.join(command)}: status {done.returncode}: {done.stderr[-1000:]}")
        return {"messages": messages, "seconds": time.monotonic() - began, "errors": 0, "connections": 0,
                "user": 0, "system": 0, "latency": {}}

    def ended(self, command):
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(command)}: not done after 120 s") from None


class Idle:
    """Sessions that have said EHLO and say nothing more, until stop()."""

    def __init__(self, tools, port, count):
        self.process = subprocess.Popen(
            [f"{tools}/smtp-load", "-i", str(count), f"127.0.0.1:{port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != f"idle {count}\n":
            self.process.stdin.close()
            raise Failure(f"of {count} idle sessions: {line} {self.process.stderr.read()[-1000:]}")

    def stop(self):
        """How many of them the server has closed."""
        self.process.stdin.close()
        lost = json.loads(self.process.stdout.read())["lost"]
        self.process.wait()
        return lost


def measure(contender, backend, lookup, load, seconds=None, messages=None):
    """One round: what it took the contender, and everybody else, for each message."""
    count = contender.daemon.pid if contender.daemon else None
    roots = {"contender": count, "backend": backend.pid, "lookup": lookup.pid if lookup else None}
    before, had = {name: CPU(root) for name, root in roots.items()}, backend.total()
    result = load.run(contender.port, seconds, messages)
    time.sleep(0.02)  # (what sessions leave behind them is theirs too)
    after, has = {name: CPU(root) for name, root in roots.items()}, backend.total()
    sent = result["messages"]
    if load.each >= 0:
        arrived, octets = has["messages"] - had["messages"], has["octets"] - had["octets"]
        if arrived != sent or octets < sent * load.size and not load.source:
            raise Failure(f"{contender.name}: {sent} messages of {load.size} octets were sent, "
                          f"{arrived} with {octets} octets arrived at the backend")
        if has["errors"] != had["errors"]:
            raise Failure(f"{contender.name}: the backend counted {has['errors'] - had['errors']} errors")
    spent = {name: after[name].since(before[name]) for name in roots}
    figures = {
        "messages": sent, "seconds": result["seconds"], "messagesPerSecond": sent / result["seconds"],
        "megabytesPerSecond": sent * load.size / result["seconds"] / 1e6,
        "cpuMicroseconds": spent["contender"][0] / sent * 1e6,
        "userMicroseconds": spent["contender"][1] / sent * 1e6,
        "systemMicroseconds": spent["contender"][2] / sent * 1e6,
        "lookupMicroseconds": spent["lookup"][0] / sent * 1e6,
        "backendMicroseconds": spent["backend"][0] / sent * 1e6,
        "loadMicroseconds": (result["user"] + result["system"]) / sent * 1e6,
        "backendConnections": (has["connections"] - had["connections"]) / sent,
    }
    figures |= {f"{name}Microseconds": value for name, value in result["latency"].items()}
    return figures
