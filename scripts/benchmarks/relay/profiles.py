"""Where the time goes: perf and callgrind."""

import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import time

from cells import CELLS
from contenders import Contender, arguments_of
from load import Load, measure
from machine import WORLD, Daemon, Failure, SystemCalls, processes_under


def profile(name, key, backend, lookup, options):
    """Functions by samples of the clock (this sees what a virtual machine without counters has), and calls by name."""
    cell = next(one for one in CELLS if one.key.startswith(key))
    if not shutil.which("perf"):
        raise Failure("perf not found: apt-get install linux-perf")
    contender = Contender(name)
    contender.start(options.peers)
    try:
        load = Load(options.tools, max(cell.size, 1), cell.each, cell.sessions, [*cell.options, *contender.options])
        measure(contender, backend, lookup, load, 0.5)
        seconds = 1 if options.quick else 5
        data = f"{WORLD}/perf.data"
        pids = ",".join(map(str, processes_under(contender.daemon.pid)))
        record = subprocess.Popen(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-g", "-o", data, "-p", pids],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        figures = measure(contender, backend, lookup, load, seconds)
        record.send_signal(signal.SIGINT)
        record.wait()
        print(f"{name}, {cell.title}: {figures['messagesPerSecond']:.0f} messages/s, {figures['cpuMicroseconds']:.1f} µs of CPU each: "
              f"{figures['userMicroseconds']:.1f} user, {figures['systemMicroseconds']:.1f} system\n", flush=True)
        for title, sort in (("by program and library", "dso"), ("by function", "dso,symbol")):
            said = subprocess.run(
                ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--sort", sort, "--percent-limit", "0.4"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
            lines = [line.rstrip() for line in demangled(said).splitlines() if line.strip() and not line.startswith("#")]
            print(f"{title}, % of its samples:")
            print("\n".join(line[:200] for line in lines[:70]) + "\n", flush=True)
        with SystemCalls(contender.daemon.pid, "syscalls:sys_enter_*") as calls:
            figures = measure(contender, backend, lookup, load, 0.5)
        sent = figures["messages"]
        print(f"system calls a message: {(calls.count or 0) / sent:.2f}")
        for call, count in sorted(calls.each.items(), key=lambda one: -one[1]):
            if count / sent >= 0.005:
                print(f"{count / sent:10.2f}  {call}")
    finally:
        contender.stop()


def demangled(text):
    tool = shutil.which("swift-demangle")
    if not tool:
        swift = shutil.which("swift")
        tool = swift and os.path.join(os.path.dirname(os.path.realpath(swift)), "swift-demangle")
    if not tool or not os.path.exists(tool):
        return text
    return subprocess.run([tool, "--simplified"], input=text, capture_output=True, text=True).stdout


def instructions(names, backend, lookup, options):
    """Instructions in user space for each message, counted by callgrind: the same again and again, however busy the
    machine. One session at a time, so that every wake-up of the loop has one event."""
    if not shutil.which("valgrind"):
        raise Failure("valgrind not found: apt-get install valgrind")
    warm, counted = (30, 50) if options.quick else (100, 200)
    for name in names:
        for cell in cells_or(options.shape):
            if cell.each < 0:
                continue
            own, whole = callgrind(name, cell, warm, counted, backend, lookup, options)
            total = sum(cost for cost, _ in own)
            print(f"{name}, {cell.title.partition(', 20')[0]}, one session: {total / counted:,.0f} instructions a message", flush=True)
            print("  by who executes them:")
            for who, cost in by_owner(own):
                print(f"{cost / counted:12,.0f} {cost / total * 100:5.1f} %  {who}")
            for title, costs in (("in the function itself", own[:30]), ("with what it calls", whole[:60])):
                print(f"  {title}:")
                text = "\n".join(f"{cost / counted:12,.0f} {cost / total * 100:5.1f} %  {what}" for cost, what in costs)
                print("\n".join(line[:170] for line in demangled(text).splitlines()), flush=True)


# A function belongs to the first whose pattern its name begins with, as the linker has it; C++'s names are readable there.
OWNERS = [(who, re.compile(pattern)) for who, pattern in (
    ("Swift's runtime: counting references",
     r"_?swift_(nonatomic_|try)?[rR]e(tain|lease)|_?swift_(bridgeObject|unknownObject|weak|unowned|isUniquely|isEscaping)"
     r"|_swift_release_dealloc|(bool )?swift::(RefCount|HeapObjectSideTable)"),
    ("the heap",
     r"(_int_)?(malloc|free|realloc|calloc)|tcache|unlink_chunk|_?swift_(slow)?(A|Dea|a|dea)lloc|operator (new|delete)"
     r"|posix_memalign|aligned_alloc|_mid_memalign"),
    ("Swift's runtime: types of generics, casts", r"_?swift_(?!stdlib)|swift::|\(anonymous namespace\)|std::"
     r"|\S+ (const\* )?swift::|void tuple_|getCache|tryCast"),
    ("SwiftNIO", r"\$s\d+_?(NIO|CNIO|DequeModule|Atomics|Synchronization)|catmc_|CNIO|c_nio"),
    ("SMTP: parsing, sessions, replies", r"\$s8SMTPCore"),
    ("SMTP on SwiftNIO: lines, messages, deadlines", r"\$s7SMTPNIO"),
    ("lookups over HTTP", r"\$s8AuthHTTP"),
    ("the relay itself, routing, balancing, the log", r"\$s\d+(Relay|Routing|Resolver|PosternNIO|Inspection|postern)"),
    ("Swift's library: strings, arrays, hashes", r"\$s|_swift_stdlib"),
    ("nginx", r"ngx_"),
    ("libc and others", r""),
)]


def by_owner(own):
    """Instructions of the functions themselves, for each owner, most first."""
    sums = {}
    for cost, name in own:
        who = next(who for who, pattern in OWNERS if pattern.match(name))
        sums[who] = sums.get(who, 0) + cost
    return sorted(sums.items(), key=lambda one: -one[1])


def cells_or(shapes):
    """Those that were asked for, or 1 KB, one message a connection and many."""
    return [one for one in CELLS if one.key in (shapes or ["1k-one-20", "1k-many-20"])]


def callgrind(name, cell, warm, counted, backend, lookup, options):
    contender = Contender(name)
    command, environment = arguments_of(name, contender.port, options.peers, single=True)
    out = f"{WORLD}/callgrind"
    for path in glob.glob(f"{out}.*"):
        os.unlink(path)
    # (behind setpriv, and behind the peers' wrappers, which are scripts)
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}.%p", "--trace-children=yes",
            "--trace-children-skip=*/setpriv,*/sh,*/bash,*/dash,*/readlink,*/dirname"]
    if "setpriv" in command:
        # (Root runs it here. Debian 12's valgrind does not understand what Swift's compiler says for debuggers.)
        program, *rest = command[command.index("--init-groups") + 1:]
        subprocess.run(["objcopy", "--strip-debug", program, f"{WORLD}/postern"], check=True)
        command = [f"{WORLD}/postern", *rest]
    daemon = Daemon(f"callgrind-{name}", tool + command, contender.port, environment, 120)
    contender.daemon = daemon
    try:
        load = Load(options.tools, cell.size, cell.each, 1, [*cell.options, *contender.options])
        measure(contender, backend, lookup, load, messages=warm)
        pid = next(one for one in processes_under(daemon.pid) if is_measured(one))
        control(pid, "--zero")
        measure(contender, backend, lookup, load, messages=counted)
        control(pid, "--dump")
    finally:
        contender.stop()
    dumps = glob.glob(f"{out}.{pid}.1")
    if not dumps:
        raise Failure(f"callgrind left no figures for {name}")
    kept = f"{os.path.dirname(options.json)}/callgrind.{name}-{cell.key}"
    shutil.copy(dumps[0], kept)
    return read(kept)


def read(path):
    """A file of callgrind's: each function's instructions, its own and with all that it calls."""
    names, own, whole = {}, {}, {}
    caller = None
    called = False
    with open(path) as file:
        for line in file:
            if found := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?$", line):
                names[found[2]] = found[3] or names.get(found[2], "")
                if found[1] == "fn":
                    caller = found[2]
            elif line.startswith("calls="):
                called = True
            elif line[0] in "+-*0123456789":
                cost = int((line.split() + ["0"])[1])
                whole[caller] = whole.get(caller, 0) + cost
                if not called:
                    own[caller] = own.get(caller, 0) + cost
                called = False

    def named(costs):
        return sorted(((cost, names[number]) for number, cost in costs.items()), reverse=True)

    return named(own), named(whole)


def is_measured(pid):
    """Whether it runs in valgrind, and is not on its way there."""
    with contextlib.suppress(OSError):
        return "valgrind" in os.readlink(f"/proc/{pid}/exe")
    return False


def control(pid, what):
    done = subprocess.run(["callgrind_control", what, str(pid)], capture_output=True, text=True, timeout=60)
    if done.returncode or "ERROR" in done.stdout + done.stderr or "OK" not in done.stdout:
        raise Failure(f"callgrind_control {what} {pid}: {done.stdout}{done.stderr}")
