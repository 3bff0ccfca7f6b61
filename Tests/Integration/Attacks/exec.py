"""What surrounds postern-exec in the tests: one function a test, named by the first argument.

Each prints what it saw; the test compares. A broker here is a script: it takes one request, answers with what the test
wants, and then says when the connection, which is the lease, has ended. POSTERN_BIN has the programs.
"""
import array, ctypes, os, resource, signal, socket, sys, tempfile, threading

EXEC = os.environ["POSTERN_BIN"] + "/postern-exec"
libc = ctypes.CDLL(None, use_errno=True)
signal.alarm(50)

SHOW = """
import os, socket
e = os.environ
numbers = [fd for fd in range(300) if os.path.exists("/proc/self/fd/%d" % fd)]
own = os.fstat(os.pidfd_open(os.getpid())).st_ino
print(e.get("LISTEN_PID") == str(os.getpid()), e.get("LISTEN_PIDFDID") == str(own), e.get("LISTEN_FDNAMES"))
for fd in range(3, 3 + int(e["LISTEN_FDS"])):
    s = socket.socket(fileno=os.dup(fd))
    print(fd, s.getsockname()[1], s.type.name)
print("lease", e.get("POSTERN_LEASE_FD"), "nginx", e.get("NGINX"))
print(numbers)
"""
PYTHON = ["/usr/bin/python3", "-I", "-c"]
show = PYTHON + [SHOW]


def listener(port, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


def launch(arguments, given=(), environment={}, before=lambda: None, program=EXEC):
    """Starts postern-exec as systemd would: `given` are (name, socket) pairs. Returns status, output and errors."""
    read, write = os.pipe()
    errors_read, errors_write = os.pipe()
    names = ":".join(name for name, _ in given)
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(errors_write, 2)
        moved = [os.dup2(s.fileno(), 100 + i) for i, (_, s) in enumerate(given)]
        os.closerange(3, 100)
        for index, fd in enumerate(moved):
            os.dup2(fd, 3 + index)
        os.closerange(100, 200)
        variables = dict(os.environ)
        if given:
            own = os.pidfd_open(os.getpid())
            variables.update(LISTEN_FDS=str(len(given)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names,
                             LISTEN_PIDFDID=str(os.fstat(own).st_ino))
            os.close(own)
        variables.update(environment)
        before()
        os.execve(program, [program] + arguments, {k: v for k, v in variables.items() if v is not None})
    os.close(write)
    os.close(errors_write)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(os.fdopen(errors_read).read()))
    reader.start()
    output = os.fdopen(read).read()
    reader.join()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output, errors[0]


def report(result, *paths):
    """Status, output and errors; each path as its place's word."""
    print(result[0])
    errors = result[2]
    assert errors == "" or errors.endswith("\n"), errors
    for path, word in [(os.environ["POSTERN_BINDER"], "BINDER")] + list(paths):
        errors = errors.replace(path, word)
    print(result[1] + errors, end="")


class Broker:
    """A broker for one connection. `answer` gets the request, returns the reply and its descriptors; None closes."""

    def __init__(self, answer, path=None):
        self.path = path or tempfile.mkdtemp() + "/broker.sock"
        self.answer, self.request, self.packets, self.ended = answer, None, [], threading.Event()
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind(self.path)
        self.server.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        peer, _ = self.server.accept()
        self.request = peer.recv(4096).decode()
        reply = self.answer(self.request)
        if reply is not None:
            text, sockets = reply
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno() for s in sockets]))]
            peer.sendmsg([text], rights if sockets else [])
            while packet := peer.recv(4096):
                self.packets.append(packet.decode())
        peer.close()
        self.ended.set()

    def environment(self):
        return {"POSTERN_BROKER": self.path}


def granting(*lines):
    """A broker's grant: each line is NAME, PORT and a listener."""
    head = "PB1 200 OK exec\nfds=%d\n" % len(lines)
    text = "".join("fd.%d=%s tcp 127.0.0.1:%d\n" % (i, name, port) for i, (name, port, _) in enumerate(lines))
    return lambda request: ((head + text).encode(), [s for _, _, s in lines])


def systemd():
    """The rest of the command line, with the listeners a, b, b and c given."""
    given = [("c", listener(2003)), ("b", listener(2012)), ("a", listener(2001, socket.SOCK_DGRAM)), ("b", listener(2002))]
    report(launch(sys.argv[2:] + ["--"] + show, given, {"POSTERN_BROKER": "/nonexistent"}))


def broker():
    """--from broker: the request, COMMAND's view, and who holds the lease how long. With an argument: stale variables."""
    made = Broker(granting(("b", 2002, listener(2002)), ("a", 2001, listener(2001))))
    hold = os.path.dirname(made.path) + "/hold"
    os.mkfifo(hold)
    # COMMAND sends a packet on the lease, then leaves a child behind that has it open until the FIFO is opened.
    code = SHOW + """
os.write(int(e["POSTERN_LEASE_FD"]), b"PB1 HELLO command")
if os.fork() == 0:
    os.closerange(0, 3)
    open(e["HOLD"]).read()
"""
    stale = dict(POSTERN_LEASE_FD="77", LISTEN_FDS="9", LISTEN_PID="1", LISTEN_PIDFDID="3", LISTEN_FDNAMES="x", NGINX="9;")
    result = launch(["--from", "broker", "--mode", "exclusive", "--wait", "7", "b", "a", "--"] + PYTHON + [code],
                    environment=dict(made.environment(), HOLD=hold, **(stale if len(sys.argv) > 2 else {})))
    print(made.request, end="")
    report(result)
    print(made.packets, made.ended.is_set())
    open(hold, "w").close()
    print(made.ended.wait(10))


def stale_lease():
    """Listeners without a lease: an inherited POSTERN_LEASE_FD is not there any more, nor is its descriptor."""
    report(launch(["--from", "systemd", "a", "--"] + show, [("a", listener(2001))], dict(POSTERN_LEASE_FD="9"),
                  before=lambda: os.dup2(0, 9)))


def default_path():
    """As root: a broker where brokers are, and no POSTERN_BROKER."""
    made = Broker(granting(("a", 2001, listener(2001))), "/run/postern/broker.sock")
    report(launch(["a", "--", "/bin/echo", "{fd:a}"], environment={"POSTERN_BROKER": ""}))
    print(made.request is not None)


def mixed():
    """auto: what LISTEN_FDS lacks is asked of the broker, at once."""
    made = Broker(granting(("d", 2004, listener(2004)), ("a", 2001, listener(2001))))
    given = [("c", listener(2003)), ("b", listener(2002))]
    result = launch(["d", "c", "a", "b", "--"] + show, given, made.environment())
    print(made.request, end="")
    report(result)


def gaps():
    """auto: what LISTEN_FDS has under other names leaves low numbers free, which the connection then gets."""
    made = Broker(granting(("a", 2001, listener(2001))))
    given = [("x", listener(2010 + i)) for i in range(4)] + [("b", listener(2002)), ("b", listener(2003))]
    report(launch(["a", "b", "--"] + show, given, made.environment()))


def refused():
    """A broker that answers with a code and a text: FROM CODE TEXT [ARG…]."""
    source, code, text = sys.argv[2:5]
    made = Broker(lambda request: (("PB1 %s WORD exec\n%s" % (code, text and "text=" + text)).encode(), []))
    result = launch(["--from", source] + sys.argv[5:] + ["smtp", "--"] + show, environment=made.environment())
    report(result, (made.path, "BROKER"))


def absent():
    """auto without a broker: no socket at all, or one that nobody listens on."""
    path = tempfile.mkdtemp() + "/broker.sock"
    if sys.argv[2] == "refused":
        gone = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gone.bind(path)
        gone.close()
    report(launch(sys.argv[3:] + ["--"] + show, environment={"POSTERN_BROKER": path}), (path, "BROKER"))


def hostile():
    """A broker that lies, in the way that is named."""
    good = listener(2001)
    line = b"PB1 200 OK exec\nfds=1\nfd.0=a tcp 127.0.0.1:2001\n"
    closed = socket.socket()
    closed.bind(("127.0.0.1", 2002))
    file = open("/dev/null")
    ways = {
        "file": (line, [file]),
        "not-listening": (line.replace(b"2001", b"2002"), [closed]),
        "elsewhere": (line, [listener(2003)]),
        "udp": (line, [listener(2001, socket.SOCK_DGRAM)]),
        "v6only": (line[:-1] + b" v6only\n", [good]),
        "no-spec": (b"PB1 200 OK exec\nfds=1\nfd.0=a\n", [good]),
        "missing-line": (line.replace(b"fds=1", b"fds=2"), [good, good]),
        "surplus": (line, [good, good]),
        "none": (line, []),
        "no-fds": (b"PB1 200 OK exec\n", []),
        "tag": (line.replace(b"exec", b"other"), [good]),
        "name": (line.replace(b"=a", b"=b"), [good]),
        "twice": (line + b"fds=1\n", [good]),
        "cut": (line + b"x-pad=" + b"x" * 20000, [good]),
        "too-many": (line, [good] * 65),
        "refusal-with-descriptor": (b"PB1 403 DENIED exec\n", [good]),
        "binary": (line + b"text=\x07\n", [good]),
        "empty": (b"", [good]),
        "text": (b"hello\n", []),
        "lacking": (line, [good]),
        "long-spec": (b"PB1 200 OK exec\nfds=1\nfd.0=a " + b"x" * 9000, [good]),
        "long-reason": (b"PB1 403 DENIED exec\ntext=" + b"x" * 9000, []),
        "closes": None,
    }
    way = sys.argv[2]
    if way == "silent":
        stop = threading.Event()
        made = Broker(lambda request: stop.wait(60) and None)
    else:
        made = Broker(lambda request: ways[way])
    names = ["a", "b"] if way == "lacking" else ["a"]
    result = launch(["--from", "broker"] + names + ["--"] + show, environment=made.environment())
    report(result, (made.path, "BROKER"))


def binder():
    """--from binder with a program of the test's in its place: SCRIPT, whose descriptor 3 is the socket."""
    path = tempfile.mkdtemp() + "/binder"
    with open(path, "w") as file:
        file.write("#!/usr/bin/python3 -I\nimport os, socket, sys, time\npeer = socket.socket(fileno=3)\n" + sys.argv[2])
    os.chmod(path, 0o755)
    ignore = len(sys.argv) > 3 and sys.argv[3] == "ignore-sigchld"
    result = launch(["--from", "binder", "a", "--"] + show, environment={"POSTERN_BINDER": path},
                    before=lambda: ignore and signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    report(result, (path, "BINDER"))


def inherited():
    """LISTEN_FDS and its fellows as VARIABLE=VALUE say."""
    changes = dict(word.split("=", 1) for word in sys.argv[3:])
    changes = {key: value if value != "-" else None for key, value in changes.items()}
    report(launch(["--from", sys.argv[2], "a", "--", "/bin/echo", "{fd:a}"], [("a", listener(2001))],
                  dict(changes, POSTERN_BROKER="/nonexistent", POSTERN_BINDER="/nonexistent")))


def arguments():
    """COMMAND shows its ARGs; the listeners a, b, b and c are given."""
    given = [("a", listener(2001)), ("b", listener(2002)), ("b", listener(2012)), ("c", listener(2003))]
    report(launch(["a", "b", "c", "--"] + PYTHON + ["import sys; print(*sys.argv[1:], sep='|')"] + sys.argv[2:], given))


def long_arguments():
    """ARGs with placeholders of that many bytes together, the NULs included: the last that fit, and one more."""
    given = [("a", listener(2001))]
    code = "import sys; print([(len(a), a[:2], a[-2:]) for a in sys.argv[1:]])"
    for last in (0, 1):
        texts = ["{fd:a}" + "x" * 32766, "plain" * 20000, "y" * (32766 + last) + "{fd:a}"]
        report(launch(["a", "--"] + PYTHON + [code] + texts, given))


def most():
    """64 sockets, 32 names; then 65 sockets."""
    sockets = [listener(3000 + i) for i in range(65)]
    for count in (64, 65):
        given = [("n%d" % (i % 32), s) for i, s in enumerate(sockets[:count])]
        code = "import os; e = os.environ; print(e['LISTEN_FDS'], len(e['LISTEN_FDNAMES'].split(':')), e['NGINX'][-6:])"
        report(launch(["--speak", "nginx"] + ["n%d" % i for i in range(32)] + ["--"] + PYTHON + [code], given))


def blocking():
    """A listener that blocks, without and with --speak nginx: whether it blocks then."""
    code = "import os; print([os.get_blocking(fd) for fd in (3, 4)])"
    given = [("a", listener(2001)), ("b", listener(2002))]
    for dialect in ([], ["--speak", "nginx"]):
        report(launch(dialect + ["a", "b", "--"] + PYTHON + [code], given))


def stdin():
    """--speak stdin: descriptor 0 is the listener, as 3 is; a name of two sockets is refused."""
    code = "import os, socket; print([socket.socket(fileno=f).getsockname()[1] for f in (0, 3)])"
    report(launch(["--speak", "stdin", "a", "--"] + PYTHON + [code], [("a", listener(2001))]))
    report(launch(["--speak", "stdin", "a", "--", "true"], [("a", listener(2002)), ("a", listener(2003))]))


def closed():
    """0 to 2 closed at the start: they are /dev/null, never a socket."""
    made = Broker(granting(("a", 2001, listener(2001))))
    path = tempfile.mktemp()
    code = ("import os, socket\nout = open(%r, 'w')\n"
            "print([os.path.realpath('/proc/self/fd/%%d' %% f) for f in range(3)], socket.socket(fileno=3).getsockname()[1], file=out)"
            % path)
    status = launch(["--from", "broker", "a", "--"] + PYTHON + [code], environment=made.environment(),
                    before=lambda: os.closerange(0, 3))[0]
    print(status)
    print(open(path).read(), end="")


def argc0():
    """execve with no argument at all, and with an empty one."""
    for vector in ([None], [b"", None]):
        pid = os.fork()
        if pid == 0:
            kind = ctypes.c_char_p * len(vector)
            libc.execve(EXEC.encode(), kind(*vector), (ctypes.c_char_p * 1)(None))
            os._exit(99)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def crowded():
    """253 descriptors open at the start and a limit of 256: they are gone, and there is room."""
    made = Broker(granting(("a", 2001, listener(2001)), ("b", 2002, listener(2002))))
    def before():
        for fd in range(3, 253):
            os.dup2(0, fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    report(launch(["--from", "broker", "a", "b", "--"] + show, environment=made.environment(), before=before))


def starved():
    """Too few descriptors for what comes: 71, nothing started."""
    made = Broker(granting(("a", 2001, listener(2001))))
    report(launch(["--from", "broker", "a", "--", "/bin/echo", "started"], environment=made.environment(),
                  before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)))


def untouched():
    """What COMMAND has of its caller's: folder, umask, limits, signals, environment."""
    def before():
        os.chdir("/var/tmp")
        os.umask(0o027)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2})
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))
    code = ("import os, resource, signal\nprint(os.getcwd(), oct(os.umask(0)), signal.getsignal(signal.SIGUSR1).name, "
            "[s.name for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])], resource.getrlimit(resource.RLIMIT_CORE), "
            "resource.getrlimit(resource.RLIMIT_NOFILE))\n"
            "print([os.environ.get(v) for v in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LD_PRELOAD', 'NGINX', 'X')])")
    kept = dict(NOTIFY_SOCKET="/run/x", WATCHDOG_USEC="5", WATCHDOG_PID="7", LD_PRELOAD="", NGINX="9;", X="y" * 9)
    report(launch(["a", "--"] + PYTHON + [code], [("a", listener(2001))], kept, before))


def command():
    """A COMMAND of that name."""
    report(launch(["a", "--", sys.argv[2]], [("a", listener(2001))]))


def set_id():
    """A set-id copy: PROGRAM."""
    report(launch(["a", "--", "/bin/echo", "started"], [("a", listener(2001))], program=sys.argv[2]))


globals()[sys.argv[1]]()
