"""What the machine can tell about running programs: their CPU time, their memory, their system calls."""

import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import time

WORLD = os.environ.get("POSTERN_WORLD", "/nonexistent")
BIN = os.environ.get("POSTERN_BIN", "/nonexistent")
TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    pass


def write(name, text, mode=0o644):
    path = f"{WORLD}/{name}"
    with open(path, "w") as out:
        out.write(text)
    os.chmod(path, mode)
    return path


def said(*command):
    """The first line that a program says of itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ((done.stdout + done.stderr).strip().splitlines() or [""])[0]


def facts():
    """What figures are to be read with."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    return {
        "kernel": platform.release(), "cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
        "memoryMB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6,
        "nginx": said("nginx", "-v").rpartition("/")[2],
        "haproxy": (re.search(r"version (\S+)", said("haproxy", "-v")) or ["", ""])[1],
        "date": time.strftime("%Y-%m-%d"),
    }


def processes_under(root):
    """The process and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, []))
    return found


class CPU:
    """CPU time so far of a process and its descendants, in seconds: as a whole to the nanosecond, where the kernel keeps
    it (schedstat), and in ticks, which say how much of it was the user's and how much the system's."""

    def __init__(self, root=None):
        self.total = self.user = self.system = 0.0
        for pid in processes_under(root) if root else []:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
                # (also of children that have ended and were waited for)
                self.user += (int(fields[11]) + int(fields[13])) / TICKS
                self.system += (int(fields[12]) + int(fields[14])) / TICKS
                self.total += (int(fields[13]) + int(fields[14])) / TICKS
                for task in os.listdir(f"/proc/{pid}/task"):
                    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat") as file:
                        self.total += int(file.read().split()[0]) / 1e9

    def since(self, before):
        """Total, user and system time since then."""
        user, system = self.user - before.user, self.system - before.system
        total = self.total - before.total or user + system
        share = user / (user + system) if user + system else 0.5
        return total, total * share, total * (1 - share)


def memory(root):
    """Resident memory of a process and its descendants in KB, and what of it is no file's (heaps and stacks; pages that
    several of them have count once)."""
    resident = private = 0
    for pid in processes_under(root):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as file:
                values = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
            resident += int(values["Rss"])
            private += int(values.get("Pss_Anon", values["Anonymous"]))
    return {"rssKB": resident, "privateKB": private}


class SystemCalls:
    """Counts system calls of a process and its descendants by the kernel's tracepoint, which costs little; `count` is
    None where that cannot be had."""

    def __init__(self, root, events="raw_syscalls:sys_enter"):
        self.root, self.events, self.count, self.each = root, events, None, {}

    def __enter__(self):
        self.process = None
        if not shutil.which("perf"):
            return self
        fifos = [f"{WORLD}/perf-control", f"{WORLD}/perf-answer"]
        for path in fifos:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path)
        self.output = f"{WORLD}/perf-stat"
        pids = ",".join(map(str, processes_under(self.root)))
        # (both ends here are held open for reading and writing, so that nobody waits for the other to open)
        control, answer = (os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in fifos)
        self.process = subprocess.Popen(
            ["perf", "stat", "-x", ";", "-o", self.output, "-D", "-1", "--control", "fifo:" + ",".join(fifos), "-e",
             self.events, "-p", pids], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.write(control, b"enable\n")
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                if b"ack" in os.read(answer, 64):
                    break
            time.sleep(0.002)
        os.close(control)
        os.close(answer)
        return self

    def __exit__(self, *_):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError), open(self.output) as file:
            for line in file:
                fields = line.strip().split(";")
                if len(fields) > 2 and fields[0].isdigit():
                    self.each[fields[2].partition("sys_enter_")[2] or fields[2]] = int(fields[0])
        if self.each:
            self.count = sum(self.each.values())


def wait_for_port(port, process, name, seconds=30):
    """Returns as soon as something accepts connections on the port; fails when the process ends first."""
    deadline = time.monotonic() + seconds
    while True:
        if process.poll() is not None:
            raise Failure(f"{name} ended with status {process.returncode} before it listened on port {port}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise Failure(f"{name} does not listen on port {port} after {seconds} s")
        time.sleep(0.01)


class Daemon:
    """A program that runs until stop(); its standard error is kept and shown when it fails."""

    def __init__(self, name, command, port, env=None, seconds=30):
        self.name, self.port, self.command = name, port, command
        self.log = open(f"{WORLD}/{name}.log", "w+b")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={**os.environ, **(env or {})})
        try:
            wait_for_port(port, self.process, name, seconds)
        except Failure as failure:
            self.stop()
            raise Failure(f"{failure}\n{self.tail()}") from None

    @property
    def pid(self):
        return self.process.pid

    def tail(self):
        with open(f"{WORLD}/{self.name}.log", "rb") as file:
            return file.read()[-2000:].decode(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
