"""What a hostile caller can do around the binder: one function a test, named by the first argument.

Each prints what it saw; the test compares. The binder's path is in POSTERN_BINDER.
"""
import array, ctypes, os, resource, select, signal, socket, struct, subprocess, sys, time

BINDER = os.environ["POSTERN_BINDER"]
libc = ctypes.CDLL(None, use_errno=True)


def spawn(argv, before=lambda: None, keep=(), **options):
    """Starts a program after `before` has run in the child; returns (status, standard error)."""
    process = subprocess.Popen(argv, preexec_fn=before, pass_fds=keep, stdin=subprocess.DEVNULL,
                               stdout=options.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                               restore_signals=False, **{k: v for k, v in options.items() if k != "stdout"})
    out, err = process.communicate(timeout=20)
    code = process.returncode
    return (128 - code if code < 0 else code), (out or b"").decode(), err.decode()


def report(result):
    print(result[0])
    print(result[1], end="")
    print(result[2], end="", file=sys.stderr)


def receive(peer):
    """The binder's reply and its descriptors."""
    fds = array.array("i")
    text, control, flags, _ = peer.recvmsg(16384, socket.CMSG_SPACE(253 * 4))
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[:len(data) - len(data) % 4])
    return text.decode(), list(fds)


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send():
    """--fd: the reply, and what its descriptors are."""
    ours, theirs = pair()
    status, _, err = spawn([BINDER] + sys.argv[2:] + ["--fd", str(theirs.fileno())], keep=(theirs.fileno(),))
    theirs.close()
    print(status)
    print(err, end="", file=sys.stderr)
    if status == 0:
        text, fds = receive(ours)
        print(text, end="")
        for fd in fds:
            s = socket.socket(fileno=fd)
            print(s.getsockname()[0], s.getsockname()[1], s.type.name, s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    else:
        print(len(ours.recv(100)))


def wrong_peer():
    """--fd with a descriptor of every other kind: each must be refused."""
    stream, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    dgram, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    inet = socket.socket()
    file = os.open("/dev/null", os.O_RDWR)
    unconnected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for fd in [stream.fileno(), dgram.fileno(), inet.fileno(), file, unconnected.fileno()]:
        print(spawn([BINDER, "smtp", "--fd", str(fd)], keep=(fd,))[0])
    print(spawn([BINDER, "smtp", "--fd", "700"])[0])


def argc0():
    """execve with no argument at all, and with an empty one."""
    for vector in ([None], [b"", None]):
        pid = os.fork()
        if pid == 0:
            array_type = ctypes.c_char_p * len(vector)
            libc.execve(BINDER.encode(), array_type(*vector), (ctypes.c_char_p * 1)(None))
            os._exit(99)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def closed():
    """Standard descriptors closed, then COMMAND lists what it has."""
    def close():
        for fd in (0, 1):
            os.close(fd)
    code = ("import os,socket\nfor f in range(3):\n s=os.fstat(f); os.write(2,b'%d %d\\n'%(f,s.st_rdev))\n"
            "s=socket.socket(fileno=3); os.write(2,b'%d\\n'%s.getsockname()[1])")
    pid_read, pid_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(pid_write, 2)
        close()
        os.execv(BINDER, [BINDER, "smtp", "--", "/usr/bin/python3", "-c", code])
    os.close(pid_write)
    print(os.fdopen(pid_read).read(), end="")
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def leaked():
    """Descriptors that the caller leaks into the binder do not reach COMMAND."""
    file = os.open("/etc/hostname", os.O_RDONLY)
    os.dup2(file, 200)
    code = "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/'+f)))"
    report(spawn([BINDER, "smtp", "--", "/usr/bin/python3", "-c", code], keep=(file, 200)))


def signals():
    """Every signal blocked or ignored, timers running: the binder works, and COMMAND has the caller's again."""
    def before():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for number in range(1, 32):
            if number not in (9, 19):
                signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 60)
        signal.setitimer(signal.ITIMER_VIRTUAL, 60)
        signal.setitimer(signal.ITIMER_PROF, 60)
    code = ("import signal; print([signal.getitimer(i)[0] for i in range(3)]); "
            "print(*[l for l in open('/proc/self/status') if l.startswith(('SigBlk','SigIgn'))])")
    report(spawn([BINDER, "smtp", "--", "/usr/bin/python3", "-I", "-c", code], before))


def during():
    """How the process looks while it waits, dropped, for a peer whose buffer is full; and whether it can be robbed.

    Prints what /proc says, then the result of every theft."""
    ours, theirs = pair()
    theirs.setblocking(False)
    try:
        while True:
            theirs.send(b"x" * 1000)
    except BlockingIOError:
        pass
    process = subprocess.Popen([BINDER, "smtp", "--fd", str(theirs.fileno())], pass_fds=(theirs.fileno(),),
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        pid = process.pid
        deadline = time.monotonic() + 8
        lines = {}
        # It is where it should be once it is no longer privileged, and sleeps in poll.
        while time.monotonic() < deadline:
            with open(f"/proc/{pid}/status") as file:
                lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if lines["NoNewPrivs"] == "1" and lines["State"].startswith("S"):
                break
            select.select([], [], [], 0.01)
        for key in ("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Uid"):
            print(key, lines[key])
        pidfd = os.pidfd_open(pid)
        for fd in range(8):
            if libc.syscall(438, pidfd, fd, 0) >= 0:
                print("pidfd_getfd took", fd)
        print("pidfd_getfd", ctypes.get_errno())
        print("ptrace", libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
        for name in ("fd", "mem", "environ", "maps"):
            try:
                if name == "fd":
                    os.listdir(f"/proc/{pid}/fd")
                else:
                    open(f"/proc/{pid}/{name}", "rb").read(1)
                print(name, "readable")
            except OSError as error:
                print(name, error.errno)
        with socket.create_connection(("127.0.0.1", 25), timeout=2):
            print("listening")
    finally:
        process.kill()
        process.wait()


def patience():
    """A peer that never reads: the binder gives up by itself."""
    ours, theirs = pair()
    theirs.setblocking(False)
    try:
        while True:
            theirs.send(b"x" * 1000)
    except BlockingIOError:
        pass
    report(spawn([BINDER, "smtp", "--fd", str(theirs.fileno())], keep=(theirs.fileno(),)))


def stuck():
    """Standard error is a full pipe, and the second of two ports is taken: it hangs with the first, until when?"""
    def free():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", 25))
    taken = socket.socket()
    taken.bind(("127.0.0.1", 2025))
    taken.listen()
    _, full = os.pipe()
    os.set_blocking(full, False)
    try:
        while True:
            os.write(full, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(full, True)
    process = subprocess.Popen([BINDER, "smtp", "high", "--", "true"], stderr=full, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 5
        while free() and time.monotonic() < deadline:
            select.select([], [], [], 0.01)
        print(process.poll() is None, free())
        print(process.wait(timeout=25), free())
    finally:
        process.kill()


def limit():
    """A resource limit, soft and hard, or soft only: NAME SOFT HARD (-1: as it is)."""
    which = getattr(resource, "RLIMIT_" + sys.argv[2])
    def before():
        soft, hard = int(sys.argv[3]), int(sys.argv[4])
        resource.setrlimit(which, (soft, resource.getrlimit(which)[1] if hard < 0 else hard))
    name = sys.argv[2]
    code = f"ulimit -S{dict(NOFILE='n', CORE='c', STACK='s', FSIZE='f', CPU='t', AS='v')[name]}"
    report(spawn([BINDER, "smtp", "--", "/bin/bash", "-c", code], before))


def lowest_limit():
    """The most listeners with the fewest descriptors, for a COMMAND and for a peer."""
    ours, theirs = pair()
    for way in (["--", "true"], ["--fd", str(theirs.fileno())]):
        report(spawn([BINDER] + [f"s{i}" for i in range(8)] + way, keep=(theirs.fileno(),),
                     before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (132, 132))))


def fsize():
    """RLIMIT_FSIZE 0 and standard error a file: a refusal still has its exit status."""
    path = "/tmp/postern-fsize-%d" % os.getpid()
    with open(path, "wb") as file:
        process = subprocess.Popen([BINDER, "smtp", "--fd", "700"], stderr=file, stdin=subprocess.DEVNULL,
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
        print(process.wait(timeout=20))
    os.unlink(path)


def no_new_privs():
    report(spawn([BINDER, "smtp", "--", "true"], lambda: libc.prctl(38, 1, 0, 0, 0)))


def refused_bind():
    """As root: bind(2) of an IPv4 address gives EPERM, as a control group's filter may have it; an IPv6 one is free."""
    machine, bind = {"x86_64": (0xC000003E, 49), "aarch64": (0xC00000B7, 200)}[os.uname().machine]
    code = [(0x20, 0, 0, 4), (0x15, 0, 4, machine), (0x20, 0, 0, 0), (0x15, 0, 2, bind), (0x20, 0, 0, 32),
            (0x15, 1, 0, 16), (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]
    def before():
        filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
        program = struct.pack("@HxxxxxxP", len(code), ctypes.addressof(filters))
        assert libc.prctl(22, 2, program, 0, 0) == 0
    report(spawn([BINDER, "smtp", "--user", "postern", "--", "true"], before))


def listen_fds():
    """COMMAND's LISTEN_ variables, with stale ones in the caller's environment."""
    code = """
import os
pidfd = os.pidfd_open(os.getpid())
print(os.environ["LISTEN_PID"] == str(os.getpid()), os.environ.get("LISTEN_PIDFDID") == str(os.fstat(pidfd).st_ino))
print(os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"], os.environ.get("KEEP"))
import socket
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    s = socket.socket(fileno=os.dup(fd)); print(*s.getsockname()[:2], s.type.name, os.get_inheritable(fd), s.getsockopt(1, 30))
"""
    environment = dict(os.environ, LISTEN_PID="1", LISTEN_FDS="9", LISTEN_FDNAMES="x", LISTEN_PIDFDID="77", KEEP="yes")
    report(spawn([BINDER] + sys.argv[2:] + ["--", "/usr/bin/python3", "-I", "-c", code], env=environment))


def restored():
    """Folder and umask come back to COMMAND."""
    folder = "/var/tmp"
    report(spawn([BINDER, "smtp", "--", "/bin/sh", "-c", "pwd; umask"], lambda: os.umask(0o027), cwd=folder))


def race():
    """The policy exchanged as fast as one can while binders start: what is not permitted is never bound."""
    print(max(spawn([BINDER, "other", "--", "true"])[0] for _ in range(3)))


def free():
    """Which of the ports can still be connected to: none, if nothing was bound and forgotten."""
    for port in sys.argv[2:]:
        s = socket.socket()
        print(port, s.connect_ex(("127.0.0.1", int(port))))


globals()[sys.argv[1]]()
